//! Second-harmonic generation in tensors.
//!
//! The equation is that of [`SecondHarmonic`]. A shot is a row here; a complex quantity is a row with all real parts
//! before the imaginary ones. F = 2K − 1 is the number of second-harmonic frequencies of K spectral channels. The
//! autoconvolution is a square in time, and Fourier transforms are products with constant matrices:
//!
//! ```text
//! e = sin(½π κ u) P       field at F instants; row k of P is A_k exp(iφ_k), Fourier transformed
//! S = e² W                second-harmonic field at each frequency; W is the transform from instants to frequencies
//! y = min(|S|² D, 1)      readings; column b of D is Γ_n² g c_b over the number of the bin's frequencies
//! ```
//!
//! F instants are enough: a sum k + l is at most F − 1, so none wraps around. Data and parameters have rows of P of
//! their own, so the parameters' part of the field is computed once a setting.

use std::f64::consts::TAU;

use burn::tensor::{Bool, Device, Tensor};
use twinprop_devices::PhysicalLayer;
use twinprop_devices::optical::{SecondHarmonic, SecondHarmonicConstants};

use super::equation::{TensorEquation, join, split};
use super::saturation::Saturation;
use super::sums::shot_sums;
use crate::bridge::from_vec;
use crate::twin::Linearised;

/// Second-harmonic generation on a backend.
#[derive(Clone)]
pub struct SecondHarmonicTensors {
    data: Modulator,
    trained: Modulator,
    /// W, `[2 F, 2 F]`.
    to_frequencies: Tensor<2>,
    /// D for the squares of real and imaginary parts, `[2 F, n_outputs]`.
    to_bins: Tensor<2>,
    saturation: Saturation,
}

/// Spectral channels that one kind of drives modulates.
#[derive(Clone)]
struct Modulator {
    /// ½π κ, `[1, channels]`.
    angle: Tensor<2>,
    /// P, `[channels, 2 F]`.
    pulse: Tensor<2>,
}

impl Modulator {
    fn new(channels: &[usize], constants: &SecondHarmonicConstants, backend: &Device) -> Self {
        let quarter = std::f32::consts::FRAC_PI_2;
        let angle = channels.iter().map(|&channel| quarter * constants.response[channel]).collect();
        let instants = constants.bin.len();
        let mut pulse = Vec::with_capacity(channels.len() * 2 * instants);
        for &channel in channels {
            let own = constants.spectrum[channel];
            let (re, im) = (f64::from(own.re), f64::from(own.im));
            let waves = (0..instants).map(|instant| wave(channel, instant, instants));
            pulse.extend(waves.clone().map(|(sine, cosine)| (re * cosine - im * sine) as f32));
            pulse.extend(waves.map(|(sine, cosine)| (re * sine + im * cosine) as f32));
        }
        Self {
            angle: from_vec(angle, [1, channels.len()], backend),
            pulse: from_vec(pulse, [channels.len(), 2 * instants], backend),
        }
    }

    /// The field at each instant from the modulated channels.
    fn field(&self, drives: &Tensor<2>) -> Tensor<2> {
        (drives.clone() * self.angle.clone()).sin().matmul(self.pulse.clone())
    }

    /// The derivative of the modulation by the drives.
    fn slope(&self, drives: Tensor<2>) -> Tensor<2> {
        (drives * self.angle.clone()).cos() * self.angle.clone()
    }
}

/// Sine and cosine of 2π frequency · instant / instants.
fn wave(frequency: usize, instant: usize, instants: usize) -> (f64, f64) {
    // The remainder is exact, where a large angle would be rounded.
    (TAU * (frequency * instant % instants) as f64 / instants as f64).sin_cos()
}

impl SecondHarmonicTensors {
    /// `generation` on `backend`.
    #[must_use]
    pub fn new(generation: &SecondHarmonic, backend: &Device) -> Self {
        let constants = generation.as_built();
        let (data, trained) = constants.placement.split_at(generation.interface().inputs.len());
        let instants = constants.bin.len();
        let mut to_frequencies = vec![0.0; 4 * instants * instants];
        for instant in 0..instants {
            for frequency in 0..instants {
                let (sine, cosine) = wave(frequency, instant, instants);
                let (sine, cosine) = (sine / instants as f64, cosine / instants as f64);
                let mut set = |row: usize, column: usize, value: f64| {
                    to_frequencies[row * 2 * instants + column] = value as f32;
                };
                // A product with exp(−2πi frequency · instant / instants).
                set(instant, frequency, cosine);
                set(instant, instants + frequency, -sine);
                set(instants + instant, frequency, sine);
                set(instants + instant, instants + frequency, cosine);
            }
        }
        let mut to_bins = vec![0.0; 2 * instants * constants.bins];
        for (n, (&bin, &detection)) in constants.bin.iter().zip(&constants.detection).enumerate() {
            to_bins[n * constants.bins + bin] = detection;
            to_bins[(instants + n) * constants.bins + bin] = detection;
        }
        Self {
            data: Modulator::new(data, &constants, backend),
            trained: Modulator::new(trained, &constants, backend),
            to_frequencies: from_vec(to_frequencies, [2 * instants, 2 * instants], backend),
            to_bins: from_vec(to_bins, [2 * instants, constants.bins], backend),
            saturation: Saturation::of_powers(constants.full_scale),
        }
    }

