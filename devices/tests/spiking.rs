//! Populations of spiking neurons agree with reference values, and their derivatives with their definitions.

#![allow(clippy::unwrap_used, reason = "a failed test may panic")]

use std::path::Path;

use rand::RngExt;
use serde_json::Value;
use twinprop_devices::neuromorphic::{Jacobian, Neurons, Population, Relaxed, SpikeTrain, Spikes};
use twinprop_devices::random;

const STEPS: usize = 200;

fn flat(value: &Value) -> Vec<f64> {
    match value {
        Value::Array(items) => items.iter().flat_map(flat).collect(),
        _ => vec![value.as_f64().unwrap()],
    }
}

/// `[neuron][source]` as `[source][neuron]`.
fn transposed(values: &Value) -> Vec<f64> {
    let rows: Vec<Vec<f64>> = values.as_array().unwrap().iter().map(flat).collect();
    (0..rows[0].len()).flat_map(|source| rows.iter().map(move |row| row[source])).collect()
}

fn spikes(ticks: &Value) -> Spikes {
    let lines = ticks.as_array().unwrap();
    let mut cells = vec![0.0; STEPS * lines.len()];
    for (line, ticks) in lines.iter().enumerate() {
        flat(ticks).iter().for_each(|&tick| cells[tick as usize * lines.len() + line] = 1.0);
    }
    Spikes::of_raster(&cells, lines.len())
}

fn assert_near(what: &str, found: &[f64], expected: &[f64], tolerance: f64) {
    assert_eq!(found.len(), expected.len(), "{what}");
    for (place, (found, expected)) in found.iter().zip(expected).enumerate() {
        let error = (found - expected).abs();
        assert!(error <= tolerance * expected.abs().max(1.0), "{what} {place}: {found} {expected}");
    }
}

/// ν, the neurons and their weights.
fn population(threshold: f64, synapses: Vec<f64>, lines: usize, count: usize) -> Population<f64> {
    Population::new(lines, Neurons::uniform(count, 64.0, 8.0, threshold, 2), synapses)
}

/// Reference values of this project for the algorithm of Zhang & Li (2019).
#[test]
fn spike_trains_and_their_cotangents_agree_with_reference_values() {
    let path = Path::new(env!("CARGO_MANIFEST_DIR")).join("../../shared/golden/st-rsbp.json");
    let Ok(text) = std::fs::read_to_string(&path) else {
        eprintln!("skipped: no file {}", path.display());
        return;
    };
    let golden: Value = serde_json::from_str(&text).unwrap();
    let inputs = &golden["inputs"];
    let input = spikes(&inputs["ticks"]);
    let d = flat(&inputs["d"]);
    for (name, case) in golden["cases"].as_object().unwrap() {
        let scale = case["weight_scale"].as_f64().unwrap();
        let is_recurrent = name != "feed_forward";
        let mut synapses = transposed(&inputs["W"]);
        if is_recurrent {
            synapses.extend(transposed(&inputs["R"]));
        }
        synapses.iter_mut().for_each(|weight| *weight *= scale);
        let population = population(case["threshold"].as_f64().unwrap(), synapses, 6, 4);
        let own = population.play(&input);
        assert_eq!(own, spikes(&case["ticks"]), "{name}");
        let full = SpikeTrain { jacobian: Jacobian::Full, floor: 1e-4 };
        let of = full.vjp(&population, &input, &own, &d);
        let mut e = transposed(&case["e"]);
        let mut of_synapses = transposed(&case["dW"]);
        if is_recurrent {
            e.extend(transposed(&case["e_recurrent"]));
            of_synapses.extend(transposed(&case["dR"]));
        }
        let (mut effects, mut found) = (of.effects.clone(), of.synapses.clone());
        // The reference has no synapse of a neuron with itself.
        for neuron in (0..4).filter(|_| is_recurrent) {
            (effects[(6 + neuron) * 4 + neuron], found[(6 + neuron) * 4 + neuron]) = (0.0, 0.0);
        }
        assert_near(&format!("{name}: e"), &effects, &e, 1e-9);
        let omega: Vec<f64> = (0..4).map(|l| case["Omega"][l][l].as_f64().unwrap()).collect();
        assert_near(&format!("{name}: Ω"), &of.omega, &omega, 1e-9);
        assert_near(&format!("{name}: λ"), &of.lambda, &flat(&case["adjoint"]), 1e-9);
        assert_near(&format!("{name}: dW, dR"), &found, &of_synapses, 1e-9);
        assert_near(&format!("{name}: d_prev"), &of.lines, &flat(&case["d_previous"]), 1e-9);
        let k = transposed(&case["k"]);
        for (line, count) in input.counts(6).into_iter().enumerate() {
            for (neuron, own) in own.counts(4).into_iter().enumerate() {
                let slope = SpikeTrain::effect_slope(f64::from(own), 64.0, 2.0, STEPS as f64);
                let k = k[line * 4 + neuron];
                assert!((f64::from(count) * slope - k).abs() < 1e-9, "{name}: k");
            }
        }
    }
    network(&golden, &input);
}

