//! Features of a recording: its waveform, its power in frequency bands over time, or spikes.

use std::f32::consts::TAU;

use rubato::audioadapter_buffers::direct::InterleavedSlice;
use rubato::{Fft, FixedSync, Resampler};
use rustfft::FftPlanner;
use rustfft::num_complex::Complex;
use schemars::JsonSchema;
use serde::{Deserialize, Serialize};
use twinprop_calibration::by_name;
use twinprop_devices::validate;

use super::cochlea::CochleaConfig;
use crate::Error;

/// Features of a recording; in a recipe, `view = "cochlea"` or `view = { log_mel = { bands = 20 } }`. Every recording is
/// first scaled to the same root mean square.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize, JsonSchema)]
#[serde(rename_all = "snake_case")]
#[schemars(transform = by_name::in_schema)]
#[non_exhaustive]
pub enum SoundConfig {
    /// The waveform: its first samples, with zeros after its end.
    Waveform(WaveformConfig),
    /// A log-mel spectrogram: logarithms of the power in mel bands, in windows spread evenly over the recording.
    LogMel(LogMelConfig),
    /// A raster of spikes: a gammatone filter bank whose channels fire, from the start of the recording.
    Cochlea(CochleaConfig),
}

/// A recording as a waveform, such as the drive of a plate.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize, JsonSchema)]
#[serde(deny_unknown_fields, default)]
pub struct WaveformConfig {
    /// Sampling rate in Hz to which recordings are resampled.
    #[serde(deserialize_with = "validate::count")]
    pub rate: usize,
    /// Number of samples to keep.
    #[serde(deserialize_with = "validate::count")]
    pub samples: usize,
    /// Pre-emphasis p in y_n = x_n − p x_(n−1), which raises high frequencies; 0 to 1.
    #[serde(deserialize_with = "validate::fraction")]
    pub pre_emphasis: f64,
    /// Root mean square of the waveform; peaks are clipped to ±1.
    #[serde(deserialize_with = "validate::positive")]
    pub level: f64,
}

impl Default for WaveformConfig {
    /// Half a second at 8 kHz.
    fn default() -> Self {
        Self { rate: 8000, samples: 4096, pre_emphasis: 0.95, level: 0.15 }
    }
}

/// A recording as a log-mel spectrogram, window after window.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize, JsonSchema)]
#[serde(deny_unknown_fields, default)]
pub struct LogMelConfig {
    /// Sampling rate in Hz to which recordings are resampled.
    #[serde(deserialize_with = "validate::count")]
    pub rate: usize,
    /// Number of bands between `lowest_hz` and half the sampling rate, evenly spaced in mel.
    #[serde(deserialize_with = "validate::count")]
    pub bands: usize,
    /// Number of windows.
    #[serde(deserialize_with = "validate::count")]
    pub windows: usize,
    /// Length of a window in seconds.
    #[serde(deserialize_with = "validate::positive")]
    pub window_seconds: f64,
    /// Lower end of the lowest band in Hz.
    #[serde(deserialize_with = "validate::non_negative")]
    pub lowest_hz: f64,
}

impl Default for LogMelConfig {
    fn default() -> Self {
        Self { rate: 8000, bands: 20, windows: 12, window_seconds: 0.032, lowest_hz: 100.0 }
    }
}

/// Power added to every band, as a share of the recording's mean power in all bands: softer sounds count as silence.
const SILENCE: f32 = 1e-5;
/// Chunk size of the resampler in samples.
const CHUNK: usize = 1024;

impl SoundConfig {
    /// Name of each feature.
    pub(super) fn feature_names(&self) -> Vec<String> {
        match self {
            Self::Waveform(config) => {
                (0..config.samples).map(|sample| format!("sample {sample}")).collect()
            }
            Self::LogMel(config) => (0..config.windows * config.bands)
                .map(|place| {
                    format!("window {}, band {}", place / config.bands, place % config.bands)
                })
                .collect(),
            Self::Cochlea(config) => config.feature_names(),
        }
    }

    /// Refuses keys that do not go together: names the one to change.
    pub(super) fn check(&self) -> Result<(), Error> {
        match self {
            Self::Waveform(_) | Self::LogMel(_) => Ok(()),
            Self::Cochlea(config) => config.check().map_err(|problem| {
                Error::Usage(format!("data.source.speech.view.cochlea: {problem}"))
            }),
        }
    }

