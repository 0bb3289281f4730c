//! A recipe: one TOML file that says everything about an experiment.

use std::collections::BTreeMap;
use std::path::{Path, PathBuf};

use serde::{Deserialize, Serialize};
use toml::Spanned;
use twinprop_calibration::design::{DesignConfig, TaskLikeConfig};
use twinprop_calibration::{
    EnsembleConfig, FidelityConfig, FitConfig, HybridConfig, IdentifyConfig, NeuralTwinConfig,
    TemporalTwinConfig, WatchConfig,
};
use twinprop_devices::rig::{Encoding, Target, Targets};
use twinprop_devices::{DeviceConfig, DeviceKind, ImperfectionsConfig, Interface, validate};

use super::adapt::AdaptConfig;
use crate::Error;
use crate::data::DataConfig;
use crate::training::TrainingConfig;

/// An experiment, as its file has it.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct Recipe {
    /// Seed of everything random.
    #[serde(default)]
    pub seed: u64,
    /// Seed of the simulated devices' fabrication and noise, where it is another: another copy of them.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub device_seed: Option<u64>,
    /// The stages of the network, in the order of the data.
    pub network: Vec<StageConfig>,
    /// The data.
    pub data: DataConfig,
    /// The devices by name.
    pub devices: BTreeMap<String, DeviceEntry>,
    /// How the devices' twins are fitted.
    #[serde(default)]
    pub calibration: CalibrationConfig,
    /// How the network is trained.
    #[serde(default)]
    pub training: TrainingConfig,
    /// How it is brought back to devices that have changed.
    #[serde(default)]
    pub adaptation: AdaptConfig,
}

/// A device of the laboratory: simulated, real, or real with an equation that says what it should do.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct DeviceEntry {
    /// The physics; what is simulated where there is no rig, and what physics twins are made of.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub model: Option<DeviceKind>,
    /// The imperfections of the simulated device.
    #[serde(default)]
    pub imperfections: ImperfectionsConfig,
    /// The real device, if there is one.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub rig: Option<RigConfig>,
}

/// Where a real device is, and how values travel to it.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct RigConfig {
    /// Such as `serial:///dev/ttyACM0`, `tcp://127.0.0.1:7777` or `process:python3 rig.py`; a list of
    /// several is a farm.
    pub target: Targets,
    /// As floats, or as 16-bit codes where the device takes them.
    #[serde(default)]
    pub encoding: Encoding,
}

impl DeviceEntry {
    /// The simulated device, if its physics is given.
    #[must_use]
    pub fn simulated(&self) -> Option<DeviceConfig> {
        let imperfections = self.imperfections.clone();
        self.model.clone().map(|model| DeviceConfig { model, imperfections })
    }
}

/// A stage of the network.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum StageConfig {
    /// Features scaled and repeated onto the next physical layer's channels; a first stage.
    Encode,
    /// Values in the next physical layer's own unit, as they are; a first stage or any other.
    Wire,
    /// An image cut into patches; a first stage.
    Patches(PatchesConfig),
    /// Channels at rest beside those that carry values.
    Pad(PadConfig),
    /// Some of the channels.
    Slice(SliceConfig),
    /// Adds what entered an earlier stage.
    Skip(SkipConfig),
    /// Noise added in training, so that the network learns to bear the device's own.
    Jitter(JitterConfig),
    /// The positive part: a digital nonlinearity, for devices that are linear.
    Relu,
    /// A digital layer of trainable weights.
    Linear(LinearConfig),
    /// Trainable element-wise scale and offset, from the width before to the width behind.
    Scale,
    /// A physical layer.
    Physical(PhysicalConfig),
    /// Windows summed into classes; the last stage.
    Readout,
}

/// How wide a digital layer is.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct LinearConfig {
    /// Its outputs.
    #[serde(deserialize_with = "validate::count")]
    pub outputs: usize,
}

/// Rows and columns of a patch.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct PatchesConfig {
    /// Its rows.
    #[serde(deserialize_with = "validate::count")]
    pub height: usize,
    /// Its columns.
    #[serde(deserialize_with = "validate::count")]
    pub width: usize,
}

/// How many channels at rest stand where.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct PadConfig {
    /// Channels appended to a run.
    #[serde(deserialize_with = "validate::count")]
    pub channels: usize,
    /// Equal runs of channels that are padded.
    #[serde(default = "one", deserialize_with = "validate::count")]
    pub runs: usize,
}

