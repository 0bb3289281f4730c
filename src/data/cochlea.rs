//! Recordings as spikes: a model of the cochlea whose channels fire.
//!
//! ```text
//! e_c[s] = (root mean square over step s of channel c's filter output)^power
//!
//! integrate and fire:   v ← (1 − leak) v + e_c[s];   a spike if v ≥ threshold, then v ← min(v − threshold, threshold)
//! level crossing:       an upward spike if e_c[s] − r ≥ difference, a downward one if r − e_c[s] ≥ difference; then r ← e_c[s]
//! ```
//!
//! | symbol | meaning | unit |
//! |---|---|---|
//! | c, s | channel, a gammatone filter (see the module `gammatone`); step of the raster | |
//! | e | compressed level; the sound is first scaled to a root mean square of 1 | |
//! | v | potential of a channel, 0 before the first step | of e |
//! | r | level at the channel's last spike, 0 before the first step | of e |
//!
//! The power law stands for the compression by the ear. Level crossing is send-on-delta sampling (Miskowicz, Sensors 6, 49,
//! 2006). Either way a line has at most one spike a step.

use schemars::JsonSchema;
use serde::{Deserialize, Serialize};
use twinprop_calibration::by_name;
use twinprop_devices::validate;

use super::gammatone::{Gammatones, centres};
use super::spikes::cell_names;

/// A recording as a raster of spikes, each cell 0 or 1, step after step: feature = step · lines + line. A line is a channel;
/// with level crossing, first the channels' upward and then their downward lines.
///
/// The raster begins with the recording. What is longer than `steps` is cut off; silence follows what is shorter.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize, JsonSchema)]
#[serde(deny_unknown_fields, default)]
pub struct CochleaConfig {
    /// Sampling rate in Hz to which recordings are resampled.
    #[serde(deserialize_with = "validate::count")]
    pub rate: usize,
    /// Number of gammatone filters, equally spaced from `lowest_hz` to `highest_hz` in equivalent rectangular bandwidths of
    /// the ear.
    #[serde(deserialize_with = "validate::count")]
    pub channels: usize,
    /// Centre frequency of the first channel in Hz.
    #[serde(deserialize_with = "validate::positive")]
    pub lowest_hz: f64,
    /// Centre frequency of the last channel in Hz, below half the sampling rate.
    #[serde(deserialize_with = "validate::positive")]
    pub highest_hz: f64,
    /// Number of steps.
    #[serde(deserialize_with = "validate::count")]
    pub steps: usize,
    /// Length of a step in seconds.
    #[serde(deserialize_with = "validate::positive")]
    pub step_seconds: f64,
    /// Exponent of the compression, above 0, at most 1.
    #[serde(deserialize_with = "validate::positive_fraction")]
    pub power: f64,
    /// How levels become spikes.
    #[serde(deserialize_with = "by_name::read")]
    pub coding: CochleaCoding,
}

impl Default for CochleaConfig {
    /// Spoken digits at 8 kHz: 0.8 s, about 360 spikes each.
    fn default() -> Self {
        Self {
            rate: 8000,
            channels: 64,
            lowest_hz: 100.0,
            highest_hz: 3600.0,
            steps: 80,
            step_seconds: 0.01,
            power: 0.35,
            coding: CochleaCoding::IntegrateAndFire(IntegrateAndFireConfig::default()),
        }
    }
}

/// How a cochlea's levels become spikes; in a recipe, `coding = "level_crossing"` or
/// `coding = { integrate_and_fire = { threshold = 2.0 } }`.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize, JsonSchema)]
#[serde(rename_all = "snake_case")]
#[schemars(transform = by_name::in_schema)]
#[non_exhaustive]
pub enum CochleaCoding {
    /// Each channel sums its levels and fires at a threshold: the more spikes, the louder.
    IntegrateAndFire(IntegrateAndFireConfig),
    /// A spike where the level has risen, on one line of the channel, or fallen, on another.
    LevelCrossing(LevelCrossingConfig),
}

