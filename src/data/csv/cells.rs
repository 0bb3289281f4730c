//! Parses cells as numbers, and finds the numbers that instruments write instead of a reading.

use super::super::table::Table;
use super::lines::shortened;

/// Advice for a feature that is not a number.
pub(super) const IGNORE: &str = "correct the value, or name the column in data.source.csv.ignore";
/// Advice for a target, or a value of a time series, that is not a number.
pub(super) const REMOVE: &str = "correct the value, or remove the line";

/// Parses a finite number with the decimal sign `decimal`.
///
/// # Errors
/// In words, with a remedy; `otherwise` is the general one.
pub(super) fn number(cell: &str, decimal: char, otherwise: &str) -> Result<f64, String> {
    let finite = |text: &str| text.parse::<f64>().ok().filter(|value| value.is_finite());
    let with_point = || cell.replacen(',', ".", 1);
    let value = match decimal {
        ',' if cell.contains('.') => None,
        ',' => finite(&with_point()),
        _ => finite(cell),
    };
    value.ok_or_else(|| {
        let remedy = if decimal == '.' && cell.contains(',') && finite(&with_point()).is_some() {
            "if the comma is a decimal sign, write data.source.csv.decimal = \",\""
        } else if decimal == ',' && finite(cell).is_some() {
            "if the point is the decimal sign, leave out data.source.csv.decimal"
        } else {
            otherwise
        };
        let found = if cell.is_empty() {
            "an empty cell".to_owned()
        } else {
            format!("`{}`", shortened(cell))
        };
        format!("expected a finite number, found {found}; {remedy}")
    })
}

/// SCPI's numbers for overload, missing reading and negative overload.
const SCPI: [f64; 3] = [9.9e37, 9.91e37, 9.92e37];
/// Smallest magnitude of a number that may mean an overload.
const LARGE: f64 = 1e30;
/// Smallest ratio of such a number to its column's median.
const ABOVE_MEDIAN: f64 = 1e9;
/// Most values that are reported one by one.
const MOST_REPORTED: usize = 5;

/// Warnings of values that mean an instrument's overload or missing reading.
pub(super) fn overloads(table: &Table) -> Vec<String> {
    let mut found = Vec::new();
    let features = table.features.iter().enumerate().map(|column| (column, &table.rows));
    let targets = table.targets.iter().enumerate().map(|column| (column, &table.target_rows));
    for ((column, name), rows) in features.chain(targets) {
        let magnitudes = || rows.iter().map(|row| row[column].abs());
        if magnitudes().all(|value| value < LARGE) {
            continue;
        }
        let mut sorted: Vec<f64> = magnitudes().collect();
        sorted.sort_by(f64::total_cmp);
        let usual = sorted[sorted.len() / 2] * ABOVE_MEDIAN;
        let is_overload = |value: f64| {
            let of_scpi = SCPI.iter().any(|known| (value - known).abs() < 1e-6 * known);
            value >= LARGE && (of_scpi || value > usual)
        };
        found.extend(
            magnitudes()
                .enumerate()
                .filter(|&(_, value)| is_overload(value))
                .map(|(row, _)| (table.lines[row], name, rows[row][column])),
        );
    }
    found.sort_by_key(|&(line, ..)| line);
    let mut warnings: Vec<String> = found
        .iter()
        .take(MOST_REPORTED)
        .map(|(line, name, value)| {
            format!(
                "{}: line {line}, column `{name}`: instruments write {value:e} for an overload or a missing reading; used as a number, it makes the column's other values indistinguishable. Remove the sample, or correct the value",
                table.path.display()
            )
        })
        .collect();
    if found.len() > MOST_REPORTED {
        warnings.push(format!(
            "{}: {} more values like these",
            table.path.display(),
            found.len() - MOST_REPORTED
        ));
    }
    warnings
}

#[cfg(test)]
mod tests {
    use super::{IGNORE, number};

    #[test]
    fn numbers_are_read_with_either_decimal_sign() {
        for (cell, decimal, expected) in [
            ("1.5", '.', 1.5),
            ("-1e-300", '.', -1e-300),
            ("+.5", '.', 0.5),
            ("193414489032000", '.', 193_414_489_032_000.0),
            ("1,5", ',', 1.5),
            ("-2,5E3", ',', -2500.0),
            ("7", ',', 7.0),
        ] {
            assert_eq!(number(cell, decimal, IGNORE), Ok(expected), "{cell}");
        }
    }

    #[test]
    fn a_cell_that_is_not_a_number_is_refused_with_a_remedy() {
        for (cell, decimal, expected) in [
            ("", '.', "ignore"),
            ("nan", '.', "finite"),
            ("-inf", '.', "finite"),
            ("1e400", '.', "finite"),
            ("5 mV", '.', "ignore"),
            ("1,5", '.', "decimal = \",\""),
            ("1.234,5", ',', "ignore"),
            ("1,234,5", ',', "ignore"),
            ("1.5", ',', "leave out data.source.csv.decimal"),
            ("0x10", '.', "ignore"),
            ("1_000", '.', "ignore"),
            ("1.0D+05", '.', "ignore"),
        ] {
            let problem = number(cell, decimal, IGNORE).expect_err(cell);
            assert!(problem.contains(expected), "{problem}");
        }
    }
}
