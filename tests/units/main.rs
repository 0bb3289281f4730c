//! Nothing is absolute in a quantity that has a unit: one physics trains the same in volts, nanoamperes and
//! gigahertz.
//!
//! A power of two changes no digit of a 32-bit float: with units scaled by powers of two, a laboratory must reach the
//! same bits; with units scaled by powers of ten, the same result.

#![allow(clippy::unwrap_used, reason = "a failed test may panic")]

mod device;
mod rig;
mod training;

use twinprop::Rule;
use twinprop::calibration::design::DesignConfig;
use twinprop::calibration::{Fidelity, Reference, WatchConfig};
use twinprop::devices::PhysicalLayer;
use twinprop::devices::probe::{Probe, ProbeConfig};

use self::device::{Units, noisy};
use self::training::{SMALL, Setup, Stages, TwinKind, WHOLE, every_stage, usual};

/// Units of laboratories, as powers of two: drives, parameters, readings, features.
const LABORATORIES: [[i32; 4]; 4] =
    [[-40, -40, -40, -40], [40, 40, 40, 40], [37, -39, -30, 20], [-20, 33, 40, -60]];

/// Results of a laboratory.
#[derive(Debug, PartialEq)]
struct Outcome {
    fidelity: FidelityNumbers,
    accuracy: f32,
    parameters: Vec<u32>,
}

/// The numbers of a fidelity.
#[derive(Debug, PartialEq)]
struct FidelityNumbers {
    readings: Vec<f32>,
    gradients: Vec<f32>,
}

fn numbers(fidelity: &Fidelity) -> FidelityNumbers {
    let of_readings = fidelity.by_channel.iter().chain([&fidelity.readings]);
    let readings = of_readings
        .flat_map(|one| {
            [one.r2.value, one.r2.low, one.nrmse.value, one.nrmse.high, one.noise_floor]
        })
        .chain(fidelity.by_range.inputs)
        .chain(fidelity.by_range.parameters);
    let groups = fidelity.by_group.iter().map(|group| (&group.gradient, group.step));
    let gradients = groups.chain([(&fidelity.gradient, 0.0)]).flat_map(|(gradient, step)| {
        [gradient.cosine.value, gradient.cosine.low, gradient.length.value, step]
    });
    FidelityNumbers { readings: readings.collect(), gradients: gradients.collect() }
}

fn outcome(units: Units, kind: TwinKind, rule: Rule, stages: Stages, refined: bool) -> Outcome {
    let mut setup = Setup::new(units, SMALL, stages);
    let fidelity = numbers(&setup.calibrate(kind));
    let accuracy = setup.train(rule, refined);
    Outcome { fidelity, accuracy, parameters: setup.parameters() }
}

#[test]
fn every_twin_has_the_same_bits_in_any_laboratory() {
    for kind in TwinKind::ALL {
        for rule in [Rule::Pat, Rule::InSilico] {
            let plain = outcome(Units::ONE, kind, rule, usual, false);
            for exponents in LABORATORIES {
                let units = Units::powers_of_two(exponents);
                let there = outcome(units, kind, rule, usual, false);
                assert_eq!(there, plain, "{kind:?} by {rule}, {exponents:?}");
            }
        }
    }
}

#[test]
fn every_rule_and_stage_has_the_same_bits_in_any_laboratory() {
    let rules = [
        "pat",
        "in-silico",
        "asymmetric",
        "predictive-coding",
        "feedback-alignment",
        "direct-feedback-alignment",
        "augmented-direct-feedback-alignment",
        "learned-plasticity",
        "spsa",
        "finite-differences",
    ];
    for rule in rules {
        let rule: Rule = rule.parse().unwrap();
        // The regulariser needs a twin with any rule.
        let kind = TwinKind::Neural;
        let plain = outcome(Units::ONE, kind, rule, every_stage, false);
        for [drive, parameter, _, feature] in LABORATORIES {
            // A wire turns a reading of 1 V into a drive of 1 V: the two have one unit.
            let exponents = [drive, parameter, drive, feature];
            let units = Units::powers_of_two(exponents);
            let there = outcome(units, kind, rule, every_stage, false);
            assert_eq!(there, plain, "{rule}, {exponents:?}");
        }
    }
}

