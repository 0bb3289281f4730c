//! Broadband second-harmonic generation (SHG) of a shaped ultrafast pulse.
//!
//! ```text
//! E_k = A_k exp(iφ_k) sin(π/2 · κ_k u_k)            shaped spectrum, u_k the drive of channel k
//! φ_k = ½ D ω_k²                                     spectral phase of a chirped pulse
//! S_n = Γ_n Σ_{k+l=n} E_k E_l                        second-harmonic field: an autoconvolution
//! Γ_n = sinc(½ T (Ω_n − Ω₀))                         phase matching in a crystal of walk-off T
//! y_b = g c_b mean_{n∈b} |S_n|²                      spectrometer bins
//! ```
//!
//! | symbol | meaning | unit |
//! |---|---|---|
//! | u | drive of a modulator channel: data or trainable parameter | 0 to 1 |
//! | A | Gaussian amplitude of the pulse | 1 |
//! | D | group-delay dispersion (chirp) | fs² |
//! | κ | modulator's response, quarter waves per unit of drive (nominally 1) | 1 |
//! | T | group-velocity mismatch times crystal length | fs |
//! | c | bin sensitivity (nominally 1) | 1 |
//! | g | gain, set by the exposure on the nominal model | 1 |
//! | y | bin reading, in units of the detector's full scale, where it saturates | −0.05 to 1 |
//!
//! Source: Wright et al., Nature 601, 549 (2022), methods on the optical system; the coupling of
//! undepleted broadband SHG is Weiner, Ultrafast Optics (2009), ch. 5. Left out: depletion of the
//! fundamental and diffraction.
//!
//! The autoconvolution is a square in the Fourier domain; the adjoint of it is one more product
//! there: ∂L/∂E_k = 2 Σ_n S̄_n r_n E_{n−k}, a correlation with the spectrum.

use std::f32::consts::FRAC_PI_2;
use std::sync::Arc;

use nalgebra::{DMatrix, DVector};
use rand::RngExt;
use rayon::prelude::*;
use rustfft::num_complex::Complex32;
use rustfft::{Fft, FftPlanner};

use super::constants::{Constants, SecondHarmonicConfig};
use crate::elementary::{sin, vectorised};
use crate::lanes::Cotangents;
use crate::waveform::interleave;
use crate::{Channels, Constant, DeviceError, Differentiable, Interface, PhysicalLayer, random};

/// Smallest and largest reading of a bin, in units of full scale.
const READING: (f32, f32) = (-0.05, 1.0);
/// Shots that set the exposure.
const EXPOSURE_SHOTS: usize = 512;
/// Shots one worker takes at a time: enough to pay for handing them over.
const SHOTS_A_TASK: usize = 64;

/// One copy of the device: nominal, or as fabricated.
#[derive(Clone)]
pub struct SecondHarmonic {
    interface: Interface,
    constants: Constants,
    /// Spectral channel of each input, then of each parameter.
    placement: Vec<usize>,
    /// The constants of the data sheet, and the gain with them: what learned ones are relative to.
    design: Constants,
    design_gain: Vec<f32>,
    /// Bin of each second-harmonic frequency, and g c_b / (frequencies in the bin) a bin.
    bin: Vec<usize>,
    gain: Vec<f32>,
    forward: Arc<dyn Fft<f32>>,
    inverse: Arc<dyn Fft<f32>>,
}

impl SecondHarmonic {
    /// The device as its data sheet has it.
    ///
    /// # Errors
    /// [`DeviceError::Config`] where there are more bins than frequencies.
    pub fn nominal(config: &SecondHarmonicConfig) -> Result<Self, DeviceError> {
        Self::fabricated(config, 0.0, 0)
    }

    /// A copy of the device whose every constant is off by a relative deviate of standard
    /// deviation `mismatch`, drawn from `seed`. The gain is that of the nominal device.
    ///
    /// # Errors
    /// As [`nominal`](Self::nominal).
    pub fn fabricated(
        config: &SecondHarmonicConfig,
        mismatch: f64,
        seed: u64,
    ) -> Result<Self, DeviceError> {
        let design = Constants::draw(config, 0.0, 0)?;
        let unexposed = Self::assemble(config, design.clone(), design.clone(), 1.0);
        let gain = config.exposure as f32 / unexposed.bright_reading();
        Ok(Self::assemble(config, design, Constants::draw(config, mismatch, seed)?, gain))
    }

