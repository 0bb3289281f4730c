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
//! The adjoint of the autoconvolution is a correlation with the spectrum: ∂L/∂E_k = 2 Σ_n S̄_n r_n E_{n−k}.

mod as_built;
mod constants;
mod spectrum;

use std::f32::consts::FRAC_PI_2;

use rand::RngExt;
use rustfft::num_complex::Complex32;

pub use as_built::SecondHarmonicConstants;
pub use constants::SecondHarmonicConfig;

use crate::elementary::{sin, sin_cos, vectorised};
use crate::lanes::{Cotangents, Equation, LANES, Lane, Simulation, ZERO, add_scaled, dot, total};
use crate::waveform::interleave;
use crate::{Channels, Constant, DeviceError, Interface, random};
use constants::Constants;
use spectrum::{Complex, autoconvolution, correlation};

/// Smallest and largest reading of a bin, in units of full scale.
const READING: (f32, f32) = (-0.05, 1.0);
/// Shots that set the exposure.
const EXPOSURE_SHOTS: usize = 512;

/// One copy of the device: nominal, or as fabricated.
pub type SecondHarmonic = Simulation<SecondHarmonicEquation>;

/// One copy's equation.
#[derive(Clone, Debug)]
pub struct SecondHarmonicEquation {
    interface: Interface,
    constants: Constants,
    /// Spectral channel of each input, then of each parameter.
    placement: Vec<usize>,
    /// The constants of the data sheet and their gain; learned constants are relative to them.
    design: Constants,
    design_gain: Vec<f32>,
    /// Bin of each second-harmonic frequency, and g c_b / (frequencies in the bin) a bin.
    bin: Vec<usize>,
    gain: Vec<f32>,
}

impl SecondHarmonic {
    /// The device of the data sheet.
    ///
    /// # Errors
    /// [`DeviceError::Config`] where there are more bins than frequencies.
    pub fn nominal(config: &SecondHarmonicConfig) -> Result<Self, DeviceError> {
        Self::fabricated(config, 0.0, 0)
    }

    /// A copy of the device with relative deviates of standard deviation `mismatch` in every constant, drawn from
    /// `seed`. The gain is that of the nominal device.
    ///
    /// # Errors
    /// As [`nominal`](Self::nominal).
    pub fn fabricated(
        config: &SecondHarmonicConfig,
        mismatch: f64,
        seed: u64,
    ) -> Result<Self, DeviceError> {
        let design = Constants::draw(config, 0.0, 0)?;
        let unexposed =
            SecondHarmonicEquation::assemble(config, design.clone(), design.clone(), 1.0);
        let gain = config.exposure as f32 / unexposed.bright_reading();
        let constants = Constants::draw(config, mismatch, seed)?;
        Ok(Self::new(SecondHarmonicEquation::assemble(config, design, constants, gain)))
    }
}

/// Values that all shots of a batch share.
pub struct Setting {
    /// u of each parameter.
    drives: Vec<f32>,
    /// E with the data channels dark.
    spectrum: Vec<Complex32>,
}

