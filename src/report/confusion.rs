//! Which classes are taken for which.

use plotters::prelude::*;
use plotters::style::text_anchor::{HPos, Pos, VPos};

use super::legend::width_of;
use super::plot::COLOURS;

/// Sides of a cell and of the margins that hold the classes' names, in pixels.
const CELL: i32 = 40;
const NAMES: i32 = 90;
const CAPTION: i32 = 72;
/// White letters on a filled cell: on a page, which may be dark, they stay as they are.
const ON_FILL: RGBColor = RGBColor(255, 255, 254);

/// A confusion matrix as SVG: a row a true class, a column the answer, shaded by the row's share, and each
/// class's recall behind its row; `title` says what is counted.
///
/// # Panics
/// Never: drawing into text cannot fail.
#[must_use]
pub fn confusion_chart(title: &str, classes: &[String], counts: &[Vec<usize>]) -> String {
    let side = classes.len() as i32 * CELL;
    let width = (NAMES + side + 80).max(420);
    let mut svg = String::new();
    {
        let area = SVGBackend::with_string(
            &mut svg,
            (width.unsigned_abs(), (CAPTION + side + 40).unsigned_abs()),
        )
        .into_drawing_area();
        let font = |size: i32| ("sans-serif", size).into_font();
        let style = |size: i32, horizontal, colour: &RGBColor| {
            font(size).color(colour).pos(Pos::new(horizontal, VPos::Center))
        };
        let drawn = (|| {
            area.fill(&WHITE)?;
            let text = |words: String, x, y, style| area.draw(&Text::new(words, (x, y), style));
            text(title.to_owned(), width / 2, 16, style(16, HPos::Center, &BLACK))?;
            let middle = NAMES + side / 2;
            let below = CAPTION + side + 22;
            text("answer".to_owned(), middle, below, style(13, HPos::Center, &BLACK))?;
            text("true class".to_owned(), 8, CAPTION - 32, style(13, HPos::Left, &BLACK))?;
            text(
                "recall".to_owned(),
                NAMES + side + 8,
                CAPTION - 14,
                style(13, HPos::Left, &BLACK),
            )?;
            for (place, class) in classes.iter().enumerate() {
                let centre = place as i32 * CELL + CELL / 2;
                let (x, y) = (NAMES + centre, CAPTION + centre);
                let name = shortened(class, NAMES - 12);
                text(name, NAMES - 8, y, style(13, HPos::Right, &BLACK))?;
                let name = shortened(class, CELL - 2);
                text(name, x, CAPTION - 14, style(13, HPos::Center, &BLACK))?;
            }
            for (row, counts) in counts.iter().enumerate() {
                let total = counts.iter().sum::<usize>().max(1) as f64;
                let y = CAPTION + row as i32 * CELL;
                for (column, &count) in counts.iter().enumerate() {
                    let share = count as f64 / total;
                    let x = NAMES + column as i32 * CELL;
                    let corners = [(x, y), (x + CELL, y + CELL)];
                    area.draw(&Rectangle::new(corners, WHITE.filled()))?;
                    area.draw(&Rectangle::new(corners, COLOURS[0].mix(share).filled()))?;
                    area.draw(&Rectangle::new(corners, BLACK.mix(0.2)))?;
                    if count > 0 {
                        let ink = if share > 0.5 { &ON_FILL } else { &BLACK };
                        let (x, y) = (x + CELL / 2, y + CELL / 2);
                        text(count.to_string(), x, y, style(13, HPos::Center, ink))?;
                    }
                }
                let recall = format!("{:.0} %", 100.0 * counts[row] as f64 / total);
                text(recall, NAMES + side + 8, y + CELL / 2, style(13, HPos::Left, &BLACK))?;
            }
            area.present()
        })();
        drawn.expect("drawing into text cannot fail");
    }
    svg
}

/// `name` in letters of size 13, cut where it would be wider than `width` pixels.
fn shortened(name: &str, width: i32) -> String {
    if width_of(name, 13) <= width {
        return name.to_owned();
    }
    let mut short = String::new();
    for letter in name.chars() {
        if width_of(&format!("{short}{letter}…"), 13) > width {
            break;
        }
        short.push(letter);
    }
    short + "…"
}
