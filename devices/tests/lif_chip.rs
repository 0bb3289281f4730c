//! A chip of spiking neurons: its boundary, its noise, its readings and its constants.

#![allow(clippy::unwrap_used, reason = "a failed test may panic")]

use nalgebra::{DMatrix, DVector};
use rand::RngExt;
use twinprop_devices::imperfections::ImperfectionsConfig;
use twinprop_devices::neuromorphic::{
    Jacobian, LifChip, LifChipConfig, LifReadout, Relaxed, SpikeGradient, SpikeTrain, Spikes,
};
use twinprop_devices::{
    Boundary, DeviceConfig, DeviceError, DeviceKind, Differentiable, PhysicalLayer, Usage, random,
};

const LINES: usize = 7;
const NEURONS: usize = 9;
const STEPS: usize = 30;

fn config() -> LifChipConfig {
    LifChipConfig {
        lines: LINES,
        neurons: NEURONS,
        steps: STEPS,
        weight_bits: 6,
        gain_error: 0.3,
        ..Default::default()
    }
}

/// Rasters of `shots` shots, a tenth of their cells spikes.
fn rasters(shots: usize, seed: u64) -> DMatrix<f32> {
    let mut random = random::stream(seed, "rasters");
    DMatrix::from_fn(LINES * STEPS, shots, |_, _| f32::from(random.random_bool(0.1)))
}

fn weights(seed: u64) -> DVector<f32> {
    let mut random = random::stream(seed, "weights");
    DVector::from_fn((LINES + NEURONS) * NEURONS, |_, _| random.random_range(-0.6..1.2))
}

fn measure(device: &mut dyn PhysicalLayer, x: &DMatrix<f32>, w: &DVector<f32>) -> DMatrix<f32> {
    let mut y = DMatrix::zeros(device.interface().outputs.len(), x.ncols());
    device.measure(x, w, &mut y).unwrap();
    y
}

#[test]
fn what_is_no_spike_is_refused_with_its_place() {
    let chip = LifChip::nominal(&config()).unwrap();
    let mut device = Boundary::new(Box::new(chip));
    let mut x = rasters(3, 1);
    let mut y = DMatrix::zeros(NEURONS * STEPS, 3);
    x[(4 * LINES + 2, 1)] = 0.5;
    let error = device.measure(&x, &weights(1), &mut y).unwrap_err();
    assert!(
        matches!(error, DeviceError::NotASpike { line: 2, step: 4, shot: 1, value: 0.5, .. }),
        "{error}"
    );
    assert_eq!(device.shots(), 0);
    let words = error.to_string();
    assert!(words.contains("line 2 of raster `spike`") && words.contains("step 4"), "{words}");
    x[(4 * LINES + 2, 1)] = 1.0;
    device.measure(&x, &weights(1), &mut y).unwrap();
    assert!(y.iter().all(|&cell| cell == 0.0 || cell == 1.0) && y.sum() > 5.0, "{}", y.sum());
}

#[test]
fn additive_noise_on_a_raster_is_refused() {
    let chip = |imperfections| DeviceConfig { model: DeviceKind::LifChip(config()), imperfections };
    for (key, imperfections) in [
        ("input_noise", ImperfectionsConfig { input_noise: 0.1, ..Default::default() }),
        ("readout_noise", ImperfectionsConfig { readout_noise: 0.1, ..Default::default() }),
        ("shot_noise", ImperfectionsConfig { shot_noise: 0.1, ..Default::default() }),
    ] {
        let error = chip(imperfections).fabricate(1).err().unwrap().to_string();
        assert!(error.contains(key) && error.contains("spike_jitter"), "{error}");
    }
    chip(ImperfectionsConfig { mismatch: 0.3, ..Default::default() }).fabricate(1).unwrap();
    let counts = LifChipConfig { readout: LifReadout::Counts, ..config() };
    let imperfections = ImperfectionsConfig { readout_noise: 0.1, ..Default::default() };
    DeviceConfig { model: DeviceKind::LifChip(counts), imperfections }.fabricate(1).unwrap();
}

#[test]
fn impossible_chips_are_refused() {
    for (config, words) in [
        (LifChipConfig { steps: 1, ..config() }, "two or more"),
        (LifChipConfig { membrane_time: 1.0, ..config() }, "more than 1"),
        (LifChipConfig { synaptic_time: 0.5, ..config() }, "more than 1"),
    ] {
        let error = LifChip::nominal(&config).unwrap_err().to_string();
        assert!(error.contains(words), "{error}");
    }
}

