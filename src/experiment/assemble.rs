//! Builds a network on a laboratory from a recipe's list of stages.

mod images;
mod layout;
mod next_physical;
mod regulariser;
mod spikes;
mod start;

use burn::tensor::Device;
use twinprop_devices::{Interface, PhysicalLayer};

use self::layout::Layout;
use self::next_physical::NextPhysical;
use self::regulariser::assemblies;
use super::recipe::{PadConfig, PhysicalConfig, Recipe, SliceConfig, StageConfig};
use crate::Error;
use crate::data::{Split, Targets};
use crate::network::{
    Activation, Dropout, Encode, Jitter, Laboratory, Linear, Network, Pad, Physical,
    PhysicalOptions, RangePenalty, ReadingUnit, Readout, Scale, Skip, Slice, Stage, StageSeed,
    Wire,
};

/// Standard deviation of a normalised drive before training: the range is ± two deviations.
const DRIVE_SPREAD: f32 = 0.5;
/// Standard deviation of the logits before training, if they are readings of a rig without a model.
const LOGIT_SPREAD: f32 = 1.0;

/// Builds the network of `recipe` for the features and targets of `split`.
///
/// # Errors
/// [`Error::Usage`] if the widths of two stages do not fit.
pub(super) fn assemble(
    recipe: &Recipe,
    split: &Split,
    laboratory: &Laboratory,
    backend: &Device,
) -> Result<Network, Error> {
    let mut assembly = Assembly {
        recipe,
        split,
        laboratory,
        backend,
        stages: Vec::with_capacity(recipe.network.len()),
        entering: Vec::with_capacity(recipe.network.len()),
        skips: Vec::new(),
        width: split.train.features.nrows(),
        normalised: false,
        units: feature_units(split),
        is_sized: true,
        layout: Layout::of_data(recipe, split),
        was_image: Layout::of_data(recipe, split).image.is_some(),
    };
    for (place, config) in recipe.network.iter().enumerate() {
        assembly.add(place, config)?;
    }
    assembly.check_outputs()?;
    let bean = assemblies(recipe, &assembly.stages)?;
    Ok(Network { stages: assembly.stages, skips: assembly.skips, bean })
}

/// Units of the features of `split` as they enter the network.
fn feature_units(split: &Split) -> Vec<ReadingUnit> {
    let scaling = split.schema.features.iter().map(|feature| feature.scaling);
    scaling.map(|scaling| ReadingUnit { zero: scaling.offset, unit: scaling.unit }).collect()
}

/// A network under construction.
struct Assembly<'a> {
    recipe: &'a Recipe,
    split: &'a Split,
    laboratory: &'a Laboratory,
    backend: &'a Device,
    stages: Vec<Stage>,
    /// Input width and layout of each stage.
    entering: Vec<(usize, Layout)>,
    skips: Vec<Skip>,
    /// Output width of the last stage.
    width: usize,
    /// Whether the outputs of the last stage are drives in [−1, 1].
    normalised: bool,
    /// Units of the outputs of the last stage.
    units: Vec<ReadingUnit>,
    /// Whether the outputs have a known size; readings of a rig without a model do not.
    is_sized: bool,
    /// How the outputs of the last stage lie in an image.
    layout: Layout,
    /// Whether values have been an image so far.
    was_image: bool,
}