/// Channels that sum their levels.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize, JsonSchema)]
#[serde(deny_unknown_fields, default)]
pub struct IntegrateAndFireConfig {
    /// Sum of levels at which a channel fires, and which a spike takes from it. A channel whose level equals the root mean
    /// square of the recording adds 1 a step.
    #[serde(deserialize_with = "validate::positive")]
    pub threshold: f64,
    /// Share of the sum that is lost in a step; 0 or more, below 1. Channels whose level is below `leak` × `threshold`
    /// never fire.
    #[serde(deserialize_with = "validate::part")]
    pub leak: f64,
}

impl Default for IntegrateAndFireConfig {
    fn default() -> Self {
        Self { threshold: 1.35, leak: 0.2 }
    }
}

/// Channels that tell changes of their levels.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize, JsonSchema)]
#[serde(deny_unknown_fields, default)]
pub struct LevelCrossingConfig {
    /// Change of a level at which a channel fires. A channel whose level equals the root mean square of the recording has
    /// the level 1.
    #[serde(deserialize_with = "validate::positive")]
    pub difference: f64,
}

impl Default for LevelCrossingConfig {
    fn default() -> Self {
        Self { difference: 0.15 }
    }
}

impl CochleaConfig {
    /// Refuses keys that do not go together, in words.
    pub(super) fn check(&self) -> Result<(), String> {
        let Self { rate, lowest_hz, highest_hz, step_seconds, .. } = self;
        let half = *rate as f64 / 2.0;
        if *highest_hz >= half {
            return Err(format!(
                "`highest_hz` is {highest_hz} Hz, and a sampling rate of {rate} Hz has frequencies below {half} Hz; lower it, or raise `rate`"
            ));
        }
        if lowest_hz >= highest_hz {
            return Err(format!(
                "`lowest_hz` is {lowest_hz} Hz and `highest_hz` {highest_hz} Hz; `lowest_hz` must be the lower one"
            ));
        }
        if step_seconds * (*rate as f64) < 1.0 {
            return Err(format!(
                "`step_seconds` is {step_seconds} s, shorter than a sample at {rate} Hz; raise it"
            ));
        }
        Ok(())
    }

    /// Names of the cells, step after step.
    pub(super) fn feature_names(&self) -> Vec<String> {
        let channels = |direction: &'static str| {
            (0..self.channels).map(move |channel| format!("channel {channel}{direction}"))
        };
        let lines: Vec<String> = match self.coding {
            CochleaCoding::IntegrateAndFire(_) => channels("").collect(),
            CochleaCoding::LevelCrossing(_) => channels(" up").chain(channels(" down")).collect(),
        };
        cell_names(self.steps, &lines)
    }

    /// The raster of `sound`, which has `rate` and a root mean square of one: `[steps × lines]`, step after step.
    pub(super) fn raster(&self, sound: &[f32]) -> Vec<f32> {
        let rate = self.rate as f64;
        let bank = Gammatones::new(&centres(self.lowest_hz, self.highest_hz, self.channels), rate);
        let mut levels = bank.levels(sound, self.steps, self.step_seconds * rate);
        let power = self.power as f32;
        levels.iter_mut().for_each(|level| *level = level.powf(power));
        match &self.coding {
            CochleaCoding::IntegrateAndFire(config) => config.fire(levels, self.channels),
            CochleaCoding::LevelCrossing(config) => config.fire(&levels, self.channels),
        }
    }
}

impl IntegrateAndFireConfig {
    /// `levels` `[steps × channels]` as a raster of the same shape.
    fn fire(&self, mut levels: Vec<f32>, channels: usize) -> Vec<f32> {
        let (threshold, kept) = (self.threshold as f32, 1.0 - self.leak as f32);
        let mut potentials = vec![0.0f32; channels];
        for step in levels.chunks_exact_mut(channels) {
            for (cell, potential) in step.iter_mut().zip(&mut potentials) {
                *potential = kept * *potential + *cell;
                let fires = *potential >= threshold;
                if fires {
                    *potential = (*potential - threshold).min(threshold);
                }
                *cell = f32::from(u8::from(fires));
            }
        }
        levels
    }
}

