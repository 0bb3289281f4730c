//! Noise, converters and drift of devices in tensors are those of `twinprop_devices::imperfections`.

use burn::tensor::{Device, Tensor};
use nalgebra::{DMatrix, DVector};
use twinprop_calibration::bridge::{from_vec, to_tensor, to_vec};
use twinprop_calibration::tensors::{Draws, TensorDevice};
use twinprop_devices::electronic::CrossbarConfig;
use twinprop_devices::imperfections::{DriftConfig, DriftCourse, ImperfectionsConfig, Span};
use twinprop_devices::neuromorphic::{LifChipConfig, LifReadout};
use twinprop_devices::{Channels, DeviceConfig, DeviceKind, PhysicalLayer, SimulatedDevice, Usage};

use crate::{backends, difference};

/// Middles of the channels' ranges, moved by a tenth of a half range from channel to channel.
fn point(channels: &Channels) -> Vec<f32> {
    let places = channels.iter().enumerate();
    let value = |(place, channel): (usize, twinprop_devices::Channel<'_>)| {
        let middle = 0.5 * (channel.minimum + channel.maximum);
        middle + 0.5 * channel.span() * (0.3 + 0.5 * (place as f32 * 1.3).sin())
    };
    places.map(value).collect()
}

/// `shots` shots at one drive and setting.
fn repeated(layer: &mut dyn PhysicalLayer, shots: usize) -> DMatrix<f32> {
    let interface = layer.interface().clone();
    let drives = point(&interface.inputs);
    let inputs = DMatrix::from_fn(drives.len(), shots, |row, _| drives[row]);
    let parameters = DVector::from_vec(point(&interface.parameters));
    let mut outputs = DMatrix::zeros(interface.outputs.len(), shots);
    layer.measure(&inputs, &parameters, &mut outputs).unwrap();
    outputs
}

/// Largest difference of the distribution functions of two samples (Kolmogorov and Smirnov), over its standard scale: above
/// 1.95 for one in a thousand pairs of equal distributions.
fn kolmogorov_smirnov(one: &mut [f32], other: &mut [f32]) -> f64 {
    let (first, second) = (one.len() as f64, other.len() as f64);
    one.sort_by(f32::total_cmp);
    other.sort_by(f32::total_cmp);
    let (mut i, mut j, mut largest) = (0, 0, 0.0f64);
    while i < one.len() && j < other.len() {
        let value = one[i].min(other[j]);
        while i < one.len() && one[i] <= value {
            i += 1;
        }
        while j < other.len() && other[j] <= value {
            j += 1;
        }
        largest = largest.max((i as f64 / first - j as f64 / second).abs());
    }
    largest * (first * second / (first + second)).sqrt()
}

fn mean_and_deviation(values: &[f32]) -> (f64, f64) {
    let count = values.len() as f64;
    let mean = values.iter().map(|&value| f64::from(value)).sum::<f64>() / count;
    let variance = values.iter().map(|&value| (f64::from(value) - mean).powi(2)).sum::<f64>();
    (mean, (variance / count).sqrt())
}

/// Readings of two devices have one distribution, channel by channel, by their moments and by the test of Kolmogorov and
/// Smirnov.
fn readings_agree(one: &DMatrix<f32>, other: &DMatrix<f32>, case: &str) {
    let shots = one.ncols() as f64;
    let step = one.nrows().div_ceil(8);
    for channel in (0..one.nrows()).step_by(step) {
        let of = |matrix: &DMatrix<f32>| matrix.row(channel).iter().copied().collect::<Vec<_>>();
        let (mut one, mut other) = (of(one), of(other));
        let ((mean, deviation), (other_mean, other_deviation)) =
            (mean_and_deviation(&one), mean_and_deviation(&other));
        let case = format!("{case}, reading {channel}");
        let tolerance = 5.0 * deviation * (2.0 / shots).sqrt() + 1e-5 * mean.abs();
        assert!((mean - other_mean).abs() <= tolerance, "{case}: means {mean}, {other_mean}");
        let is_noisy = |mean: f64, deviation: f64| deviation > 1e-6 * mean.abs();
        assert_eq!(is_noisy(mean, deviation), is_noisy(other_mean, other_deviation), "{case}");
        if is_noisy(mean, deviation) {
            let far = (other_deviation / deviation - 1.0).abs() * shots.sqrt();
            assert!(far < 5.0, "{case}: deviations {deviation}, {other_deviation}");
            let distance = kolmogorov_smirnov(&mut one, &mut other);
            assert!(distance < 2.2, "{case}: Kolmogorov-Smirnov {distance}");
        }
    }
}