impl SecondHarmonicEquation {
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
        }
    }

    /// Reading that the brightest bin of one random shot in ten exceeds.
    fn bright_reading(&self) -> f32 {
        let mut random = random::stream(0, "exposure");
        let mut outputs = vec![ZERO; self.interface.outputs.len()];
        let mut brightest: Vec<f32> = (0..EXPOSURE_SHOTS)
            .map(|_| {
                let drives: Vec<f32> =
                    (0..self.placement.len()).map(|_| random.random::<f32>()).collect();
                let (inputs, parameters) = drives.split_at(self.interface.inputs.len());
                let inputs: Vec<Lane> = inputs.iter().map(|drive| [*drive; LANES]).collect();
                let setting = self.prepare(parameters);
                vectorised(
                    #[inline(always)]
                    || {
                        self.read(&self.spectrum(&setting, &inputs), &mut outputs, |_, _| ());
                    },
                );
                outputs.iter().map(|output| output[0]).fold(0.0, f32::max)
            })
            .collect();
        brightest.sort_by(f32::total_cmp);
        brightest[EXPOSURE_SHOTS * 9 / 10]
    }

    /// E.
    #[inline(always)]
    fn spectrum(&self, setting: &Setting, inputs: &[Lane]) -> Vec<Complex> {
        let mut spectrum = vec![Complex::ZERO; setting.spectrum.len()];
        for (all, value) in spectrum.iter_mut().zip(&setting.spectrum) {
            *all = Complex { re: [value.re; LANES], im: [value.im; LANES] };
        }
        for (drives, &channel) in inputs.iter().zip(&self.placement) {
            let response = FRAC_PI_2 * self.constants.response[channel];
            let mut modulation = *drives;
            modulation.iter_mut().for_each(|drive| *drive = sin(response * *drive));
            spectrum[channel] = Complex::scaled(self.constants.spectrum[channel], &modulation);
        }
        spectrum
    }

    /// Readings before the detector saturates; `keep` gets every frequency and its field S.
    #[inline(always)]
    fn read(
        &self,
        spectrum: &[Complex],
        outputs: &mut [Lane],
        mut keep: impl FnMut(usize, Complex),
    ) {
        outputs.fill(ZERO);
        for (n, (matching, &bin)) in self.constants.matching.iter().zip(&self.bin).enumerate() {
            let field = autoconvolution(spectrum, n);
            add_scaled(&mut outputs[bin], *matching, &field.norm_sqr());
            keep(n, field);
        }
        for (output, gain) in outputs.iter_mut().zip(&self.gain) {
            output.iter_mut().for_each(|output| *output *= gain);
        }
    }

    /// [`Equation::vjp`]; with `OF_CONSTANTS` the cotangents of the constants as well.
    #[inline(always)]
    fn pull_back<const OF_CONSTANTS: bool>(
        &self,
        setting: &Setting,
        inputs: &[Lane],
        cotangents: &[Lane],
        of_inputs: &mut [Lane],
        sums: &mut Cotangents,
    ) {
        let channels = self.placement.len();
        let spectrum = self.spectrum(setting, inputs);
        let mut fields = vec![Complex::ZERO; self.bin.len()];
        let mut open = vec![ZERO; cotangents.len()];
        self.read(&spectrum, &mut open, |n, field| fields[n] = field);
        // The derivative of a saturated bin is zero.
        let pairs = open.as_flattened_mut().iter_mut().zip(cotangents.as_flattened());
        pairs.for_each(|(open, cotangent)| {
            *open = if *open < READING.1 { *cotangent } else { 0.0 };
        });
        // S̄_n r_n, with r_n the cotangent of the frequency's power.
        for (n, (field, &bin)) in fields.iter_mut().zip(&self.bin).enumerate() {
            if OF_CONSTANTS {
                let designed = self.design.matching[n] * self.design_gain[bin];
                sums.constants[3 * channels + n] += designed * dot(&open[bin], &field.norm_sqr());
            }
            let weight = self.constants.matching[n] * self.gain[bin];
            let mut of_power = ZERO;
            add_scaled(&mut of_power, weight, &open[bin]);
            field.multiply_conjugated(&of_power);
        }
        for (place, &channel) in self.placement.iter().enumerate() {
            let drives = match inputs.get(place) {
                Some(drives) => *drives,
                None => [setting.drives[place - inputs.len()]; LANES],
            };
            let of_field = correlation(&fields, &spectrum, channel);
            let own = self.constants.spectrum[channel];
            let angle = FRAC_PI_2 * self.constants.response[channel];
            // The components along A e^{iφ} and perpendicular to it: of the amplitude and of the phase.
            let [mut along, mut across, mut of_drives, mut of_response] = [ZERO; 4];
            for lane in 0..LANES {
                let (sine, cosine) = sin_cos(angle * drives[lane]);
                let (re, im) = (4.0 * of_field.re[lane], 4.0 * of_field.im[lane]);
                let of_modulation = re * own.re - im * own.im;
                along[lane] = sine * of_modulation;
                across[lane] = -sine * (re * own.im + im * own.re);
                of_drives[lane] = angle * cosine * of_modulation;
                of_response[lane] = FRAC_PI_2 * drives[lane] * cosine * of_modulation;
            }
            match of_inputs.get_mut(place) {
                Some(of) => *of = of_drives,
                None => sums.parameters[place - inputs.len()] += total(&of_drives),
            }
            if !OF_CONSTANTS {
                continue;
            }
            let amplitude = own.norm() / self.design.spectrum[channel].norm();
            sums.constants[channel] += total(&of_response);
            sums.constants[channels + channel] += total(&along) / amplitude;
            sums.constants[2 * channels + channel] += total(&across);
        }
    }
}

impl Equation for SecondHarmonicEquation {
    type Setting = Setting;

    fn interface(&self) -> &Interface {
        &self.interface
    }

    fn prepare(&self, parameters: &[f32]) -> Setting {
        let mut spectrum = vec![Complex32::ZERO; self.placement.len()];
        let trained = &self.placement[self.interface.inputs.len()..];
        for (&drive, &channel) in parameters.iter().zip(trained) {
            let modulation = sin(FRAC_PI_2 * self.constants.response[channel] * drive);
            spectrum[channel] = self.constants.spectrum[channel] * modulation;
        }
        Setting { drives: parameters.to_vec(), spectrum }
    }

    #[inline(always)]
    fn respond(&self, setting: &Setting, inputs: &[Lane], outputs: &mut [Lane]) {
        self.read(&self.spectrum(setting, inputs), outputs, |_, _| ());
        for reading in outputs.as_flattened_mut() {
            *reading = reading.min(READING.1);
        }
    }

    #[inline(always)]
    fn vjp(
        &self,
        setting: &Setting,
        inputs: &[Lane],
        cotangents: &[Lane],
        of_inputs: &mut [Lane],
        sums: &mut Cotangents,
    ) {
        self.pull_back::<true>(setting, inputs, cotangents, of_inputs, sums);
    }

    #[inline(always)]
    fn vjp_without_constants(
        &self,
        setting: &Setting,
        inputs: &[Lane],
        cotangents: &[Lane],
        of_inputs: &mut [Lane],
        sums: &mut Cotangents,
    ) {
        self.pull_back::<false>(setting, inputs, cotangents, of_inputs, sums);
    }

    fn multiply_adds(&self) -> u64 {
        // Half of K² complex products, of four each.
        2 * (self.placement.len() as u64).pow(2)
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
}