impl LevelCrossingConfig {
    /// `levels` `[steps × channels]` as a raster `[steps × 2 channels]`.
    fn fire(&self, levels: &[f32], channels: usize) -> Vec<f32> {
        let difference = self.difference as f32;
        let mut told = vec![0.0f32; channels];
        let mut raster = vec![0.0; 2 * levels.len()];
        for (levels, cells) in
            levels.chunks_exact(channels).zip(raster.chunks_exact_mut(2 * channels))
        {
            let (up, down) = cells.split_at_mut(channels);
            for (channel, (level, told)) in levels.iter().zip(&mut told).enumerate() {
                let change = level - *told;
                if change.abs() >= difference {
                    let line = if change > 0.0 { &mut up[channel] } else { &mut down[channel] };
                    *line = 1.0;
                    *told = *level;
                }
            }
        }
        raster
    }
}

#[cfg(test)]
mod tests {
    use std::f64::consts::TAU;

    use super::*;
    use crate::data::{DataConfig, Locator};

    fn cochlea(text: &str) -> CochleaConfig {
        toml::from_str(text).expect("the keys are right")
    }

    fn tone(hz: f64, samples: usize) -> Vec<f32> {
        (0..samples).map(|n| (2f64.sqrt() * (TAU * hz * n as f64 / 8000.0).sin()) as f32).collect()
    }

    /// Spikes of each line of `raster`.
    fn counts(raster: &[f32], lines: usize) -> Vec<f32> {
        (0..lines).map(|line| raster.iter().skip(line).step_by(lines).sum()).collect()
    }

    #[test]
    fn a_tone_fires_its_channel_most_and_silence_none() {
        let config = cochlea("coding.integrate_and_fire.threshold = 3.0");
        let all = centres(100.0, 3600.0, 64);
        for channel in [5, 30, 61] {
            // 0.4 s of a tone, then silence.
            let raster = config.raster(&tone(all[channel], 3200));
            assert_eq!(raster.len(), 80 * 64);
            assert!(raster.iter().all(|&cell| cell == 0.0 || cell == 1.0));
            // Its level is 1: Σ 0.8^k reaches 3 after five steps.
            let counts = counts(&raster, 64);
            let most = counts.iter().copied().fold(0.0, f32::max);
            assert!(counts[channel] == most && most >= 6.0, "{channel}: {counts:?}");
            let mean: f32 = counts.iter().enumerate().map(|(line, n)| line as f32 * n).sum();
            let mean = mean / counts.iter().sum::<f32>();
            assert!((mean - channel as f32).abs() < 1.5, "{channel}: {mean} of {counts:?}");
            // The lowest filter rings for five steps.
            assert!(raster[46 * 64..].iter().all(|&cell| cell == 0.0), "silence fires");
        }
        for coding in ["integrate_and_fire", "level_crossing"] {
            let config = cochlea(&format!("coding = \"{coding}\""));
            assert!(config.raster(&[0.0; 8000]).iter().all(|&cell| cell == 0.0), "{coding}");
        }
    }

    #[test]
    fn channels_integrate_and_fire() {
        let config = IntegrateAndFireConfig { threshold: 1.0, leak: 0.5 };
        // The first channel: 0.75 / 2 + 0.75 passes the threshold, and 0.125 is left. The second: 9 leaves no more than the
        // threshold, of which a half is there in the next step.
        let levels = vec![0.75, 9.0, 0.75, 0.5, 0.75, 0.0, 0.75, 0.5, 0.75, 0.5];
        let raster = config.fire(levels, 2);
        assert_eq!(raster, [0.0, 1.0, 1.0, 1.0, 0.0, 0.0, 1.0, 0.0, 0.0, 0.0]);
    }

    #[test]
    fn levels_that_rise_and_fall_have_lines_of_their_own() {
        let config = LevelCrossingConfig { difference: 0.5 };
        let raster = config.fire(&[0.25, 0.5, 0.75, 0.25, 0.0], 1);
        let [up, down] = [0, 1].map(|line| raster.iter().skip(line).step_by(2).copied());
        assert_eq!(up.collect::<Vec<_>>(), [0.0, 1.0, 0.0, 0.0, 0.0]);
        assert_eq!(down.collect::<Vec<_>>(), [0.0, 0.0, 0.0, 0.0, 1.0]);
        let config = cochlea("channels = 3\nsteps = 4\ncoding = \"level_crossing\"");
        let names = config.feature_names();
        assert_eq!((names.len(), config.raster(&tone(500.0, 800)).len()), (24, 24));
        assert_eq!(
            (names[2].as_str(), names[9].as_str()),
            ("step 0, channel 2 up", "step 1, channel 0 down")
        );
    }

