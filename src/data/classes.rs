//! The classes of a data set: those that occur, numbers in numeric order, names in alphabetical order.

/// Classes of the labels that occur. Where every label is a number, 1 and 1.0 are one class, and 10 follows 2.
pub(super) fn of_labels<'a>(labels: impl Iterator<Item = &'a String> + Clone) -> Vec<String> {
    let numbers: Option<Vec<f64>> = labels.clone().map(|label| number(label)).collect();
    if let Some(mut numbers) = numbers {
        numbers.sort_by(f64::total_cmp);
        let mut names: Vec<String> = numbers.into_iter().map(canonical).collect();
        names.dedup();
        return names;
    }
    let mut names: Vec<String> = labels.cloned().collect();
    names.sort_unstable();
    names.dedup();
    names
}

/// The number that `label` is, if f64 tells it from its neighbours: long identifiers are names.
pub(super) fn number(label: &str) -> Option<f64> {
    const WHOLE: f64 = 9_007_199_254_740_992.0;
    label.parse::<f64>().ok().filter(|number| !number.is_finite() || number.abs() < WHOLE)
}

/// A number's one name: that of 1.0 is `1`, that of −0 is `0`.
pub(super) fn canonical(number: f64) -> String {
    // Adding zero takes the sign from −0.
    (number + 0.0).to_string()
}

/// Whether two values of a column are the same: equal texts, or equal numbers.
pub(super) fn same(a: &str, b: &str) -> bool {
    a == b || matches!((number(a), number(b)), (Some(a), Some(b)) if a == b)
}

/// Whether a label says that there is none: NaN, ±infinity and what R and spreadsheets write in their place.
pub(super) fn is_missing(label: &str) -> bool {
    const MISSING: [&str; 5] = ["na", "n/a", "#n/a", "<na>", "null"];
    label.parse::<f64>().is_ok_and(|number| !number.is_finite())
        || MISSING.contains(&label.to_ascii_lowercase().as_str())
}

#[cfg(test)]
mod tests {
    use super::*;

    fn classes(labels: &[&str]) -> Vec<String> {
        let labels: Vec<String> = labels.iter().map(|&label| label.to_owned()).collect();
        of_labels(labels.iter())
    }

    #[test]
    fn numbers_sort_as_numbers_and_names_as_names() {
        assert_eq!(classes(&["10", "2", "1", "2"]), ["1", "2", "10"]);
        assert_eq!(classes(&["1.0", "1", "-2", "1e1", "01"]), ["-2", "1", "10"]);
        assert_eq!(classes(&["-0", "0", "0.5"]), ["0", "0.5"]);
        assert_eq!(classes(&["b10", "b2", "b10"]), ["b10", "b2"]);
        assert_eq!(classes(&["1", "one"]), ["1", "one"]);
        // Two whole numbers that are one in f64.
        let long = ["9007199254740993", "9007199254740992", "7"];
        assert_eq!(classes(&long), ["7", "9007199254740992", "9007199254740993"]);
        assert!(!same(long[0], long[1]) && same("2.0", "2"));
    }

    #[test]
    fn missing_labels_are_known() {
        for label in ["NaN", "nan", "-nan", "inf", "-Infinity", "NA", "N/A", "#N/A", "<NA>", "null"]
        {
            assert!(is_missing(label), "{label}");
        }
        for label in ["None", "nano", "0", "information", "-"] {
            assert!(!is_missing(label), "{label}");
        }
    }
}
