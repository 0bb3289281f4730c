//! How the program ends: Ctrl-C, SIGTERM and SIGHUP, a panic, and the devices' safe state each time.

use std::panic;
use std::process::ExitCode;
use std::sync::Arc;
use std::sync::atomic::{AtomicBool, Ordering};
use std::thread;
use std::time::Duration;

use twinprop::calibration::CalibrationError;
use twinprop::devices::DeviceError;
use twinprop::devices::rig::{RigError, make_all_safe};
use twinprop::{Error, errln};

/// Exit status of a program whose input is at fault.
const INPUT: u8 = 2;
/// Exit status of a program that found a device drifted.
const DRIFTED: u8 = 3;
/// Exit status of a program that could not bring a device to its safe state for certain.
const MAY_BE_DRIVEN: u8 = 4;
/// Exit status of a program that Ctrl-C ended, as shells have it.
const INTERRUPTED: u8 = 130;

/// Exit status for `error`: 2 where the input is at fault, 1 where the work failed, 3 for a device that has drifted, 4
/// for a device that may still be driven, 130 after Ctrl-C.
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

/// A step that is to end, and a checkpoint that is to be written, have so long.
const GRACE: Duration = Duration::from_secs(20);

/// Ctrl-C sends the devices to their safe state and ends the program; so do SIGTERM and SIGHUP.
pub fn make_safe_on_interrupt() -> Result<(), Error> {
    on_interrupt(|| end_at_once())
}

/// A flag that Ctrl-C sets: the first lets the step end and a checkpoint be written, the second ends
/// the program at once. SIGTERM and SIGHUP do the same, and as they come once, the step has [`GRACE`].
pub fn stop_on_interrupt() -> Result<Arc<AtomicBool>, Error> {
    let stop = Arc::new(AtomicBool::new(false));
    let flag = Arc::clone(&stop);
    on_interrupt(move || {
        if flag.swap(true, Ordering::Relaxed) {
            end_at_once();
        }
        errln!("stopping after this step, or in {} s; once more to stop at once", GRACE.as_secs());
        thread::spawn(|| {
            thread::sleep(GRACE);
            end_at_once();
        });
    })?;
    Ok(stop)
}

/// Sends every device to its safe state, says which may still be driven, and ends the program.
fn end_at_once() -> ! {
    let driven = make_all_safe();
    say(&driven, None);
    std::process::exit(if driven.is_empty() { INTERRUPTED } else { MAY_BE_DRIVEN }.into());
}

/// Ends the program that came to `code`: with the status of a device that may still be driven, if one may.
/// `error` is what was said already.
pub fn end(code: ExitCode, error: Option<&Error>) -> ExitCode {
    let driven = make_all_safe();
    say(&driven, error);
    if !driven.is_empty() {
        return ExitCode::from(MAY_BE_DRIVEN);
    }
    // Its program has confirmed the safe state since, by its exit status.
    if error.is_some_and(|error| status_of(error) == MAY_BE_DRIVEN) {
        ExitCode::FAILURE
    } else {
        code
    }
}

fn say(driven: &[String], said: Option<&Error>) {
    let said = said.map(Error::to_string).unwrap_or_default();
    for line in driven.iter().filter(|line| !said.contains(line.as_str())) {
        errln!("error: {line}");
    }
}

/// A panic unwinds, which lets every device go; a second one on its way aborts the program, and must
/// not leave them driven.
pub fn make_safe_before_abort() {
    thread_local! {
        static PANICKED: std::cell::Cell<bool> = const { std::cell::Cell::new(false) };
    }
    let tell = panic::take_hook();
    panic::set_hook(Box::new(move |info| {
        tell(info);
        if PANICKED.replace(true) {
            // The device whose link this thread holds is told of, and not waited for; every other is.
            say(&make_all_safe(), None);
        }
    }));
}

fn on_interrupt(action: impl FnMut() + Send + 'static) -> Result<(), Error> {
    let ignored = ignored_signals();
    ctrlc::set_handler(action)
        .map_err(|error| Error::Usage(format!("Ctrl-C cannot be watched: {error}")))?;
    ignore(&ignored);
    Ok(())
}

/// The signals that this program was started to ignore: `nohup` has SIGHUP ignored, a shell Ctrl-C for
/// what runs in the background.
#[cfg(unix)]
#[expect(unsafe_code, reason = "the standard library does not tell what a signal does")]
fn ignored_signals() -> Vec<libc::c_int> {
    [libc::SIGHUP, libc::SIGINT]
        .into_iter()
        .filter(|&signal| {
            // SAFETY: no handler of this program is involved; the signal is ignored for an instant.
            let before = unsafe { libc::signal(signal, libc::SIG_IGN) };
            if before != libc::SIG_IGN {
                // SAFETY: it is what was there before.
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
