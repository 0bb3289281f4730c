//! A recipe: one TOML file that describes an experiment completely.

mod accounting;
mod adaptation;
mod calibration;
mod column;
mod device;
mod overrides;
mod schema;
mod stage;

use std::collections::BTreeMap;
use std::path::{Path, PathBuf};

use schemars::JsonSchema;
use serde::de::DeserializeOwned;
use serde::{Deserialize, Serialize};
use twinprop_calibration::by_name;
use twinprop_devices::ImperfectionsConfig;
use twinprop_devices::rig::{RigOptions, RigTargets, Target};

pub use self::accounting::AccountingConfig;
pub use self::adaptation::AdaptConfig;
pub use self::calibration::{CalibrationConfig, Requirement};
pub use self::column::Column;
pub use self::device::{DeviceEntry, RigConfig};
pub use self::overrides::as_option;
pub(super) use self::overrides::set as set_value;
pub use self::schema::recipe_schema;
pub use self::stage::{
    ConvolutionConfig, DropoutConfig, JitterConfig, LinearConfig, PadConfig, PatchesConfig,
    PhysicalConfig, PoolConfig, SkipConfig, SliceConfig, SoftplusConfig, StageConfig,
};
use crate::Error;
use crate::data::DataConfig;
use crate::training::TrainingConfig;
pub use twinprop_calibration::TwinConfig;

/// The largest seed: TOML integers have 64 bits with a sign.
pub const LARGEST_SEED: u64 = i64::MAX as u64;

/// An experiment: network, data, devices, calibration and training.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize, JsonSchema)]
#[serde(deny_unknown_fields)]
pub struct Recipe {
    /// Seed of all random numbers.
    #[serde(default)]
    pub seed: u64,
    /// Seed of the simulated devices' fabrication and noise, by default `seed`; another seed makes another copy of
    /// the devices.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub device_seed: Option<u64>,
    /// File of initial parameters of the whole network: the `parameters.safetensors` of a run with the same stages.
    /// Without it, parameters are drawn.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub initial_parameters: Option<PathBuf>,
    /// The stages of the network, from input to output.
    #[serde(deserialize_with = "by_name::read_all")]
    pub network: Vec<StageConfig>,
    /// The data set and its division into training and test samples.
    pub data: DataConfig,
    /// The devices by name; empty for a digital network.
    #[serde(default)]
    pub devices: BTreeMap<String, DeviceEntry>,
    /// How the devices' digital twins are made and judged.
    #[serde(default)]
    pub calibration: CalibrationConfig,
    /// How the network is trained.
    #[serde(default)]
    pub training: TrainingConfig,
    /// How the trained network is adapted to devices that have changed.
    #[serde(default)]
    pub adaptation: AdaptConfig,
    /// Energy estimate, and the search for a digital peer.
    #[serde(default)]
    pub accounting: AccountingConfig,
    /// Columns of `compare` if its command line names no rules; by default the rules pat, in-silico and ideal.
    #[serde(default, skip_serializing_if = "Vec::is_empty")]
    pub compare: Vec<Column>,
}

/// Reads the TOML file at `path` and applies `overrides`, each `key.of.value=value`. `check` gets the value and its
/// text, before and after the overrides.
///
/// # Errors
/// As [`Recipe::read`].
pub(in crate::experiment) fn read_toml<T: DeserializeOwned>(
    path: &Path,
    overrides: &[String],
    check: impl Fn(&T, &str) -> Result<(), String>,
) -> Result<T, Error> {
    let text = std::fs::read_to_string(path)
        .map_err(Error::file(path, "name a recipe, such as experiments/vowels-optical.toml"))?;
    parse_toml(path, &text, overrides, check)
}

