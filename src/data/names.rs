//! Lists of names in messages.

/// Most names that a message about a file lists.
pub(super) const SHOWN: usize = 12;

/// The first `shown` of `names` in backticks, and the number of the others.
pub(crate) fn listed(names: &[impl AsRef<str>], shown: usize) -> String {
    let texts: Vec<String> =
        names.iter().take(shown).map(|name| format!("`{}`", name.as_ref())).collect();
    match names.len().saturating_sub(shown) {
        0 => texts.join(", "),
        more => format!("{} and {more} more", texts.join(", ")),
    }
}

#[cfg(test)]
mod tests {
    use super::listed;

    #[test]
    fn the_first_names_are_listed_and_the_others_counted() {
        assert_eq!(listed(&["a", "b"], 2), "`a`, `b`");
        assert_eq!(listed(&["a", "b", "c", "d"], 2), "`a`, `b` and 2 more");
        assert_eq!(listed(&[""; 0], 2), "");
    }
}
