//! Microring banks obey the equation of their module: the plain formula, conservation of power, and limits.

#![allow(clippy::unwrap_used, reason = "a failed test may panic")]

use nalgebra::{DMatrix, DVector};
use rand::RngExt;
use twinprop_devices::optical::{MicroringBank, MicroringBankConfig, Ring};
use twinprop_devices::{Differentiable, PhysicalLayer, random};

fn uniform(rows: usize, columns: usize, smallest: f32, largest: f32, seed: u64) -> DMatrix<f32> {
    let mut random = random::stream(seed, "test values");
    DMatrix::from_fn(rows, columns, |_, _| random.random_range(smallest..largest))
}

fn vector(length: usize, smallest: f32, largest: f32, seed: u64) -> DVector<f32> {
    uniform(length, 1, smallest, largest, seed).column(0).into_owned()
}

fn respond(device: &MicroringBank, x: &DMatrix<f32>, powers: &DVector<f32>) -> DMatrix<f32> {
    let mut y = DMatrix::zeros(device.interface().outputs.len(), x.ncols());
    device.respond(x, powers, &mut y).unwrap();
    y
}

/// Banks with every error, of a number of channels that is no multiple of a vector's.
fn flawed() -> MicroringBankConfig {
    MicroringBankConfig {
        inputs: 21,
        outputs: 6,
        drop_coupling: 4.0,
        resonance_error: 5.0,
        efficiency_error: 0.05,
        crosstalk: 0.05,
        ..Default::default()
    }
}

#[test]
fn a_ring_drops_passes_and_loses_all_of_the_power() {
    for [loss, bus, drop] in [[0.5, 4.75, 4.75], [0.0, 3.0, 7.0], [2.0, 6.0, 1.0]] {
        let ring = Ring::new(loss, bus, drop);
        for step in -50..50 {
            let detuning = 0.7 * f64::from(step);
            let lost = 4.0 * bus * loss / (detuning.powi(2) + ring.half_width.powi(2));
            let kept = ring.through(detuning) + ring.drop(detuning);
            assert!((kept - (1.0 - lost)).abs() < 1e-12, "{detuning}: {kept}, {lost}");
            let square = (ring.half_width - 2.0 * bus).powi(2);
            let through =
                (detuning.powi(2) + square) / (detuning.powi(2) + ring.half_width.powi(2));
            assert!((ring.through(detuning) - through).abs() < 1e-12, "{detuning}");
        }
        // Half of what it drops on resonance at r on either side: a width of 2 r.
        let peak = 4.0 * bus * drop / (loss + bus + drop).powi(2);
        assert!((ring.drop(0.0) - peak).abs() < 1e-12);
        for side in [-1.0, 1.0] {
            assert!((ring.drop(side * (loss + bus + drop)) - 0.5 * peak).abs() < 1e-12);
        }
    }
}

/// A bank of one ring: −1 far from its resonance, 1 on it without loss, and half of the light dropped at r.
#[test]
fn a_weight_goes_from_minus_one_to_one() {
    let config = MicroringBankConfig {
        inputs: 1,
        outputs: 1,
        ring_loss: 0.0,
        bus_coupling: 5.0,
        drop_coupling: 5.0,
        bias: 1000.0,
        heater_efficiency: 100.0,
        largest_power: 10.0,
        ..Default::default()
    };
    let bank = MicroringBank::nominal(&config).unwrap();
    for (power, weight) in [(0.0, -1.0), (10.0, 1.0), (9.9, 0.0), (10.1, 0.0)] {
        let powers = DVector::from_element(1, power);
        let found = bank.weights(&powers)[0];
        assert!((found - weight).abs() < 3e-4, "{power} mW: {found}, not {weight}");
        let read = respond(&bank, &DMatrix::from_element(1, 1, 0.5), &powers)[0];
        assert!((read - 0.5 * found).abs() < 1e-6, "{read}");
    }
}