/// Two layers, the second with fixed inhibition between its neurons, which has no part in its derivative.
fn network(golden: &Value, input: &Spikes) {
    let (inputs, network) = (&golden["inputs"], &golden["network"]);
    let case = &golden["cases"]["recurrent_threshold_3"];
    let mut synapses = transposed(&inputs["W"]);
    synapses.extend(transposed(&inputs["R"]));
    synapses.iter_mut().for_each(|weight| *weight *= case["weight_scale"].as_f64().unwrap());
    let hidden = population(network["threshold_hidden"].as_f64().unwrap(), synapses, 6, 4);
    let own = hidden.play(input);
    let threshold = network["threshold_output"].as_f64().unwrap();
    let output = population(threshold, transposed(&inputs["V"]), 4, 3);
    let mut inhibited = output.synapses.clone();
    let lateral = network["lateral"].as_f64().unwrap();
    inhibited.extend((0..9).map(|place| if place % 4 == 0 { 0.0 } else { lateral }));
    let played = population(threshold, inhibited, 4, 3).play(&own);
    assert_eq!(played, spikes(&network["output_ticks"]));
    let full = SpikeTrain { jacobian: Jacobian::Full, floor: 1e-4 };
    for label in ["label_0", "label_2"] {
        let case = &network[label];
        let spikes = spikes(&case["backward_output_ticks"]);
        let of = full.vjp(&output, &own, &spikes, &flat(&case["d_output"]));
        assert_near("e of the output", &of.effects, &transposed(&case["e_output"]), 1e-9);
        assert_near("Ω of the output", &of.omega, &flat(&case["Omega_output"]), 1e-9);
        assert_near("dV", &of.synapses, &transposed(&case["dV"]), 1e-9);
        assert_near("d of the hidden layer", &of.lines, &flat(&case["d_hidden"]), 1e-9);
        let of = full.vjp(&hidden, input, &own, &of.lines);
        assert_near("dW", &of.synapses[..24], &transposed(&case["dW"]), 1e-9);
        let recurrent = transposed(&case["dR"]);
        for (place, (found, expected)) in of.synapses[24..].iter().zip(&recurrent).enumerate() {
            assert!(place % 5 == 0 || (found - expected).abs() < 1e-9 * expected.abs().max(1.0));
        }
        assert_near("d of the input", &of.lines, &flat(&case["d_input"]), 1e-9);
        assert_near("λ of the hidden layer", &of.lambda, &flat(&case["adjoint_hidden"]), 1e-9);
    }
}