fn fabricated(model: DeviceKind, imperfections: ImperfectionsConfig) -> (SimulatedDevice, u64) {
    let seed = 5;
    (DeviceConfig { model, imperfections }.fabricate(seed).unwrap(), seed)
}

#[test]
fn numbers_are_those_of_the_cpu_on_every_backend() {
    let draws = Draws::new(7, u64::from(u32::MAX) - 3);
    let drawn = |device: &Device| {
        let numbers = |normal: bool, shape| -> Tensor<2> {
            if normal {
                draws.normal("a", shape, device)
            } else {
                draws.uniform("a", shape, device)
            }
        };
        [numbers(true, [40, 7]), numbers(true, [1, 513]), numbers(false, [40, 6])].map(to_vec)
    };
    let reference = drawn(&Device::flex());
    for (device, _) in backends() {
        for (ours, reference) in drawn(&device).iter().zip(&reference) {
            assert!(difference(ours, reference) < 1e-4, "{device:?}");
        }
    }
}

#[test]
fn numbers_are_normal_and_uniform() {
    let device = Device::flex();
    let draws = Draws::new(3, 0);
    let normal = to_vec(draws.normal("a", [1000, 200], &device));
    let (mean, deviation) = mean_and_deviation(&normal);
    assert!(mean.abs() < 0.01 && (deviation - 1.0).abs() < 0.01, "{mean}, {deviation}");
    let fourth = normal.iter().map(|value| f64::from(*value).powi(4)).sum::<f64>();
    assert!((fourth / normal.len() as f64 - 3.0).abs() < 0.1);
    let uniform = to_vec(draws.uniform("a", [1000, 200], &device));
    let (mean, deviation) = mean_and_deviation(&uniform);
    assert!((mean - 0.5).abs() < 0.003 && (deviation - 12f64.sqrt().recip()).abs() < 0.003);
}

/// Drive noise, readout noise and shot noise of every kind of device whose channels are no rasters: those of the CPU with
/// its seed, and the same distribution with another.
#[test]
fn noise_is_that_of_the_imperfections() {
    let imperfections = ImperfectionsConfig {
        mismatch: 0.05,
        input_noise: 0.02,
        readout_noise: 0.01,
        shot_noise: 0.02,
        ..Default::default()
    };
    let shots = 3000;
    for model in DeviceKind::all() {
        if matches!(model, DeviceKind::LifChip(_) | DeviceKind::LearningChip(_)) {
            continue;
        }
        let name = model.name();
        let (mut simulated, seed) = fabricated(model, imperfections.clone());
        let reference = repeated(&mut *simulated.device, shots);
        for (backend, tolerance) in backends() {
            let play = |seed| {
                let device =
                    TensorDevice::on_backend(&*simulated.exact, &imperfections, seed, &backend);
                let Some(mut device) = device else { panic!("{name} has no equation in tensors") };
                repeated(&mut device, shots)
            };
            // The same numbers, and others of the same distribution. Roots magnify errors: that of a reading near zero, of
            // which shot noise is made, and that of a logarithm near zero, of which a small normal number is made.
            let of_range = simulated.device.interface().outputs.iter().map(|c| c.span());
            let ranges = DVector::from_iterator(reference.nrows(), of_range);
            let mut ours = play(seed) - &reference;
            ours.column_iter_mut().for_each(|mut shot| shot.component_div_assign(&ranges));
            let is_far = |difference: &&f32| difference.abs() > 10.0 * tolerance;
            let far = ours.iter().filter(is_far).count();
            assert!(far <= ours.len() / 1000, "{name} on {backend:?}: {far} of {}", ours.len());
            readings_agree(&reference, &play(seed + 1), &format!("{name} on {backend:?}"));
        }
    }
}

