//! The recipe's numbers of a second-harmonic device, and the constants computed from them.

use std::f64::consts::{PI, TAU};

use rustfft::num_complex::Complex32;
use schemars::JsonSchema;
use serde::{Deserialize, Serialize};

use crate::{DeviceError, random, validate};

/// Broadband second-harmonic generation of a shaped pulse, as a recipe describes it.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize, JsonSchema)]
#[serde(deny_unknown_fields, default)]
pub struct SecondHarmonicConfig {
    /// Spectral channels that carry data.
    #[serde(deserialize_with = "validate::count")]
    pub inputs: usize,
    /// Spectral channels that carry trainable parameters, spread evenly between the data channels.
    #[serde(deserialize_with = "validate::count")]
    pub parameters: usize,
    /// Spectrometer bins over the second-harmonic spectrum.
    #[serde(deserialize_with = "validate::count")]
    pub outputs: usize,
    /// Width of the shaped spectrum, from the first channel to the last, in THz.
    #[serde(deserialize_with = "validate::positive")]
    pub window_thz: f64,
    /// Full width at half maximum of the pulse's power spectrum, in THz.
    #[serde(deserialize_with = "validate::positive")]
    pub bandwidth_thz: f64,
    /// Group-delay dispersion of the pulse, in fs².
    #[serde(deserialize_with = "validate::finite")]
    pub chirp_fs2: f64,
    /// Walk-off between fundamental and second harmonic over the crystal (group-velocity mismatch
    /// times length), in fs. Zero is a crystal so thin that it matches every frequency.
    #[serde(deserialize_with = "validate::non_negative")]
    pub walk_off_fs: f64,
    /// Reading that the brightest bin exceeds in one of ten random shots, in units of the detector's full
    /// scale. A longer exposure lifts dim bins out of the readout noise and
    /// saturates bright ones.
    #[serde(deserialize_with = "validate::positive")]
    pub exposure: f64,
    /// Time one shot takes, in seconds; usually the modulator's frame time.
    #[serde(deserialize_with = "validate::positive")]
    pub seconds_per_shot: f64,
}

impl Default for SecondHarmonicConfig {
    /// A 20 THz pulse under a 20 THz shaper, stretched to 4,000 fs², in a thin crystal; bright
    /// shots just fill the detector.
    fn default() -> Self {
        Self {
            inputs: 18,
            parameters: 18,
            outputs: 22,
            window_thz: 20.0,
            bandwidth_thz: 20.0,
            chirp_fs2: 4000.0,
            walk_off_fs: 10.0,
            exposure: 1.0,
            seconds_per_shot: 1e-3,
        }
    }
}

/// The constants of one copy of the device, nominal or fabricated.
#[derive(Clone, Debug)]
pub(super) struct Constants {
    /// A_k exp(iφ_k): the pulse's spectrum before the modulator.
    pub spectrum: Vec<Complex32>,
    /// κ_k: the modulator's phase per unit of drive, in quarter waves.
    pub response: Vec<f32>,
    /// Γ_n²: the phase-matching power response at each second-harmonic frequency.
    pub matching: Vec<f32>,
    /// Relative sensitivity of each spectrometer bin.
    pub sensitivity: Vec<f32>,
}

impl Constants {
    /// Constants of the device that `config` describes, each off by a relative normal deviate of
    /// standard deviation `mismatch` (drawn from `seed`); phases are off by `mismatch` times π.
    pub fn draw(
        config: &SecondHarmonicConfig,
        mismatch: f64,
        seed: u64,
    ) -> Result<Self, DeviceError> {
        let channels = config.inputs + config.parameters;
        if config.outputs > 2 * channels - 1 {
            return Err(DeviceError::Config {
                device: "second_harmonic".to_owned(),
                problem: format!(
                    "outputs = {} exceeds the {} second-harmonic frequencies of {channels} channels; ask for fewer bins",
                    config.outputs,
                    2 * channels - 1
                ),
            });
        }
        let mut random = random::stream(seed, "fabrication");
        let mut deviate = || mismatch * random::deviate(&mut random);
        // Half width at 1/e of the field: exp(−ω²/2σ²), so the power's full width is 2σ√ln 2.
        let sigma = TAU * config.bandwidth_thz * 1e-3 / (2.0 * 2f64.ln().sqrt())
            * (1.0 + deviate()).max(0.1);
        let chirp = config.chirp_fs2 * (1.0 + deviate());
        let walk_off = config.walk_off_fs * (1.0 + deviate());
        // The crystal's angle sets which frequency is matched; off by a share of the window.
        let window = TAU * config.window_thz * 1e-3;
        let matched = deviate() * window;

        let mut constants = Self {
            spectrum: Vec::with_capacity(channels),
            response: Vec::with_capacity(channels),
            matching: Vec::with_capacity(2 * channels - 1),
            sensitivity: Vec::with_capacity(config.outputs),
        };
        for channel in 0..channels {
            let omega = window * (position(channel, channels) - 0.5);
            let amplitude = (-0.5 * (omega / sigma).powi(2)).exp() * (1.0 + deviate()).max(0.0);
            let phase = 0.5 * chirp * omega * omega + PI * deviate();
            constants.spectrum.push(Complex32::new(
                (amplitude * phase.cos()) as f32,
                (amplitude * phase.sin()) as f32,
            ));
            constants.response.push((1.0 + deviate()).clamp(0.5, 1.5) as f32);
        }
        for frequency in 0..2 * channels - 1 {
            let omega = 2.0 * window * (position(frequency, 2 * channels - 1) - 0.5);
            let mismatch_phase = 0.5 * walk_off * (omega - matched);
            constants.matching.push(sinc(mismatch_phase).powi(2) as f32);
        }
        for _ in 0..config.outputs {
            constants.sensitivity.push((1.0 + deviate()).max(0.0) as f32);
        }
        Ok(constants)
    }
}

/// Position of item `index` of `count` in a window from 0 to 1, both ends included.
fn position(index: usize, count: usize) -> f64 {
    if count == 1 { 0.5 } else { index as f64 / (count - 1) as f64 }
}

fn sinc(x: f64) -> f64 {
    if x.abs() < 1e-9 { 1.0 } else { x.sin() / x }
}