/// A fabricated population of 6 lines and 8 neurons, and its input of 40 steps.
fn fabricated(seed: u64, is_recurrent: bool) -> (Population<f64>, Spikes) {
    let mut random = random::stream(seed, "population");
    let (lines, count) = (6, 8);
    let mut draw = |length: usize, low: f64, high: f64| -> Vec<f64> {
        (0..length).map(|_| random.random_range(low..high)).collect()
    };
    let sources = if is_recurrent { lines + count } else { lines };
    let neurons = Neurons {
        membrane_time: draw(count, 8.0, 25.0),
        synaptic_time: draw(count, 2.0, 6.0),
        threshold: draw(count, 0.7, 1.4),
        refractory: (0..count as u32).map(|neuron| neuron % 3).collect(),
    };
    let mut synapses = draw(sources * count, -0.8, 1.6);
    for neuron in (0..count).filter(|_| is_recurrent) {
        synapses[(lines + neuron) * count + neuron] = 0.0;
    }
    let cells: Vec<f32> = draw(40 * lines, 0.0, 1.0)
        .into_iter()
        .map(|value| if value < 0.15 { 1.0 } else { 0.0 })
        .collect();
    (Population::new(lines, neurons, synapses), Spikes::of_raster(&cells, lines))
}

/// The sum of the membranes with which a neuron fires is what its synapses bring: Σ_h w_lh e_lh.
#[test]
fn membranes_before_the_reset_sum_up_to_weighed_effects() {
    for seed in 0..5 {
        let (population, input) = fabricated(seed, seed % 2 == 0);
        let (own, count) = (population.play(&input), population.neurons.len());
        let rule = SpikeTrain { jacobian: Jacobian::Diagonal, floor: 0.1 };
        let of = rule.vjp(&population, &input, &own, &vec![1.0; count]);
        let a: Vec<f64> = (0..count)
            .map(|l| {
                let rows = population.synapses.chunks(count).zip(of.effects.chunks(count));
                rows.map(|(weights, effects)| weights[l] * effects[l]).sum()
            })
            .collect();
        let sums = membranes_at_firings(&population, &input, &own);
        assert!(own.len() > 20, "{}", own.len());
        assert_near("Σ v", &a, &sums, 1e-9);
    }
}

/// Σ of v just before each reset, from the plain equations.
fn membranes_at_firings(population: &Population<f64>, input: &Spikes, own: &Spikes) -> Vec<f64> {
    let trace = relaxed_membranes(population, &cells(input, 6), own);
    let count = population.neurons.len();
    let mut sums = vec![0.0; count];
    for (step, membranes) in trace.iter().enumerate() {
        own.at(step).iter().for_each(|&l| sums[l as usize] += membranes[l as usize].0);
    }
    sums
}

fn cells(spikes: &Spikes, lines: usize) -> Vec<Vec<f64>> {
    let mut cells = vec![vec![0.0; lines]; spikes.steps()];
    for (step, cells) in cells.iter_mut().enumerate() {
        spikes.at(step).iter().for_each(|&line| cells[line as usize] = 1.0);
    }
    cells
}

/// (v, is refractory) before the reset at real inputs, with the recurrent input and the resets of `own`.
fn relaxed_membranes(
    population: &Population<f64>,
    input: &[Vec<f64>],
    own: &Spikes,
) -> Vec<Vec<(f64, bool)>> {
    let recurrent = cells(own, population.neurons.len());
    relaxed_trace(population, input, own, |step, l, _| recurrent[step][l]).0
}

type Trace = (Vec<Vec<(f64, bool)>>, Vec<Vec<f64>>);

