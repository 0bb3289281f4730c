//! Adjoints of every device; and plate, transistor and pendula are the equations that their modules
//! state.

#![allow(clippy::unwrap_used, reason = "a failed test may panic")]

use nalgebra::{DMatrix, DVector};
use rand::RngExt;
use twinprop_devices::electronic::{Transistor, TransistorConfig};
use twinprop_devices::mechanical::{
    Detection, Oscillators, OscillatorsConfig, Pendula, PendulaConfig, Plate, PlateConfig,
};
use twinprop_devices::optical::{SecondHarmonic, SecondHarmonicConfig};
use twinprop_devices::{Channels, Differentiable, PhysicalLayer, random};

/// Uniform over a share of the channels' ranges, a column a shot.
fn drives(channels: &Channels, shots: usize, share: f32, seed: u64) -> DMatrix<f32> {
    let mut random = random::stream(seed, "test values");
    let every_shot = (0..shots).flat_map(|_| channels.iter());
    DMatrix::from_iterator(
        channels.len(),
        shots,
        every_shot.map(|channel| {
            let middle = 0.5 * (channel.minimum + channel.maximum);
            middle + 0.5 * share * channel.span() * random.random_range(-1.0..1.0f32)
        }),
    )
}

fn setting(device: &dyn Differentiable, seed: u64) -> DVector<f32> {
    drives(&device.interface().parameters, 1, 0.7, seed).column(0).into_owned()
}

fn respond(
    device: &dyn Differentiable,
    x: &DMatrix<f32>,
    parameters: &DVector<f32>,
) -> DMatrix<f32> {
    let mut y = DMatrix::zeros(device.interface().outputs.len(), x.ncols());
    device.respond(x, parameters, &mut y).unwrap();
    y
}

fn plate_config() -> PlateConfig {
    PlateConfig { inputs: 9, parameters: 7, outputs: 5, modes: 4, ..Default::default() }
}

fn cochlea_config() -> PlateConfig {
    PlateConfig { outputs: 12, detection: Detection::ModalEnvelopes, ..plate_config() }
}

fn transistor_config() -> TransistorConfig {
    TransistorConfig { inputs: 9, parameters: 7, outputs: 5, ..Default::default() }
}

fn devices() -> Vec<Box<dyn Differentiable>> {
    let oscillators = OscillatorsConfig {
        count: 6,
        time: 1.5,
        bend: 0.1,
        coupling_deviation: 0.2,
        largest_parameter: 0.5,
        largest_angle: 1.5,
        ..Default::default()
    };
    let optical = SecondHarmonicConfig {
        inputs: 6,
        parameters: 5,
        outputs: 7,
        exposure: 0.3,
        ..Default::default()
    };
    let pendula = PendulaConfig { count: 6, steps: 8, time: 2.0, ..Default::default() };
    vec![
        Box::new(Oscillators::fabricated(&oscillators, 0.0, 3)),
        Box::new(SecondHarmonic::fabricated(&optical, 0.1, 3).unwrap()),
        Box::new(Pendula::fabricated(&pendula, 0.1, 3).unwrap()),
        Box::new(Plate::fabricated(&plate_config(), 0.1, 3).unwrap()),
        Box::new(Plate::fabricated(&cochlea_config(), 0.1, 3).unwrap()),
        Box::new(Transistor::fabricated(&transistor_config(), 0.1, 3).unwrap()),
    ]
}

