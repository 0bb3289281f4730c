//! Finds wrong options for a whole file, such as the delimiter or lines above the header.

use std::path::Path;

use super::super::table::Table;
use super::header::{Columns, is_number};
use super::lines::{Layout, Line, contents, shortened};
use super::sheet::Sheet;

/// Reads the table of the columns that `choose` finds in the header of `sheet`.
pub(super) fn table(
    sheet: &Sheet,
    path: &Path,
    choose: impl FnOnce(&Line) -> Result<Columns, String>,
) -> Result<Table, String> {
    // A wrong header or delimiter makes every cell faulty, so it is reported first.
    sheet.samples(path, choose).map_err(|problem| misread(sheet, &problem).unwrap_or(problem))
}

/// Delimiters to try instead of the recipe's.
const DELIMITERS: [char; 5] = [',', ';', '\t', '|', ' '];
/// Number of lines from which the layout is guessed.
const LOOKED_AT: usize = 200;
/// Common starts of comment lines.
const COMMENTS: [&str; 5] = ["#", "%", "//", "!", "*"];

/// The most frequent number of columns with a delimiter.
struct Usual {
    columns: usize,
    lines: usize,
}

fn usual(sheet: &Sheet, delimiter: char) -> Usual {
    let layout = Layout { delimiter, ..sheet.layout };
    let mut counts = std::collections::BTreeMap::new();
    for (number, text) in sheet.contents().take(LOOKED_AT) {
        if let Ok(line) = layout.divide(number, text) {
            *counts.entry(line.fields.len()).or_insert(0) += 1;
        }
    }
    let most = counts.into_iter().max_by_key(|&(columns, lines)| (lines, columns));
    most.map_or(Usual { columns: 0, lines: 0 }, |(columns, lines)| Usual { columns, lines })
}

/// The cause of `problem` and the option to set, if the layout differs from the recipe's.
fn misread(sheet: &Sheet, problem: &str) -> Option<String> {
    let own = sheet.layout.delimiter;
    let (number, first) = sheet.contents().next()?;
    let header = sheet.layout.divide(number, first).ok()?;
    let ours = usual(sheet, own);
    let other = DELIMITERS
        .into_iter()
        .filter(|&delimiter| delimiter != own)
        .map(|delimiter| (delimiter, usual(sheet, delimiter)))
        .filter(|(_, usual)| usual.columns > 1)
        .max_by_key(|(_, usual)| (usual.lines, usual.columns));
    if let Some((delimiter, other)) = other
        && (ours.columns <= 1 || (header.fields.len() == 1 && other.lines > ours.lines))
    {
        return Some(format!(
            "line {number}: `{}` is one column with the delimiter {own:?}; the file seems to use {delimiter:?}: write data.source.csv.delimiter = {}",
            shortened(header.text),
            // In double quotes, so that TOML reads \t as a tab.
            format_args!("{:?}", delimiter.to_string())
        ));
    }
    let looked_at = sheet.contents().take(LOOKED_AT).count();
    if ours.columns == header.fields.len() + 1
        && let Some(remedy) = one_name_fewer(sheet)
    {
        return Some(format!("line {number}: `{}` {remedy}", shortened(header.text)));
    }
    if header.fields.len() != ours.columns && ours.columns > 1 && 2 * ours.lines > looked_at {
        let comment = COMMENTS.iter().find(|comment| first.trim_start().starts_with(**comment));
        let remedy = match comment {
            Some(comment) => format!(
                "if this is a comment, write data.source.csv.comment = \"{comment}\"; else remove `{comment}` from the header"
            ),
            None => {
                let skipped = contents(sheet.text, 0, sheet.layout.comment)
                    .filter(|&(line, _)| line >= number)
                    .find(|&(line, text)| {
                        sheet
                            .layout
                            .divide(line, text)
                            .is_ok_and(|line| line.fields.len() == ours.columns)
                    })
                    .map_or(0, |(line, _)| line - 1);
                format!(
                    "if the header is line {}, write data.source.csv.skip_lines = {skipped}",
                    skipped + 1
                )
            }
        };
        return Some(format!(
            "line {number}: `{}` has {} columns, but most lines have {}; {remedy}",
            shortened(header.text),
            header.fields.len(),
            ours.columns
        ));
    }
    comment_line(sheet, problem)
}

/// What to do if the header has one name less than its samples have values; `None` if that is not the case.
fn one_name_fewer(sheet: &Sheet) -> Option<String> {
    let mut lines = sheet.contents();
    let header = lines.next().and_then(|(number, text)| sheet.layout.divide(number, text).ok())?;
    let sample = lines.next().and_then(|(number, text)| sheet.layout.divide(number, text).ok())?;
    let numbers = |line: &Line| line.fields.iter().filter(|field| is_number(field)).count();
    let is_header = 2 * numbers(&header) < header.fields.len() && numbers(&sample) > 0;
    let is_comment = COMMENTS.iter().any(|comment| header.text.trim_start().starts_with(comment));
    if !is_header || is_comment || sample.fields.len() != header.fields.len() + 1 {
        return None;
    }
    Some(if sample.fields.last().is_some_and(String::is_empty) {
        "has no delimiter at its end, but the lines below it do; add one".to_owned()
    } else {
        "has one name less than the lines below it have values, as in R's tables with row names; write `row` and a delimiter before it, and data.source.csv.ignore = [\"row\"]".to_owned()
    })
}

/// Adds advice to `problem` if its line may be a comment.
fn comment_line(sheet: &Sheet, problem: &str) -> Option<String> {
    let number: usize = problem.strip_prefix("line ")?.split([':', ',']).next()?.parse().ok()?;
    let (_, text) = sheet.contents().find(|&(line, _)| line == number)?;
    let comment = COMMENTS.iter().find(|comment| text.trim_start().starts_with(**comment))?;
    Some(format!("{problem}; if it is a comment, write data.source.csv.comment = \"{comment}\""))
}
