//! Transports: streams of bytes to a device.

mod process;
#[cfg(feature = "serial")]
mod serial;
mod serial_config;
pub(super) mod tcp;

use std::io;
use std::time::Duration;

pub use process::Process;
#[cfg(feature = "serial")]
pub use serial::Serial;
pub use serial_config::SerialConfig;
pub use tcp::Tcp;

/// A two-way stream of bytes that can be opened and reopened.
pub trait Transport: Send {
    /// Closes the link if it is open, and opens it.
    ///
    /// # Errors
    /// A message that says what to do.
    fn open(&mut self) -> Result<(), String>;

    /// Reads bytes within `patience` and returns their number; 0 if none came.
    ///
    /// # Errors
    /// Where the link is lost.
    fn read(&mut self, bytes: &mut [u8], patience: Duration) -> io::Result<usize>;

    /// Writes a part of `bytes` within `patience` and returns its length; 0 if none could be written.
    ///
    /// # Errors
    /// Where the link is lost.
    fn write(&mut self, bytes: &[u8], patience: Duration) -> io::Result<usize>;

    /// Whether opening the link starts the device's program. Then the host waits as long as it runs, and limits the
    /// number of restarts.
    fn starts_a_program(&self) -> bool {
        false
    }

    /// Advice where no device answers.
    fn advice(&self) -> &'static str {
        "is the device on, is it the right port, and do both ends use one baud rate?"
    }

    /// The last lines that the device's program printed, if known.
    fn last_words(&self) -> String {
        String::new()
    }

    /// Whether the link is a network, so that a device may ask for a token.
    fn is_network(&self) -> bool {
        false
    }

    /// Whether the open link leads to another machine.
    fn reaches_another_machine(&self) -> bool {
        false
    }

    /// Sets the time for a started program to end after its input has ended, for its safe state.
    fn give_time_to_end(&mut self, time: Duration) {
        let _ = time;
    }

    /// Closes the link finally. Waits for a started program as long as
    /// [`give_time_to_end`](Self::give_time_to_end) says.
    fn close(&mut self) -> Ended {
        Ended::Unknown
    }
}

/// How the other end of a link ended.
#[derive(Clone, Debug, PartialEq, Eq)]
#[non_exhaustive]
pub enum Ended {
    /// Unknown.
    Unknown,
    /// A program ended by itself with exit status 0: in its safe state.
    Well,
    /// Otherwise, or still running; the text says how.
    Badly(String),
}

/// 0 for a call that ended early without data, else its outcome.
fn zero_if_late(outcome: io::Result<usize>) -> io::Result<usize> {
    use io::ErrorKind as E;
    match outcome {
        Err(error) if matches!(error.kind(), E::TimedOut | E::WouldBlock | E::Interrupted) => Ok(0),
        other => other,
    }
}

/// The error of a link that the other end closed.
fn lost() -> io::Error {
    io::Error::new(io::ErrorKind::BrokenPipe, "the other end closed the link")
}