#[test]
fn adjoints_agree_with_central_differences_in_drives_parameters_and_constants() {
    for mut device in devices() {
        let interface = device.interface().clone();
        let shots = 21; // more than a block, the second one short
        let x = drives(&interface.inputs, shots, 0.7, 4);
        let theta = setting(&*device, 5);
        let weights = drives(
            &Channels::bank("weight", interface.outputs.len(), "1", -1.0, 1.0),
            shots,
            1.0,
            6,
        );
        let (mut dx, mut dtheta) = (DMatrix::zeros(x.nrows(), shots), DVector::zeros(theta.len()));
        device.vjp(&x, &theta, &weights, &mut dx, &mut dtheta).unwrap();
        let dconstants =
            DVector::from_vec(device.constant_cotangents(&x, &theta, &weights).unwrap());
        let constants: DVector<f32> =
            DVector::from_iterator(dconstants.len(), device.constants().iter().map(|c| c.value));
        assert_eq!(constants.len(), device.constants().len());
        for direction in 0..6 {
            let unit = |rows: usize, columns: usize, seed: u64| {
                drives(&Channels::bank("direction", rows, "1", -1.0, 1.0), columns, 1.0, seed)
            };
            let (mut vx, mut vtheta, mut vconstants) = (
                unit(x.nrows(), shots, 10 + direction),
                unit(theta.len(), 1, 20 + direction).column(0).into_owned(),
                unit(constants.len(), 1, 30 + direction).column(0).into_owned(),
            );
            // Each operand alone, twice, so that an error in one cannot hide behind another.
            match direction % 3 {
                0 => (vtheta, vconstants) = (vtheta * 0.0, vconstants * 0.0),
                1 => (vx, vconstants) = (vx * 0.0, vconstants * 0.0),
                _ => (vx, vtheta) = (vx * 0.0, vtheta * 0.0),
            }
            let mut end = |h: f32| -> f64 {
                device.set_constants((&constants + &vconstants * h).as_slice());
                let y = respond(&*device, &(&x + &vx * h), &(&theta + &vtheta * h));
                y.iter().zip(&weights).map(|(y, w)| f64::from(*y) * f64::from(*w)).sum()
            };
            let h = 0.01;
            let measured =
                (8.0 * (end(h) - end(-h)) - (end(2.0 * h) - end(-2.0 * h))) / (12.0 * f64::from(h));
            device.set_constants(constants.as_slice());
            let predicted =
                f64::from(dx.dot(&vx) + dtheta.dot(&vtheta) + dconstants.dot(&vconstants));
            let size = match direction % 3 {
                0 => dx.norm(),
                1 => dtheta.norm(),
                _ => dconstants.norm(),
            };
            assert!(size > 1e-3, "a gradient of zero compares nothing");
            assert!(
                (measured - predicted).abs() < 2e-3 * f64::from(size),
                "{}, direction {direction}: {measured} measured, {predicted} predicted of {size}",
                interface.device
            );
        }
    }
}

#[test]
fn a_shot_reads_the_same_in_any_batch_and_mismatch_moves_it() {
    for device in devices() {
        let interface = device.interface().clone();
        let (x, theta) = (drives(&interface.inputs, 35, 1.0, 1), setting(&*device, 2));
        let together = respond(&*device, &x, &theta);
        for shot in [0, 15, 16, 34] {
            let alone = respond(&*device, &x.columns(shot, 1).into_owned(), &theta);
            assert_eq!(alone.column(0), together.column(shot), "{}", interface.device);
        }
        let spread = together.row_variance().map(f32::sqrt).mean();
        assert!(spread > 1e-2, "{}: readings hardly move, {spread}", interface.device);
    }
    let read = |mismatch: f64, seed: u64| {
        let device = Plate::fabricated(&plate_config(), mismatch, seed).unwrap();
        let x = drives(&device.interface().inputs, 4, 1.0, 1);
        respond(&device, &x, &setting(&device, 2))
    };
    assert_eq!(read(0.0, 1), read(0.0, 2));
    assert_eq!(read(0.1, 1), read(0.1, 1));
    assert_ne!(read(0.1, 1), read(0.1, 2));
}

