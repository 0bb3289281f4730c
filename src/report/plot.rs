//! Charts as SVG text: title above, legend below, nothing over the data.

use std::ops::Range;

use plotters::prelude::*;
use plotters::style::text_anchor::{HPos, Pos, VPos};

use super::legend::{DrawError, Entry, FONT, Mark, ROW, rows_of};

/// Width of a chart, in pixels.
pub(super) const WIDTH: u32 = 560;
/// Height of the plot with its axes, in pixels.
const HEIGHT: u32 = 330;
/// Height of a line of the title, in pixels.
const TITLE_LINE: u32 = 22;
/// Maximum letters in a line of the title.
const TITLE_LETTERS: usize = 66;
/// Ticks of the horizontal axis: as many as their numbers fit beside each other.
const X_TICKS: usize = 7;
/// Okabe and Ito's palette, distinguishable with any colour vision.
pub(super) const COLOURS: [RGBColor; 6] = [
    RGBColor(0, 114, 178),
    RGBColor(213, 94, 0),
    RGBColor(0, 158, 115),
    RGBColor(204, 121, 167),
    RGBColor(230, 159, 0),
    RGBColor(86, 180, 233),
];

/// One curve of a chart.
pub struct Curve<'a> {
    /// Its name in the legend.
    pub name: &'a str,
    /// Its points.
    pub points: Vec<(f64, f64)>,
}

/// A curve with a band around it.
pub struct BandedCurve<'a> {
    /// The curve.
    pub curve: Curve<'a>,
    /// Half the height of the band at each point of the curve.
    pub deviations: Vec<f64>,
}

/// Returns a chart of curves with their bands, as SVG.
///
/// # Panics
/// Never: drawing into text cannot fail.
#[must_use]
pub fn band_chart(
    title: &str,
    x_label: &str,
    y_label: &str,
    y_range: Range<f64>,
    curves: &[BandedCurve],
) -> String {
    let points = curves.iter().flat_map(|banded| &banded.curve.points);
    let x_range = range_of(points.map(|point| point.0));
    let legend = entries(curves.iter().map(|banded| banded.curve.name));
    let axes = Axes { x_label, y_label, x_range, y_range };
    draw(title, axes, &legend, |chart| {
        for (place, BandedCurve { curve, deviations }) in curves.iter().enumerate() {
            let side = |sign: f64| {
                let points = curve.points.iter().zip(deviations);
                points.map(move |(&(x, y), d)| (x, y + sign * d)).filter(is_finite)
            };
            let outline: Vec<(f64, f64)> =
                side(1.0).chain(side(-1.0).collect::<Vec<_>>().into_iter().rev()).collect();
            chart.draw_series([Polygon::new(outline, colour_of(place).mix(0.15))])?;
        }
        draw_lines(chart, curves.iter().map(|banded| &banded.curve))
    })
}

/// Returns a chart of curves, as SVG. Without `y_range`, the axis fits the points.
///
/// # Panics
/// Never: drawing into text cannot fail.
#[must_use]
pub fn line_chart(
    title: &str,
    x_label: &str,
    y_label: &str,
    y_range: Option<Range<f64>>,
    curves: &[Curve],
) -> String {
    let points = || curves.iter().flat_map(|curve| &curve.points);
    let x_range = range_of(points().map(|point| point.0));
    let y_range = y_range.unwrap_or_else(|| range_of(points().map(|point| point.1)));
    let legend = entries(curves.iter().map(|curve| curve.name));
    let axes = Axes { x_label, y_label, x_range, y_range };
    draw(title, axes, &legend, |chart| draw_lines(chart, curves))
}

/// The colour of curve `place`; past the palette's end the colours repeat, dashed.
pub(super) fn colour_of(place: usize) -> RGBColor {
    COLOURS[place % COLOURS.len()]
}

fn is_dashed(place: usize) -> bool {
    place >= COLOURS.len()
}

pub(super) fn is_finite(&(x, y): &(f64, f64)) -> bool {
    x.is_finite() && y.is_finite()
}

/// Legend entries of curves called `names`.
fn entries<'a>(names: impl Iterator<Item = &'a str>) -> Vec<Entry<'a>> {
    let entry = |(place, name)| {
        let mark = if is_dashed(place) { Mark::Dashes } else { Mark::Line };
        Entry { name, colour: colour_of(place).into(), mark }
    };
    names.enumerate().map(entry).collect()
}