/// Which channels are read.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct SliceConfig {
    /// The first, from zero.
    #[serde(default)]
    pub from: usize,
    /// How many.
    #[serde(deserialize_with = "validate::count")]
    pub count: usize,
}

/// How much noise is added.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct JitterConfig {
    /// Its standard deviation, in the unit that the values have there.
    #[serde(deserialize_with = "validate::positive")]
    pub deviation: f64,
}

/// Where a skip connection starts.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct SkipConfig {
    /// How many stages it skips: the last `over` before this place.
    #[serde(deserialize_with = "validate::count")]
    pub over: usize,
}

/// A physical layer: a device played several times side by side.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct PhysicalConfig {
    /// Name of the device under `[devices]`.
    pub device: Spanned<String>,
    /// Shots a sample.
    #[serde(default = "one", deserialize_with = "validate::count")]
    pub shots: usize,
    /// Whether the shots share one setting of the parameters; otherwise each has its own.
    #[serde(default)]
    pub shared: bool,
    /// Parameters start uniform over this share of their ranges, about the middle.
    #[serde(default = "middle_half", deserialize_with = "validate::fraction")]
    pub start: f64,
}

fn one() -> usize {
    1
}

fn middle_half() -> f64 {
    0.5
}

/// How twins are made; in a recipe, `[calibration]`.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
#[serde(deny_unknown_fields, default)]
pub struct CalibrationConfig {
    /// Shots that the twin is fitted to, a device.
    #[serde(deserialize_with = "validate::count")]
    pub shots: usize,
    /// Time on the device that they may take, in seconds, instead of their number.
    #[serde(
        deserialize_with = "validate::optional_positive",
        skip_serializing_if = "Option::is_none"
    )]
    pub device_seconds: Option<f64>,
    /// Further shots that it never sees and is judged by.
    #[serde(deserialize_with = "validate::count")]
    pub test_shots: usize,
    /// Which shots.
    pub design: DesignConfig,
    /// The twin.
    pub twin: TwinConfig,
    /// The fit of a neural twin.
    pub fit: FitConfig,
    /// How the twin is judged.
    pub fidelity: FidelityConfig,
    /// How the device is watched for drift after the training.
    pub watch: WatchConfig,
    /// Folder of an earlier run whose twins are used instead of calibrating.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub load: Option<PathBuf>,
}

impl Default for CalibrationConfig {
    fn default() -> Self {
        Self {
            shots: 20_000,
            device_seconds: None,
            test_shots: 2_000,
            design: DesignConfig::TaskLike(TaskLikeConfig::default()),
            twin: TwinConfig::Neural(NeuralTwinConfig::default()),
            fit: FitConfig::default(),
            fidelity: FidelityConfig::default(),
            watch: WatchConfig::default(),
            load: None,
        }
    }
}

impl CalibrationConfig {
    /// Shots that the twin of a device with `interface` is fitted to.
    ///
    /// # Errors
    /// [`Error::Usage`] where the time is not enough for one, or the device's shots take none.
    pub fn shots_on(&self, interface: &Interface) -> Result<usize, Error> {
        let Some(seconds) = self.device_seconds else { return Ok(self.shots) };
        let shots = seconds / interface.seconds_per_shot;
        if shots >= 1.0 && shots.is_finite() {
            return Ok(shots as usize);
        }
        Err(Error::Usage(format!(
            "calibration.device_seconds = {seconds}: a shot of `{}` takes {} s; give calibration.shots instead, or more time",
            interface.device, interface.seconds_per_shot
        )))
    }

    /// Replaces the folder of the twins by where it is, so that a run's recipe can be read from
    /// anywhere.
    ///
    /// # Errors
    /// [`Error::File`] where there is no such folder.
    pub fn make_absolute(&mut self) -> Result<(), Error> {
        if let Some(folder) = &mut self.load {
            let found = folder.canonicalize().map_err(Error::file(
                folder,
                "name the folder of a run in calibration.load, or leave it out to calibrate",
            ))?;
            *folder = found;
        }
        Ok(())
    }
}

