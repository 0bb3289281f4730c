//! What went over a link, and what went wrong there.

use serde::{Deserialize, Serialize};

/// Counters of a link since it was made.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, Serialize, Deserialize)]
pub struct LinkCounts {
    /// Frames sent, those sent again included.
    pub frames_sent: u64,
    /// Frames received undamaged.
    pub frames_received: u64,
    /// Pieces of the stream that were no frame, or a damaged one.
    pub frames_damaged: u64,
    /// Undamaged frames that answered nothing: duplicates, and answers that came too late.
    pub frames_stale: u64,
    /// Frames sent again.
    pub frames_repeated: u64,
    /// Times that an answer did not come in time.
    pub timeouts: u64,
    /// Times that the link was lost and opened again.
    pub reconnects: u64,
    /// Times that the device was found to have restarted.
    pub restarts: u64,
    /// Shots that were on the way when the device restarted, and were played again: the one case in
    /// which a shot may have been played twice, once in each boot.
    pub replayed_after_restart: u64,
    /// Times that parameters were sent because the device had lost them.
    pub reconfigured: u64,
    /// Measurements that failed on the device, and were asked for again.
    #[serde(default)]
    pub retried: u64,
}
