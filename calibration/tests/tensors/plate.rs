//! Plates with both detectors, with and without tension, some of which saturate.

use nalgebra::{DMatrix, DVector};
use twinprop_devices::mechanical::{Detection, Plate, PlateConfig};
use twinprop_devices::{Differentiable, PhysicalLayer};

use crate::{difference, equation_agrees};

/// Steps are no multiple of the readings, so that windows differ in length.
fn uneven() -> PlateConfig {
    let steps_per_sample = 3;
    PlateConfig {
        inputs: 9,
        parameters: 5,
        outputs: 11,
        modes: 3,
        steps_per_sample,
        ..Default::default()
    }
}

fn agrees(config: &PlateConfig, shots: usize, case: &str) {
    let plate = Plate::fabricated(config, 0.05, 3).unwrap();
    equation_agrees(&plate, shots, 0.9, case);
}

/// Readings of shots whose drives are waves like those of the comparison.
fn readings(config: &PlateConfig) -> DMatrix<f32> {
    let plate = Plate::fabricated(config, 0.05, 3).unwrap();
    let interface = plate.interface();
    let wave = |row: usize, column: usize| 0.9 * ((row + 37 * column) as f32 * 1.7).sin();
    let x = DMatrix::from_fn(interface.inputs.len(), 21, wave);
    let theta = DVector::from_fn(interface.parameters.len(), wave);
    let mut y = DMatrix::zeros(interface.outputs.len(), 21);
    plate.respond(&x, &theta, &mut y).unwrap();
    y
}

/// The tension that the other tests compare changes the readings.
#[test]
fn tension_is_felt() {
    for config in [PlateConfig::default(), uneven()] {
        let linear = readings(&PlateConfig { stiffening: 0.0, ..config.clone() });
        assert!(difference(readings(&config).as_slice(), linear.as_slice()) > 0.1);
    }
}

#[test]
fn plates_read_at_a_point_agree() {
    agrees(&PlateConfig::default(), 37, "even");
    agrees(&uneven(), 7, "uneven");
    agrees(&PlateConfig { modes: 1, outputs: 1, ..uneven() }, 1, "one of each");
    // More cubes of a kernel than fit along one side of a grid, and more modes than a cube has units.
    agrees(&PlateConfig { modes: 1, outputs: 1, ..uneven() }, 33_000, "many shots");
    agrees(&PlateConfig { modes: 300, ..uneven() }, 7, "many modes");
    agrees(&PlateConfig { stiffening: 0.0, ..Default::default() }, 37, "linear");
    agrees(&PlateConfig { stiffening: 0.0, ..uneven() }, 256, "linear, uneven");
}

#[test]
fn plates_with_modal_envelopes_agree() {
    let of = |config: PlateConfig| PlateConfig { detection: Detection::ModalEnvelopes, ..config };
    agrees(&of(PlateConfig::default()), 37, "envelopes");
    agrees(&of(PlateConfig { outputs: 12, ..uneven() }), 7, "envelopes, uneven");
    agrees(&of(PlateConfig { modes: 300, outputs: 600, ..uneven() }), 3, "many envelopes");
    agrees(&of(PlateConfig { outputs: 12, stiffening: 0.0, ..uneven() }), 7, "envelopes, linear");
}

/// Few shots: a reading that one side of the comparison computes just below full scale, and the other just above it, has
/// a cotangent on one side alone.
#[test]
fn plates_that_saturate_agree() {
    let loud = PlateConfig { gain: 16.0, ..Default::default() };
    let linear = PlateConfig { stiffening: 0.0, ..loud.clone() };
    let detection = Detection::ModalEnvelopes;
    let envelopes = PlateConfig { gain: 8.0, detection, ..Default::default() };
    for (config, case) in [(loud, "loud"), (linear, "loud, linear"), (envelopes, "loud envelopes")]
    {
        let readings = readings(&config);
        let saturated = readings.iter().filter(|reading| reading.abs() >= 1.0).count();
        let share = saturated as f32 / readings.len() as f32;
        assert!((0.05..0.95).contains(&share), "{case}: {share} of the readings saturate");
        agrees(&config, 7, case);
    }
}
