//! Reports on a piece of work to an observer.

use std::ops::ControlFlow;

use super::{Event, Observer, Work, WorkOutcome, WorkSize};
use crate::Error;
use crate::network::ShotWatch;

/// Steps of work that counts the share done.
const SHARES: usize = 100;

/// A piece of work under way. If it is dropped before its end, it has failed.
pub struct Task<'a> {
    observer: &'a mut dyn Observer,
    /// The first error of the observer, to be returned at the end.
    error: Option<Error>,
    is_over: bool,
}

impl<'a> Task<'a> {
    /// Begins work called `label`.
    ///
    /// # Errors
    /// The observer's.
    pub fn begin(
        observer: &'a mut dyn Observer,
        label: &str,
        size: WorkSize,
    ) -> Result<Self, Error> {
        let _ = observer.observe(&Event::WorkBegins(Work { label, size }))?;
        Ok(Self { observer, error: None, is_over: false })
    }

    /// Begins work in `steps` steps.
    ///
    /// # Errors
    /// The observer's.
    pub fn of_steps(
        observer: &'a mut dyn Observer,
        label: &str,
        steps: usize,
    ) -> Result<Self, Error> {
        Self::begin(observer, label, WorkSize::Steps(steps))
    }

    /// Begins work that counts the share done.
    ///
    /// # Errors
    /// The observer's.
    pub fn in_shares(observer: &'a mut dyn Observer, label: &str) -> Result<Self, Error> {
        Self::of_steps(observer, label, SHARES)
    }

    /// Begins work of unknown size, such as reading a file.
    ///
    /// # Errors
    /// The observer's.
    pub fn of_unknown_size(observer: &'a mut dyn Observer, label: &str) -> Result<Self, Error> {
        Self::begin(observer, label, WorkSize::Unknown)
    }

    /// Begins work that plays `total` shots, which `watch` counts.
    ///
    /// # Errors
    /// The observer's.
    pub fn of_shots(
        observer: &'a mut dyn Observer,
        label: &str,
        total: usize,
        watch: &ShotWatch,
    ) -> Result<Self, Error> {
        Self::begin(observer, label, WorkSize::Shots { total, watch })
    }

    /// Reports that `done` steps are done, with a `message` on the progress. `Break` if the observer asks for a stop.
    pub fn advance(&mut self, done: usize, message: &str) -> ControlFlow<()> {
        self.forward(&Event::WorkAdvances { done, message })
    }

    /// Reports that the share `share` (0 to 1) is done, with a `message` on the progress.
    pub fn advance_to_share(&mut self, share: f64, message: &str) -> ControlFlow<()> {
        self.advance((share * SHARES as f64) as usize, message)
    }

    /// Sends the observer `event`, which belongs to this work.
    pub fn forward(&mut self, event: &Event) -> ControlFlow<()> {
        match self.observer.observe(event) {
            Ok(flow) => flow,
            Err(error) => {
                self.error.get_or_insert(error);
                ControlFlow::Break(())
            }
        }
    }

    /// Ends the work with a `result` in one line.
    ///
    /// # Errors
    /// The observer's.
    pub fn end(self, result: &str) -> Result<(), Error> {
        self.end_with(WorkOutcome::Done(result))
    }

    /// Ends the work without a result.
    ///
    /// # Errors
    /// The observer's.
    pub fn end_quietly(self) -> Result<(), Error> {
        self.end_with(WorkOutcome::Quiet)
    }

    /// Interrupts the work: returns the observer's error, or else `otherwise`.
    #[must_use]
    pub fn interrupt(mut self, otherwise: Error) -> Error {
        self.error.take().unwrap_or(otherwise)
    }

    fn end_with(mut self, outcome: WorkOutcome) -> Result<(), Error> {
        self.is_over = true;
        let _ = self.forward(&Event::WorkEnds(outcome));
        self.error.take().map_or(Ok(()), Err)
    }
}

impl Drop for Task<'_> {
    fn drop(&mut self) {
        if !self.is_over {
            let _ = self.forward(&Event::WorkEnds(WorkOutcome::Failed));
        }
    }
}
