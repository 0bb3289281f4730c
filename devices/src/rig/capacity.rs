//! Capacity of a device's end of a link.

use std::time::Duration;

/// Capacity of a device's end of a link.
#[derive(Clone, Copy, Debug, PartialEq)]
pub struct Capacity {
    /// Largest frame, in bytes on the wire.
    pub largest_frame: usize,
    /// Most bytes of frames not yet answered.
    pub window_bytes: usize,
    /// Number of frames with remembered answers.
    pub window_frames: usize,
    /// Whether it accepts 16-bit codes.
    pub codes: bool,
    /// Whether it accepts the cells of rasters in bits; without a raster it does not.
    pub spikes: bool,
    /// Whether it has a twin.
    pub twin: bool,
    /// Whether a shot's outcome depends on the shots before it.
    pub stateful: bool,
    /// Time without a frame after which it goes to its safe state; zero is never.
    pub watchdog: Duration,
}

impl Default for Capacity {
    fn default() -> Self {
        Self {
            largest_frame: 16 * 1024,
            window_bytes: 48 * 1024,
            window_frames: 16,
            codes: true,
            spikes: true,
            twin: false,
            stateful: false,
            watchdog: Duration::from_secs(2),
        }
    }
}
