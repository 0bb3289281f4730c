//! Shows a command's progress and writes the pages of its results.

use std::ops::ControlFlow;
use std::sync::Arc;
use std::sync::atomic::AtomicBool;

use super::ending::{make_safe_on_interrupt, stop_on_interrupt};
use crate::Error;
use crate::report::{Pages, TensorBoard};
use crate::training::{Event, Observer};
use crate::view::Console;

/// The observer of a command.
pub struct CommandObserver {
    console: Console,
    pages: Pages,
    tensorboard: Option<TensorBoard>,
}

impl CommandObserver {
    /// Observer of a command that Ctrl-C stops after the current training step.
    pub fn stopping_on_interrupt() -> Result<Self, Error> {
        Ok(Self::new(stop_on_interrupt()?))
    }

    /// Observer of a command that Ctrl-C ends as soon as the devices are safe.
    pub fn ending_on_interrupt() -> Result<Self, Error> {
        make_safe_on_interrupt()?;
        Ok(Self::new(Arc::default()))
    }

    fn new(stop: Arc<AtomicBool>) -> Self {
        Self { console: Console::new(stop), pages: Pages, tensorboard: None }
    }

    /// Adds a dashboard on the whole terminal if `full`, and metrics for TensorBoard if `tensorboard`.
    pub fn with_views(self, full: bool, tensorboard: bool) -> Self {
        Self {
            console: self.console.on_whole_terminal(full),
            tensorboard: tensorboard.then(TensorBoard::default),
            ..self
        }
    }
}

impl Observer for CommandObserver {
    fn observe(&mut self, event: &Event) -> Result<ControlFlow<()>, Error> {
        if let Some(tensorboard) = &mut self.tensorboard {
            let _ = tensorboard.observe(event)?;
        }
        let _ = self.pages.observe(event)?;
        self.console.observe(event)
    }
}