    /// Features of the recording `sound`, sampled at `rate` Hz.
    ///
    /// # Errors
    /// In words, if it cannot be resampled or holds no sound.
    pub(super) fn features(&self, sound: &[f32], rate: usize) -> Result<Vec<f32>, String> {
        let wanted = match self {
            Self::Waveform(config) => config.rate,
            Self::LogMel(config) => config.rate,
            Self::Cochlea(config) => config.rate,
        };
        let sound = resample(sound, rate, wanted)?;
        match self {
            Self::Waveform(config) => {
                let share = config.pre_emphasis as f32;
                let before = std::iter::once(0.0).chain(sound.iter().copied());
                let lifted = sound.iter().zip(before).map(|(now, before)| now - share * before);
                let mut samples = levelled(lifted.collect())?;
                samples.resize(config.samples, 0.0);
                let level = config.level as f32;
                samples.iter_mut().for_each(|value| *value = (level * *value).clamp(-1.0, 1.0));
                Ok(samples)
            }
            Self::LogMel(config) => config.log_powers(&levelled(sound)?),
            Self::Cochlea(config) => Ok(config.raster(&levelled(sound)?)),
        }
    }
}

/// Resamples `sound` from the rate `from` to `to`, in Hz.
fn resample(sound: &[f32], from: usize, to: usize) -> Result<Vec<f32>, String> {
    if from == to {
        return Ok(sound.to_vec());
    }
    let failed =
        |problem: String| format!("it cannot be resampled from {from} Hz to {to} Hz: {problem}");
    let mut resampler = Fft::<f32>::new(from, to, CHUNK, 1, FixedSync::Both)
        .map_err(|error| failed(error.to_string()))?;
    let adapter =
        InterleavedSlice::new(sound, 1, sound.len()).map_err(|error| failed(error.to_string()))?;
    let resampled = resampler
        .process_all(&adapter, sound.len(), None)
        .map_err(|error| failed(error.to_string()))?;
    Ok(resampled.take_data())
}

/// `sound` with a root mean square of one.
fn levelled(mut sound: Vec<f32>) -> Result<Vec<f32>, String> {
    // Squares of very small and very large samples are out of the range of f32.
    let largest = sound.iter().fold(0.0f32, |largest, value| largest.max(value.abs()));
    if largest > 0.0 && largest.is_finite() && !(1e-12..1e12).contains(&largest) {
        sound.iter_mut().for_each(|value| *value /= largest);
    }
    let power = sound.iter().map(|value| value * value).sum::<f32>() / sound.len().max(1) as f32;
    if sound.is_empty() {
        return Err("it holds no samples".to_owned());
    }
    if !power.is_finite() {
        return Err("its samples are too large, or not finite numbers".to_owned());
    }
    if power <= 0.0 {
        return Err("it is silent".to_owned());
    }
    let factor = power.sqrt().recip();
    sound.iter_mut().for_each(|value| *value *= factor);
    Ok(sound)
}

impl LogMelConfig {
    /// ln(power + silence) of each band in each window.
    ///
    /// # Errors
    /// In words, if a band has no frequency of the spectrum.
    fn log_powers(&self, sound: &[f32]) -> Result<Vec<f32>, String> {
        let Self { rate, bands, lowest_hz, .. } = self;
        if *lowest_hz >= *rate as f64 / 2.0 {
            return Err(format!(
                "`lowest_hz` is {lowest_hz} Hz, and the bands end at half the sampling rate of {rate} Hz; lower it"
            ));
        }
        let length = ((self.window_seconds * self.rate as f64).round() as usize).max(2);
        let size = length.next_power_of_two();
        let transform = FftPlanner::<f32>::new().plan_fft_forward(size);
        let filters = self.filters(size);
        if let Some(empty) = filters.iter().position(Vec::is_empty) {
            return Err(format!(
                "band {empty} of {bands} is narrower than the frequency resolution of its windows; set fewer `bands` or a longer `window_seconds`"
            ));
        }
        let hann = |n: usize| 0.5 - 0.5 * (TAU * (n as f32 + 0.5) / length as f32).cos();
        // Windows are spread evenly over the recording; a shorter recording is padded with silence.
        let latest = sound.len() as f64 - length as f64;
        let mut powers = Vec::with_capacity(self.windows * self.bands);
        for window in 0..self.windows {
            let share = (window as f64 + 0.5) / self.windows as f64;
            let start = (share * latest).round() as isize;
            let mut spectrum = vec![Complex::default(); size];
            for (n, value) in spectrum[..length].iter_mut().enumerate() {
                let place = usize::try_from(start + n as isize).ok();
                let sample = place.and_then(|place| sound.get(place)).copied().unwrap_or(0.0);
                *value = Complex::new(sample * hann(n), 0.0);
            }
            transform.process(&mut spectrum);
            powers.extend(filters.iter().map(|filter| -> f32 {
                filter.iter().map(|&(bin, weight)| weight * spectrum[bin].norm_sqr()).sum()
            }));
        }
        let floor = SILENCE * powers.iter().sum::<f32>() / self.windows as f32;
        Ok(powers.iter().map(|power| (power + floor).ln()).collect())
    }

