//! What a device takes at a time.

use std::time::Duration;

/// How much a device takes at a time.
#[derive(Clone, Copy, Debug, PartialEq)]
pub struct Capacity {
    /// Largest frame, in bytes on the wire.
    pub largest_frame: usize,
    /// Bytes of frames not yet answered.
    pub window_bytes: usize,
    /// Frames whose answers it remembers.
    pub window_frames: usize,
    /// Whether it takes 16-bit codes.
    pub codes: bool,
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
            stateful: false,
            watchdog: Duration::from_secs(2),
        }
    }
}
