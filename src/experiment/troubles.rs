//! What went wrong on links and at boundaries, in words.

use twinprop_devices::BoundaryCounts;
use twinprop_devices::rig::LinkCounts;

/// What went wrong on a link, as `2 restarts, 3 frames sent again`; empty where nothing did.
#[must_use]
pub fn troubles(counts: &LinkCounts) -> String {
    let frames = [
        (counts.timeouts, "answer too late", "answers too late"),
        (counts.frames_repeated, "frame sent again", "frames sent again"),
        (counts.frames_damaged, "frame damaged", "frames damaged"),
    ];
    let retried = [(counts.retried, "failed measurement retried", "failed measurements retried")];
    let all = [restarts(counts), counted(&retried), counted(&frames)];
    all.into_iter().filter(|words| !words.is_empty()).collect::<Vec<_>>().join(", ")
}

/// What of it a person should know at once: the device or its link began again, or a shot was retried.
#[must_use]
pub fn restarts(counts: &LinkCounts) -> String {
    counted(&[
        (counts.restarts, "restart", "restarts"),
        (counts.replayed_after_restart, "shot played again", "shots played again"),
        (counts.reconnects, "reconnect", "reconnects"),
    ])
}

/// Those of (count, its name, its name in the plural) that are not zero, in words.
fn counted(found: &[(u64, &str, &str)]) -> String {
    let found = found.iter().filter(|(count, ..)| *count > 0);
    let words = found.map(|(count, one, many)| match count {
        1 => format!("1 {one}"),
        _ => format!("{count} {many}"),
    });
    words.collect::<Vec<_>>().join(", ")
}

/// The share of values that were clamped, as `0.2 %`.
#[must_use]
pub fn share_in_words(counts: BoundaryCounts) -> String {
    share(counts.clamped, counts.values)
}

/// `part` of `whole` in percent, with enough digits to tell it from none.
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

/// What clamping means, for `clamped` of `values` values that went to the devices; nothing where none was.
#[must_use]
pub fn clamps_in_words(clamped: u64, values: u64) -> Option<String> {
    if clamped == 0 || values == 0 {
        return None;
    }
    let much = if clamped as f64 > 0.2 * values as f64 {
        "; that is much: a larger training.range_penalty keeps them inside"
    } else {
        ""
    };
    Some(format!(
        "{} of the drives and parameters were out of range and were set to the nearest end of it, where their gradient is zero{much}",
        share(clamped, values)
    ))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn troubles_are_counted_and_nothing_is_said_of_none() {
        assert_eq!(troubles(&LinkCounts::default()), "");
        let counts = LinkCounts { restarts: 1, frames_repeated: 3, ..LinkCounts::default() };
        assert_eq!(troubles(&counts), "1 restart, 3 frames sent again");
    }

    #[test]
    fn clamps_are_a_share() {
        assert_eq!(clamps_in_words(0, 100), None);
        let few = clamps_in_words(1, 100_000).unwrap();
        assert!(few.starts_with("below 0.01 % of") && !few.contains("much"), "{few}");
        let many = clamps_in_words(300, 1000).unwrap();
        assert!(many.starts_with("30.0 % of") && many.contains("training.range_penalty"), "{many}");
    }
}