    fn assemble(
        config: &SecondHarmonicConfig,
        design: Constants,
        constants: Constants,
        common_gain: f32,
    ) -> Self {
        let frequencies = constants.matching.len();
        let bin: Vec<usize> = (0..frequencies).map(|n| n * config.outputs / frequencies).collect();
        let mut population = vec![0u16; config.outputs];
        bin.iter().for_each(|&bin| population[bin] += 1);
        let gain_of = |sensitivity: &[f32]| -> Vec<f32> {
            let bins = population.iter().zip(sensitivity);
            bins.map(|(&count, sensitivity)| common_gain * sensitivity / f32::from(count)).collect()
        };
        let (gain, design_gain) = (gain_of(&constants.sensitivity), gain_of(&design.sensitivity));
        let mut planner = FftPlanner::new();
        // Any length ≥ 2K−1 holds the linear autoconvolution; a product of small primes is fast.
        let length =
            (frequencies..).find(|&length| has_small_factors(length)).unwrap_or(frequencies);
        Self {
            interface: Interface {
                device: "second_harmonic".to_owned(),
                inputs: Channels::bank("data", config.inputs, "1", 0.0, 1.0),
                parameters: Channels::bank("parameter", config.parameters, "1", 0.0, 1.0),
                outputs: Channels::bank("bin", config.outputs, "full scale", READING.0, READING.1),
                seconds_per_shot: config.seconds_per_shot,
            },
            placement: interleave(config.inputs, config.parameters),
            constants,
            design,
            design_gain,
            bin,
            gain,
            forward: planner.plan_fft_forward(length),
            inverse: planner.plan_fft_inverse(length),
        }
    }

    /// Reading that the brightest bin of one random shot in ten exceeds.
    fn bright_reading(&self) -> f32 {
        let mut random = random::stream(0, "exposure");
        let mut scratch = Scratch::new(self);
        let mut outputs = vec![0.0; self.interface.outputs.len()];
        let mut brightest: Vec<f32> = (0..EXPOSURE_SHOTS)
            .map(|_| {
                let drives: Vec<f32> =
                    (0..self.placement.len()).map(|_| random.random::<f32>()).collect();
                let (inputs, parameters) = drives.split_at(self.interface.inputs.len());
                self.set(parameters, &mut scratch);
                self.shot(inputs, &mut scratch);
                self.read_bins(&scratch.harmonic, &mut scratch.power, &mut outputs);
                outputs.iter().copied().fold(0.0, f32::max)
            })
            .collect();
        brightest.sort_by(f32::total_cmp);
        brightest[EXPOSURE_SHOTS * 9 / 10]
    }

    /// Fills `scratch` with what all shots on the setting `parameters` share: the spectrum E (zero padded)
    /// of its channels.
    fn set(&self, parameters: &[f32], scratch: &mut Scratch) {
        let trained = &self.placement[self.interface.inputs.len()..];
        scratch.set.fill(Complex32::ZERO);
        for (&drive, &channel) in parameters.iter().zip(trained) {
            let modulation = sin(FRAC_PI_2 * self.constants.response[channel] * drive);
            scratch.set[channel] = self.constants.spectrum[channel] * modulation;
        }
    }

