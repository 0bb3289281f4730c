//! Safe state and release of the device.

use super::{LOOK_UP, Pump};
use crate::rig::error::RigError;
use crate::rig::transport::Ended;

impl Pump {
    /// Sends the device to its safe state and waits until it has confirmed that; a device that has
    /// confirmed it since the last shot is not asked again.
    ///
    /// # Errors
    /// [`RigError::NotSafe`] where it did not confirm.
    pub fn make_safe(&mut self) -> Result<(), RigError> {
        // Before the handshake it was not driven and knows no requests.
        if self.host.identity().is_none() {
            return Ok(());
        }
        if !self.is_closed {
            self.host.make_safe();
            self.await_safe();
        }
        self.safety()
    }

    /// Sends the device to its safe state, closes the link, and waits for a program that was started. Does
    /// nothing the second time.
    ///
    /// # Errors
    /// [`RigError::NotSafe`] where the safe state is not confirmed.
    pub fn release(&mut self) -> Result<(), RigError> {
        let outcome = self.make_safe();
        if std::mem::replace(&mut self.is_closed, true) {
            return outcome;
        }
        self.give_time_to_end();
        let ended = self.transport.close();
        // A program that ended before the handshake was not driven.
        if self.host.identity().is_none() {
            return outcome;
        }
        match (outcome, ended) {
            (Ok(()), Ended::Badly(how)) => {
                self.tell(&format!("{how}; its safe state was confirmed before"));
                Ok(())
            }
            (Err(RigError::NotSafe { problem, .. }), Ended::Well) => {
                self.tell(&format!(
                    "{problem}; but its program has ended with exit status 0, which confirms it"
                ));
                self.host.settle_safety(Ok(()));
                Ok(())
            }
            (Err(RigError::NotSafe { problem, .. }), Ended::Badly(how)) => {
                self.host.settle_safety(Err(format!("{problem}; {how}")));
                self.safety()
            }
            (outcome, _) => outcome,
        }
    }

    /// Time for a program to end after its input ended.
    pub(super) fn give_time_to_end(&mut self) {
        self.transport.give_time_to_end(self.host.declared_safe_time() + MARGIN);
    }

    /// `error` of a batch, with the outcome of the safe state.
    pub(super) fn fail(&mut self, error: RigError) -> RigError {
        let error = match error {
            RigError::NoAnswer { seconds, damaged, .. } => {
                let advice = self.transport.advice().to_owned();
                RigError::NoAnswer { seconds, damaged, advice }
            }
            other => other,
        };
        match self.make_safe() {
            Err(RigError::NotSafe { problem, .. }) => {
                RigError::NotSafe { problem, after: Some(Box::new(error)) }
            }
            _ => error,
        }
    }

    fn safety(&self) -> Result<(), RigError> {
        match self.host.safety_problem() {
            None => Ok(()),
            Some(problem) => Err(RigError::NotSafe { problem: problem.to_owned(), after: None }),
        }
    }

    fn await_safe(&mut self) {
        let start = self.now();
        // Why the link is closed, if it is.
        let mut lost = None;
        self.told.waits_for_safety();
        while self.host.awaits_safe() {
            let (waited, limit) = (self.now().saturating_sub(start), self.host.safe_time());
            if waited > limit {
                let seconds = waited.as_secs_f64();
                let problem = lost.unwrap_or_else(|| format!(
                    "it did not confirm its safe state within {seconds:.0} s (`safe_seconds` in its description is the time that it may take)"
                ));
                return self.host.settle_safety(Err(problem));
            }
            self.tell_of_the_way_to_safety(waited, limit);
            let Err(error) = self.step(LOOK_UP) else { continue };
            self.outgoing.clear();
            // A program that ended with status 0 had reached its safe state.
            if self.transport.starts_a_program() {
                self.give_time_to_end();
                let outcome = match self.transport.close() {
                    Ended::Well => Ok(()),
                    Ended::Badly(how) => Err(how),
                    Ended::Unknown => Err(format!("the link was lost: {error}")),
                };
                return self.host.settle_safety(outcome);
            }
            std::thread::sleep(PAUSE);
            lost = match self.open_link() {
                Ok(()) => {
                    let now = self.now();
                    self.host.ask_safe_again(now);
                    None
                }
                Err(problem) => Some(format!(
                    "the link was lost before it confirmed its safe state, and could not be opened again: {problem}"
                )),
            };
        }
    }
}

/// Pause before a link that is lost during the safe state is reopened.
const PAUSE: std::time::Duration = std::time::Duration::from_millis(100);
/// Time for a program to end, beyond the time of its safe state.
const MARGIN: std::time::Duration = std::time::Duration::from_secs(2);
