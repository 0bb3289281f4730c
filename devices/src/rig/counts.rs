//! Counters of a link.

use serde::{Deserialize, Serialize};

/// Counters of a link since its first frame.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, Serialize, Deserialize)]
pub struct LinkCounts {
    /// Frames sent, those sent again included.
    pub frames_sent: u64,
    /// Frames received undamaged.
    pub frames_received: u64,
    /// Damaged frames, and other pieces of the stream that were no frame.
    pub frames_damaged: u64,
    /// Undamaged frames that were ignored: duplicates and late answers.
    pub frames_stale: u64,
    /// Frames sent again.
    pub frames_repeated: u64,
    /// Timeouts of answers.
    pub timeouts: u64,
    /// How often the link was lost and opened again.
    pub reconnects: u64,
    /// Restarts of the device.
    pub restarts: u64,
    /// Shots in flight when the device restarted, which were played again. Only these may have been played
    /// twice, before and after the restart.
    pub replayed_after_restart: u64,
    /// How often parameters were sent again because the device had lost them.
    pub reconfigured: u64,
    /// Failed measurements, and failures of a twin, that were retried.
    #[serde(default)]
    pub retried: u64,
}