/// The network with held resets, in which `spike(step, neuron, (v, is refractory))` takes the place of the spikes.
fn relaxed_trace(
    population: &Population<f64>,
    input: &[Vec<f64>],
    own: &Spikes,
    spike: impl Fn(usize, usize, (f64, bool)) -> f64,
) -> Trace {
    let (neurons, count) = (&population.neurons, population.neurons.len());
    let (mut v, mut p) = (vec![0.0; count], vec![0.0; count]);
    let mut waiting = vec![0; count];
    let (mut membranes, mut spikes): Trace = (Vec::new(), Vec::new());
    for step in 0..own.steps() {
        let mut membrane = Vec::new();
        for l in 0..count {
            let mut x = 0.0;
            if step > 0 {
                for (source, cell) in input[step - 1].iter().enumerate() {
                    x += population.row(source)[l] * cell;
                }
                if population.is_recurrent() {
                    for (source, cell) in spikes[step - 1].iter().enumerate() {
                        x += population.row(6 + source)[l] * cell;
                    }
                }
            }
            p[l] = (1.0 - 1.0 / neurons.synaptic_time[l]) * p[l] + x;
            v[l] = (1.0 - 1.0 / neurons.membrane_time[l]) * v[l] + p[l] / neurons.synaptic_time[l];
            let waits = waiting[l] > 0;
            if waits {
                (v[l], waiting[l]) = (0.0, waiting[l] - 1);
            }
            membrane.push((v[l], waits));
        }
        for &l in own.at(step) {
            (v[l as usize], waiting[l as usize]) = (0.0, neurons.refractory[l as usize]);
        }
        spikes.push((0..count).map(|l| spike(step, l, membrane[l])).collect());
        membranes.push(membrane);
    }
    (membranes, spikes)
}

/// φ(u), whose derivative is 1 / (1 + β |u|)².
fn phi(u: f64, slope: f64) -> f64 {
    u / (1.0 + slope * u.abs())
}

/// c·s̃ of the network relaxed about `measured`, where φ was `reference`.
fn relaxed_value(
    population: &Population<f64>,
    input: &[Vec<f64>],
    measured: &Spikes,
    reference: &[Vec<f64>],
    slope: f64,
    c: &[f64],
) -> f64 {
    let own = cells(measured, population.neurons.len());
    let threshold = &population.neurons.threshold;
    let (_, spikes) = relaxed_trace(population, input, measured, |step, l, (v, waits)| {
        let change = phi(v / threshold[l] - 1.0, slope) - reference[step][l];
        own[step][l] + if waits { 0.0 } else { change }
    });
    spikes.concat().iter().zip(c).map(|(spike, c)| spike * c).sum()
}