#[test]
fn rows_without_loss_conserve_power_and_others_lose_some() {
    for loss in [0.0, 0.5] {
        let config = MicroringBankConfig { ring_loss: loss, ..flawed() };
        let bank = MicroringBank::fabricated(&config, 0.1, 3).unwrap();
        let powers = vector(21 * 6, 0.0, 3.0, 1);
        let (weights, dropped) = (bank.weights(&powers), bank.dropped(&powers));
        let passed = &dropped - &weights;
        let sum = &passed + &dropped;
        assert!(passed.iter().chain(&dropped).all(|share| (-1e-6..=1.0 + 1e-6).contains(share)));
        if loss == 0.0 {
            assert!(sum.iter().all(|sum| (sum - 1.0).abs() < 2e-6), "{sum}");
        } else {
            assert!(sum.iter().all(|&sum| sum < 1.0 && sum > 0.7), "{sum}");
        }
    }
}

#[test]
fn readings_are_those_of_the_plain_formula() {
    let (config, seed) = (flawed(), 3);
    let bank = MicroringBank::fabricated(&config, 0.1, seed).unwrap();
    let (channels, rows, shots) = (config.inputs, config.outputs, 5);
    let x = uniform(channels, shots, 0.0, 1.0, 4);
    let powers = vector(rows * channels, 0.0, 3.0, 5);
    let constants: Vec<f64> = bank.constants().iter().map(|c| f64::from(c.value)).collect();
    let (offsets, rest) = constants.split_at(rows * channels);
    let (efficiencies, rest) = rest.split_at(rows * channels);
    let (sensitivity, crosstalk) = (&rest[..rows], rest[rows]);
    let offset = |ring: usize| 9.25 * offsets[ring];
    let y = respond(&bank, &x, &powers);
    let [loss, bus, drop] = [config.ring_loss, config.bus_coupling, config.drop_coupling];
    let r = loss + bus + drop;
    let ring = |row: usize, place: usize| row * channels + place;
    for row in 0..rows {
        let detuned = |n: usize, k: usize| {
            let heat: f64 = (0..channels)
                .map(|j| crosstalk.powi(n.abs_diff(j) as i32) * f64::from(powers[ring(row, j)]))
                .sum();
            config.spacing * (k as f64 - n as f64) + config.bias
                - offset(ring(row, n))
                - config.heater_efficiency * efficiencies[ring(row, n)] * heat
        };
        let weights: Vec<f64> = (0..channels)
            .map(|k| {
                let (mut light, mut dropped) = (1.0, 0.0);
                for n in 0..channels {
                    let squares = detuned(n, k).powi(2) + r * r;
                    dropped += light * 4.0 * bus * drop / squares;
                    light *= (detuned(n, k).powi(2) + (r - 2.0 * bus).powi(2)) / squares;
                }
                dropped - light
            })
            .collect();
        for shot in 0..shots {
            let sum: f64 =
                weights.iter().enumerate().map(|(k, w)| w * f64::from(x[(k, shot)])).sum();
            let expected = sensitivity[row] * sum / (channels as f64).sqrt();
            let found = f64::from(y[(row, shot)]);
            assert!((found - expected).abs() < 2e-5, "row {row}, shot {shot}: {found} {expected}");
        }
    }
}