    /// Fills `scratch`, which is set, with the spectrum E, its transform, and the field Σ E_k E_l.
    fn shot(&self, inputs: &[f32], scratch: &mut Scratch) {
        let scale = 1.0 / self.forward.len() as f32;
        scratch.transform.copy_from_slice(&scratch.set);
        let modulations = scratch.modulation.iter_mut().zip(&scratch.response);
        vectorised(
            #[inline(always)]
            || {
                for ((modulation, response), drive) in modulations.zip(inputs) {
                    *modulation = sin(response * drive);
                }
            },
        );
        for (modulation, &channel) in scratch.modulation.iter().zip(&self.placement) {
            scratch.transform[channel] = self.constants.spectrum[channel] * modulation;
        }
        self.forward.process_with_scratch(&mut scratch.transform, &mut scratch.work);
        let fields = scratch.harmonic.iter_mut().zip(&scratch.transform);
        vectorised(
            #[inline(always)]
            || fields.for_each(|(harmonic, field)| *harmonic = field * field * scale),
        );
        self.inverse.process_with_scratch(&mut scratch.harmonic, &mut scratch.work);
    }

    /// Readings of the field S before the detector saturates; `power` is what each frequency brings.
    fn read_bins(&self, harmonic: &[Complex32], power: &mut [f32], outputs: &mut [f32]) {
        let fields = harmonic.iter().zip(&self.constants.matching).zip(&mut *power);
        vectorised(
            #[inline(always)]
            || fields.for_each(|((field, matching), power)| *power = matching * field.norm_sqr()),
        );
        outputs.fill(0.0);
        for (power, &bin) in power.iter().zip(&self.bin) {
            outputs[bin] += power;
        }
        for (output, gain) in outputs.iter_mut().zip(&self.gain) {
            *output *= gain;
        }
    }

    /// Adjoint of one shot whose forward pass fills `scratch`: cotangents of the drives, inputs
    /// first; those of the constants are added to `of_constants`, where there is room for them.
    fn shot_vjp(
        &self,
        drives: impl Iterator<Item = f32>,
        cotangents: &[f32],
        scratch: &mut Scratch,
        drive_cotangents: &mut [f32],
        of_constants: &mut [f32],
    ) {
        let channels = self.placement.len();
        self.read_bins(&scratch.harmonic, &mut scratch.power, &mut scratch.outputs);
        // ∂L/∂S̄-like weights: conj(S_n) r_n with r_n the bins' cotangents; a saturated bin has none.
        for (n, ((field, matching), &bin)) in
            scratch.harmonic.iter_mut().zip(&self.constants.matching).zip(&self.bin).enumerate()
        {
            let open = f32::from(u8::from(scratch.outputs[bin] < READING.1));
            if let Some(of_detection) = of_constants.get_mut(3 * channels + n) {
                let designed = self.design.matching[n] * self.design_gain[bin];
                *of_detection += open * designed * field.norm_sqr() * cotangents[bin];
            }
            *field = field.conj() * (open * matching * self.gain[bin] * cotangents[bin]);
        }
        scratch.harmonic[self.bin.len()..].fill(Complex32::ZERO);
        self.forward.process_with_scratch(&mut scratch.harmonic, &mut scratch.work);
        // Correlation with E: multiply by the transform at the negative frequency.
        let length = self.forward.len();
        let scale = 1.0 / length as f32;
        for (f, harmonic) in scratch.harmonic.iter_mut().enumerate() {
            *harmonic = *harmonic * scratch.transform[(length - f) % length] * scale;
        }
        self.inverse.process_with_scratch(&mut scratch.harmonic, &mut scratch.work);
        for ((cotangent, drive), &channel) in
            drive_cotangents.iter_mut().zip(drives).zip(&self.placement)
        {
            let angle = FRAC_PI_2 * self.constants.response[channel];
            let slope = self.constants.spectrum[channel] * (angle * (angle * drive).cos());
            *cotangent = 4.0 * (scratch.harmonic[channel] * slope).re;
            if !of_constants.is_empty() {
                let spectrum = self.constants.spectrum[channel];
                let of_response = spectrum * (FRAC_PI_2 * drive * (angle * drive).cos());
                let along = spectrum * (angle * drive).sin();
                let amplitude = spectrum.norm() / self.design.spectrum[channel].norm();
                for (place, slope) in [
                    (channel, of_response),
                    (channels + channel, along / amplitude),
                    (2 * channels + channel, along * Complex32::I),
                ] {
                    of_constants[place] += 4.0 * (scratch.harmonic[channel] * slope).re;
                }
            }
        }
    }
}