impl Assembly<'_> {
    /// Seed of the random numbers of the stage at `place`.
    fn seed(&self, place: usize) -> StageSeed {
        StageSeed { seed: self.recipe.seed, place }
    }

    fn add(&mut self, place: usize, config: &StageConfig) -> Result<(), Error> {
        let (stage, width): (Stage, usize) = match config {
            StageConfig::Encode => self.encode(place)?,
            StageConfig::Wire => self.wire(place)?,
            StageConfig::Patches(config) => self.patches(place, config)?,
            StageConfig::Convolution(config) => self.convolution(place, config)?,
            StageConfig::Pool(config) => self.pool(place, config)?,
            StageConfig::ChannelScale => self.channel_scale(place)?,
            StageConfig::Pad(config) => self.pad(place, config)?,
            StageConfig::Slice(config) => self.slice(place, config)?,
            StageConfig::Scale => self.scale(place)?,
            StageConfig::Physical(config) => self.physical(place, config)?,
            StageConfig::Linear(config) => {
                let seed = self.seed(place);
                (Linear::new(self.width, config.outputs, seed, self.backend).into(), config.outputs)
            }
            StageConfig::Relu => (Activation::Relu.into(), self.width),
            StageConfig::Tanh => (Activation::Tanh.into(), self.width),
            StageConfig::Softplus(config) => (Activation::Softplus(config.beta).into(), self.width),
            StageConfig::Dropout(config) => {
                (Dropout::new(config.rate, self.seed(place)).into(), self.width)
            }
            StageConfig::Jitter(config) => {
                (Jitter::new(config.deviation, self.seed(place)).into(), self.width)
            }
            StageConfig::SpikeCounts => self.spike_counts(place)?,
            StageConfig::Readout => self.readout()?,
            StageConfig::Skip(config) => return self.skip(place, config.over),
        };
        self.normalised = match config {
            StageConfig::Encode
            | StageConfig::Wire
            | StageConfig::Scale
            | StageConfig::ChannelScale => true,
            StageConfig::Physical(_) | StageConfig::Linear(_) | StageConfig::Convolution(_) => {
                false
            }
            _ => self.normalised,
        };
        self.note_units(config, width);
        self.entering.push((self.width, self.layout));
        self.layout = self.layout.after(config, self.width, width);
        self.was_image |= self.layout.image.is_some();
        self.stages.push(stage);
        self.width = width;
        Ok(())
    }

    /// Records the units of the `width` outputs of a stage.
    fn note_units(&mut self, config: &StageConfig, width: usize) {
        let plain = vec![ReadingUnit::ONE; width];
        match config {
            StageConfig::Physical(config) => {
                let by_range = self.reads_by_range(config);
                if by_range {
                    let (_, interface) = self.interface(config.device.get_ref());
                    let readings = ReadingUnit::each(&interface.outputs).cycle().take(width);
                    self.units = readings.collect();
                } else {
                    self.units = plain;
                }
                self.is_sized = !by_range;
            }
            StageConfig::Pad(PadConfig { channels, runs }) => {
                let run = (self.width / runs).max(1);
                let padded = self.units.chunks(run).flat_map(|run| {
                    run.iter().copied().chain(std::iter::repeat_n(ReadingUnit::ONE, *channels))
                });
                self.units = padded.collect();
            }
            StageConfig::Slice(SliceConfig { from, count }) => {
                self.units = self.units[*from..from + count].to_vec();
            }
            StageConfig::Relu
            | StageConfig::Jitter(_)
            | StageConfig::Dropout(_)
            | StageConfig::Skip(_) => {}
            StageConfig::Encode
            | StageConfig::Wire
            | StageConfig::Scale
            | StageConfig::ChannelScale => (self.units, self.is_sized) = (plain, true),
            StageConfig::Patches(_) | StageConfig::Pool(_) => {
                let channels = self.layout.image.map_or(width, |image| image.channels);
                let of_pixel = self.units.iter().copied().take(channels);
                self.units = of_pixel.cycle().take(width).collect();
            }
            StageConfig::Convolution(_)
            | StageConfig::Linear(_)
            | StageConfig::Tanh
            | StageConfig::Softplus(_)
            | StageConfig::SpikeCounts
            | StageConfig::Readout => self.units = plain,
        }
    }

    /// Whether the readings of a stage are scaled by their ranges. A model's units make its readings of order one;
    /// a rig's readings can have any unit.
    fn reads_by_range(&self, config: &PhysicalConfig) -> bool {
        self.recipe.devices[config.device.get_ref()].model.is_none()
    }

    fn interface(&self, name: &str) -> (usize, &Interface) {
        let place = self.recipe.devices.keys().position(|key| key == name);
        let place = place.expect("a recipe's device names are checked when it is read");
        (place, self.laboratory.instruments[place].device.interface())
    }

    /// The next physical layer after `place`, if no stage between them but padding changes the width.
    fn next_physical(&self, place: usize) -> Option<NextPhysical<'_>> {
        let mut padded = 0;
        for config in &self.recipe.network[place + 1..] {
            match config {
                StageConfig::Physical(config) => {
                    let (_, interface) = self.interface(config.device.get_ref());
                    return Some(NextPhysical {
                        channels: &interface.inputs,
                        shots: config.shots,
                        padded,
                    });
                }
                StageConfig::Pad(config) => padded += config.channels * config.runs,
                StageConfig::Slice(_)
                | StageConfig::Patches(_)
                | StageConfig::Pool(_)
                | StageConfig::Convolution(_)
                | StageConfig::Linear(_)
                | StageConfig::SpikeCounts
                | StageConfig::Readout => return None,
                _ => {}
            }
        }
        None
    }

    /// Standard deviation to which a stage at `place` scales values: of drives, if a physical layer gets them before
    /// another layer mixes them; `None` for values that are scaled already.
    fn spread(&self, place: usize) -> Option<f32> {
        let mixing = self.recipe.network[place + 1..].iter().find(|stage| {
            use StageConfig as S;
            matches!(stage, S::Physical(_) | S::Slice(_) | S::Convolution(_) | S::Linear(_))
        });
        let is_driving = matches!(mixing, Some(StageConfig::Physical(_)));
        (!self.normalised).then_some(if is_driving { DRIVE_SPREAD } else { 1.0 })
    }

    /// Width after `place` that the next physical layer needs.
    fn wanted(&self, place: usize) -> Option<usize> {
        self.next_physical(place).map(|next| next.width())
    }

    /// The same, if it gets complex features from the stage at `place`.
    fn next_modulated(&self, place: usize) -> Option<NextPhysical<'_>> {
        self.next_physical(place).filter(|_| place == 0 && self.split.schema.is_complex)
    }

    fn encode(&self, place: usize) -> Result<(Stage, usize), Error> {
        let features = self.width;
        let wanted = self.wanted(place).unwrap_or(features);
        if wanted < features {
            return Err(Error::Usage(format!(
                "the data have {features} features, but the first physical layer has only {wanted} input channels; raise its shots or the device's inputs"
            )));
        }
        let (minimum, maximum) = self.split.train.extremes();
        let next = self.next_modulated(place);
        if let Some(encode) = next.and_then(|next| next.encode(&minimum, &maximum, self.backend)) {
            return Ok((encode.into(), wanted));
        }
        Ok((Encode::new(&minimum, &maximum, wanted, self.backend).into(), wanted))
    }

    fn wire(&self, place: usize) -> Result<(Stage, usize), Error> {
        let NextPhysical { channels, .. } = self.next_physical(place).ok_or_else(|| {
            let behind = &self.recipe.network[place + 1..];
            let windowed = behind.iter().find_map(|stage| match stage {
                StageConfig::Patches(_) => Some("patches"),
                StageConfig::Pool(_) => Some("pool"),
                _ => None,
            });
            let problem = match windowed {
                Some(kind) => format!("has \"{kind}\" between it and the physical layer from which it takes its unit; put it directly before that layer"),
                None => "has no physical layer after it to take its unit from; add one, or use \"encode\"".to_owned(),
            };
            Error::Usage(format!("stage {place} of `network`, \"wire\", {problem}"))
        })?;
        let next = self.next_modulated(place);
        if let Some(wire) = next.and_then(|next| next.wire(self.width, self.backend)) {
            return Ok((wire.into(), self.width));
        }
        Ok((Wire::of_readings(channels, &self.units, self.backend).into(), self.width))
    }

    fn pad(&self, place: usize, config: &PadConfig) -> Result<(Stage, usize), Error> {
        let &PadConfig { channels, runs } = config;
        if !self.width.is_multiple_of(runs) {
            return Err(Error::Usage(format!(
                "stage {place} of `network`, \"pad\": its {} channels cannot be divided into {runs} equal runs",
                self.width
            )));
        }
        Ok((Pad { channels, runs }.into(), self.width + channels * runs))
    }

    fn slice(&self, place: usize, config: &SliceConfig) -> Result<(Stage, usize), Error> {
        let &SliceConfig { from, count } = config;
        if from + count > self.width {
            return Err(Error::Usage(format!(
                "stage {place} of `network`, \"slice\", reads {count} channels starting at {from}, but there are only {}",
                self.width
            )));
        }
        Ok((Slice { from, count }.into(), count))
    }

    fn scale(&self, place: usize) -> Result<(Stage, usize), Error> {
        let wanted = self.wanted(place).unwrap_or(self.width);
        if wanted == 0 {
            return Err(Error::Usage(format!(
                "stage {place} of `network`, \"scale\", has no channels to fill: \"pad\" behind it fills all input channels of the next physical layer; give it fewer channels, or raise the layer's shots"
            )));
        }
        Ok((Scale::new(self.width, wanted, self.spread(place), self.backend).into(), wanted))
    }

    fn physical(&self, place: usize, config: &PhysicalConfig) -> Result<(Stage, usize), Error> {
        let (instrument, interface) = self.interface(config.device.get_ref());
        let drives = config.shots * interface.inputs.len();
        if self.width != drives {
            let inputs = interface.inputs.len();
            let advice = self.layout.advice_on_shots(self.width, config.shots, inputs);
            return Err(Error::Usage(format!(
                "stage {place} of `network` has {} values for the {drives} input channels of its {} shots; {advice}",
                self.width, config.shots
            )));
        }
        let stage = Physical::new(
            instrument,
            interface,
            PhysicalOptions {
                shots: config.shots,
                shared: config.shared,
                start: config.start,
                penalty: RangePenalty { strength: self.recipe.training.range_penalty },
            },
            self.seed(place),
            self.backend,
        );
        let stage = self.started(place, config, stage)?;
        let stage =
            if self.reads_by_range(config) { stage } else { stage.with_readings_in_device_units() };
        Ok((stage.into(), config.shots * interface.outputs.len()))
    }

    /// The number of classes or target values, in words.
    fn what_is_wanted(&self) -> String {
        let outputs = self.split.outputs();
        match self.split.train.targets {
            Targets::Classes(_) => format!("{outputs} classes"),
            _ => format!("{outputs} target values"),
        }
    }

    /// Refuses a network without exactly one output per class or target value.
    fn check_outputs(&self) -> Result<(), Error> {
        if self.width == self.split.outputs() {
            return Ok(());
        }
        let what = self.what_is_wanted();
        Err(Error::Usage(format!(
            "key `network`: it ends with {} values, and the data have {what}; end it with \"readout\", with {{ linear = {{ outputs = {} }} }}, or with a stage of that many values",
            self.width,
            self.split.outputs()
        )))
    }

    fn readout(&self) -> Result<(Stage, usize), Error> {
        let outputs = self.split.outputs();
        if self.width < outputs {
            let what = self.what_is_wanted();
            return Err(Error::Usage(format!(
                "the last physical layer has {} output channels for {what}; raise its shots or the device's outputs",
                self.width
            )));
        }
        let readout = Readout::new(outputs, self.width, self.backend);
        let readout = if self.is_sized { readout } else { readout.with_spread(LOGIT_SPREAD) };
        Ok((readout.into(), outputs))
    }

    fn skip(&mut self, place: usize, over: usize) -> Result<(), Error> {
        let to = self.stages.len();
        let from = to.checked_sub(over).ok_or_else(|| {
            Error::Usage(format!(
                "stage {place} of `network`, \"skip\", skips {over} stages, but only {to} come before it"
            ))
        })?;
        let (width, layout) = self.entering[from];
        if width != self.width {
            return Err(Error::Usage(format!(
                "stage {place} of `network`, \"skip\", adds {width} channels to {}; both ends must have the same width",
                self.width
            )));
        }
        if let Some((start, end)) = layout.differs_from(self.layout) {
            return Err(Error::Usage(format!(
                "stage {place} of `network`, \"skip\", adds {start} to {end}; both ends must have the same rows, columns and channels"
            )));
        }
        self.skips.push(Skip { from, to });
        Ok(())
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::Backend;
    use crate::data::{DataConfig, Locator};
    use crate::network::DigitalStage;
    use twinprop_calibration::bridge::{to_tensor, to_vec};
    use twinprop_devices::Channels;

    /// Frequencies that f32 cannot tell apart become the right drives.
    #[test]
    fn scaled_features_are_wired_in_their_physical_unit() {
        let folder = tempfile::tempdir().unwrap();
        let rows =
            (0..16).map(|row| format!("{},{}\n", 193_414_489.0e6 + 1e8 * f64::from(row), row % 2));
        let text = "hertz,class\n".to_owned() + &rows.collect::<String>();
        std::fs::write(folder.path().join("x.csv"), text).unwrap();
        let config: DataConfig = toml::from_str("source.csv = { path = \"x.csv\" }").unwrap();
        let split = config.load(&Locator::new(folder.path(), None), 1).unwrap();
        let scaling = split.schema.features[0].scaling;
        assert!(scaling.offset > 1e14, "{scaling:?}");
        let (low, high) = (193_413e9_f32, 193_417e9_f32);
        let channels = Channels::bank("drive", 1, "Hz", low, high);
        let device = Backend::Flex.device().unwrap();
        let wire = Wire::of_readings(&channels, &feature_units(&split), &device);
        let x = to_tensor(&split.train.features, &device);
        let drives = DigitalStage::forward(&wire, &x, None);
        let (low, high) = (f64::from(low), f64::from(high));
        for (drive, value) in to_vec(drives).into_iter().zip(split.train.features.iter()) {
            let hertz = f64::from(*value) * scaling.unit + scaling.offset;
            let expected = 2.0 * (hertz - low) / (high - low) - 1.0;
            assert!((f64::from(drive) - expected).abs() < 1e-5, "{drive} {expected}");
        }
    }
}