/// Where some readings saturate, as well: there the derivative is zero.
#[test]
fn adjoints_agree_with_central_differences_over_the_range() {
    let open = MicroringBank::fabricated(&flawed(), 0.1, 3).unwrap();
    for full_scale in [4.0, 0.8] {
        let config = MicroringBankConfig { full_scale, ..flawed() };
        let mut bank = MicroringBank::fabricated(&config, 0.1, 3).unwrap();
        let shots = 11;
        let x = uniform(21, shots, 0.0, 1.0, 4);
        let powers = vector(21 * 6, 0.0, 3.0, 5);
        let readings = respond(&bank, &x, &powers);
        let bound = full_scale as f32;
        assert_eq!(readings.iter().any(|y| y.abs() == bound), full_scale < 4.0);
        // A reading that a step takes across the bound has no derivative.
        let mut of = uniform(6, shots, -1.0, 1.0, 6);
        of.zip_apply(&respond(&open, &x, &powers), |of, y| {
            if (y.abs() - bound).abs() < 0.1 {
                *of = 0.0;
            }
        });
        let (mut dx, mut dpowers) = (DMatrix::zeros(21, shots), DVector::zeros(powers.len()));
        bank.vjp(&x, &powers, &of, &mut dx, &mut dpowers).unwrap();
        let dconstants = DVector::from_vec(bank.constant_cotangents(&x, &powers, &of).unwrap());
        let (mut same_dx, mut same_dpowers) = (dx.clone() * 0.0, dpowers.clone() * 0.0);
        let linearised = bank.linearise(&x, &powers).unwrap();
        linearised.vjp(&readings, &of, Some(&mut same_dx), &mut same_dpowers);
        assert_eq!((same_dx, same_dpowers), (dx.clone(), dpowers.clone()));
        let constants =
            DVector::from_iterator(dconstants.len(), bank.constants().iter().map(|c| c.value));
        for direction in 0..9u64 {
            let part = |index: u64| if direction % 3 == index { 1.0 } else { 0.0 };
            let vx = uniform(21, shots, -1.0, 1.0, 10 + direction) * part(0);
            let vpowers = vector(powers.len(), -1.0, 1.0, 20 + direction) * part(1);
            let vconstants = vector(constants.len(), -1.0, 1.0, 30 + direction) * part(2);
            let mut end = |h: f32| -> f64 {
                bank.set_constants((&constants + &vconstants * h).as_slice());
                let y = respond(&bank, &(&x + &vx * h), &(&powers + &vpowers * h));
                y.iter().zip(&of).map(|(y, of)| f64::from(*y) * f64::from(*of)).sum()
            };
            let h = 0.01;
            let measured =
                (8.0 * (end(h) - end(-h)) - (end(2.0 * h) - end(-2.0 * h))) / (12.0 * f64::from(h));
            bank.set_constants(constants.as_slice());
            let predicted =
                f64::from(dx.dot(&vx) + dpowers.dot(&vpowers) + dconstants.dot(&vconstants));
            assert!(
                (measured - predicted).abs() < 3e-3 * predicted.abs().max(0.1),
                "to {full_scale}, direction {direction}: {measured} measured, {predicted} predicted"
            );
        }
    }
}

/// The cotangent of every constant by itself, so that none hides behind the others.
#[test]
fn each_kind_of_constant_has_its_own_cotangent() {
    let mut bank = MicroringBank::fabricated(&flawed(), 0.1, 3).unwrap();
    let (x, powers) = (uniform(21, 7, 0.0, 1.0, 4), vector(21 * 6, 0.0, 3.0, 5));
    let of = uniform(6, 7, -1.0, 1.0, 6);
    let predicted = bank.constant_cotangents(&x, &powers, &of).unwrap();
    let constants = bank.constants();
    let values: Vec<f32> = constants.iter().map(|constant| constant.value).collect();
    assert_eq!((predicted.len(), values.len()), (2 * 126 + 6 + 1, 2 * 126 + 6 + 1));
    for place in [0, 70, 125, 126, 200, 251, 252, 257, 258] {
        let mut end = |h: f32| -> f64 {
            let mut moved = values.clone();
            moved[place] += h;
            bank.set_constants(&moved);
            let y = respond(&bank, &x, &powers);
            y.iter().zip(&of).map(|(y, of)| f64::from(*y) * f64::from(*of)).sum()
        };
        let h = 0.02;
        let measured =
            (8.0 * (end(h) - end(-h)) - (end(2.0 * h) - end(-2.0 * h))) / (12.0 * f64::from(h));
        let (found, name) = (f64::from(predicted[place]), &constants[place].name);
        assert!(
            (measured - found).abs() < 5e-3 * found.abs().max(0.1),
            "{name}: {measured} {found}"
        );
    }
}

#[test]
fn the_nominal_banks_have_no_errors_and_wide_resonances_are_refused() {
    let nominal = MicroringBank::nominal(&flawed()).unwrap();
    let off = |kind: &str, value: f32| {
        let constants = nominal.constants();
        let mut of_kind = constants.iter().filter(|constant| constant.name.starts_with(kind));
        of_kind.clone().count() > 0 && of_kind.all(|constant| constant.value == value)
    };
    assert!(off("resonance", 0.0) && off("heater", 1.0));
    assert!(off("sensitivity", 1.0) && off("crosstalk", 0.0));
    let wide = MicroringBankConfig { spacing: 19.0, ..Default::default() };
    let error = MicroringBank::nominal(&wide).unwrap_err().to_string();
    assert!(error.contains("20 GHz wide") && error.contains("spacing"), "{error}");
}