/// The kind of twin.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum TwinConfig {
    /// A multilayer perceptron, fitted to shots.
    Neural(NeuralTwinConfig),
    /// A causal convolution, for a device whose drive is a waveform.
    Temporal(TemporalTwinConfig),
    /// Several neural twins, and their mean.
    Ensemble(EnsembleConfig),
    /// A simulated device's equation on its nominal constants; nothing is fitted.
    Physics,
    /// That equation with its constants learned from shots.
    LearnedPhysics(IdentifyConfig),
    /// That, and a small neural twin of what it leaves.
    Hybrid(HybridConfig),
}

impl TwinConfig {
    /// How an equation's constants are learned, where they are.
    #[must_use]
    pub fn identify(&self) -> Option<&IdentifyConfig> {
        match self {
            Self::Neural(_) | Self::Temporal(_) | Self::Ensemble(_) | Self::Physics => None,
            Self::LearnedPhysics(config) => Some(config),
            Self::Hybrid(config) => Some(&config.constants),
        }
    }

    /// Whether the twin is fitted to shots.
    #[must_use]
    pub fn is_fitted(&self) -> bool {
        !matches!(self, Self::Physics)
    }
}

impl Recipe {
    /// Seed of the fabrication and the noise of the device `place`, each its own.
    #[must_use]
    pub fn device_seed_of(&self, place: usize) -> u64 {
        self.device_seed.unwrap_or(self.seed).wrapping_add((place as u64) << 32)
    }

    /// Puts real devices in the place of simulated ones: each of `devices` is a target, where the
    /// recipe has one device, or `NAME=TARGET`. Several targets of one device make a farm.
    ///
    /// # Errors
    /// [`Error::Usage`] for what is no target, or names no device.
    pub fn take_rigs(&mut self, devices: &[String]) -> Result<(), Error> {
        let mut taken: BTreeMap<String, Vec<Target>> = BTreeMap::new();
        for text in devices {
            let (name, target) = match text.split_once('=') {
                Some((name, target)) if self.devices.contains_key(name) => {
                    (name.to_owned(), target)
                }
                _ => match self.devices.keys().collect::<Vec<_>>().as_slice() {
                    [name] => ((*name).clone(), text.as_str()),
                    names => {
                        let names: Vec<&str> = names.iter().map(|name| name.as_str()).collect();
                        return Err(Error::Usage(format!(
                            "--device {text}: the recipe has several devices; write NAME=TARGET, with one of {}",
                            names.join(", ")
                        )));
                    }
                },
            };
            let target =
                target.parse().map_err(|problem| Error::Usage(format!("--device {problem}")))?;
            taken.entry(name).or_default().push(target);
        }
        for (name, targets) in taken {
            if let Some(device) = self.devices.get_mut(&name) {
                let encoding =
                    device.rig.as_ref().map_or_else(Encoding::default, |rig| rig.encoding);
                device.rig = Some(RigConfig { target: Targets(targets), encoding });
            }
        }
        Ok(())
    }

    /// Reads the recipe at `path` and applies `overrides`, each `key.of.value=value`.
    ///
    /// # Errors
    /// [`Error::File`] where there is no such file; [`Error::Recipe`] names the line, the key and
    /// what was expected.
    pub fn read(path: &Path, overrides: &[String]) -> Result<Self, Error> {
        let text = std::fs::read_to_string(path)
            .map_err(Error::file(path, "name a recipe, such as experiments/vowels-optical.toml"))?;
        let wrong = |problem: String| Error::Recipe { path: path.to_owned(), problem };
        let recipe: Self = toml::from_str(&text).map_err(|error| wrong(error.to_string()))?;
        recipe.check(&text).map_err(wrong)?;
        if overrides.is_empty() {
            return Ok(recipe);
        }
        let mut table: toml::Table =
            toml::from_str(&text).map_err(|error| wrong(error.to_string()))?;
        for setting in overrides {
            set(&mut table, setting)
                .map_err(|problem| wrong(format!("--set {setting}: {problem}")))?;
        }
        let changed = toml::to_string(&table).map_err(|error| wrong(error.to_string()))?;
        let with =
            |problem: String| wrong(format!("with --set {}: {problem}", overrides.join(" --set ")));
        let recipe: Self = toml::from_str(&changed).map_err(|error| with(error.to_string()))?;
        recipe.check(&changed).map_err(with)?;
        Ok(recipe)
    }

