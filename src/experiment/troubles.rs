//! Failures of links and clamped values, in words.

use twinprop_devices::BoundaryCounts;
use twinprop_devices::rig::LinkCounts;

use crate::counted::counted;

/// All failures of a link, such as `2 restarts, 3 frames sent again`; empty without failures.
#[must_use]
pub fn troubles(counts: &LinkCounts) -> String {
    let others = [
        happened(counts.retried, "failed measurement", " retried"),
        happened(counts.timeouts, "answer", " too late"),
        happened(counts.frames_repeated, "frame", " sent again"),
        happened(counts.frames_damaged, "frame", " damaged"),
    ];
    listed(each_restart(counts).into_iter().chain(others))
}

/// The failures that a user should hear of at once: restarts, reconnects and shots played again.
#[must_use]
pub fn restarts(counts: &LinkCounts) -> String {
    listed(each_restart(counts))
}

fn each_restart(counts: &LinkCounts) -> [Option<String>; 3] {
    [
        happened(counts.restarts, "restart", ""),
        happened(counts.replayed_after_restart, "shot", " played again"),
        happened(counts.reconnects, "reconnect", ""),
    ]
}

/// `count` of `noun`, and what happened to them; `None` for zero.
fn happened(count: u64, noun: &str, what: &str) -> Option<String> {
    (count > 0).then(|| format!("{}{what}", counted(count, noun)))
}

fn listed(words: impl IntoIterator<Item = Option<String>>) -> String {
    words.into_iter().flatten().collect::<Vec<_>>().join(", ")
}

/// The share of clamped values, such as `0.2 %`.
#[must_use]
pub fn share_in_words(counts: BoundaryCounts) -> String {
    share(counts.clamped, counts.values)
}

/// `part` of `whole` in percent; a small share is shown as `below 0.01 %`, not as zero.
#[must_use]
pub fn share(part: u64, whole: u64) -> String {
    let percent = 100.0 * part as f64 / whole.max(1) as f64;
    match percent {
        0.0 => "0 %".to_owned(),
        percent if percent < 0.01 => "below 0.01 %".to_owned(),
        percent if percent < 1.0 => format!("{percent:.2} %"),
        percent => format!("{percent:.1} %"),
    }
}

/// A sentence on `clamped` of `values` values sent to the devices; `None` without clamped values.
#[must_use]
pub fn clamps_in_words(clamped: u64, values: u64) -> Option<String> {
    if clamped == 0 || values == 0 {
        return None;
    }
    let much = if clamped as f64 > 0.2 * values as f64 {
        "; this is a large share: raise training.range_penalty to keep them inside"
    } else {
        ""
    };
    Some(format!(
        "{} of the drives and parameters were out of range and were clamped to the nearest limit, where their gradient is zero{much}",
        share(clamped, values)
    ))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn only_failures_that_occurred_are_listed() {
        assert_eq!(troubles(&LinkCounts::default()), "");
        let counts = LinkCounts { restarts: 1, frames_repeated: 3, ..LinkCounts::default() };
        assert_eq!(troubles(&counts), "1 restart, 3 frames sent again");
    }

    #[test]
    fn clamped_values_are_reported_as_a_share() {
        assert_eq!(clamps_in_words(0, 100), None);
        let few = clamps_in_words(1, 100_000).unwrap();
        assert!(few.starts_with("below 0.01 % of") && !few.contains("large share"), "{few}");
        let many = clamps_in_words(300, 1000).unwrap();
        assert!(many.starts_with("30.0 % of") && many.contains("training.range_penalty"), "{many}");
    }
}
