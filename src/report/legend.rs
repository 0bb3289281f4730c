//! A chart's legend: names with their marks, in rows below the plot.

use plotters::coord::Shift;
use plotters::prelude::*;
use plotters::style::text_anchor::{HPos, Pos, VPos};

/// Font and size of a chart's labels.
pub(super) const FONT: (&str, u32) = ("sans-serif", 15);
pub(super) type DrawError = DrawingAreaErrorKind<std::io::Error>;
/// Height of a row, in pixels.
pub(super) const ROW: u32 = 22;
/// Width of a mark, in pixels.
const MARK: i32 = 22;
/// Gap between a mark and its name, in pixels.
const GAP: i32 = 8;
/// Gap between two entries, in pixels.
const BETWEEN: i32 = 22;
/// Left margin of a row, in pixels.
const LEFT: i32 = 24;

/// The mark of a curve in the legend.
#[derive(Clone, Copy)]
pub(super) enum Mark {
    Line,
    Dashes,
    Dot,
}

/// A name with its colour and mark.
pub(super) struct Entry<'a> {
    pub name: &'a str,
    pub colour: RGBAColor,
    pub mark: Mark,
}

/// An entry with its horizontal position, in pixels.
pub(super) struct Placed<'a> {
    entry: &'a Entry<'a>,
    x: i32,
}

/// `entries` in rows of at most `width` pixels; a longer entry has a row of its own.
pub(super) fn rows_of<'a>(entries: &'a [Entry<'a>], width: u32) -> Vec<Vec<Placed<'a>>> {
    let mut rows: Vec<Vec<Placed>> = Vec::new();
    let mut x = LEFT;
    for entry in entries {
        let needed = MARK + GAP + width_of(entry.name, FONT.1);
        if rows.is_empty() || (x > LEFT && x + needed > width as i32) {
            rows.push(Vec::new());
            x = LEFT;
        }
        if let Some(row) = rows.last_mut() {
            row.push(Placed { entry, x });
        }
        x += needed + BETWEEN;
    }
    rows
}

impl Placed<'_> {
    /// Draws the entry in row `row` of `area`.
    pub(super) fn draw(
        &self,
        area: &DrawingArea<SVGBackend<'_>, Shift>,
        row: usize,
    ) -> Result<(), DrawError> {
        let Self { entry: Entry { name, colour, mark }, x } = self;
        let (x, y) = (*x, (row as u32 * ROW + ROW / 2) as i32);
        let stroke = colour.stroke_width(2);
        let line = |from, to| PathElement::new([(x + from, y), (x + to, y)], stroke);
        match mark {
            Mark::Line => area.draw(&line(0, MARK))?,
            Mark::Dashes => {
                for from in [0, 8, 16] {
                    area.draw(&line(from, from + 6))?;
                }
            }
            Mark::Dot => area.draw(&Circle::new((x + MARK / 2, y), 4, colour.filled()))?,
        }
        let style = FONT.into_font().color(&BLACK).pos(Pos::new(HPos::Left, VPos::Center));
        area.draw(&Text::new((*name).to_owned(), (x + MARK + GAP, y), style))
    }
}

/// Approximate width of `text` in pixels, at a font size of `size`, which plotters divides by 1.24.
pub(super) fn width_of(text: &str, size: u32) -> i32 {
    let ems: f64 = text
        .chars()
        .map(|letter| match letter {
            'i' | 'j' | 'l' | 'I' | '.' | ',' | ':' | ';' | '|' | '\'' | '!' => 0.3,
            'f' | 'r' | 't' | ' ' | '-' | '(' | ')' => 0.42,
            'm' | 'w' | 'M' | 'W' | '%' | '@' => 0.95,
            letter if letter.is_uppercase() => 0.75,
            letter if letter.is_ascii() => 0.6,
            _ => 1.0,
        })
        .sum();
    (ems * f64::from(size) / 1.24).ceil() as i32
}