/// The surrogate gradient is that of the network relaxed about spikes that another chip measured: not those of its own
/// equation.
#[test]
fn the_surrogate_gradient_is_that_of_the_network_relaxed_about_measured_spikes() {
    for (seed, is_recurrent) in [(1, true), (2, true), (3, false)] {
        let (twin, input) = fabricated(seed, is_recurrent);
        let mut chip = twin.clone();
        let neurons = Neurons {
            threshold: twin.neurons.threshold.iter().map(|threshold| 1.2 * threshold).collect(),
            ..twin.neurons.clone()
        };
        chip = Population::new(6, neurons, chip.synapses);
        let measured = chip.play(&input);
        assert_ne!(measured, twin.play(&input));
        let slope = 5.0;
        let mut random = random::stream(seed, "cotangents");
        let c: Vec<f64> = (0..40 * 8).map(|_| random.random_range(-1.0..1.0)).collect();
        let (of, of_input) = Relaxed::new(twin.clone(), slope).vjp(&input, &measured, &c);
        let cells = cells(&input, 6);
        let reference: Vec<Vec<f64>> = relaxed_membranes(&twin, &cells, &measured)
            .iter()
            .map(|step| {
                let membranes = step.iter().zip(&twin.neurons.threshold);
                membranes.map(|((v, _), threshold)| phi(v / threshold - 1.0, slope)).collect()
            })
            .collect();
        let value = |population: &Population<f64>, cells: &[Vec<f64>]| {
            relaxed_value(population, cells, &measured, &reference, slope, &c)
        };
        let (h, close) = (1e-6, |found: f64, expected: f64, what: &str| {
            let tolerance = 1e-6 * expected.abs().max(1.0);
            assert!((found - expected).abs() < tolerance, "{what}: {found}, {expected} expected");
        });
        let with = |change: &dyn Fn(&mut Population<f64>, f64)| {
            let end = |h: f64| {
                let mut moved = twin.clone();
                change(&mut moved, h);
                value(&Population::new(6, moved.neurons, moved.synapses), &cells)
            };
            (end(h) - end(-h)) / (2.0 * h)
        };
        for place in 0..twin.synapses.len() {
            if place >= 48 && (place - 48) % 9 == 0 {
                continue;
            }
            let measured = with(&|moved, h| moved.synapses[place] += h);
            close(of.synapses[place], measured, &format!("synapse {place}"));
        }
        for l in 0..8 {
            let threshold = with(&|moved, h| moved.neurons.threshold[l] += h);
            close(of.threshold[l], threshold, "threshold");
            let membrane = with(&|moved, h| moved.neurons.membrane_time[l] += h);
            close(of.membrane_time[l], membrane, "membrane time");
            let synapse = with(&|moved, h| moved.neurons.synaptic_time[l] += h);
            close(of.synaptic_time[l], synapse, "synaptic time");
        }
        for cell in (0..240).step_by(7) {
            let end = |h: f64| {
                let mut moved = cells.clone();
                moved[cell / 6][cell % 6] += h;
                value(&twin, &moved)
            };
            close(of_input[cell], (end(h) - end(-h)) / (2.0 * h), &format!("cell {cell}"));
        }
        // Spikes of the twin's own equation give another gradient.
        let (other, _) = Relaxed::new(twin.clone(), slope).vjp(&input, &twin.play(&input), &c);
        let off = |of: &[f64]| -> f64 {
            let pairs = of.iter().zip(&other.synapses);
            pairs.map(|(one, other)| (one - other).powi(2)).sum::<f64>().sqrt()
        };
        assert!(off(&of.synapses) > 1e-3, "{}", off(&of.synapses));
    }
}

/// Weights and thresholds have one unit.
#[test]
fn counts_do_not_depend_on_the_unit_of_weights() {
    let (population, input) = fabricated(4, true);
    let expected = population.play(&input);
    for scale in [1e-6, 0.3, 7.0, 1e9] {
        let mut neurons = population.neurons.clone();
        neurons.threshold.iter_mut().for_each(|threshold| *threshold *= scale);
        let synapses = population.synapses.iter().map(|weight| scale * weight).collect();
        assert_eq!(Population::new(6, neurons, synapses).play(&input), expected, "{scale}");
    }
}

/// Without recurrent weights the recurrent code is the feed-forward code, bit for bit.
#[test]
fn recurrent_weights_of_zero_change_nothing() {
    let (forward, input) = fabricated(3, false);
    let mut synapses = forward.synapses.clone();
    synapses.resize(synapses.len() + 64, 0.0);
    let recurrent = Population::new(6, forward.neurons.clone(), synapses);
    let own = forward.play(&input);
    assert_eq!(recurrent.play(&input), own);
    let d = [1.0, -0.5, 2.0, 0.0, 0.3, -1.0, 0.7, 1.5];
    for jacobian in [Jacobian::Diagonal, Jacobian::Full] {
        let rule = SpikeTrain { jacobian, floor: 0.3 };
        let (one, other) =
            (rule.vjp(&forward, &input, &own, &d), rule.vjp(&recurrent, &input, &own, &d));
        assert_eq!(one.synapses, other.synapses[..48]);
        assert_eq!((one.lines, one.omega), (other.lines, other.omega));
    }
    let c: Vec<f64> = (0..320).map(|place| f64::from(place).sin()).collect();
    let (one, of_input) = Relaxed::new(forward, 5.0).vjp(&input, &own, &c);
    let (other, same) = Relaxed::new(recurrent, 5.0).vjp(&input, &own, &c);
    assert_eq!((one.synapses.as_slice(), of_input), (&other.synapses[..48], same));
}