/// The chain in double precision by classical Runge-Kutta: angles and velocities after the time.
fn plain_chain(config: &PendulaConfig, steps: usize, x: &[f32], theta: &[f32]) -> Vec<f64> {
    let n = config.count;
    let rate = |state: &[f64]| -> Vec<f64> {
        let (q, p) = state.split_at(n);
        let torque = (0..n).map(|i| {
            let frequency = f64::from(theta[i]);
            let mut torque = -frequency * frequency * q[i].sin();
            if i + 1 < n {
                torque += f64::from(theta[n + i]) * (q[i + 1] - q[i]);
            }
            if i > 0 {
                torque += f64::from(theta[n + i - 1]) * (q[i - 1] - q[i]);
            }
            torque
        });
        p.iter().copied().chain(torque).collect()
    };
    let mut state: Vec<f64> =
        x.iter().map(|&q| f64::from(q)).chain(std::iter::repeat_n(0.0, n)).collect();
    let h = config.time / steps as f64;
    let along = |state: &[f64], rate: &[f64], h: f64| -> Vec<f64> {
        state.iter().zip(rate).map(|(value, rate)| value + h * rate).collect()
    };
    for _ in 0..steps {
        let k1 = rate(&state);
        let k2 = rate(&along(&state, &k1, h / 2.0));
        let k3 = rate(&along(&state, &k2, h / 2.0));
        let k4 = rate(&along(&state, &k3, h));
        for (index, value) in state.iter_mut().enumerate() {
            *value += h / 6.0 * (k1[index] + 2.0 * k2[index] + 2.0 * k3[index] + k4[index]);
        }
    }
    state
}

/// Σ ½ p² + ω² (1 − cos q) + ½ c Δq².
fn energy(n: usize, state: &[f64], theta: &[f32]) -> f64 {
    let (q, p) = state.split_at(n);
    let own: f64 =
        (0..n).map(|i| 0.5 * p[i] * p[i] + f64::from(theta[i]).powi(2) * (1.0 - q[i].cos())).sum();
    let springs: f64 =
        (1..n).map(|i| 0.5 * f64::from(theta[n + i - 1]) * (q[i] - q[i - 1]).powi(2)).sum();
    own + springs
}

#[test]
fn a_chain_swings_as_the_plain_equation_and_keeps_its_energy_to_fourth_order() {
    let config = PendulaConfig { count: 5, time: 3.0, steps: 12, ..Default::default() };
    let device = Pendula::nominal(&config).unwrap();
    let (x, theta) = (drives(&device.interface().inputs, 3, 0.8, 1), setting(&device, 2));
    let y = respond(&device, &x, &theta);
    for shot in 0..3 {
        let plain = plain_chain(&config, 12, x.column(shot).as_slice(), theta.as_slice());
        for (angle, expected) in y.column(shot).iter().zip(&plain) {
            assert!((f64::from(*angle) - expected).abs() < 5e-6, "{angle} {expected}");
        }
    }
    // The device is that integrator; its energy drifts with the step's fourth power.
    let start: Vec<f64> = x.column(0).iter().map(|&q| f64::from(q)).chain([0.0; 5]).collect();
    let before = energy(5, &start, theta.as_slice());
    let drift = |steps: usize| {
        let end = plain_chain(&config, steps, x.column(0).as_slice(), theta.as_slice());
        (energy(5, &end, theta.as_slice()) - before).abs()
    };
    assert!(drift(24) < 1e-3 * before, "{} of {before}", drift(24));
    let order = (drift(24) / drift(48)).log2();
    assert!(order > 3.5, "{order}");
    // And at the turning point of a single mode the device itself has it all back.
    let alone = PendulaConfig { count: 2, time: std::f64::consts::TAU, steps: 200, ..config };
    let device = Pendula::nominal(&alone).unwrap();
    let swing = DMatrix::from_element(2, 1, 0.01f32);
    let back = respond(&device, &swing, &DVector::from_vec(vec![1.0, 1.0, 1.0]));
    assert!((back - swing).amax() < 1e-6);
}

#[test]
fn a_chain_at_small_angles_swings_in_its_eigenmodes() {
    let n = 6;
    let config = PendulaConfig { count: n, time: 5.0, steps: 100, ..Default::default() };
    let device = Pendula::nominal(&config).unwrap();
    let theta = setting(&device, 1);
    let mut stiffness = DMatrix::<f32>::zeros(n, n);
    for i in 0..n {
        stiffness[(i, i)] += theta[i] * theta[i];
    }
    for i in 0..n - 1 {
        let coupling = theta[n + i];
        stiffness[(i, i)] += coupling;
        stiffness[(i + 1, i + 1)] += coupling;
        stiffness[(i, i + 1)] -= coupling;
        stiffness[(i + 1, i)] -= coupling;
    }
    let modes = stiffness.symmetric_eigen();
    let swing = modes.eigenvalues.map(|square| (5.0 * square.sqrt()).cos());
    let x = drives(&Channels::bank("angle", n, "rad", -1e-3, 1e-3), 4, 1.0, 2);
    let expected =
        &modes.eigenvectors * DMatrix::from_diagonal(&swing) * modes.eigenvectors.transpose() * &x;
    let error = (respond(&device, &x, &theta) - expected).amax();
    assert!(error < 1e-8, "{error}");
}