#[test]
fn one_seed_gives_the_same_bits_in_batches_of_any_size_and_after_a_resume() {
    let imperfections =
        ImperfectionsConfig { input_noise: 0.1, readout_noise: 0.05, ..Default::default() };
    let model = DeviceKind::Crossbar(CrossbarConfig {
        inputs: 6,
        outputs: 5,
        read_noise: 0.1,
        programming_noise: 0.1,
        drift_exponent: 0.05,
        drift_onset_seconds: 1e-6,
        ..Default::default()
    });
    let (simulated, seed) = fabricated(model, imperfections.clone());
    for (backend, _) in backends() {
        let device =
            || TensorDevice::on_backend(&*simulated.exact, &imperfections, seed, &backend).unwrap();
        let (mut first, mut second) = (device(), device());
        let play = |device: &mut TensorDevice, shots| repeated(device, shots);
        let before = play(&mut first, 12);
        assert_eq!(before, play(&mut second, 12), "{backend:?}");
        // The age of the cells is that at the batch's start, so batches are compared at equal starts.
        let usage: Usage = first.usage();
        assert_eq!(usage.shots, 12);
        let mut resumed = device();
        resumed.resume(&usage);
        let after = play(&mut first, 9);
        assert_eq!(after, play(&mut resumed, 9), "{backend:?}");
        assert_ne!(after.columns(0, 9), before.columns(0, 9), "{backend:?}");
    }
    // Without ageing cells, a batch in two parts has the same bits.
    let noisy = ImperfectionsConfig { readout_noise: 0.05, ..Default::default() };
    let model = DeviceKind::all().remove(1);
    let (simulated, seed) = fabricated(model, noisy.clone());
    for (backend, _) in backends() {
        let device =
            || TensorDevice::on_backend(&*simulated.exact, &noisy, seed, &backend).unwrap();
        let whole = repeated(&mut device(), 10);
        let mut parts = device();
        let (first, second) = (repeated(&mut parts, 4), repeated(&mut parts, 6));
        let rows = whole.nrows() * 4;
        assert!(difference(first.as_slice(), &whole.as_slice()[..rows]) < 1e-5);
        assert!(difference(second.as_slice(), &whole.as_slice()[rows..]) < 1e-5);
    }
}

/// Cells' noise and that of their programming, over many programmings of nearly the same weights.
#[test]
fn a_tile_is_programmed_and_read_with_the_noise_of_its_cells() {
    let model = DeviceKind::Crossbar(CrossbarConfig {
        inputs: 8,
        outputs: 4,
        programming_noise: 0.1,
        read_noise: 0.05,
        full_scale: 2.0,
        ..Default::default()
    });
    let (mut simulated, seed) = fabricated(model, ImperfectionsConfig::default());
    let programmings = 1500;
    let play = |layer: &mut dyn PhysicalLayer| {
        let interface = layer.interface().clone();
        let (drives, weights) = (point(&interface.inputs), point(&interface.parameters));
        let x = DMatrix::from_fn(drives.len(), programmings, |row, _| drives[row]);
        let theta = DMatrix::from_fn(weights.len(), programmings, |row, column| {
            weights[row] * (1.0 + 1e-5 * column as f32)
        });
        let mut y = DMatrix::zeros(interface.outputs.len(), programmings);
        layer.measure_settings(&x, &theta, &mut y).unwrap();
        y
    };
    let reference = play(&mut *simulated.device);
    let imperfections = ImperfectionsConfig::default();
    for (backend, _) in backends() {
        let device = TensorDevice::on_backend(&*simulated.exact, &imperfections, seed, &backend);
        readings_agree(&reference, &play(&mut device.unwrap()), "crossbar");
    }
}

