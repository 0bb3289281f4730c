//! Ends the program after its work, Ctrl-C, SIGTERM, SIGHUP or a panic, and sends every device to its safe state.

use std::panic;
use std::sync::Arc;
use std::sync::atomic::{AtomicBool, Ordering};
use std::thread;
use std::time::Duration;

use crate::calibration::CalibrationError;
use crate::devices::DeviceError;
use crate::devices::rig::{RigError, make_all_safe};
use crate::{Error, errln};

/// Exit status: the input is at fault.
const INPUT: u8 = 2;
/// Exit status: a device has drifted.
const DRIFTED: u8 = 3;
/// Exit status: a device has not confirmed its safe state.
const MAY_BE_DRIVEN: u8 = 4;
/// Exit status after Ctrl-C, as in shells.
const INTERRUPTED: u8 = 130;

/// Returns the exit status for `error`: 1 if the work failed, 2 if the input is at fault, 3 if a device has drifted, 4
/// if a device may still be driven, 130 after Ctrl-C.
pub fn status_of(error: &Error) -> u8 {
    match error {
        Error::Cut { source, .. } => status_of(source),
        Error::Device(DeviceError::Rig { error, .. })
        | Error::Calibration(CalibrationError::Device(DeviceError::Rig { error, .. })) => {
            match error {
                RigError::NotSafe { .. } => MAY_BE_DRIVEN,
                error if error.is_interruption() => INTERRUPTED,
                _ => 1,
            }
        }
        Error::Drifted { .. } => DRIFTED,
        Error::Interrupted(_) => INTERRUPTED,
        error if error.is_input() => INPUT,
        _ => 1,
    }
}

/// Time in which the current step must end and its checkpoint be written.
const GRACE: Duration = Duration::from_secs(20);

/// Makes Ctrl-C, SIGTERM and SIGHUP send the devices to their safe state and end the program.
pub fn make_safe_on_interrupt() -> Result<(), Error> {
    on_interrupt(|| end_at_once())
}

/// Returns a flag that Ctrl-C, SIGTERM and SIGHUP set. After the first signal the step ends and a checkpoint is
/// written, within [`GRACE`]; a second signal ends the program at once.
pub fn stop_on_interrupt() -> Result<Arc<AtomicBool>, Error> {
    let stop = Arc::new(AtomicBool::new(false));
    let flag = Arc::clone(&stop);
    on_interrupt(move || {
        if flag.swap(true, Ordering::Relaxed) {
            end_at_once();
        }
        errln!("stopping after this step, or in {} s; Ctrl-C again stops at once", GRACE.as_secs());
        thread::spawn(|| {
            thread::sleep(GRACE);
            end_at_once();
        });
    })?;
    Ok(stop)
}

/// Sends every device to its safe state, reports those that may still be driven, and ends the program.
fn end_at_once() -> ! {
    let driven = make_all_safe();
    report(&driven, None);
    std::process::exit(if driven.is_empty() { INTERRUPTED } else { MAY_BE_DRIVEN }.into());
}

/// Sends every device to its safe state and returns the exit status: `status`, unless a device may still be driven.
/// `error` has been reported already.
pub fn end(status: u8, error: Option<&Error>) -> u8 {
    let driven = make_all_safe();
    report(&driven, error);
    if !driven.is_empty() {
        return MAY_BE_DRIVEN;
    }
    // The device's program has since confirmed the safe state by its exit status.
    if error.is_some_and(|error| status_of(error) == MAY_BE_DRIVEN) { 1 } else { status }
}

/// Writes the lines of `driven` that the `reported` error does not contain.
fn report(driven: &[String], reported: Option<&Error>) {
    let reported = reported.map(Error::to_string).unwrap_or_default();
    for line in driven.iter().filter(|line| !reported.contains(line.as_str())) {
        errln!("error: {line}");
    }
}

/// Makes the devices safe before a second panic on a thread aborts the program. A single panic unwinds, which closes
/// every device.
pub fn make_safe_before_abort() {
    thread_local! {
        static PANICKED: std::cell::Cell<bool> = const { std::cell::Cell::new(false) };
    }
    let print_panic = panic::take_hook();
    panic::set_hook(Box::new(move |info| {
        print_panic(info);
        if PANICKED.replace(true) {
            // A device that this thread was using is reported, not waited for; all others are waited for.
            report(&make_all_safe(), None);
        }
    }));
}

fn on_interrupt(action: impl FnMut() + Send + 'static) -> Result<(), Error> {
    let ignored = ignored_signals();
    ctrlc::set_handler(action)
        .map_err(|error| Error::Usage(format!("Ctrl-C cannot be handled: {error}")))?;
    ignore(&ignored);
    Ok(())
}

/// The signals that this program's parent had set to be ignored: SIGHUP by `nohup`, SIGINT by a shell for a
/// background job.
#[cfg(unix)]
#[expect(unsafe_code, reason = "the standard library cannot query a signal's handler")]
fn ignored_signals() -> Vec<libc::c_int> {
    [libc::SIGHUP, libc::SIGINT]
        .into_iter()
        .filter(|&signal| {
            // SAFETY: no handler of this program is involved; the signal is ignored for an instant.
            let before = unsafe { libc::signal(signal, libc::SIG_IGN) };
            if before != libc::SIG_IGN {
                // SAFETY: this restores the previous handler.
                unsafe { libc::signal(signal, before) };
            }
            before == libc::SIG_IGN
        })
        .collect()
}

#[cfg(unix)]
#[expect(unsafe_code, reason = "as above")]
fn ignore(signals: &[libc::c_int]) {
    for &signal in signals {
        // SAFETY: ignoring a signal runs no code.
        unsafe { libc::signal(signal, libc::SIG_IGN) };
    }
}

#[cfg(not(unix))]
fn ignored_signals() -> Vec<i32> {
    Vec::new()
}

#[cfg(not(unix))]
fn ignore(_: &[i32]) {}