/// The noise of a shot depends on the seed and on the number of the shot alone: neither on the batch nor on the threads.
#[test]
fn noise_is_the_same_in_any_batch_on_any_number_of_threads_and_after_a_resume() {
    let config =
        LifChipConfig { membrane_noise: 0.2, spike_loss: 0.1, spike_jitter: 0.2, ..config() };
    let (x, w) = (rasters(40, 2), weights(2));
    let chip = || LifChip::fabricated(&config, 0.3, 5).unwrap();
    let expected = measure(&mut chip(), &x, &w);
    let single = rayon::ThreadPoolBuilder::new().num_threads(1).build().unwrap();
    assert_eq!(single.install(|| measure(&mut chip(), &x, &w)), expected);
    let mut parts = chip();
    let first = measure(&mut parts, &x.columns(0, 13).into_owned(), &w);
    assert_eq!(first, expected.columns(0, 13));
    let mut resumed = chip();
    resumed.resume(&Usage { shots: 13, ..Usage::default() });
    assert_eq!(resumed.usage(), parts.usage());
    let each = DMatrix::from_fn(w.len(), 27, |row, _| w[row]);
    let mut rest = DMatrix::zeros(NEURONS * STEPS, 27);
    resumed.measure_each(&x.columns(13, 27).into_owned(), &each, &mut rest).unwrap();
    assert_eq!(rest, expected.columns(13, 27));
    let other = measure(&mut LifChip::fabricated(&config, 0.3, 6).unwrap(), &x, &w);
    assert_ne!(other, expected);
}

#[test]
fn the_link_loses_spikes_and_records_them_late() {
    let (x, w) = (rasters(10, 3), weights(3));
    let play =
        |config: LifChipConfig| measure(&mut LifChip::fabricated(&config, 0.0, 1).unwrap(), &x, &w);
    let base = LifChipConfig { gain_error: 0.0, ..config() };
    let all = play(base.clone());
    assert_eq!(play(LifChipConfig { spike_loss: 1.0, ..base.clone() }).sum(), 0.0);
    let late = play(LifChipConfig { spike_jitter: 1.0, ..base.clone() });
    for shot in 0..10 {
        for step in 0..STEPS - 1 {
            for neuron in 0..NEURONS {
                let due = all[(step * NEURONS + neuron, shot)];
                let is_last = step + 1 == STEPS - 1;
                let recorded = late[((step + 1) * NEURONS + neuron, shot)];
                assert!(recorded == due || is_last && recorded >= due);
            }
        }
    }
    let some = play(LifChipConfig { spike_loss: 0.2, ..base });
    assert!(some.sum() < all.sum() && some.sum() > 0.3 * all.sum(), "{} {}", some.sum(), all.sum());
}

#[test]
fn counts_and_membranes_belong_to_the_raster() {
    let (x, w) = (rasters(5, 4), weights(4));
    let play = |readout| {
        let config = LifChipConfig { readout, ..config() };
        measure(&mut LifChip::fabricated(&config, 0.3, 1).unwrap(), &x, &w)
    };
    let (raster, counts) = (play(LifReadout::Raster), play(LifReadout::Counts));
    let both = play(LifReadout::RasterAndMembrane);
    let cells = NEURONS * STEPS;
    assert_eq!(both.rows(0, cells), raster);
    for shot in 0..5 {
        let column: Vec<f32> = raster.column(shot).iter().copied().collect();
        let found = Spikes::of_raster(&column, NEURONS).counts(NEURONS);
        let found: Vec<f32> = found.into_iter().map(|count| count as f32).collect();
        assert_eq!(counts.column(shot).as_slice(), found);
        // A neuron fires where its membrane was the largest.
        for cell in 0..cells {
            let membrane = both[(cells + cell, shot)];
            assert!(raster[(cell, shot)] == 0.0 || membrane > 0.3, "{membrane}");
        }
    }
}