    /// A raster begins with the recording: what follows its end changes nothing before.
    #[test]
    fn long_recordings_are_cut_and_short_ones_padded() {
        let config = CochleaConfig::default();
        let long = tone(700.0, 9000);
        assert_eq!(config.raster(&long), config.raster(&long[..6400]));
        let padded = [&long[..1600], &[0.0; 4800]].concat();
        assert_eq!(config.raster(&long[..1600]), config.raster(&padded));
        assert_eq!(config.raster(&long[..1600])[..20 * 64], config.raster(&long)[..20 * 64]);
    }

    #[test]
    fn the_free_spoken_digits_have_about_360_spikes_each() {
        let folder = std::path::Path::new(env!("CARGO_MANIFEST_DIR")).join("../shared/data/fsdd");
        if !folder.is_dir() {
            println!("skipped: {} does not exist", folder.display());
            return;
        }
        let chosen = tempfile::tempdir().unwrap();
        for label in 0..10 {
            for speaker in ["george", "jackson", "lucas", "nicolas", "theo", "yweweler"] {
                let name = format!("{label}_{speaker}_7.wav");
                std::fs::copy(folder.join(&name), chosen.path().join(&name)).unwrap();
            }
        }
        let source =
            format!("source.speech = {{ folder = {:?}, view = \"cochlea\" }}", chosen.path());
        let config: DataConfig = toml::from_str(&source).unwrap();
        let split = config.load(&Locator::default(), 1).unwrap();
        let samples = (split.train.len() + split.test.len()) as f32;
        let spikes = split.train.features.sum() + split.test.features.sum();
        assert!((spikes / samples - 360.0).abs() < 10.0, "{}", spikes / samples);
        assert!(split.train.features.iter().all(|&cell| cell == 0.0 || cell == 1.0));
        assert_eq!(split.schema.features[5 * 64 + 3].name, "step 5, channel 3");
        let view = "view.cochlea.coding.integrate_and_fire.threshold = 1e3";
        let config: DataConfig =
            toml::from_str(&source.replace("view = \"cochlea\"", view)).unwrap();
        let problem = config.load(&Locator::default(), 1).unwrap_err().to_string();
        assert!(problem.contains("no training sample has a spike"), "{problem}");
    }

    #[test]
    fn keys_that_do_not_go_together_are_refused() {
        let load = |view: &str| {
            let source =
                format!("source.speech = {{ folder = \"src\", view.cochlea = {{ {view} }} }}");
            let config =
                toml::from_str::<DataConfig>(&source).map_err(|error| error.to_string())?;
            let folder = tempfile::tempdir().unwrap();
            std::fs::create_dir(folder.path().join("src")).unwrap();
            std::fs::write(folder.path().join("src/a_b_0.wav"), "").unwrap();
            let loaded = config.load(&Locator::new(folder.path(), None), 1);
            loaded.map(|_| ()).map_err(|error| error.to_string())
        };
        for (view, words) in [
            ("highest_hz = 4000.0", "view.cochlea: `highest_hz` is 4000 Hz"),
            ("rate = 4000", "raise `rate`"),
            ("lowest_hz = 3700.0", "`lowest_hz` must be the lower one"),
            ("step_seconds = 1e-5", "shorter than a sample at 8000 Hz"),
            ("channels = 0", "whole number of 1 or more"),
            ("power = 0.0", "a fraction above 0"),
            ("coding = \"rate\"", "expected `integrate_and_fire` or `level_crossing`"),
            ("coding.integrate_and_fire.leak = 1.0", "below 1"),
            ("coding.level_crossing.threshold = 1.0", "unknown field `threshold`"),
            ("bands = 20", "unknown field `bands`"),
            // The keys are right, and the file is not.
            ("steps = 10", "a_b_0.wav"),
        ] {
            let problem = load(view).unwrap_err();
            assert!(problem.contains(words), "{view}: {problem}");
        }
    }
}
