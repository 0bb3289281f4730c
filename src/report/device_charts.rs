//! Charts of a few shots of a device: its drives and its readings.

use nalgebra::{DMatrix, DVectorView};
use twinprop_devices::{Channels, Interface, Shots};

use super::figure::Figure;
use super::plot::{Curve, line_chart};

/// Number of shots that are shown.
const SHOTS: usize = 3;

/// Of `recorded` shots of `device`: drives, of complex drives magnitudes and phases, and readings.
pub(super) fn device_charts(device: &str, interface: &Interface, recorded: &Shots) -> Vec<Figure> {
    let drives = &recorded.inputs;
    let mut figures = if are_complex(&interface.inputs) {
        let part = |place: usize| {
            move |shot: DVectorView<f32>| -> Vec<f32> {
                let banks = interface.inputs.complex_banks();
                let polar = banks.iter().flat_map(|bank| bank.polar(shot.as_slice()));
                polar.map(|(magnitude, phase)| [magnitude, phase][place]).collect()
            }
        };
        vec![
            ("drives", chart(&format!("Drives of {device}, magnitude"), drives, part(0))),
            ("drive-phases", chart(&format!("Drives of {device}, phase in rad"), drives, part(1))),
        ]
    } else {
        vec![("drives", chart(&format!("Drives of {device}"), drives, every))]
    };
    let readings = chart(&format!("Readings of {device}"), &recorded.outputs, every);
    figures.push(("readings", readings));
    figures
        .into_iter()
        .map(|(name, chart)| Figure::new(format!("{name}-{device}"), chart))
        .collect()
}

/// Whether all `channels` carry complex amplitudes.
fn are_complex(channels: &Channels) -> bool {
    let complex: usize = channels.complex_banks().iter().map(|bank| 2 * bank.first.len()).sum();
    complex > 0 && complex == channels.len()
}

fn every(shot: DVectorView<f32>) -> Vec<f32> {
    shot.iter().copied().collect()
}

/// A line of `shown` values of each of the first shots of `values`, `[channels × shots]`.
fn chart(
    title: &str,
    values: &DMatrix<f32>,
    shown: impl Fn(DVectorView<f32>) -> Vec<f32>,
) -> String {
    let count = values.ncols().min(SHOTS);
    // A reference set repeats each drive; the stride skips the repetitions.
    let stride = (values.ncols() / count.max(1)).max(1);
    let names: Vec<String> = (1..=count).map(|shot| format!("shot {shot}")).collect();
    let curves: Vec<Curve> = names
        .iter()
        .enumerate()
        .map(|(shot, name)| {
            let points = shown(values.column(shot * stride)).into_iter().enumerate();
            let points = points.map(|(channel, y)| (channel as f64, f64::from(y)));
            Curve { name, points: points.collect() }
        })
        .collect();
    line_chart(title, "channel", "in the device's unit", None, &curves)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn complex_drives_are_shown_by_magnitude_and_phase() {
        let interface = |inputs: Channels| Interface {
            device: "chip".to_owned(),
            inputs,
            parameters: Channels::none(),
            outputs: Channels::bank("power", 1, "mW", 0.0, 1.0),
            seconds_per_shot: 1.0,
        };
        let recorded = Shots {
            inputs: DMatrix::from_element(4, 2, 0.5),
            parameters: DMatrix::zeros(0, 2),
            outputs: DMatrix::zeros(1, 2),
        };
        let names = |inputs: Channels| -> Vec<String> {
            let figures = device_charts("chip", &interface(inputs), &recorded);
            figures.into_iter().map(|figure| figure.name).collect()
        };
        let complex = ["drives-chip", "drive-phases-chip", "readings-chip"];
        assert_eq!(names(Channels::complex("field", 2, "V", 1.0)), complex);
        assert_eq!(names(Channels::bank("x", 4, "V", 0.0, 1.0)), ["drives-chip", "readings-chip"]);
    }
}
