//! Diffractive networks with errors, with squares that leave an edge, and with a saturated camera.

use twinprop_devices::optical::{Diffractive, DiffractiveConfig};

use crate::equation_agrees;

#[test]
fn networks_agree() {
    let errors = DiffractiveConfig {
        misalignment: 0.5,
        gap_error: 0.05,
        phase_error: 0.1,
        pixel_crosstalk: 0.05,
        ..Default::default()
    };
    let edges = DiffractiveConfig {
        inputs: 3,
        outputs: 5,
        layers: 3,
        pixels: 16,
        first_gap: Some(1.0),
        last_gap: Some(6.0),
        ..errors.clone()
    };
    let saturated = DiffractiveConfig { full_scale: 0.8, ..edges.clone() };
    // Waves decay where pixels are smaller than half a wavelength.
    let decaying =
        DiffractiveConfig { layers: 1, pitch: 0.25, gap: 5e-4, pixels: 8, ..errors.clone() };
    for (case, config) in
        [("errors", errors), ("edges", edges), ("saturated", saturated), ("decaying", decaying)]
    {
        let network = Diffractive::fabricated(&config, 0.05, 3).unwrap();
        equation_agrees(&network, 7, 0.9, case);
    }
}
