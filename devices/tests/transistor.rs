//! The transistor obeys the equations of its module.

#![allow(clippy::unwrap_used, reason = "a failed test may panic")]

use nalgebra::{DMatrix, DVector};
use twinprop_devices::PhysicalLayer;
use twinprop_devices::electronic::{Transistor, TransistorConfig};

mod drives;

use drives::{drives, respond, setting};

fn transistor_config() -> TransistorConfig {
    TransistorConfig { inputs: 9, parameters: 7, outputs: 5, ..Default::default() }
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
    // The channel has a time constant of a hundredth of a step.
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
