//! Microring banks: limits of a ring and of a row, heat, and the adjoint's other half in `matrix_devices.rs`.

#![allow(clippy::unwrap_used, reason = "a failed test may panic")]

use nalgebra::{DMatrix, DVector};
use twinprop_devices::optical::{Microring, MicroringBank, MicroringBankConfig};
use twinprop_devices::{Differentiable, PhysicalLayer};

/// What a ring drops, passes and loses is all the light; its drop has half its height at r.
#[test]
fn a_ring_conserves_power_less_its_loss() {
    let ring = Microring { intrinsic: 0.3, bus: 2.0, drop: 1.7 };
    let r = ring.half_width();
    assert_eq!(r, 4.0);
    for detuning in [-300.0f32, -7.0, -1.0, 0.0, 0.5, 4.0, 80.0] {
        let at = ring.transmission(detuning);
        let lost = 4.0 * 2.0 * 0.3 / (detuning * detuning + r * r);
        assert!((at.through + at.drop + lost - 1.0).abs() < 1e-6, "{detuning}: {at:?}");
        assert!((0.0..=1.0).contains(&at.through) && (0.0..=1.0).contains(&at.drop));
        // The square root of the through port, from coupled-mode theory.
        let expected =
            (detuning * detuning + (r - 2.0 * 2.0).powi(2)) / (detuning * detuning + r * r);
        assert!((at.through - expected).abs() < 1e-6, "{detuning}: {at:?}, not {expected}");
    }
    assert!((ring.transmission(r).drop / ring.transmission(0.0).drop - 0.5).abs() < 1e-6);
    // Critically coupled and lossless: all or nothing.
    let perfect = Microring { intrinsic: 0.0, bus: 2.0, drop: 2.0 };
    assert_eq!(perfect.transmission(0.0).drop, 1.0);
    assert!(perfect.transmission(1e4).through > 0.999_999);
}

fn lossless(channels: usize) -> MicroringBankConfig {
    MicroringBankConfig { channels, rows: 3, intrinsic_ghz: 0.0, ..Default::default() }
}

/// In a row without loss each wavelength is dropped or passes all rings: w = 1 − 2 Π t.
#[test]
fn a_row_without_loss_conserves_power() {
    let config =
        MicroringBankConfig { spacing_ghz: 20.0, resonance_error_ghz: 2.0, ..lossless(19) };
    let bank = MicroringBank::fabricated(&config, 0.0, 3).unwrap();
    let heaters = bank.interface().parameters.len();
    let powers = DVector::from_fn(heaters, |place, _| 1.0 + (place as f32 * 1.7).sin());
    let weights = bank.weights(&powers).unwrap();
    let ring = Microring { intrinsic: 0.0, bus: 2.4, drop: 2.4 };
    let constants = bank.constants();
    let cold = 4.8 + 8.0;
    for row in 0..3 {
        for k in 0..19 {
            let passed: f32 = (0..19)
                .map(|n| {
                    let place = row * 19 + n;
                    let own = cold - 4.8 * constants[place].value - 8.0 * powers[place];
                    ring.transmission(20.0 * (k as f32 - n as f32) + own).through
                })
                .product();
            let (found, expected) = (weights[(row, k)], 1.0 - 2.0 * passed);
            assert!((found - expected).abs() < 1e-5, "{row}, {k}: {found}, not {expected}");
        }
    }
}

/// In the middle of its range a heater makes a weight of zero, on resonance one of 1, cold one near −1.
#[test]
fn a_heater_sweeps_a_weight() {
    let config = MicroringBankConfig { spacing_ghz: 1e5, largest_milliwatt: 8.0, ..lossless(2) };
    let bank = MicroringBank::nominal(&config).unwrap();
    let weight = |milliwatt: f32| {
        let powers = DVector::from_element(6, milliwatt);
        bank.weights(&powers).unwrap()[(1, 1)]
    };
    assert!(weight(4.0).abs() < 1e-5, "{}", weight(4.0));
    assert!((weight(4.0 + 4.8 / 8.0) - 1.0).abs() < 1e-5);
    assert!(weight(0.0) < -0.9, "{}", weight(0.0));
    // The reading is the balanced detector's: all wavelengths at once, over the root of their number.
    let (mut y, x) = (DMatrix::zeros(3, 1), DMatrix::from_element(2, 1, 0.5));
    bank.respond(&x, &DVector::from_element(6, 4.6), &mut y).unwrap();
    let expected = 2.0 * 0.5 * weight(4.6) / 2f32.sqrt();
    assert!((y[0] - expected).abs() < 1e-5, "{}, not {expected}", y[0]);
}

/// A heater moves its neighbours by κ and κ².
#[test]
fn heat_reaches_the_neighbours() {
    let config = MicroringBankConfig { crosstalk: 0.1, ..lossless(4) };
    let bank = |config: &MicroringBankConfig| MicroringBank::fabricated(config, 0.0, 1).unwrap();
    let (warm, cold) = (bank(&config), bank(&lossless(4)));
    let mut powers = DVector::zeros(12);
    powers[0] = 1.0;
    let warmed = warm.weights(&powers).unwrap();
    let mut expected = powers.clone();
    expected[1] = 0.1;
    expected[2] = 0.01;
    expected[3] = 0.001;
    let expected = cold.weights(&expected).unwrap();
    assert!((&warmed - &expected).amax() < 1e-6, "{warmed}{expected}");
    assert!((warmed - cold.weights(&powers).unwrap()).amax() > 1e-3);
}

#[test]
fn rings_that_overlap_are_refused() {
    let config = MicroringBankConfig { spacing_ghz: 9.0, ..Default::default() };
    let error = MicroringBank::nominal(&config).map(|_| ()).unwrap_err().to_string();
    assert!(error.contains("spacing_ghz") && error.contains("10 GHz"), "{error}");
}