    /// Bins and weights of each band in a spectrum of `size` samples: triangular filters (O'Shaughnessy, Speech
    /// Communication, 1987: mel = 2595 log₁₀(1 + f / 700 Hz)).
    fn filters(&self, size: usize) -> Vec<Vec<(usize, f32)>> {
        let mel = |hz: f64| 2595.0 * (1.0 + hz / 700.0).log10();
        let hz_per_bin = self.rate as f64 / size as f64;
        let (low, high) = (mel(self.lowest_hz), mel(self.rate as f64 / 2.0));
        let step = (high - low) / (self.bands + 1) as f64;
        (0..self.bands)
            .map(|band| {
                let centre = low + (band + 1) as f64 * step;
                (0..=size / 2)
                    .filter_map(|bin| {
                        let weight = 1.0 - (mel(bin as f64 * hz_per_bin) - centre).abs() / step;
                        (weight > 0.0).then_some((bin, weight as f32))
                    })
                    .collect()
            })
            .collect()
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn tone(hz: f32, rate: usize, samples: usize) -> Vec<f32> {
        (0..samples).map(|n| (TAU * hz * n as f32 / rate as f32).sin()).collect()
    }

    #[test]
    fn a_tone_is_loudest_in_its_band_in_every_window() {
        let config = LogMelConfig::default();
        let powers = SoundConfig::LogMel(config.clone())
            .features(&tone(1000.0, 8000, 4000), 8000)
            .expect("it is not silent");
        // mel(100) = 150, mel(1000) = 1000, mel(4000) = 2146: (1000 − 150) / 95.05 is band 8 (from 0: 7.9).
        for window in powers.chunks(config.bands) {
            let loudest = (0..config.bands).max_by(|&a, &b| window[a].total_cmp(&window[b]));
            assert_eq!(loudest, Some(8), "{window:?}");
        }
    }

    #[test]
    fn another_sampling_rate_gives_the_same_waveform() {
        let config =
            SoundConfig::Waveform(WaveformConfig { samples: 2000, ..WaveformConfig::default() });
        let slow = config.features(&tone(440.0, 8000, 2000), 8000).expect("it is not silent");
        let fast = config.features(&tone(440.0, 22_050, 5512), 22_050).expect("it is not silent");
        // Away from the ends, where the resampler's filter lacks samples.
        let error = (200..1800).map(|n| (slow[n] - fast[n]).abs()).fold(0.0, f32::max);
        assert!(error < 0.02, "{error}");
    }

    #[test]
    fn silence_is_refused() {
        let problem = SoundConfig::LogMel(LogMelConfig::default()).features(&[0.0; 800], 8000);
        assert_eq!(problem, Err("it is silent".to_owned()));
    }

    #[test]
    fn bands_without_a_frequency_are_refused() {
        let of = |config| SoundConfig::LogMel(config).features(&tone(1000.0, 8000, 4000), 8000);
        let high = LogMelConfig { lowest_hz: 4000.0, ..LogMelConfig::default() };
        assert!(of(high).is_err_and(|problem| problem.contains("`lowest_hz` is 4000 Hz")));
        let narrow = LogMelConfig { bands: 128, ..LogMelConfig::default() };
        assert!(of(narrow).is_err_and(|problem| problem.contains("set fewer `bands`")));
    }
}