/// The chip's derivative is that of its population at the readings, times the gains; no neuron has a synapse with itself.
#[test]
fn derivatives_are_those_of_the_population_at_the_readings() {
    let (x, w) = (rasters(35, 5), weights(5));
    let mut device =
        LifChip::fabricated(&LifChipConfig { membrane_noise: 0.1, ..config() }, 0.3, 1).unwrap();
    let twin = LifChip::fabricated(&config(), 0.2, 2).unwrap();
    let readings = measure(&mut device, &x, &w);
    let mut random = random::stream(1, "cotangents");
    let of: DMatrix<f32> =
        DMatrix::from_fn(NEURONS * STEPS, 35, |_, _| random.random_range(-1.0..1.0));
    let population = twin.population(w.as_slice());
    let gains: Vec<f32> = twin.constants()[3 * NEURONS..].iter().map(|c| c.value).collect();
    let surrogate = SpikeGradient::Surrogate { slope: 10.0 };
    let spike_train = SpikeGradient::SpikeTrain { jacobian: Jacobian::Full, floor: 0.3 };
    for gradient in [surrogate, spike_train] {
        let twin = twin.clone().with_gradient(gradient);
        let (mut dx, mut dw) = (DMatrix::zeros(LINES * STEPS, 35), DVector::zeros(w.len()));
        twin.vjp_at_readings(&x, &w, &readings, &of, &mut dx, &mut dw).unwrap();
        let mut expected = vec![0.0_f32; w.len()];
        for shot in 0..35 {
            let column = |matrix: &DMatrix<f32>| matrix.column(shot).iter().copied().collect();
            let (input, own, of): (Vec<f32>, Vec<f32>, Vec<f32>) =
                (column(&x), column(&readings), column(&of));
            let input = Spikes::of_raster(&input, LINES);
            let own = Spikes::of_raster(&own, NEURONS);
            let (synapses, cells) = if gradient == surrogate {
                let relaxed = Relaxed::new(population.clone(), 10.0);
                let (of, cells) = relaxed.vjp(&input, &own, &of);
                (of.synapses, cells)
            } else {
                let rule = SpikeTrain { jacobian: Jacobian::Full, floor: 0.3 };
                let of_counts: Vec<f32> = (0..NEURONS)
                    .map(|l| of.iter().skip(l).step_by(NEURONS).sum::<f32>() / STEPS as f32)
                    .collect();
                let found = rule.vjp(&population, &input, &own, &of_counts);
                (found.synapses, found.lines.repeat(STEPS))
            };
            for (found, expected) in dx.column(shot).iter().zip(&cells) {
                assert!((found - expected).abs() < 1e-4 * expected.abs().max(1.0));
            }
            expected.iter_mut().zip(&synapses).for_each(|(sum, of)| *sum += of);
        }
        for (place, (found, expected)) in dw.iter().zip(&expected).enumerate() {
            let source = place / NEURONS;
            if source >= LINES && source - LINES == place % NEURONS {
                assert_eq!(*found, 0.0);
                continue;
            }
            let expected = gains[place] * expected;
            let error = (found - expected).abs();
            assert!(error < 1e-3 * expected.abs().max(1.0), "{place}: {found} {expected}");
        }
    }
}

/// The misfit of measured spikes has the derivatives that it says, and is least near the constants of the chip.
#[test]
fn the_misfit_of_spikes_leads_to_the_constants() {
    let (x, w) = (rasters(30, 6), weights(6));
    let mut device = LifChip::fabricated(&config(), 0.3, 1).unwrap();
    let readings = measure(&mut device, &x, &w);
    let mut twin = LifChip::nominal(&config()).unwrap();
    let values =
        |chip: &LifChip| -> Vec<f32> { chip.constants().iter().map(|c| c.value).collect() };
    let (start, truth) = (values(&twin), values(&device));
    let misfit_at = |twin: &mut LifChip, constants: &[f32]| {
        twin.set_constants(constants);
        twin.misfit(&x, &w, &readings).unwrap().unwrap()
    };
    let (nominal, of) = misfit_at(&mut twin, &start);
    let (fitted, _) = misfit_at(&mut twin, &truth);
    assert!(fitted < 0.5 * nominal, "{fitted} {nominal}");
    for bank in [0..NEURONS, NEURONS..2 * NEURONS, 2 * NEURONS..3 * NEURONS, 3 * NEURONS..of.len()]
    {
        let mut random = random::stream(bank.start as u64, "direction");
        let direction: Vec<f32> = (0..of.len())
            .map(|place| if bank.contains(&place) { random.random_range(-1.0..1.0) } else { 0.0 })
            .collect();
        let h = 1e-3;
        let mut end = |h: f32| {
            let moved = start.iter().zip(&direction).map(|(value, step)| value + h * step);
            f64::from(misfit_at(&mut twin, &moved.collect::<Vec<f32>>()).0)
        };
        let measured = (end(h) - end(-h)) / (2.0 * f64::from(h));
        let predicted: f64 = of.iter().zip(&direction).map(|(of, step)| f64::from(of * step)).sum();
        let tolerance = 0.01 * predicted.abs().max(1.0);
        assert!((measured - predicted).abs() < tolerance, "{bank:?}: {measured} {predicted}");
    }
}
