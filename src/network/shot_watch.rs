//! A count of a laboratory's shots for another thread.

use twinprop_devices::ShotCounter;
use twinprop_devices::rig::Monitor;

use super::Laboratory;

/// Counts the shots of a laboratory since the watch was made, for any thread, also while a batch is played.
#[derive(Clone)]
pub struct ShotWatch {
    counters: Vec<ShotCounter>,
    links: Vec<Monitor>,
    /// Shots behind the boundaries and on the links when the watch was made.
    before: (u64, u64),
}

impl ShotWatch {
    /// A watch of the devices of `laboratory`.
    #[must_use]
    pub fn new(laboratory: &Laboratory) -> Self {
        let links = laboratory.links().cloned().collect();
        let mut watch = Self { counters: laboratory.counters(), links, before: (0, 0) };
        watch.before = watch.counts();
        watch
    }

    /// Shots behind the boundaries, and on the links; the links also count while a batch is played.
    fn counts(&self) -> (u64, u64) {
        (
            self.counters.iter().map(ShotCounter::shots).sum(),
            self.links.iter().map(Monitor::shots).sum(),
        )
    }

    /// Shots since the watch began.
    #[must_use]
    pub fn shots(&self) -> u64 {
        let (devices, links) = self.counts();
        devices.saturating_sub(self.before.0).max(links.saturating_sub(self.before.1))
    }
}
