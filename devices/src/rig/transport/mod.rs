//! The ways that bytes travel, each a thin pipe.

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

/// A two-way stream of bytes that one end can open, and open again.
pub trait Transport: Send {
    /// Closes the link if it is open, and opens it.
    ///
    /// # Errors
    /// In words that say what to do.
    fn open(&mut self) -> Result<(), String>;

    /// Waits up to `patience` for bytes and returns how many came; none within that time is zero.
    ///
    /// # Errors
    /// Where the link is lost.
    fn read(&mut self, bytes: &mut [u8], patience: Duration) -> io::Result<usize>;

    /// Hands over what it can of `bytes` within `patience` and returns how much; zero is none.
    ///
    /// # Errors
    /// Where the link is lost.
    fn write(&mut self, bytes: &[u8], patience: Duration) -> io::Result<usize>;

    /// Whether opening the link starts the device's program, which is waited for as long as it runs, and
    /// is not started for ever.
    fn starts_a_program(&self) -> bool {
        false
    }

    /// What to look at where nothing answers.
    fn advice(&self) -> &'static str {
        "is the device on, is it the right port, and do both ends use one baud rate?"
    }

    /// The last lines that the device's program printed, where they are known.
    fn last_words(&self) -> String {
        String::new()
    }

    /// Whether strangers may be at its other end, so that a device may ask for a token.
    fn is_network(&self) -> bool {
        false
    }

    /// Whether the link, which is open, leads to another machine.
    fn reaches_another_machine(&self) -> bool {
        false
    }

    /// A program that was started may take `time` to end after its input did: it goes to its safe state.
    fn give_time_to_end(&mut self, time: Duration) {
        let _ = time;
    }

    /// Closes the link for good. A program that was started is waited for as long as
    /// [`give_time_to_end`](Self::give_time_to_end) says.
    fn close(&mut self) -> Ended {
        Ended::Unknown
    }
}

/// How the other end of a link ended.
#[derive(Clone, Debug, PartialEq, Eq)]
#[non_exhaustive]
pub enum Ended {
    /// It is not known.
    Unknown,
    /// By itself, with exit status 0: in its safe state.
    Well,
    /// Otherwise, or not yet; the text says how.
    Badly(String),
}

/// The outcome of a call that ends early where nothing is there yet.
fn zero_if_late(outcome: io::Result<usize>) -> io::Result<usize> {
    use io::ErrorKind as E;
    match outcome {
        Err(error) if matches!(error.kind(), E::TimedOut | E::WouldBlock | E::Interrupted) => Ok(0),
        other => other,
    }
}

/// The end of a stream is a lost link.
fn lost() -> io::Error {
    io::Error::new(io::ErrorKind::BrokenPipe, "the other end closed the link")
}
