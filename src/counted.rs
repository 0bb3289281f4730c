//! A number and what it counts.

/// `count` and its noun: `1 sample`, `12 samples`.
pub(crate) fn counted(count: impl TryInto<u64>, noun: &str) -> String {
    let count = count.try_into().unwrap_or(u64::MAX);
    let ending = if count == 1 { "" } else { "s" };
    format!("{count} {noun}{ending}")
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn one_is_singular_and_none_is_plural() {
        let words = [0_usize, 1, 12].map(|count| counted(count, "sample"));
        assert_eq!(words, ["0 samples", "1 sample", "12 samples"]);
    }
}