/// The same from `text`; `path` is for messages.
fn parse_toml<T: DeserializeOwned>(
    path: &Path,
    text: &str,
    overrides: &[String],
    check: impl Fn(&T, &str) -> Result<(), String>,
) -> Result<T, Error> {
    let wrong = |problem: String| Error::Recipe { path: path.to_owned(), problem };
    let recipe: T = toml::from_str(text).map_err(|error| wrong(error.to_string()))?;
    check(&recipe, text).map_err(wrong)?;
    if overrides.is_empty() {
        return Ok(recipe);
    }
    let mut table: toml::Table = toml::from_str(text).map_err(|error| wrong(error.to_string()))?;
    for setting in overrides {
        set_value(&mut table, setting)
            .map_err(|problem| wrong(format!("{}: {problem}", as_option(setting))))?;
    }
    let changed = toml::to_string(&table).map_err(|error| wrong(error.to_string()))?;
    let with = |problem: String| {
        let options: Vec<String> = overrides.iter().map(|setting| as_option(setting)).collect();
        wrong(format!("with {}: {problem}", options.join(" ")))
    };
    let recipe: T = toml::from_str(&changed).map_err(|error| with(error.to_string()))?;
    check(&recipe, &changed).map_err(with)?;
    Ok(recipe)
}

impl Recipe {
    /// Seed of the fabrication and noise of the device with the number `place`.
    #[must_use]
    pub fn device_seed_of(&self, place: usize) -> u64 {
        self.device_seed.unwrap_or(self.seed).wrapping_add((place as u64) << 32)
    }