#[test]
fn a_linear_plate_answers_as_its_transfer_function() {
    // A plate of one mode without tension, driven by a sine: after the transient its velocity has the
    // amplitude and phase of H(ω) = i ω ω₀² / (ω₀² − ω² + 2 i ζ ω₀ ω).
    let config = PlateConfig {
        inputs: 4096,
        parameters: 1,
        outputs: 4097,
        modes: 1,
        stiffening: 0.0,
        damping: 0.05,
        steps_per_sample: 1,
        sample_seconds: 1e-4,
        gain: 0.05,
        ..Default::default()
    };
    let device = Plate::nominal(&config).unwrap();
    let own = std::f64::consts::TAU * config.fundamental_hz;
    let response = |ratio: f64| -> (f64, f64) {
        let omega = ratio * own;
        // The parameter stands in the middle and is a sample of the sine like the others.
        let sample = |n: usize| (omega * config.sample_seconds * n as f64).sin() as f32;
        let middle = 2048;
        let x = DMatrix::from_fn(4096, 1, |n, _| sample(if n < middle { n } else { n + 1 }));
        let y = respond(&device, &x, &DVector::from_vec(vec![sample(middle)]));
        // The last 2,000 readings, against sine and cosine; a held sample lags half a step.
        let (mut sine, mut cosine) = (0.0, 0.0);
        for n in 2097..4097 {
            let phase = omega * config.sample_seconds * (n as f64 + 0.5);
            let reading = f64::from(y[n]);
            sine += 2.0 * reading * phase.sin() / 2000.0;
            cosine += 2.0 * reading * phase.cos() / 2000.0;
        }
        (sine.hypot(cosine), cosine.atan2(sine))
    };
    // Ratios whose 2,000 samples hold whole periods (f = 100 Hz ratio, 0.2 s).
    let transfer = |ratio: f64| -> (f64, f64) {
        let (real, imaginary) = (1.0 - ratio * ratio, 0.1 * ratio);
        (ratio / real.hypot(imaginary), std::f64::consts::FRAC_PI_2 - imaginary.atan2(real))
    };
    let (reference, _) = response(0.1);
    let (expected_reference, _) = transfer(0.1);
    for ratio in [0.5, 0.9, 1.0, 1.5, 2.0] {
        let (amplitude, phase) = response(ratio);
        let (expected, expected_phase) = transfer(ratio);
        let relative = amplitude / reference * expected_reference;
        assert!((relative / expected - 1.0).abs() < 5e-3, "{ratio}: {relative} {expected}");
        // The reading stands at the end of its step, half a step behind the middle of the sample.
        assert!((phase - expected_phase).abs() < 0.02, "{ratio}: {phase} {expected_phase}");
    }
}

#[test]
fn tension_stiffens_the_plate() {
    let read = |stiffening: f64| {
        let config = PlateConfig { stiffening, ..plate_config() };
        let device = Plate::nominal(&config).unwrap();
        let x = drives(&device.interface().inputs, 8, 1.0, 1);
        let theta = setting(&device, 2);
        let (one, two) =
            (respond(&device, &(&x * 0.5), &(&theta * 0.5)), respond(&device, &x, &theta));
        (one * 2.0 - &two).norm() / two.norm()
    };
    assert!(read(0.0) < 1e-5, "{}", read(0.0));
    assert!(read(0.3) > 0.02, "{}", read(0.3));
}

