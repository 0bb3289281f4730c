//! Divides text into lines of fields. A quoted field must end on its line, so that a stray quote loses no samples.

/// A line of a file, divided into fields.
pub(super) struct Line<'a> {
    /// Line number, from 1.
    pub number: usize,
    /// The original text.
    pub text: &'a str,
    /// Fields, trimmed and without quotes.
    pub fields: Vec<String>,
}

/// Layout of lines.
#[derive(Clone, Copy)]
pub(super) struct Layout<'a> {
    pub delimiter: char,
    /// Start of comment lines.
    pub comment: Option<&'a str>,
    /// Whether `"` encloses fields.
    pub quotes: bool,
}

/// Lines after the first `skipped` that are neither empty nor comments, with line numbers.
pub(super) fn contents<'a>(
    text: &'a str,
    skipped: usize,
    comment: Option<&'a str>,
) -> impl Iterator<Item = (usize, &'a str)> {
    physical(text).enumerate().skip(skipped).filter_map(move |(place, line)| {
        let content = line.trim();
        let is_comment = comment.is_some_and(|comment| content.starts_with(comment));
        (!content.is_empty() && !is_comment).then_some((place + 1, line))
    })
}

/// Lines that end with \n or \r\n.
fn physical(text: &str) -> impl Iterator<Item = &str> {
    text.split('\n').map(|line| line.trim_end_matches('\r'))
}

impl Layout<'_> {
    /// Divides the line `text`.
    ///
    /// # Errors
    /// In words, for a quote that does not close on its line or closes before the field's end.
    pub fn divide<'a>(&self, number: usize, text: &'a str) -> Result<Line<'a>, String> {
        let mut fields = Vec::new();
        let mut rest = if self.delimiter == ' ' { text.trim() } else { text };
        loop {
            if self.delimiter == ' ' {
                rest = rest.trim_start();
            }
            let (field, behind) = self.field(number, rest)?;
            fields.push(field);
            match behind {
                Some(behind) => rest = behind,
                None => return Ok(Line { number, text, fields }),
            }
        }
    }

    /// The first field of `text`, and the text after its delimiter; `None` at the end of the line.
    fn field<'a>(&self, number: usize, text: &'a str) -> Result<(String, Option<&'a str>), String> {
        let content = text.trim_start_matches(|c: char| c.is_whitespace() && c != self.delimiter);
        if !(self.quotes && content.starts_with('"')) {
            return Ok(match text.split_once(self.delimiter) {
                Some((field, rest)) => (field.trim().to_owned(), Some(rest)),
                None => (text.trim().to_owned(), None),
            });
        }
        const REMEDY: &str = "close or remove it; if quotes are ordinary characters (such as inches), write data.source.csv.quotes = false";
        let mut field = String::new();
        let mut rest = &content[1..];
        loop {
            let Some((inside, behind)) = rest.split_once('"') else {
                return Err(format!(
                    "line {number}: the quote before `{}` does not close on its line; {REMEDY}",
                    shortened(&content[1..])
                ));
            };
            field.push_str(inside);
            if let Some(behind) = behind.strip_prefix('"') {
                field.push('"');
                rest = behind;
                continue;
            }
            let behind =
                behind.trim_start_matches(|c: char| c.is_whitespace() && c != self.delimiter);
            return match behind.strip_prefix(self.delimiter) {
                Some(behind) => Ok((field.trim().to_owned(), Some(behind))),
                None if behind.is_empty() => Ok((field.trim().to_owned(), None)),
                None => Err(format!(
                    "line {number}: `{}` follows a closing quote; {REMEDY}",
                    shortened(behind)
                )),
            };
        }
    }
}

/// The start of `text`, for messages.
pub(super) fn shortened(text: &str) -> String {
    const SHOWN: usize = 24;
    match text.char_indices().nth(SHOWN) {
        Some((place, _)) => format!("{}…", &text[..place]),
        None => text.to_owned(),
    }
}