/// Draws curves, each in its colour, without points that are NaN or infinite.
fn draw_lines<'a, 'c>(
    chart: &mut Chart<'c>,
    curves: impl IntoIterator<Item = &'a Curve<'a>>,
) -> Result<(), DrawError> {
    for (place, curve) in curves.into_iter().enumerate() {
        let points = curve.points.iter().copied().filter(is_finite);
        let style = colour_of(place).stroke_width(2);
        if is_dashed(place) {
            chart.draw_series(DashedLineSeries::new(points, 6, 4, style))?;
        } else {
            chart.draw_series(LineSeries::new(points, style))?;
        }
    }
    Ok(())
}

/// Returns a chart of points as SVG, with the line y = x if `diagonal` names it, otherwise with the line y = 0.
///
/// # Panics
/// Never: drawing into text cannot fail.
#[must_use]
pub fn scatter_chart(
    title: &str,
    x_label: &str,
    y_label: &str,
    diagonal: Option<&str>,
    points: &[(f64, f64)],
) -> String {
    let (mut x_range, mut y_range) = (
        range_of(points.iter().map(|point| point.0)),
        range_of(points.iter().map(|point| point.1)),
    );
    if diagonal.is_some() {
        x_range = range_of([x_range.start, y_range.start, x_range.end, y_range.end].into_iter());
        y_range = x_range.clone();
    }
    let (low, high) = (x_range.start, x_range.end);
    let line = match diagonal {
        Some(_) => [(low, low), (high, high)],
        None => [(low, 0.0), (high, 0.0)],
    };
    let legend = [
        Entry { name: "a reading", colour: COLOURS[0].into(), mark: Mark::Dot },
        Entry { name: diagonal.unwrap_or("no error"), colour: BLACK.mix(0.6), mark: Mark::Line },
    ];
    draw(title, Axes { x_label, y_label, x_range, y_range }, &legend, |chart| {
        let dots = points.iter().copied().filter(is_finite);
        let dot = |point| Circle::new(point, 2, COLOURS[0].mix(0.35).filled());
        chart.draw_series(dots.map(dot))?;
        chart.draw_series(LineSeries::new(line, BLACK.mix(0.6)))?;
        Ok(())
    })
}

pub(super) type Chart<'a> = ChartContext<
    'a,
    SVGBackend<'a>,
    Cartesian2d<plotters::coord::types::RangedCoordf64, plotters::coord::types::RangedCoordf64>,
>;

/// Labels and ranges of the axes.
pub(super) struct Axes<'a> {
    pub x_label: &'a str,
    pub y_label: &'a str,
    pub x_range: Range<f64>,
    pub y_range: Range<f64>,
}

pub(super) fn draw(
    title: &str,
    Axes { x_label, y_label, x_range, y_range }: Axes,
    legend: &[Entry],
    content: impl FnOnce(&mut Chart) -> Result<(), DrawError>,
) -> String {
    let mut svg = String::new();
    let width = |range: &Range<f64>| range.end - range.start;
    let (x_span, y_span) = (width(&x_range), width(&y_range));
    let titles = lines_of(title, TITLE_LETTERS);
    let top = 8 + TITLE_LINE * titles.len() as u32;
    let rows = rows_of(legend, WIDTH);
    let height = top + HEIGHT + ROW * rows.len() as u32 + 6;
    {
        let area = SVGBackend::with_string(&mut svg, (WIDTH, height)).into_drawing_area();
        let drawn = (|| -> Result<(), DrawError> {
            area.fill(&WHITE)?;
            for (line, words) in titles.iter().enumerate() {
                let middle = (WIDTH as i32 / 2, 8 + (TITLE_LINE * line as u32) as i32 + 9);
                let font = ("sans-serif", 17).into_font().color(&BLACK);
                let centred = font.pos(Pos::new(HPos::Center, VPos::Center));
                area.draw(&Text::new(words.clone(), middle, centred))?;
            }
            let (_, below) = area.split_vertically(top);
            let (plot, beneath) = below.split_vertically(HEIGHT);
            let mut chart = ChartBuilder::on(&plot)
                .margin(10)
                .x_label_area_size(46)
                .y_label_area_size(78)
                .build_cartesian_2d(x_range, y_range)?;
            chart
                .configure_mesh()
                .x_desc(x_label)
                .y_desc(y_label)
                .x_labels(X_TICKS)
                .x_label_formatter(&|value| tick(*value, x_span))
                .y_label_formatter(&|value| tick(*value, y_span))
                .label_style(FONT)
                .axis_desc_style(FONT)
                .light_line_style(TRANSPARENT)
                .draw()?;
            content(&mut chart)?;
            for (row, entries) in rows.iter().enumerate() {
                for placed in entries {
                    placed.draw(&beneath, row)?;
                }
            }
            area.present()
        })();
        drawn.expect("drawing into text cannot fail");
    }
    svg
}

