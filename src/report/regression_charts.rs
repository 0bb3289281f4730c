//! Charts of values that a network answers: predicted against true, and residuals.

use std::ops::Range;

use plotters::prelude::*;
use plotters::style::text_anchor::{HPos, Pos, VPos};

use super::legend::{DrawError, Entry, FONT, Mark, width_of};
use super::plot::{Axes, COLOURS, WIDTH, colour_of, draw, is_finite, range_of, tick};

/// Predicted values beside true ones, of one quantity.
pub(super) struct Agreement<'a> {
    /// Its name in the legend.
    pub name: &'a str,
    /// True and predicted values.
    pub points: Vec<(f64, f64)>,
}

/// Dots that hardly cover each other.
const FEW: usize = 500;

/// Predicted against true values about the line where they are equal; `unit` is what the axes say behind it.
pub(super) fn agreement_chart(unit: &str, quantities: &[Agreement]) -> String {
    let ends = quantities.iter().flat_map(|one| &one.points).flat_map(|&(x, y)| [x, y]);
    let range = range_of(ends);
    let has_colours = quantities.len() <= COLOURS.len();
    let colour = |place: usize| if has_colours { colour_of(place) } else { COLOURS[0] };
    let mut legend: Vec<Entry> = if has_colours {
        let named = quantities.iter().enumerate().map(|(place, one)| Entry {
            name: one.name,
            colour: colour(place).into(),
            mark: Mark::Dot,
        });
        named.collect()
    } else {
        vec![Entry { name: "a test value", colour: COLOURS[0].into(), mark: Mark::Dot }]
    };
    let equal = BLACK.mix(0.6);
    legend.push(Entry { name: "predicted = true", colour: equal, mark: Mark::Line });
    let (x_label, y_label) = (format!("true{unit}"), format!("predicted{unit}"));
    let line = [(range.start, range.start), (range.end, range.end)];
    let (x_range, y_range) = (range.clone(), range);
    let axes = Axes { x_label: &x_label, y_label: &y_label, x_range, y_range };
    let count: usize = quantities.iter().map(|one| one.points.len()).sum();
    let opacity = if count > FEW { 0.35 } else { 0.7 };
    draw("Predicted against true, test samples", axes, &legend, |chart| {
        for (place, one) in quantities.iter().enumerate() {
            let style = colour(place).mix(opacity).filled();
            let points = one.points.iter().copied().filter(is_finite);
            chart.draw_series(points.map(|point| Circle::new(point, 2, style)))?;
        }
        chart.draw_series(LineSeries::new(line, equal))?;
        Ok(())
    })
}

/// Residuals of one quantity.
pub(super) struct Residuals<'a> {
    pub name: &'a str,
    /// The 5, 25, 50, 75 and 95 % quantiles, in units of the axis.
    pub quantiles: [f64; 5],
}

/// Height of a row, width of the names, and what is above and below the rows, in pixels.
const ROW: i32 = 30;
const NAMES: i32 = 150;
const ABOVE: i32 = 40;
const BELOW: i32 = 62;
const RIGHT: i32 = 24;

