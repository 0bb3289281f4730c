//! Every rig that is open in this program, and those that were left without a confirmed safe state.

use std::sync::{Arc, Mutex, MutexGuard, PoisonError, Weak};
use std::thread;

use super::rig::Shared;
use crate::DeviceError;

static OPEN: Mutex<Vec<Weak<Shared>>> = Mutex::new(Vec::new());
static MAY_BE_DRIVEN: Mutex<Vec<(String, String)>> = Mutex::new(Vec::new());

fn lock<T>(mutex: &Mutex<T>) -> MutexGuard<'_, T> {
    mutex.lock().unwrap_or_else(PoisonError::into_inner)
}

/// A rig is about to be opened.
pub(super) fn enter(rig: &Arc<Shared>) {
    let mut rigs = lock(&OPEN);
    rigs.retain(|rig| rig.strong_count() > 0);
    rigs.push(Arc::downgrade(rig));
}

/// The device at `target` may still be driven, and `error` says why.
pub(super) fn note(target: &str, error: &DeviceError) {
    let mut noted = lock(&MAY_BE_DRIVEN);
    if !noted.iter().any(|(other, _)| other == target) {
        noted.push((target.to_owned(), error.to_string()));
    }
}

/// Whether the device at `target` may still be driven since this program let it go.
pub(super) fn is_noted(target: &str) -> bool {
    lock(&MAY_BE_DRIVEN).iter().any(|(other, _)| other == target)
}

/// The devices that this program has let go without a confirmed safe state, each in a line that says why:
/// they may still be driven.
#[must_use]
pub fn may_be_driven() -> Vec<String> {
    lock(&MAY_BE_DRIVEN).iter().map(|(_, text)| text.clone()).collect()
}

/// Sends every open rig to its safe state, also one that is driven at the moment, waits until each has
/// confirmed that (its `safe_seconds`), and lets it go; for a program that is about to end. Returns
/// [`may_be_driven`].
pub fn make_all_safe() -> Vec<String> {
    let rigs: Vec<Arc<Shared>> = lock(&OPEN).iter().filter_map(Weak::upgrade).collect();
    for rig in &rigs {
        rig.stop();
    }
    // All at once: ramps take their time.
    let waiting: Vec<_> = rigs.into_iter().map(|rig| thread::spawn(move || rig.let_go())).collect();
    for rig in waiting {
        // What it found is noted; one that panicked left its device to its watchdog.
        let _ = rig.join();
    }
    may_be_driven()
}
