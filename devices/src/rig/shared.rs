//! What the threads of a rig share.

use std::cell::RefCell;
use std::ops::{Deref, DerefMut};
use std::sync::atomic::{AtomicBool, AtomicU64, Ordering};
use std::sync::{Mutex, MutexGuard, PoisonError};

use super::error::RigError;
use super::pump::Pump;
use super::work::Work;
use crate::DeviceError;

/// What a rig shares with its keeper, its monitors and the registry.
pub(super) struct Shared {
    target: String,
    pump: Mutex<Pump>,
    /// The rig is being released.
    pub stop: AtomicBool,
    /// Shots measured.
    pub shots: AtomicU64,
    /// The failure of the last batch, if it failed.
    pub failure: Mutex<Option<String>>,
}

thread_local! {
    /// The rigs with pumps locked by this thread.
    static HELD: RefCell<Vec<*const Shared>> = const { RefCell::new(Vec::new()) };
}

/// A rig's pump, locked by one thread.
pub(super) struct Held<'a> {
    pump: MutexGuard<'a, Pump>,
    rig: *const Shared,
}

impl Deref for Held<'_> {
    type Target = Pump;

    fn deref(&self) -> &Pump {
        &self.pump
    }
}

impl DerefMut for Held<'_> {
    fn deref_mut(&mut self) -> &mut Pump {
        &mut self.pump
    }
}

impl Drop for Held<'_> {
    fn drop(&mut self) {
        // At the end of a thread its list is gone already.
        let _ = HELD.try_with(|held| held.borrow_mut().retain(|rig| *rig != self.rig));
    }
}

impl Shared {
    /// For the rig at `target`, driven by `pump`.
    pub(super) fn new(target: &str, pump: Pump) -> Self {
        Self {
            target: target.to_owned(),
            pump: Mutex::new(pump),
            stop: AtomicBool::new(false),
            shots: AtomicU64::new(0),
            failure: Mutex::new(None),
        }
    }

    /// Locks the pump, and waits for other threads.
    pub(super) fn pump(&self) -> Held<'_> {
        // After a panic in a batch the pump can still reach the safe state.
        self.held(self.pump.lock().unwrap_or_else(PoisonError::into_inner))
    }

    /// Locks the pump, unless another thread has locked it.
    pub(super) fn idle_pump(&self) -> Option<Held<'_>> {
        self.pump.try_lock().ok().map(|pump| self.held(pump))
    }

    fn held<'a>(&self, pump: MutexGuard<'a, Pump>) -> Held<'a> {
        let rig = std::ptr::from_ref(self);
        let _ = HELD.try_with(|held| held.borrow_mut().push(rig));
        Held { pump, rig }
    }

    /// Whether the calling thread has locked the pump, so that locking it again would deadlock.
    pub(super) fn is_held_by_this_thread(&self) -> bool {
        let rig = std::ptr::from_ref(self);
        HELD.try_with(|held| held.borrow().contains(&rig)).unwrap_or(false)
    }

    pub(super) fn target(&self) -> &str {
        &self.target
    }

    pub(super) fn fault(&self, error: RigError) -> DeviceError {
        DeviceError::Rig { target: self.target.clone(), error }
    }

    /// Stops the current batch, if any.
    pub(super) fn stop(&self) {
        self.stop.store(true, Ordering::Relaxed);
    }

    /// Has `work` done on shots of the `values` `[shots · width]` at `parameters`, and gives the link with the
    /// answers.
    pub(super) fn ask(
        &self,
        work: Work,
        parameters: &[f32],
        values: &[f32],
    ) -> Result<Held<'_>, DeviceError> {
        let mut pump = self.pump();
        let outcome = pump.ask(work, parameters, values, &self.stop);
        *self.failure.lock().unwrap_or_else(PoisonError::into_inner) =
            outcome.as_ref().err().map(ToString::to_string);
        outcome.map_err(|error| self.fault(error))?;
        Ok(pump)
    }

    /// Sends the device to its safe state, and closes the link.
    pub(super) fn release(&self) -> Result<(), DeviceError> {
        self.stop();
        let outcome = self.pump().release();
        outcome.map_err(|error| self.fault(error))
    }

    /// Sends the device to its safe state, and waits until it has confirmed that.
    pub(super) fn make_safe(&self) -> Result<(), DeviceError> {
        let outcome = self.pump().make_safe();
        outcome.map_err(|error| self.fault(error))
    }
}