/// A bar a quantity: a box between the quartiles with a line at the median, and whiskers from 5 to 95 %.
pub(super) fn residual_chart(x_label: &str, rows: &[Residuals]) -> String {
    let ends = rows.iter().flat_map(|row| row.quantiles).chain([0.0]);
    let range = range_of(ends);
    let bottom = ABOVE + rows.len() as i32 * ROW;
    let height = bottom + BELOW;
    let width = WIDTH as i32;
    let place = |value: f64| {
        let share = (value - range.start) / (range.end - range.start);
        NAMES + (share * f64::from(width - NAMES - RIGHT)).round() as i32
    };
    let mut svg = String::new();
    {
        let size = (WIDTH, height.unsigned_abs());
        let area = SVGBackend::with_string(&mut svg, size).into_drawing_area();
        let drawn = (|| -> Result<(), DrawError> {
            area.fill(&WHITE)?;
            let text = |words: String, at: (i32, i32), size: u32, horizontal| {
                let style = ("sans-serif", size).into_font().color(&BLACK);
                area.draw(&Text::new(words, at, style.pos(Pos::new(horizontal, VPos::Center))))
            };
            let line = |from: (i32, i32), to: (i32, i32), style: ShapeStyle| {
                area.draw(&PathElement::new([from, to], style))
            };
            let middle = width / 2;
            text("Residuals of the test samples".to_owned(), (middle, 18), 17, HPos::Center)?;
            for value in ticks(&range) {
                let x = place(value);
                line((x, ABOVE), (x, bottom + 5), BLACK.mix(0.15).stroke_width(1))?;
                let words = tick(value, range.end - range.start);
                text(words, (x, bottom + 16), FONT.1, HPos::Center)?;
            }
            line((NAMES, bottom), (width - RIGHT, bottom), BLACK.stroke_width(1))?;
            text(x_label.to_owned(), (middle, bottom + 44), FONT.1, HPos::Center)?;
            line((place(0.0), ABOVE), (place(0.0), bottom), BLACK.mix(0.6).stroke_width(1))?;
            for (number, row) in rows.iter().enumerate() {
                let y = ABOVE + number as i32 * ROW + ROW / 2;
                text(shortened(row.name), (NAMES - 8, y), FONT.1, HPos::Right)?;
                if row.quantiles.iter().any(|value| !value.is_finite()) {
                    continue;
                }
                let [low, first, median, third, high] = row.quantiles.map(place);
                let stroke = COLOURS[0].stroke_width(2);
                line((low, y), (high, y), stroke)?;
                for end in [low, high] {
                    line((end, y - 4), (end, y + 4), stroke)?;
                }
                let corners = [(first, y - 8), (third, y + 8)];
                area.draw(&Rectangle::new(corners, WHITE.filled()))?;
                area.draw(&Rectangle::new(corners, COLOURS[0].mix(0.3).filled()))?;
                area.draw(&Rectangle::new(corners, COLOURS[0]))?;
                line((median, y - 8), (median, y + 8), COLOURS[1].stroke_width(2))?;
            }
            area.present()
        })();
        drawn.expect("drawing into text cannot fail");
    }
    svg
}

/// Round numbers within `range`, about five.
fn ticks(range: &Range<f64>) -> Vec<f64> {
    let rough = (range.end - range.start) / 5.0;
    let power = 10_f64.powf(rough.log10().floor());
    let step = [1.0, 2.0, 5.0, 10.0].map(|factor| factor * power);
    let step = step.into_iter().find(|step| *step >= rough).unwrap_or(rough);
    let first = (range.start / step).ceil() as i64;
    let last = (range.end / step).floor() as i64;
    (first..=last).map(|count| count as f64 * step).collect()
}

/// `name`, cut where it is wider than the space for names.
fn shortened(name: &str) -> String {
    let fits = |text: &str| width_of(text, FONT.1) <= NAMES - 16;
    if fits(name) {
        return name.to_owned();
    }
    let mut short = name.to_owned();
    while short.pop().is_some() && !fits(&format!("{short}…")) {}
    short + "…"
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn ticks_are_round_numbers_within_the_range() {
        assert_eq!(ticks(&(-1.1..1.1)), [-1.0, -0.5, 0.0, 0.5, 1.0]);
        assert_eq!(ticks(&(0.0..10.0)), [0.0, 2.0, 4.0, 6.0, 8.0, 10.0]);
    }

    #[test]
    fn every_quantity_has_a_bar_and_its_name() {
        let name = "a very long name of a target that does not fit";
        let rows = [
            Residuals { name: "y", quantiles: [-1.0, -0.5, 0.0, 0.5, 1.0] },
            Residuals { name, quantiles: [-2.0, -0.5, 0.1, 0.5, 1.0] },
        ];
        let svg = residual_chart("residual", &rows);
        assert!(svg.contains("\ny\n") && svg.contains("a very long"), "{svg}");
        assert!(!svg.contains(name) && svg.matches("#0072B2").count() > 6, "{svg}");
    }
}
