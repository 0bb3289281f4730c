//! Lines for the person at the terminal, on standard output and standard error.
//!
//! `println!` panics if standard output is a closed pipe, a full disk or a closed terminal. The files of a run
//! count more than its lines, so [`outln!`](crate::outln) and [`errln!`](crate::errln) never fail: they drop a
//! line that cannot be written, and [`lost_output`] reports it at the end. A pipe that its reader closed
//! (`… | head -1`) is no fault.

use std::fmt;
use std::io::{self, ErrorKind, Write};
use std::sync::OnceLock;

/// The first fault of standard output other than a closed pipe.
static LOST: OnceLock<ErrorKind> = OnceLock::new();

/// Writes a line to standard output, formatted as `println!` does; never fails.
#[macro_export]
macro_rules! outln {
    ($($argument:tt)*) => { $crate::view::terminal::out_line(format_args!($($argument)*)) };
}

/// Writes a line to standard error, formatted as `eprintln!` does; never fails.
#[macro_export]
macro_rules! errln {
    ($($argument:tt)*) => { $crate::view::terminal::err_line(format_args!($($argument)*)) };
}

/// Writes `line` and a line feed to standard output; use [`outln!`](crate::outln).
pub fn out_line(line: fmt::Arguments<'_>) {
    note(writeln!(io::stdout().lock(), "{line}"));
}

/// Writes `text` to standard output as it is.
pub fn out(text: &[u8]) {
    let mut stdout = io::stdout().lock();
    note(stdout.write_all(text).and_then(|()| stdout.flush()));
}

/// Writes `line` and a line feed to standard error, in one piece; use [`errln!`](crate::errln).
pub fn err_line(line: fmt::Arguments<'_>) {
    // A failure of standard error cannot be reported anywhere.
    let _ = io::stderr().lock().write_all(format!("{line}\n").as_bytes());
}

/// The error that lost lines of standard output, such as a full disk or a closed terminal; `None` if none were lost.
#[must_use]
pub fn lost_output() -> Option<io::Error> {
    // Writes what is still buffered for a pipe or file.
    note(io::stdout().lock().flush());
    LOST.get().map(|&kind| io::Error::from(kind))
}

fn note(written: io::Result<()>) {
    if let Err(error) = written
        && error.kind() != ErrorKind::BrokenPipe
    {
        LOST.get_or_init(|| error.kind());
    }
}