    /// Replaces devices by real ones. Each of `devices` is `NAME=TARGET`, or `TARGET` if the recipe has one device.
    /// Several targets of one device make a farm.
    ///
    /// # Errors
    /// [`Error::Usage`] for an invalid target or an unknown device.
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
                            "option `devices` {text}: the recipe has several devices; write NAME=TARGET, with one of {}",
                            names.join(", ")
                        )));
                    }
                },
            };
            let target = target
                .parse()
                .map_err(|problem| Error::Usage(format!("option `devices` {problem}")))?;
            taken.entry(name).or_default().push(target);
        }
        for (name, targets) in taken {
            if let Some(device) = self.devices.get_mut(&name) {
                let of_recipe = device.rig.as_ref();
                let options = of_recipe.map_or_else(RigOptions::default, |rig| RigOptions {
                    encoding: rig.encoding,
                    retries: rig.retries,
                });
                let RigOptions { encoding, retries } = options;
                device.rig = Some(RigConfig { target: RigTargets(targets), encoding, retries });
                // The imperfections belong to the replaced, simulated device.
                device.imperfections = ImperfectionsConfig::default();
            }
        }
        Ok(())
    }

    /// Reads the recipe at `path` and applies `overrides`, each `key.of.value=value`.
    ///
    /// # Errors
    /// [`Error::File`] if the file cannot be read; [`Error::Recipe`] names the line, the key and what was
    /// expected.
    pub fn read(path: &Path, overrides: &[String]) -> Result<Self, Error> {
        read_toml(path, overrides, Self::check)
    }

    /// Parses the recipe in `text`, which is TOML.
    ///
    /// ```
    /// use twinprop::experiment::Recipe;
    ///
    /// let recipe = Recipe::parse(
    ///     r#"
    ///     network = ["encode", { linear = { outputs = 11 } }, "readout"]
    ///     data = { source = "vowels" }
    ///     "#,
    /// )?;
    /// assert_eq!(recipe.network.len(), 3);
    /// # Ok::<(), twinprop::Error>(())
    /// ```
    ///
    /// # Errors
    /// [`Error::Recipe`] names the line, the key and what was expected.
    pub fn parse(text: &str) -> Result<Self, Error> {
        parse_toml(Path::new("the recipe"), text, &[], Self::check)
    }

    /// Returns the recipe with `overrides`, each `key.of.value=value`.
    ///
    /// # Errors
    /// [`Error::Recipe`] names the key and what was expected.
    pub fn with(&self, overrides: &[String]) -> Result<Self, Error> {
        if overrides.is_empty() {
            return Ok(self.clone());
        }
        parse_toml(Path::new("the recipe"), &self.to_toml(), overrides, Self::check)
    }

    /// Checks what involves several values, such as the order of the stages and the names of devices.
    fn check(&self, text: &str) -> Result<(), String> {
        use StageConfig as S;
        let inner = match self.network.as_slice() {
            [S::Encode | S::Wire | S::Patches(_), inner @ .., S::Readout]
            | [S::Encode | S::Wire | S::Patches(_), inner @ ..] => inner,
            _ => {
                return Err(
                    "key `network`: the first stage must be \"encode\", \"wire\" or \"patches\""
                        .to_owned(),
                );
            }
        };
        let mut physical = 0;
        for stage in inner {
            match stage {
                S::Encode | S::Readout => {
                    return Err("key `network`: \"encode\" can only be the first stage and \"readout\" the last".to_owned());
                }
                S::Wire
                | S::Patches(_)
                | S::Convolution(_)
                | S::Pool(_)
                | S::ChannelScale
                | S::Relu
                | S::Tanh
                | S::Softplus(_)
                | S::Linear(_)
                | S::Scale
                | S::Pad(_)
                | S::Slice(_)
                | S::Jitter(_)
                | S::Dropout(_)
                | S::SpikeCounts
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
            if device.model.is_none() && device.rig.is_none() && !device.given {
                return Err(format!(
                    "key `devices.{name}`: the device is not described; give it a `model` (simulated), a `rig` (real) or both, or set `given = true` if the calling program passes it"
                ));
            }
            if device.given && device.rig.is_some() {
                return Err(format!(
                    "key `devices.{name}`: it has both `rig` and `given`; leave one of them out"
                ));
            }
            if device.is_real() && device.imperfections != ImperfectionsConfig::default() {
                return Err(format!(
                    "key `devices.{name}.imperfections`: the device is real, but imperfections can only be given to a simulated one; leave them out"
                ));
            }
        }
        let unmodelled = self
            .devices
            .iter()
            .find(|(_, device)| device.model.is_none() && self.twin_of(device).needs_equation());
        if let Some((name, _)) = unmodelled {
            let key = self.twin_key(name);
            return Err(format!(
                "key `{key}`: a physics twin of `{name}` needs its equation; give the device a `model`, or choose a `neural`, `temporal` or `ensemble` twin, which needs none"
            ));
        }
        Column::check(&self.compare)?;
        if self.training.parts > 1 && self.training.bean.is_some() {
            return Err("key `training.parts`: batches cannot be split with `training.bean`, which needs whole batches; leave one of them out".to_owned());
        }
        let mut twins = self.devices.values().map(|device| self.twin_of(device));
        if self.calibration.load.is_some() && !twins.any(TwinConfig::is_fitted) {
            return Err("key `calibration.load`: a twin of this kind has no files to load; leave out `load`, or choose a twin that is fitted".to_owned());
        }
        if physical == 0 && !self.devices.is_empty() {
            return Err("key `network`: no stage uses a device; add one, such as { physical = { device = \"…\" } }, or leave out [devices] for a digital network".to_owned());
        }
        Ok(())
    }

    /// The kind of the twin of `device`.
    pub(super) fn twin_of<'a>(&'a self, device: &'a DeviceEntry) -> &'a TwinConfig {
        device.twin.as_ref().unwrap_or(&self.calibration.twin)
    }

    /// The key that sets the kind of the twin of the device called `name`.
    pub(super) fn twin_key(&self, name: &str) -> String {
        match self.devices.get(name).and_then(|device| device.twin.as_ref()) {
            Some(_) => format!("devices.{name}.twin"),
            None => "calibration.twin".to_owned(),
        }
    }

    /// How the twin of the device called `name` is made and judged.
    #[must_use]
    pub fn calibration_of(&self, name: &str) -> CalibrationConfig {
        let twin =
            self.devices.get(name).map_or(&self.calibration.twin, |device| self.twin_of(device));
        CalibrationConfig { twin: twin.clone(), ..self.calibration.clone() }
    }

    /// The recipe as TOML, with all defaults written out.
    ///
    /// # Panics
    /// Never: a recipe is plain data.
    #[must_use]
    pub fn to_toml(&self) -> String {
        toml::to_string(self).expect("a recipe is plain data")
    }
}