/// `title` in lines of at most `letters`, broken between words.
fn lines_of(title: &str, letters: usize) -> Vec<String> {
    let mut lines: Vec<String> = Vec::new();
    for word in title.split_whitespace() {
        match lines.last_mut() {
            Some(line) if line.chars().count() + 1 + word.chars().count() <= letters => {
                line.push(' ');
                line.push_str(word);
            }
            _ => lines.push(word.to_owned()),
        }
    }
    lines
}

/// The label of a tick at `value`, on an axis of length `span`, without meaningless digits.
pub(super) fn tick(value: f64, span: f64) -> String {
    // Ticks are sums of steps: the one at zero is only nearly zero.
    if value.abs() < 1e-6 * span {
        return "0".to_owned();
    }
    if value.abs() < 1e-3 || value.abs() >= 1e6 {
        // 200.001 THz on an axis of 1 GHz needs all its digits.
        let digits = (2.0 + (value.abs() / span).log10()).clamp(2.0, 9.0) as usize;
        return format!("{value:.digits$e}");
    }
    // Ticks are no closer than a fiftieth of the span.
    let digits = (2.0 - span.log10()).clamp(0.0, 9.0) as usize;
    let text = format!("{value:.digits$}");
    if text.contains('.') {
        text.trim_end_matches('0').trim_end_matches('.').to_owned()
    } else {
        text
    }
}

/// Range of the finite `values`, with a margin; never empty.
pub(super) fn range_of(values: impl Iterator<Item = f64>) -> Range<f64> {
    let (low, high) = values
        .filter(|value| value.is_finite())
        .fold((f64::INFINITY, f64::NEG_INFINITY), |(low, high), value| {
            (low.min(value), high.max(value))
        });
    if low > high {
        return 0.0..1.0;
    }
    let size = low.abs().max(high.abs());
    let margin = match 0.03 * (high - low) {
        spread if spread > 1e-9 * size => spread,
        // All values are the same, such as one epoch: a margin with ticks that differ in few digits.
        _ if size > 0.0 => 0.01 * size,
        _ => 1.0,
    };
    low - margin..high + margin
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn ticks_have_the_digits_that_the_axis_needs() {
        assert_eq!(tick(0.25, 1.0), "0.25");
        assert_eq!(tick(-2.5e-9, 5e-9), "-2.50e-9");
        assert_eq!(tick(1e-25, 5e-9), "0");
        assert_ne!(tick(2.000_01e14, 2e9), tick(2.000_02e14, 2e9));
        let range = range_of([1e-12, 3e-12].into_iter());
        assert!(range.start > 0.9e-12 && range.end < 3.1e-12, "{range:?}");
        let still = range_of([5e-9].into_iter());
        assert!(still.start < 5e-9 && still.end > 5e-9 && still.end < 5.1e-9, "{still:?}");
    }

    /// The value of attribute `name` of the element that contains `text`.
    fn attribute(svg: &str, text: &str, name: &str) -> f64 {
        let end = svg.find(text).unwrap_or_else(|| panic!("no {text} in {svg}"));
        let start = svg[..end].rfind('<').unwrap();
        let value = svg[start..end].split(&format!(" {name}=\"")).nth(1).unwrap();
        value.split('"').next().unwrap().parse().unwrap()
    }

    #[test]
    fn the_legend_is_below_the_plot_and_names_every_curve() {
        let names: Vec<String> = (0..9).map(|place| format!("curve-{place}")).collect();
        let curves: Vec<Curve> = names
            .iter()
            .enumerate()
            .map(|(place, name)| Curve { name, points: vec![(0.0, 0.0), (1.0, place as f64)] })
            .collect();
        let svg = line_chart("Nine", "the horizontal", "value", Some(0.0..9.0), &curves);
        let axis = attribute(&svg, "\nthe horizontal\n", "y");
        for name in &names {
            assert!(attribute(&svg, &format!("\n{name}\n"), "y") > axis, "{name} in {svg}");
        }
    }

    #[test]
    fn long_titles_are_broken_between_words() {
        let lines = lines_of("Test accuracy on the device, mean of 5 seeds", 20);
        assert_eq!(lines, ["Test accuracy on the", "device, mean of 5", "seeds"]);
    }
}