    /// What no single value's type can tell: the order of the stages and the names of devices.
    fn check(&self, text: &str) -> Result<(), String> {
        use StageConfig as S;
        let inner = match self.network.as_slice() {
            [S::Encode | S::Wire | S::Patches(_), inner @ .., S::Readout] => inner,
            _ => {
                return Err("key `network`: the first stage must be \"encode\", \"wire\" or \"patches\" and the last \"readout\"".to_owned());
            }
        };
        let mut physical = 0;
        for stage in inner {
            match stage {
                S::Encode | S::Patches(_) | S::Readout => {
                    return Err("key `network`: \"encode\" and \"patches\" can only be the first stage and \"readout\" the last".to_owned());
                }
                S::Wire
                | S::Relu
                | S::Linear(_)
                | S::Scale
                | S::Pad(_)
                | S::Slice(_)
                | S::Jitter(_)
                | S::Skip(_) => {}
                S::Physical(config) => {
                    physical += 1;
                    let name = config.device.get_ref();
                    if !self.devices.contains_key(name) {
                        let line = text[..config.device.span().start].lines().count().max(1);
                        let known: Vec<&str> = self.devices.keys().map(String::as_str).collect();
                        return Err(format!(
                            "line {line}, key `network.physical.device`: unknown device `{name}`, expected one of those under [devices]: {}",
                            known.join(", ")
                        ));
                    }
                }
            }
        }
        for (name, device) in &self.devices {
            if device.model.is_none() && device.rig.is_none() {
                return Err(format!(
                    "key `devices.{name}`: a device has a `model`, which is simulated, or a `rig`, which is real, or both"
                ));
            }
        }
        let neural = matches!(self.calibration.twin, TwinConfig::Neural(_));
        let unmodelled = self.devices.iter().find(|(_, device)| device.model.is_none());
        if let (false, Some((name, _))) = (neural, unmodelled) {
            return Err(format!(
                "key `calibration.twin`: a physics twin of `{name}` needs its equation; give the device a `model`, or ask for a neural twin"
            ));
        }
        if !self.calibration.twin.is_fitted() && self.calibration.load.is_some() {
            return Err("key `calibration.load`: a physics twin on its nominal constants has no files to load; leave out `load`, or ask for a twin that is fitted".to_owned());
        }
        if physical == 0 {
            return Err("key `network`: there is no physical stage; add one, such as { physical = { device = \"…\" } }".to_owned());
        }
        Ok(())
    }

    /// The recipe as TOML, every default filled in.
    ///
    /// # Panics
    /// Never: a recipe is plain data.
    #[must_use]
    pub fn to_toml(&self) -> String {
        toml::to_string(self).expect("a recipe is plain data")
    }
}

/// Sets the value at a dotted key, making the tables on the way; `*` is every table that is there, and
/// `imperfections` those of every device.
fn set(table: &mut toml::Table, setting: &str) -> Result<(), String> {
    let (key, value) =
        setting.split_once('=').ok_or("expected key=value, such as training.epochs=20")?;
    let mut path: Vec<&str> = key.trim().split('.').collect();
    if path[0] == "imperfections" {
        path.splice(0..0, ["devices", "*"]);
    }
    // What is no TOML value is a bare word: a string.
    let value = format!("value = {value}")
        .parse::<toml::Table>()
        .ok()
        .and_then(|mut parsed| parsed.remove("value"))
        .unwrap_or_else(|| toml::Value::String(value.to_owned()));
    insert(table, &path, &value)
}

/// Puts `value` at `path` below `table`.
fn insert(table: &mut toml::Table, path: &[&str], value: &toml::Value) -> Result<(), String> {
    match path {
        [] | [""] => Err("the key is empty".to_owned()),
        [last] => {
            table.insert((*last).to_owned(), value.clone());
            Ok(())
        }
        ["*", rest @ ..] => {
            let mut tables = table.iter_mut().filter_map(|(_, value)| value.as_table_mut());
            tables.try_for_each(|table| insert(table, rest, value))
        }
        [name, rest @ ..] => {
            let empty = || toml::Value::Table(toml::Table::new());
            let next = table.entry(*name).or_insert_with(empty).as_table_mut();
            insert(next.ok_or_else(|| format!("`{name}` is a value, not a table"))?, rest, value)
        }
    }
}