/// Membranes' noise, and spikes that the link loses or records late: counts of spikes, and when they are recorded.
#[test]
fn a_chip_fires_with_the_noise_of_its_membranes_and_of_its_link() {
    for readout in [LifReadout::Counts, LifReadout::Raster] {
        let config = LifChipConfig {
            lines: 12,
            neurons: 8,
            steps: 25,
            membrane_noise: 0.1,
            spike_loss: 0.1,
            spike_jitter: 0.2,
            readout,
            ..Default::default()
        };
        let model = DeviceKind::LifChip(config);
        let imperfections = ImperfectionsConfig { mismatch: 0.1, ..Default::default() };
        let (mut simulated, seed) = fabricated(model, imperfections.clone());
        let shots = 3000;
        let play = |layer: &mut dyn PhysicalLayer| {
            let interface = layer.interface().clone();
            let drives = DMatrix::from_fn(interface.inputs.len(), shots, |cell, _| {
                f32::from(u8::from((cell * 7 + cell / 12) % 5 == 0))
            });
            let weights = interface.parameters.len();
            let parameters = DVector::from_fn(weights, |place, _| 0.5 + (place as f32 * 1.3).sin());
            let mut outputs = DMatrix::zeros(interface.outputs.len(), shots);
            layer.measure(&drives, &parameters, &mut outputs).unwrap();
            outputs
        };
        let reference = play(&mut *simulated.device);
        assert!(reference.mean() > 0.02, "{}", reference.mean());
        for (backend, _) in backends() {
            let device =
                TensorDevice::on_backend(&*simulated.exact, &imperfections, seed, &backend);
            let case = format!("{readout:?} on {backend:?}");
            readings_agree(&reference, &play(&mut device.unwrap()), &case);
        }
    }
}

/// Codes are those of the devices' own converters, but for values midway between two.
#[test]
fn converters_have_the_same_codes() {
    let imperfections = ImperfectionsConfig { dac_bits: 6, adc_bits: 8, ..Default::default() };
    for model in DeviceKind::all().into_iter().take(4) {
        let name = model.name();
        let (mut simulated, seed) = fabricated(model, imperfections.clone());
        let interface = simulated.device.interface().clone();
        let wave = |place: usize| (place as f32 * 0.7).sin();
        let shots = 50;
        let range = interface.inputs.clone();
        let bank = &range.banks()[0];
        let half = 0.5 * bank.span();
        let x = DMatrix::from_fn(range.len(), shots, |row, column| {
            bank.middle() + half * 0.9 * wave(row + 31 * column)
        });
        let theta = DVector::from_vec(point(&interface.parameters));
        let mut reference = DMatrix::zeros(interface.outputs.len(), shots);
        simulated.device.measure(&x, &theta, &mut reference).unwrap();
        for (backend, _) in backends() {
            let device =
                TensorDevice::on_backend(&*simulated.exact, &imperfections, seed, &backend);
            let theta = from_vec(theta.as_slice().to_vec(), [1, theta.len()], &backend);
            let y = device.unwrap().measure_tensors(to_tensor(&x, &backend), theta);
            let pairs = to_vec(y);
            let code = interface.outputs.banks()[0].span() / 255.0;
            let pairs = pairs.iter().zip(reference.as_slice());
            let others = pairs.filter(|(ours, reference)| (*ours - *reference).abs() > 0.01 * code);
            let count = others.count();
            assert!(count * 50 < reference.len(), "{name} on {backend:?}: {count} other codes");
        }
    }
}