    /// e, `[settings · shots, 2 F]`.
    fn field(&self, x: &Tensor<2>, theta: &Tensor<2>) -> Tensor<2> {
        let settings = theta.dims()[0];
        let of_setting = self.trained.field(theta);
        let width = of_setting.dims()[1];
        let of_setting = of_setting.reshape([settings, 1, width]);
        join(split(self.data.field(x), settings) + of_setting)
    }

    /// S from e.
    fn harmonic(&self, field: &Tensor<2>) -> Tensor<2> {
        let [real, imaginary] = parts(field);
        let square =
            vec![real.clone().square() - imaginary.clone().square(), real * imaginary * 2.0];
        Tensor::cat(square, 1).matmul(self.to_frequencies.clone())
    }

    /// Readings before the detector saturates.
    fn open(&self, harmonic: Tensor<2>) -> Tensor<2> {
        harmonic.square().matmul(self.to_bins.clone())
    }
}

/// Real and imaginary parts of rows.
fn parts(rows: &Tensor<2>) -> [Tensor<2>; 2] {
    let width = rows.dims()[1] / 2;
    [0, width].map(|start| rows.clone().narrow(1, start, width))
}

impl TensorEquation for SecondHarmonicTensors {
    fn respond(&self, x: Tensor<2>, theta: Tensor<2>) -> Tensor<2> {
        let harmonic = self.harmonic(&self.field(&x, &theta));
        self.saturation.clamp(self.open(harmonic))
    }

    fn linearise(&self, x: Tensor<2>, theta: Tensor<2>) -> Box<dyn Linearised> {
        let field = self.field(&x, &theta);
        let harmonic = self.harmonic(&field);
        let saturated = self.saturation.saturates(self.open(harmonic.clone()));
        Box::new(Shots {
            by_data: self.data.slope(x),
            by_parameter: self.trained.slope(theta),
            device: self.clone(),
            field,
            harmonic,
            saturated,
        })
    }
}

/// Shots with the values that the adjoint needs.
struct Shots {
    device: SecondHarmonicTensors,
    /// e and S, `[settings · shots, 2 F]` each.
    field: Tensor<2>,
    harmonic: Tensor<2>,
    /// Mask of the readings beyond full scale, `[settings · shots, n_outputs]`.
    saturated: Tensor<2, Bool>,
    /// Derivatives of the modulation by the data, `[settings · shots, n_inputs]`.
    by_data: Tensor<2>,
    /// Those by the parameters, `[settings, n_parameters]`.
    by_parameter: Tensor<2>,
}

impl Linearised for Shots {
    fn vjp(&self, _y: Tensor<2>, dy: Tensor<2>) -> (Tensor<2>, Tensor<2>) {
        let device = &self.device;
        let of_readings = dy.mask_fill(self.saturated.clone(), 0.0);
        let of_squares = of_readings.matmul(device.to_bins.clone().transpose());
        // Four: the derivatives of both squares, |S|² and e².
        let of_harmonic = of_squares * self.harmonic.clone() * 4.0;
        let of_square = of_harmonic.matmul(device.to_frequencies.clone().transpose());
        let [of_real, of_imaginary] = parts(&of_square);
        let [real, imaginary] = parts(&self.field);
        let of_field = Tensor::cat(
            vec![
                real.clone() * of_real.clone() + imaginary.clone() * of_imaginary.clone(),
                real * of_imaginary - imaginary * of_real,
            ],
            1,
        );
        let settings = self.by_parameter.dims()[0];
        let of_setting = shot_sums(split(of_field.clone(), settings));
        (
            of_field.matmul(device.data.pulse.clone().transpose()) * self.by_data.clone(),
            of_setting.matmul(device.trained.pulse.clone().transpose()) * self.by_parameter.clone(),
        )
    }
}
