//! Second-harmonic generation of several widths, in thick and thin crystals, and with saturated bins.

use twinprop_devices::optical::{SecondHarmonic, SecondHarmonicConfig};

use crate::equation_agrees;

#[test]
fn second_harmonics_agree() {
    let plain = SecondHarmonicConfig::default();
    let uneven = SecondHarmonicConfig { inputs: 7, parameters: 12, outputs: 5, ..plain.clone() };
    let wide = SecondHarmonicConfig {
        inputs: 60,
        parameters: 41,
        outputs: 201,
        walk_off_fs: 80.0,
        ..plain.clone()
    };
    let smallest = SecondHarmonicConfig {
        inputs: 1,
        parameters: 1,
        outputs: 2,
        chirp_fs2: 0.0,
        walk_off_fs: 0.0,
        ..plain.clone()
    };
    let saturated = SecondHarmonicConfig { exposure: 20.0, ..plain.clone() };
    for (case, config, strength) in [
        ("plain", plain, 0.9),
        ("uneven", uneven, 0.9),
        ("wide", wide, 0.9),
        ("smallest", smallest, 0.5),
        ("saturated", saturated, 0.9),
    ] {
        let generation = SecondHarmonic::fabricated(&config, 0.05, 3).unwrap();
        equation_agrees(&generation, 37, strength, case);
    }
}
