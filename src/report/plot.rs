//! Charts as SVG text.

use std::ops::Range;

use plotters::prelude::*;

/// Width and height of a chart, in pixels.
const SIZE: (u32, u32) = (560, 360);
const FONT: (&str, u32) = ("sans-serif", 14);
/// Okabe & Ito's palette, told apart with any colour vision.
pub(super) const COLOURS: [RGBColor; 6] = [
    RGBColor(0, 114, 178),
    RGBColor(213, 94, 0),
    RGBColor(0, 158, 115),
    RGBColor(204, 121, 167),
    RGBColor(230, 159, 0),
    RGBColor(86, 180, 233),
];

/// One line of a chart.
pub struct Curve<'a> {
    /// Its name in the legend.
    pub name: &'a str,
    /// Its points.
    pub points: Vec<(f64, f64)>,
}

/// A line with a band about it.
pub struct BandedCurve<'a> {
    /// The line.
    pub curve: Curve<'a>,
    /// Half the width of the band at each of its points.
    pub deviations: Vec<f64>,
}

/// Lines with their bands over a common axis, with a legend.
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
    draw(title, x_label, y_label, x_range, y_range, |chart| {
        for (BandedCurve { curve, deviations }, colour) in curves.iter().zip(COLOURS) {
            let side = |sign: f64| {
                curve.points.iter().zip(deviations).map(move |(&(x, y), d)| (x, y + sign * d))
            };
            let outline: Vec<(f64, f64)> =
                side(1.0).chain(side(-1.0).collect::<Vec<_>>().into_iter().rev()).collect();
            chart.draw_series([Polygon::new(outline, colour.mix(0.15))])?;
        }
        draw_lines(chart, curves.iter().map(|banded| &banded.curve))
    })
}

/// Lines over a common axis, with a legend.
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
    draw(title, x_label, y_label, x_range, y_range, |chart| draw_lines(chart, curves))
}

/// Draws lines, a colour each, and their legend.
fn draw_lines<'a, 'c>(
    chart: &mut Chart<'c>,
    curves: impl IntoIterator<Item = &'a Curve<'a>>,
) -> Result<(), DrawError> {
    for (curve, colour) in curves.into_iter().zip(COLOURS) {
        chart
            .draw_series(LineSeries::new(curve.points.iter().copied(), colour.stroke_width(2)))?
            .label(curve.name)
            .legend(move |(x, y)| PathElement::new([(x, y), (x + 18, y)], colour.stroke_width(2)));
    }
    chart
        .configure_series_labels()
        .position(SeriesLabelPosition::LowerRight)
        .background_style(WHITE.mix(0.85))
        .border_style(BLACK.mix(0.2))
        .label_font(FONT)
        .draw()
}

/// Points, about the line y = x if `diagonal` names it, otherwise about zero.
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
    draw(title, x_label, y_label, x_range, y_range, |chart| {
        let dots = points.iter().map(|&point| Circle::new(point, 2, COLOURS[0].mix(0.35).filled()));
        chart
            .draw_series(dots)?
            .label("a reading")
            .legend(|(x, y)| Circle::new((x + 9, y), 3, COLOURS[0].filled()));
        chart
            .draw_series(LineSeries::new(line, BLACK.mix(0.6)))?
            .label(diagonal.unwrap_or("no error"))
            .legend(|(x, y)| PathElement::new([(x, y), (x + 18, y)], BLACK.mix(0.6)));
        chart
            .configure_series_labels()
            .position(SeriesLabelPosition::UpperLeft)
            .background_style(WHITE.mix(0.85))
            .border_style(BLACK.mix(0.2))
            .label_font(FONT)
            .draw()
    })
}

type Chart<'a> = ChartContext<
    'a,
    SVGBackend<'a>,
    Cartesian2d<plotters::coord::types::RangedCoordf64, plotters::coord::types::RangedCoordf64>,
>;
type DrawError = DrawingAreaErrorKind<std::io::Error>;

fn draw(
    title: &str,
    x_label: &str,
    y_label: &str,
    x_range: Range<f64>,
    y_range: Range<f64>,
    content: impl FnOnce(&mut Chart) -> Result<(), DrawError>,
) -> String {
    let mut svg = String::new();
    let width = |range: &Range<f64>| range.end - range.start;
    let (x_span, y_span) = (width(&x_range), width(&y_range));
    {
        let area = SVGBackend::with_string(&mut svg, SIZE).into_drawing_area();
        let drawn = (|| -> Result<(), DrawError> {
            area.fill(&WHITE)?;
            let mut chart = ChartBuilder::on(&area)
                .caption(title, ("sans-serif", 17))
                .margin(12)
                .x_label_area_size(44)
                .y_label_area_size(62)
                .build_cartesian_2d(x_range, y_range)?;
            chart
                .configure_mesh()
                .x_desc(x_label)
                .y_desc(y_label)
                .x_label_formatter(&|value| tick(*value, x_span))
                .y_label_formatter(&|value| tick(*value, y_span))
                .label_style(FONT)
                .axis_desc_style(FONT)
                .light_line_style(TRANSPARENT)
                .draw()?;
            content(&mut chart)?;
            area.present()
        })();
        drawn.expect("drawing into text cannot fail");
    }
    svg
}

/// A number on an axis that is `span` wide, without the digits that say nothing.
pub(super) fn tick(value: f64, span: f64) -> String {
    // A sum of steps that should be zero is one only nearly.
    if value.abs() < 1e-6 * span {
        return "0".to_owned();
    }
    if value.abs() < 1e-3 || value.abs() >= 1e6 {
        // Of 200.001 THz on an axis of 1 GHz all digits tell.
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

/// Range of `values` with a margin; never empty.
fn range_of(values: impl Iterator<Item = f64>) -> Range<f64> {
    let (low, high) = values
        .filter(|value| value.is_finite())
        .fold((f64::INFINITY, f64::NEG_INFINITY), |(low, high), value| {
            (low.min(value), high.max(value))
        });
    if low > high {
        return 0.0..1.0;
    }
    let size = low.abs().max(high.abs());
    let margin = (0.03 * (high - low)).max(1e-9 * if size > 0.0 { size } else { 1.0 });
    low - margin..high + margin
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn an_axis_has_the_digits_that_its_unit_needs() {
        assert_eq!(tick(0.25, 1.0), "0.25");
        assert_eq!(tick(-2.5e-9, 5e-9), "-2.50e-9");
        assert_eq!(tick(1e-25, 5e-9), "0");
        assert_ne!(tick(2.000_01e14, 2e9), tick(2.000_02e14, 2e9));
        let range = range_of([1e-12, 3e-12].into_iter());
        assert!(range.start > 0.9e-12 && range.end < 3.1e-12, "{range:?}");
        let still = range_of([5e-9].into_iter());
        assert!(still.start < 5e-9 && still.end > 5e-9 && still.end < 5.1e-9, "{still:?}");
    }
}