#[test]
fn modal_envelopes_are_the_root_mean_square_of_the_velocity_over_windows() {
    // Of one mode a point's velocity is the mode's own.
    let velocity = PlateConfig { modes: 1, outputs: 32, ..plate_config() };
    let envelopes =
        PlateConfig { outputs: 4, detection: Detection::ModalEnvelopes, ..velocity.clone() };
    let (velocity, envelopes) = (
        Plate::fabricated(&velocity, 0.1, 3).unwrap(),
        Plate::fabricated(&envelopes, 0.1, 3).unwrap(),
    );
    let x = drives(&velocity.interface().inputs, 8, 0.7, 1);
    let theta = setting(&velocity, 2);
    let (v, y) = (respond(&velocity, &x, &theta), respond(&envelopes, &x, &theta));
    let ratio = |window: usize, shot: usize| {
        let square: f32 = (0..8).map(|step| v[(8 * window + step, shot)].powi(2)).sum();
        (y[(window, shot)].powi(2) - 1e-6).sqrt() / (square / 8.0).sqrt()
    };
    for shot in 0..8 {
        for window in 0..4 {
            let error = ratio(window, shot) / ratio(0, 0) - 1.0;
            assert!(error.abs() < 1e-4, "{window} {shot}: {error}");
        }
    }
}

#[test]
fn modal_envelopes_must_be_as_many_for_each_mode() {
    let config = PlateConfig { outputs: 10, ..cochlea_config() };
    let error = Plate::nominal(&config).unwrap_err().to_string();
    assert!(error.contains("ask for 12"), "{error}");
}

/// I_D of the module's equation in double precision.
fn plain_drain(config: &TransistorConfig, gate: f64, drain: f64) -> f64 {
    let thermal = 0.02585f64;
    let f = |x: f64| (x / (2.0 * thermal)).exp().ln_1p().powi(2);
    let pinch = (gate - config.threshold_volts) / config.slope_factor;
    let specific = 2.0 * config.slope_factor * config.transconductance * thermal * thermal;
    let length =
        1.0 + config.channel_length_modulation * (drain * drain + thermal * thermal).sqrt();
    specific * (f(pinch) - f(pinch - drain)) * length
}

#[test]
fn a_transistor_settles_at_the_point_that_bisection_finds() {
    let config = TransistorConfig { inputs: 600, parameters: 1, outputs: 1, ..Default::default() };
    let device = Transistor::nominal(&config).unwrap();
    for volts in [-2.0f32, -0.5, 0.3, 1.0, 1.7, 2.4] {
        let x = DMatrix::from_element(600, 1, volts);
        let settled = f64::from(respond(&device, &x, &DVector::from_element(1, volts))[0]);
        let drive = f64::from(volts);
        let gate = config.gate_share * drive + config.gate_bias_volts;
        // u = R I_D(v) + v, rising in v.
        let (mut low, mut high) = (-10.0, 10.0);
        for _ in 0..200 {
            let middle = 0.5 * (low + high);
            if config.ohms * plain_drain(&config, gate, middle) + middle < drive {
                low = middle;
            } else {
                high = middle;
            }
        }
        assert!((settled - low).abs() < 2e-4, "{volts} V: {settled} and {low}");
    }
}

#[test]
fn a_stiff_transistor_stays_finite_and_its_error_falls_with_the_step() {
    // A channel whose time constant is a hundredth of a step.
    let stiff = TransistorConfig { transconductance: 1.0, farads: 1e-9, ..transistor_config() };
    let device = Transistor::nominal(&stiff).unwrap();
    let x = drives(&device.interface().inputs, 32, 1.0, 1);
    let y = respond(&device, &x, &setting(&device, 2));
    assert!(y.iter().all(|v| v.abs() < 10.0), "{}", y.amax());
    let read = |steps_per_sample: usize| {
        // Four readings of sixteen samples: at the same instants with any step.
        let config = TransistorConfig { outputs: 4, steps_per_sample, ..transistor_config() };
        let device = Transistor::nominal(&config).unwrap();
        respond(&device, &x, &setting(&device, 2))
    };
    let fine = read(256);
    let error = |steps: usize| (read(steps) - &fine).norm();
    let order = (error(4) / error(8)).log2();
    assert!(order > 1.6, "{order}");
}
