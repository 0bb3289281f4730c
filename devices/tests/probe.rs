//! A probe finds the known properties of a device.

#![allow(clippy::unwrap_used, reason = "a failed test may panic")]

use std::thread;
use std::time::{Duration, Instant};

use nalgebra::{DMatrix, DVector};
use rand_chacha::ChaCha8Rng;
use rand_distr::{Distribution, StandardNormal};
use twinprop_devices::optical::{CoherentStack, CoherentStackConfig, Modulators};
use twinprop_devices::probe::{ChannelKind, Probe, ProbeConfig};
use twinprop_devices::{Channels, DeviceError, Interface, PhysicalLayer, random};

/// Two outputs: the first is linear in input 0 and in the parameter and nonlinear in input 1; the second only
/// drifts. Input 2 has no effect.
struct Known {
    interface: Interface,
    random: ChaCha8Rng,
    start: Instant,
    microseconds: u64,
}

const NOISE: f32 = 0.02;
const SLOPE: f32 = 0.5;

impl Known {
    fn new(microseconds: u64) -> Self {
        let interface = Interface {
            device: "known".to_owned(),
            inputs: Channels::bank("x", 3, "V", -1.0, 1.0),
            parameters: Channels::bank("p", 1, "A", 0.0, 2.0),
            outputs: Channels::bank("y", 2, "W", -100.0, 100.0),
            seconds_per_shot: 1e-3,
        };
        let random = random::stream(1, "known device");
        Self { interface, random, start: Instant::now(), microseconds }
    }

    fn noise(&mut self) -> f32 {
        let deviate: f32 = StandardNormal.sample(&mut self.random);
        NOISE * deviate
    }
}

impl PhysicalLayer for Known {
    fn interface(&self) -> &Interface {
        &self.interface
    }

    fn measure(
        &mut self,
        inputs: &DMatrix<f32>,
        parameters: &DVector<f32>,
        outputs: &mut DMatrix<f32>,
    ) -> Result<(), DeviceError> {
        thread::sleep(Duration::from_micros(self.microseconds) * inputs.ncols() as u32);
        for (x, mut y) in inputs.column_iter().zip(outputs.column_iter_mut()) {
            let answer = 2.0 * x[0] + x[1] * x[1] - 3.0 * parameters[0];
            y[0] = answer + self.noise();
            y[1] = SLOPE * self.start.elapsed().as_secs_f32() + 0.1 * self.noise();
        }
        Ok(())
    }
}

#[test]
fn a_probe_finds_noise_drift_gain_and_bend() {
    let mut shares = Vec::new();
    let config = ProbeConfig { seconds: 2.0, seed: 3 };
    let probe = Probe::run(&mut Known::new(200), &config, |_, share| shares.push(share)).unwrap();
    let noise = probe.repeatability.noise[0];
    assert!((noise / NOISE - 1.0).abs() < 0.2, "{noise}");
    assert!(probe.repeatability.signal[0] > 1.0, "{:?}", probe.repeatability.signal);

    let of = |side: ChannelKind, name: &str| {
        let found = |sweep: &&_| {
            let sweep: &twinprop_devices::probe::ChannelSweep = sweep;
            sweep.side == side && sweep.channel == name
        };
        probe.linearity.sweeps.iter().find(found).unwrap()
    };
    let straight = of(ChannelKind::Input, "x 0");
    assert_eq!(straight.output, "y 0");
    assert!((straight.gain - 2.0).abs() < 0.03, "{straight:?}");
    assert!(straight.nonlinearity < 0.01, "{straight:?}");
    let parameter = of(ChannelKind::Parameter, "p 0");
    assert!((parameter.gain + 3.0).abs() < 0.03 && parameter.nonlinearity < 0.01, "{parameter:?}");
    // x² at nine levels from −1 to 1 has no slope, a span of one and √(1.204 / 7) about its mean.
    let bent = of(ChannelKind::Input, "x 1");
    assert!((bent.nonlinearity - 0.415).abs() < 0.03 && bent.gain.abs() < 0.05, "{bent:?}");
    assert!(straight.visibility > 100.0 && bent.visibility > 50.0);

    let drift = &probe.drift;
    assert!((drift.slope[1] / SLOPE - 1.0).abs() < 0.05, "{drift:?}");
    assert!(drift.significance[1].abs() > 10.0 && drift.significance[0].abs() < 5.0, "{drift:?}");
    assert!(shares.is_sorted() && shares.len() > 4, "{shares:?}");
}

#[test]
fn a_probe_of_a_slow_device_keeps_its_duration() {
    let config = ProbeConfig { seconds: 1.5, seed: 3 };
    let start = Instant::now();
    let probe = Probe::run(&mut Known::new(1000), &config, |_, _| {}).unwrap();
    assert!(start.elapsed().as_secs_f64() < 3.0, "{:?}", start.elapsed());
    assert!((500.0..1000.0).contains(&probe.timing.shots_per_second), "{:?}", probe.timing);
    assert!((1e-3..1e-2).contains(&probe.timing.latency_median), "{:?}", probe.timing);
    assert!(probe.timing.latency_95 >= probe.timing.latency_median);
}

/// A coherent stack behind modulators that drive the quadrature parts by a share `gain` of what was asked.
struct Unbalanced {
    stack: CoherentStack,
    gain: f32,
}

impl PhysicalLayer for Unbalanced {
    fn interface(&self) -> &Interface {
        self.stack.interface()
    }

    fn measure(
        &mut self,
        inputs: &DMatrix<f32>,
        parameters: &DVector<f32>,
        outputs: &mut DMatrix<f32>,
    ) -> Result<(), DeviceError> {
        let mut driven = inputs.clone();
        let modes = driven.nrows() / 2;
        driven.rows_mut(modes, modes).scale_mut(self.gain);
        self.stack.measure(&driven, parameters, outputs)
    }
}

#[test]
fn a_probe_finds_modulators_whose_parts_do_not_match() {
    let change = |modulators: Modulators, gain: f32| {
        let config = CoherentStackConfig { modes: 4, meshes: 1, modulators, ..Default::default() };
        let mut device = Unbalanced { stack: CoherentStack::nominal(&config).unwrap(), gain };
        let probe = ProbeConfig { seconds: 0.2, seed: 3 };
        let found = Probe::run(&mut device, &probe, |_, _| {}).unwrap().common_phase.unwrap();
        found.change.into_iter().fold(0.0, f32::max)
    };
    assert!(change(Modulators::InPhaseQuadrature, 1.0) < 1e-3);
    assert!(change(Modulators::AmplitudePhase, 1.0) < 1e-3);
    let unbalanced = change(Modulators::InPhaseQuadrature, 0.8);
    assert!((0.05..0.5).contains(&unbalanced), "{unbalanced}");
    let config = ProbeConfig { seconds: 0.2, seed: 3 };
    assert_eq!(Probe::run(&mut Known::new(10), &config, |_, _| {}).unwrap().common_phase, None);
}