#[test]
fn constants_drift_as_they_do_elsewhere() {
    let imperfections = ImperfectionsConfig {
        mismatch: 0.05,
        drift: Some(DriftConfig {
            deviation: 0.2,
            over: Span::Shots(100.0),
            course: DriftCourse::Ageing,
        }),
        ..Default::default()
    };
    let model = DeviceKind::all().remove(1);
    for (backend, tolerance) in backends() {
        let (mut simulated, seed) = fabricated(model.clone(), imperfections.clone());
        let SimulatedDevice { device: reference, exact, .. } = &mut simulated;
        let of = || TensorDevice::on_backend(&**exact, &imperfections, seed, &backend).unwrap();
        let mut device = of();
        let mut firsts = Vec::new();
        for shots in [1, 30, 40] {
            let (ours, other) = (repeated(&mut device, shots), repeated(&mut **reference, shots));
            assert!(difference(ours.as_slice(), other.as_slice()) < tolerance, "{shots} shots");
            firsts.push(ours.column(0).into_owned());
        }
        assert!((&firsts[0] - &firsts[2]).amax() > 1e-3, "nothing drifts");

        // Settings and shots of their own move the constants in between; a resumed device is where it was.
        let mut resumed = of();
        resumed.resume(&device.usage());
        let (x, theta) = {
            let interface = device.interface();
            let (x, theta) = (point(&interface.inputs), point(&interface.parameters));
            let of = |values: Vec<f32>, count| {
                DMatrix::from_fn(values.len(), count, |row, column| {
                    values[row] * (1.0 - 0.02 * column as f32)
                })
            };
            (of(x, 12), of(theta, 12))
        };
        let mut ours = DMatrix::zeros(device.interface().outputs.len(), 12);
        let (mut again, mut other) = (ours.clone(), ours.clone());
        let settings = theta.columns(0, 3).into_owned();
        for layer in
            [(&mut ours, &mut device as &mut dyn PhysicalLayer), (&mut again, &mut resumed)]
        {
            layer.1.measure_settings(&x, &settings, layer.0).unwrap();
        }
        reference.measure_settings(&x, &settings, &mut other).unwrap();
        assert_eq!(ours, again);
        assert!(difference(ours.as_slice(), other.as_slice()) < tolerance, "settings");
        device.measure_each(&x, &theta, &mut ours).unwrap();
        reference.measure_each(&x, &theta, &mut other).unwrap();
        assert!(difference(ours.as_slice(), other.as_slice()) < tolerance, "shots of their own");
    }
}

/// Values that are not finite stay so, with noise and with codes: the boundary refuses them.
#[test]
fn nan_stays_nan() {
    let imperfections = ImperfectionsConfig {
        input_noise: 0.1,
        readout_noise: 0.1,
        dac_bits: 6,
        adc_bits: 8,
        ..Default::default()
    };
    let model =
        DeviceKind::Crossbar(CrossbarConfig { inputs: 5, outputs: 6, ..Default::default() });
    let (simulated, seed) = fabricated(model, imperfections.clone());
    for (backend, _) in backends() {
        let device = TensorDevice::on_backend(&*simulated.exact, &imperfections, seed, &backend);
        let device = device.unwrap();
        let mut x = vec![0.5; 10];
        x[2] = f32::NAN;
        let theta = from_vec(vec![0.3; 30], [1, 30], &backend);
        let y = device.measure_tensors(from_vec(x, [2, 5], &backend), theta);
        let counts = device.counts(&from_vec(vec![0.0; 10], [2, 5], &backend), &y);
        let y = to_vec(y);
        assert!(y[..6].iter().all(|value| value.is_nan()), "{backend:?}: {y:?}");
        assert!(y[6..].iter().all(|value| value.is_finite()), "{backend:?}: {y:?}");
        let inside: i64 = counts.inside.into_scalar();
        assert_eq!(inside, 6, "{backend:?}");
    }
}

#[test]
fn broken_cells_of_rasters_are_counted() {
    let model =
        DeviceKind::LifChip(LifChipConfig { lines: 2, neurons: 1, steps: 3, ..Default::default() });
    let (simulated, seed) = fabricated(model, ImperfectionsConfig::default());
    for (backend, _) in backends() {
        let none = ImperfectionsConfig::default();
        let device = TensorDevice::on_backend(&*simulated.exact, &none, seed, &backend).unwrap();
        let cells = vec![0.0, 1.0, 0.5, 0.0, 1.5, 1.0, -1.0, 1.0, 1.0, 0.0, 0.0, 0.0];
        let drives = from_vec(cells, [2, 6], &backend);
        let readings = from_vec(vec![0.0, 1.0, 0.0, 0.0, 0.0, 0.0], [2, 3], &backend);
        let counts = device.counts(&drives, &readings);
        let (broken, inside): (i64, i64) =
            (counts.broken_cells.into_scalar(), counts.inside.into_scalar());
        assert_eq!((broken, inside), (3, 6), "{backend:?}");
    }
}
