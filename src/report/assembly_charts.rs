//! Heat maps of the correlations between units.

use plotters::prelude::*;
use plotters::style::text_anchor::{HPos, Pos, VPos};

use super::plot::COLOURS;
use crate::experiment::assemblies::{Correlations, StageAssemblies};

/// Side of the map, in pixels.
const SIDE: i32 = 420;
/// Height of the caption above the map, in pixels.
const CAPTION: i32 = 56;
/// Number of shades of each sign.
const SHADES: f32 = 10.0;

/// Maps of each stage before and after the training.
pub(super) fn assembly_charts(stages: &[StageAssemblies]) -> Vec<String> {
    let charts = stages.iter().flat_map(|stage| {
        let shown = match stage.before.units.len() {
            shown if shown == stage.width => format!("{shown} units"),
            shown => format!("{shown} of {} units", stage.width),
        };
        let title = |when: &str| format!("{shown} that enter {}, {when} training", stage.stage);
        let after = stage.after.as_ref().map(|after| map(&title("after"), after));
        [Some(map(&title("before"), &stage.before)), after].into_iter().flatten()
    });
    charts.collect()
}

/// `correlations` as SVG: positive ones blue, negative ones orange.
///
/// # Panics
/// Never: drawing into text cannot fail.
fn map(title: &str, correlations: &Correlations) -> String {
    let values = &correlations.values;
    let count = values.len() as i32;
    let edge = |place: usize| place as i32 * SIDE / count.max(1);
    let mut svg = String::new();
    {
        let size = ((SIDE + 40).unsigned_abs(), (CAPTION + SIDE + 20).unsigned_abs());
        let area = SVGBackend::with_string(&mut svg, size).into_drawing_area();
        let drawn = (|| {
            area.fill(&WHITE)?;
            let font = |size: i32| {
                let style = ("sans-serif", size).into_font().color(&BLACK);
                style.pos(Pos::new(HPos::Center, VPos::Center))
            };
            let middle = SIDE / 2 + 20;
            area.draw(&Text::new(title.to_owned(), (middle, 16), font(15)))?;
            let off_diagonal = mean_off_diagonal(values);
            let words =
                format!("mean |r| of two units {off_diagonal:.2}; blue r = 1, orange r = −1");
            area.draw(&Text::new(words, (middle, 38), font(13)))?;
            for (row, values) in values.iter().enumerate() {
                let (top, bottom) = (CAPTION + edge(row), CAPTION + edge(row + 1));
                let shade = |value: f32| (value * SHADES).round() as i32;
                let mut start = 0;
                // Neighbours of the same shade are drawn as one rectangle.
                for run in values.chunk_by(|&a, &b| shade(a) == shade(b)) {
                    let end = start + run.len();
                    let depth = shade(run[0]);
                    let colour = COLOURS[usize::from(depth < 0)]
                        .mix(f64::from(depth.abs()) / f64::from(SHADES));
                    if depth != 0 {
                        let corners = [(20 + edge(start), top), (20 + edge(end), bottom)];
                        area.draw(&Rectangle::new(corners, colour.filled()))?;
                    }
                    start = end;
                }
            }
            let frame = [(20, CAPTION), (20 + SIDE, CAPTION + SIDE)];
            area.draw(&Rectangle::new(frame, BLACK.mix(0.3)))?;
            area.present()
        })();
        drawn.expect("drawing into text cannot fail");
    }
    svg
}

fn mean_off_diagonal(values: &[Vec<f32>]) -> f32 {
    let count = values.len();
    let pairs = (0..count).flat_map(|a| (0..a).map(move |b| (a, b)));
    let sum: f32 = pairs.map(|(a, b)| values[a][b].abs()).sum();
    sum / (count * count.saturating_sub(1) / 2).max(1) as f32
}
