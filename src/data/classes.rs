//! Classes of a data set: the labels that occur, numbers in numeric order, names in alphabetical order.

/// Classes of `labels`. If every label is a number, 1 and 1.0 are one class, and 10 comes after 2.
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

/// Parses `label` as a number; `None` for text, and for whole numbers too long for f64, which are names.
pub(super) fn number(label: &str) -> Option<f64> {
    const WHOLE: f64 = 9_007_199_254_740_992.0;
    label.parse::<f64>().ok().filter(|number| !number.is_finite() || number.abs() < WHOLE)
}

/// Name of a number as a class: `1` for 1.0, `0` for −0.
pub(super) fn canonical(number: f64) -> String {
    // Adding zero turns −0 into 0.
    (number + 0.0).to_string()
}

/// Whether two values of a column are equal, as text or as numbers.
pub(super) fn same(a: &str, b: &str) -> bool {
    a == b || matches!((number(a), number(b)), (Some(a), Some(b)) if a == b)
}

/// Whether `label` means a missing value: NaN, ±infinity, and the texts of R and spreadsheets.
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
        // Two whole numbers that are equal in f64.
        let long = ["9007199254740993", "9007199254740992", "7"];
        assert_eq!(classes(&long), ["7", "9007199254740992", "9007199254740993"]);
        assert!(!same(long[0], long[1]) && same("2.0", "2"));
    }

    #[test]
    fn missing_labels_are_recognised() {
        for label in ["NaN", "nan", "-nan", "inf", "-Infinity", "NA", "N/A", "#N/A", "<NA>", "null"]
        {
            assert!(is_missing(label), "{label}");
        }
        for label in ["None", "nano", "0", "information", "-"] {
            assert!(!is_missing(label), "{label}");
        }
    }
}