impl PhysicalLayer for SecondHarmonic {
    fn interface(&self) -> &Interface {
        &self.interface
    }

    fn measure(
        &mut self,
        inputs: &DMatrix<f32>,
        parameters: &DVector<f32>,
        outputs: &mut DMatrix<f32>,
    ) -> Result<(), DeviceError> {
        self.respond(inputs, parameters, outputs)
    }
}

impl Differentiable for SecondHarmonic {
    fn respond(
        &self,
        inputs: &DMatrix<f32>,
        parameters: &DVector<f32>,
        outputs: &mut DMatrix<f32>,
    ) -> Result<(), DeviceError> {
        let shots = self.interface.check_shapes(inputs, parameters, outputs)?;
        let (width, bins) = (inputs.nrows(), self.gain.len());
        let play = |(inputs, outputs): (&[f32], &mut [f32])| {
            let mut scratch = Scratch::new(self);
            self.set(parameters.as_slice(), &mut scratch);
            for (inputs, outputs) in inputs.chunks(width).zip(outputs.chunks_mut(bins)) {
                self.shot(inputs, &mut scratch);
                self.read_bins(&scratch.harmonic, &mut scratch.power, outputs);
                outputs.iter_mut().for_each(|output| *output = output.min(READING.1));
            }
        };
        if shots <= SHOTS_A_TASK {
            play((inputs.as_slice(), outputs.as_mut_slice()));
        } else {
            let tasks = inputs.as_slice().par_chunks(SHOTS_A_TASK * width);
            tasks.zip(outputs.as_mut_slice().par_chunks_mut(SHOTS_A_TASK * bins)).for_each(play);
        }
        Ok(())
    }

    fn vjp(
        &self,
        inputs: &DMatrix<f32>,
        parameters: &DVector<f32>,
        cotangents: &DMatrix<f32>,
        input_cotangents: &mut DMatrix<f32>,
        parameter_cotangents: &mut DVector<f32>,
    ) -> Result<(), DeviceError> {
        let sums = self.differentiate(inputs, parameters, cotangents, input_cotangents, 0)?;
        parameter_cotangents.as_mut_slice().copy_from_slice(&sums.parameters);
        Ok(())
    }

    fn constants(&self) -> Vec<Constant> {
        let Constants { response, spectrum, matching, .. } = &self.constants;
        let ratios: Vec<Complex32> =
            spectrum.iter().zip(&self.design.spectrum).map(|(own, design)| own / design).collect();
        let norms: Vec<f32> = ratios.iter().map(|ratio| ratio.norm()).collect();
        let phases: Vec<f32> = ratios.iter().map(|ratio| ratio.arg()).collect();
        let detection: Vec<f32> = matching
            .iter()
            .zip(&self.design.matching)
            .zip(&self.bin)
            .map(|((own, design), &bin)| own * self.gain[bin] / (design * self.design_gain[bin]))
            .collect();
        Constant::bank("response", response)
            .chain(Constant::bank("amplitude", &norms))
            .chain(Constant::bank("phase", &phases))
            .chain(Constant::bank("detection", &detection))
            .collect()
    }

    fn set_constants(&mut self, values: &[f32]) {
        let channels = self.placement.len();
        let (response, rest) = values.split_at(channels);
        let (amplitude, rest) = rest.split_at(channels);
        let (phase, detection) = rest.split_at(channels);
        self.constants.response.copy_from_slice(response);
        for (channel, spectrum) in self.constants.spectrum.iter_mut().enumerate() {
            let factor = Complex32::from_polar(amplitude[channel], phase[channel]);
            *spectrum = self.design.spectrum[channel] * factor;
        }
        for (n, matching) in self.constants.matching.iter_mut().enumerate() {
            *matching = self.design.matching[n] * detection[n];
        }
        self.gain.copy_from_slice(&self.design_gain);
    }

