//! From a cell to a number, and numbers that instruments write in the place of a reading.

use super::super::table::Table;
use super::lines::shortened;

/// What to do about a feature that is no number.
pub(super) const IGNORE: &str = "correct the value, or name the column in data.source.csv.ignore";
/// What to do about a target, or a value of a time series, that is no number.
pub(super) const TAKE_OUT: &str = "correct the value, or take the line out";

/// The cell's finite number, its decimals behind `decimal`.
///
/// # Errors
/// In words, with the remedy, which is `otherwise` where nothing else is known.
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
            "where the comma stands before decimals, write data.source.csv.decimal = \",\""
        } else if decimal == ',' && finite(cell).is_some() {
            "where a point stands before decimals, leave out data.source.csv.decimal"
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

/// What SCPI instruments write for an overload, no reading and negative overload.
const SCPI: [f64; 3] = [9.9e37, 9.91e37, 9.92e37];
/// Smallest magnitude of a number that may stand for an overload.
const LARGE: f64 = 1e30;
/// How much larger than its column's median such a number is.
const ABOVE_MEDIAN: f64 = 1e9;
/// Values that are told of one by one.
const TOLD: usize = 5;

/// Warnings of values that are no readings but an instrument's overload.
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
        .take(TOLD)
        .map(|(line, name, value)| {
            format!(
                "{}: line {line}, column `{name}`: {value:e} is what instruments write for an overload or a missing reading; it is taken as a number, beside which the column's others look alike. Take the sample out, or correct the value",
                table.path.display()
            )
        })
        .collect();
    if found.len() > TOLD {
        warnings.push(format!(
            "{}: {} more values like these",
            table.path.display(),
            found.len() - TOLD
        ));
    }
    warnings
}

#[cfg(test)]
mod tests {
    use super::{IGNORE, number};

    #[test]
    fn numbers_are_read_by_either_decimal_sign() {
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
    fn what_is_no_number_is_refused_with_the_remedy() {
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
