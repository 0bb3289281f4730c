//! A rig's link, seen from another thread.

use std::sync::atomic::Ordering;
use std::sync::{Arc, PoisonError};

use super::counts::LinkCounts;
use super::host::Identity;
use super::registry;
use super::shared::Shared;
use crate::DeviceError;

/// A rig's link, seen from another thread.
#[derive(Clone)]
pub struct Monitor {
    target: String,
    identity: Identity,
    shared: Arc<Shared>,
}

impl Monitor {
    pub(super) fn new(target: String, identity: Identity, shared: Arc<Shared>) -> Self {
        Self { target, identity, shared }
    }

    /// The device's target.
    #[must_use]
    pub fn target(&self) -> &str {
        &self.target
    }

    /// The device's identity.
    #[must_use]
    pub fn identity(&self) -> &Identity {
        &self.identity
    }

    /// Counters of the link.
    #[must_use]
    pub fn counts(&self) -> LinkCounts {
        self.shared.pump().host().counts()
    }

    /// Shots measured so far.
    #[must_use]
    pub fn shots(&self) -> u64 {
        self.shared.shots.load(Ordering::Relaxed)
    }

    /// Sends the device to its safe state and waits until it has confirmed that; the next batch drives it
    /// again. A device that confirmed it since the last shot is not asked again.
    ///
    /// # Errors
    /// [`DeviceError::Rig`] with [`RigError::NotSafe`](crate::rig::RigError::NotSafe) where it did not confirm: it may
    /// still be driven.
    pub fn make_safe(&self) -> Result<(), DeviceError> {
        registry::make_safe(&self.shared)
    }

    /// The failure of the last batch, if it failed.
    #[must_use]
    pub fn failure(&self) -> Option<String> {
        self.shared.failure.lock().unwrap_or_else(PoisonError::into_inner).clone()
    }
}