#[test]
fn refined_twins_have_the_same_bits_in_any_laboratory() {
    for kind in TwinKind::ALL {
        let plain = outcome(Units::ONE, kind, Rule::Pat, usual, true);
        let units = Units::powers_of_two([37, -39, -40, 20]);
        assert_eq!(outcome(units, kind, Rule::Pat, usual, true), plain, "{kind:?}");
    }
}

#[test]
fn the_watch_for_drift_and_the_probe_find_the_same_in_any_laboratory() {
    let watch_and_probe = |units: Units| {
        let mut device = noisy(units);
        let config = WatchConfig { drives: 12, repeats: 3, false_alarm_rate: 0.05 };
        let (inputs, parameters) =
            DesignConfig::Uniform.draw(device.interface(), config.drives, None, 1).unwrap();
        let reference = Reference::measure(&mut *device, inputs, parameters, 3).unwrap();
        let drift = reference.compare(&mut *device, &config, 1).unwrap();
        let mut device = noisy(units);
        let probe = ProbeConfig { seconds: 0.5, seed: 2 };
        let found = Probe::run(&mut *device, &probe, |_, _| ()).unwrap();
        let share = |value: &f32| value / units.reading;
        let noise: Vec<f32> = found.repeatability.noise.iter().map(share).collect();
        let signal: Vec<f32> = found.repeatability.signal.iter().map(share).collect();
        assert!(noise.iter().all(|noise| (0.01..0.04).contains(noise)), "{noise:?}");
        (drift, signal, found.linearity.sweeps[0].is_seen())
    };
    let (plain, signal, seen) = watch_and_probe(Units::ONE);
    assert!(!plain.alarm && seen);
    for exponents in LABORATORIES {
        let there = watch_and_probe(Units::powers_of_two(exponents));
        assert_eq!(there.0, plain, "{exponents:?}");
        assert!(there.2);
        // The number of shots before depends on the probe's duration.
        for (there, here) in there.1.iter().zip(&signal) {
            assert!((there / here - 1.0).abs() < 0.1, "{exponents:?}: {there}, {here}");
        }
    }
}

/// R² of the twin on readings that it never saw, and the test accuracy by each of `rules`.
fn figures<const N: usize>(units: Units, kind: TwinKind, rules: [Rule; N]) -> (f32, [f32; N]) {
    let mut calibrated = Setup::new(units, WHOLE, usual);
    let r2 = calibrated.calibrate(kind).readings.r2.value;
    let accuracies = rules.map(|rule| {
        let mut setup = Setup::new(units, WHOLE, usual);
        let twin = calibrated.laboratory.instruments[0].twin.clone();
        setup.laboratory.instruments[0].twin = twin;
        setup.train(rule, false)
    });
    (r2, accuracies)
}

#[test]
fn units_of_any_decade_train_alike() {
    for kind in [TwinKind::Neural, TwinKind::Temporal, TwinKind::Ensemble] {
        let rules = [Rule::Pat, Rule::InSilico];
        let (r2, accuracies) = figures(Units::ONE, kind, rules);
        // A guess is right in one of three cases.
        assert!(r2 > 0.9 && accuracies[0] > 0.7, "{kind:?}: {r2}, {accuracies:?}");
        for unit in [1e-12, 1e12] {
            let there = figures(Units::all(unit), kind, rules);
            assert!((there.0 - r2).abs() < 0.01, "{kind:?} in {unit:e}: {} {r2}", there.0);
            for (there, here) in there.1.iter().zip(accuracies) {
                assert!((there - here).abs() < 0.01, "{kind:?} in {unit:e}: {there} {here}");
            }
        }
    }
}

/// The table of all twins and rules over all decades.
#[test]
#[ignore = "it takes a minute and only prints"]
fn table_of_decades() {
    let rules = [Rule::Pat, Rule::InSilico, Rule::Spsa, Rule::PredictiveCoding];
    println!("{:15} {:>7} {:>7} | {rules:?}", "twin", "unit", "R²");
    for kind in TwinKind::ALL {
        for unit in [1e-12, 1e-9, 1e-6, 1.0, 1e6, 1e12] {
            let (r2, accuracies) = figures(Units::all(unit), kind, rules);
            let accuracies = accuracies.map(|accuracy| format!("{:.2} %", 100.0 * accuracy));
            println!(
                "{:15} {unit:>7.0e} {r2:>7.4} | {}",
                format!("{kind:?}"),
                accuracies.join("  ")
            );
        }
    }
}