    fn constant_cotangents(
        &self,
        inputs: &DMatrix<f32>,
        parameters: &DVector<f32>,
        cotangents: &DMatrix<f32>,
    ) -> Result<Vec<f32>, DeviceError> {
        let mut unused = DMatrix::zeros(inputs.nrows(), inputs.ncols());
        let count = 3 * self.placement.len() + self.bin.len();
        Ok(self.differentiate(inputs, parameters, cotangents, &mut unused, count)?.constants)
    }

    fn multiply_adds(&self) -> u64 {
        // Two transforms, of half a complex product a point and level.
        let points = self.forward.len() as u64;
        4 * points * u64::from(points.max(2).ilog2())
    }
}

impl SecondHarmonic {
    /// Cotangents of the drives, and the sums of those of the parameters and of `constants` constants
    /// (all of them, or none).
    fn differentiate(
        &self,
        inputs: &DMatrix<f32>,
        parameters: &DVector<f32>,
        cotangents: &DMatrix<f32>,
        input_cotangents: &mut DMatrix<f32>,
        constants: usize,
    ) -> Result<Cotangents, DeviceError> {
        self.interface.check_shapes(inputs, parameters, cotangents)?;
        let (width, bins) = (inputs.nrows(), self.gain.len());
        // One partial sum a task, added in task order: the same bits on any number of threads.
        let partial: Vec<Cotangents> = inputs
            .as_slice()
            .par_chunks(SHOTS_A_TASK * width)
            .zip(cotangents.as_slice().par_chunks(SHOTS_A_TASK * bins))
            .zip(input_cotangents.as_mut_slice().par_chunks_mut(SHOTS_A_TASK * width))
            .map(|((inputs, cotangents), input_cotangents)| {
                let mut scratch = Scratch::new(self);
                let mut drive_cotangents = vec![0.0; self.placement.len()];
                let mut sums = Cotangents::zeros(parameters.len(), constants);
                self.set(parameters.as_slice(), &mut scratch);
                for ((inputs, cotangents), input_cotangents) in inputs
                    .chunks(width)
                    .zip(cotangents.chunks(bins))
                    .zip(input_cotangents.chunks_mut(width))
                {
                    self.shot(inputs, &mut scratch);
                    let drives = inputs.iter().chain(parameters.iter()).copied();
                    self.shot_vjp(
                        drives,
                        cotangents,
                        &mut scratch,
                        &mut drive_cotangents,
                        &mut sums.constants,
                    );
                    let (data, trained) = drive_cotangents.split_at(width);
                    input_cotangents.copy_from_slice(data);
                    sums.parameters.iter_mut().zip(trained).for_each(|(sum, value)| *sum += value);
                }
                sums
            })
            .collect();
        Ok(Cotangents::sum(Cotangents::zeros(parameters.len(), constants), partial))
    }
}

/// Buffers of one worker.
struct Scratch {
    /// π/2 κ of the data channels.
    response: Vec<f32>,
    /// Their modulation under way.
    modulation: Vec<f32>,
    /// E where only the parameters are not dark.
    set: Vec<Complex32>,
    transform: Vec<Complex32>,
    harmonic: Vec<Complex32>,
    work: Vec<Complex32>,
    power: Vec<f32>,
    outputs: Vec<f32>,
}

impl Scratch {
    fn new(device: &SecondHarmonic) -> Self {
        let work =
            device.forward.get_inplace_scratch_len().max(device.inverse.get_inplace_scratch_len());
        let zeros = |length| vec![Complex32::ZERO; length];
        let data = &device.placement[..device.interface.inputs.len()];
        Self {
            response: data
                .iter()
                .map(|&channel| FRAC_PI_2 * device.constants.response[channel])
                .collect(),
            modulation: vec![0.0; data.len()],
            set: zeros(device.forward.len()),
            transform: zeros(device.forward.len()),
            harmonic: zeros(device.forward.len()),
            work: zeros(work),
            power: vec![0.0; device.bin.len()],
            outputs: vec![0.0; device.gain.len()],
        }
    }
}

fn has_small_factors(mut length: usize) -> bool {
    for factor in [2, 3] {
        while length.is_multiple_of(factor) {
            length /= factor;
        }
    }
    length == 1
}
