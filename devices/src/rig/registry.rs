//! The open rigs of this program, and the devices released without a confirmed safe state.

use std::sync::{Arc, Mutex, MutexGuard, PoisonError, Weak};
use std::thread;

use super::error::RigError;
use super::shared::Shared;
use crate::DeviceError;

/// The rigs of this program.
static RIGS: Registry = Registry::new();

/// Open rigs, and devices that may still be driven.
pub(super) struct Registry {
    open: Mutex<Open>,
    /// Targets, each with a line that says why it may be driven.
    may_be_driven: Mutex<Vec<(String, String)>>,
}

struct Open {
    rigs: Vec<Weak<Shared>>,
    /// All rigs are being released: no rig can be opened any more.
    is_ending: bool,
}

fn lock<T>(mutex: &Mutex<T>) -> MutexGuard<'_, T> {
    mutex.lock().unwrap_or_else(PoisonError::into_inner)
}

impl Registry {
    pub(super) const fn new() -> Self {
        let open = Open { rigs: Vec::new(), is_ending: false };
        Self { open: Mutex::new(open), may_be_driven: Mutex::new(Vec::new()) }
    }

    pub(super) fn enter(&self, rig: &Arc<Shared>) -> Result<(), RigError> {
        let mut open = lock(&self.open);
        if open.is_ending {
            return Err(RigError::Interrupted);
        }
        open.rigs.retain(|rig| rig.strong_count() > 0);
        open.rigs.push(Arc::downgrade(rig));
        Ok(())
    }

    fn note(&self, target: &str, error: &DeviceError) {
        let mut noted = lock(&self.may_be_driven);
        if !noted.iter().any(|(other, _)| other == target) {
            noted.push((target.to_owned(), error.to_string()));
        }
    }

    fn confirm(&self, target: &str) {
        lock(&self.may_be_driven).retain(|(other, _)| other != target);
    }

    fn is_noted(&self, target: &str) -> bool {
        lock(&self.may_be_driven).iter().any(|(other, _)| other == target)
    }

    fn may_be_driven(&self) -> Vec<String> {
        lock(&self.may_be_driven).iter().map(|(_, text)| text.clone()).collect()
    }

    /// Releases `rig`, and notes whether its device may still be driven.
    fn release(&self, rig: &Shared) {
        match rig.release() {
            Ok(()) => self.confirm(rig.target()),
            Err(error) => self.note(rig.target(), &error),
        }
    }

    /// Releases every rig, except those with a link locked by this thread, which are noted.
    pub(super) fn make_all_safe(&self) -> Vec<String> {
        let rigs: Vec<Arc<Shared>> = {
            let mut open = lock(&self.open);
            open.is_ending = true;
            open.rigs.iter().filter_map(Weak::upgrade).collect()
        };
        let (held, rigs): (Vec<_>, Vec<_>) =
            rigs.into_iter().partition(|rig| rig.is_held_by_this_thread());
        for rig in held {
            let problem = "its safe state was not confirmed before the program aborted".to_owned();
            let error = RigError::NotSafe { problem, after: None };
            self.note(rig.target(), &rig.fault(error));
        }
        for rig in &rigs {
            rig.stop();
        }
        // In parallel, because ramps take time.
        thread::scope(|scope| {
            let release = |rig: &Arc<Shared>| {
                let rig = Arc::clone(rig);
                thread::Builder::new().spawn_scoped(scope, move || self.release(&rig))
            };
            let waiting: Vec<_> = rigs.iter().map(|rig| (rig, release(rig))).collect();
            for (rig, thread) in waiting {
                match thread.map(thread::ScopedJoinHandle::join) {
                    Ok(Ok(())) => {}
                    Ok(Err(_)) => {
                        let problem =
                            "its link failed by a panic before its safe state was confirmed";
                        let error = RigError::NotSafe { problem: problem.to_owned(), after: None };
                        self.note(rig.target(), &rig.fault(error));
                    }
                    // No thread could be started.
                    Err(_) => self.release(rig),
                }
            }
        });
        self.may_be_driven()
    }
}

/// Registers a rig before it is opened.
///
/// # Errors
/// [`RigError::Interrupted`] where all rigs are being released.
pub(super) fn enter(rig: &Arc<Shared>) -> Result<(), RigError> {
    RIGS.enter(rig)
}

/// Notes that the device at `target` may still be driven because of `error`.
pub(super) fn note(target: &str, error: &DeviceError) {
    RIGS.note(target, error);
}

/// Sends the device of `rig` to its safe state; notes one that did not confirm it.
pub(super) fn make_safe(rig: &Shared) -> Result<(), DeviceError> {
    rig.make_safe().inspect_err(|error| note(rig.target(), error))
}

/// Releases `rig`, and notes whether its device may still be driven.
pub(super) fn release(rig: &Shared) {
    RIGS.release(rig);
}

/// Whether the device at `target` may still be driven after this program released it.
pub(super) fn is_noted(target: &str) -> bool {
    RIGS.is_noted(target)
}

/// The devices that this program released without a confirmed safe state: a line for each, with the reason. They
/// may still be driven.
#[must_use]
pub fn may_be_driven() -> Vec<String> {
    RIGS.may_be_driven()
}

/// Sends every open rig to its safe state, waits until each has confirmed it, and releases it. This takes the
/// rest of a measurement and up to the device's `safe_seconds`. For a program that is about to end: no rig can be
/// opened afterwards. Returns [`may_be_driven`]. After a panic the calling thread may have locked the link of a
/// rig: this function does not wait for that rig, and returns it as one that may still be driven.
pub fn make_all_safe() -> Vec<String> {
    RIGS.make_all_safe()
}
