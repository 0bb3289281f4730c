//! The stages of a recipe's network.

use schemars::JsonSchema;
use serde::{Deserialize, Serialize};
use toml::Spanned;
use twinprop_devices::validate;

/// A stage of the network.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize, JsonSchema)]
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
    /// Values left out at random in every training step.
    Dropout(DropoutConfig),
    /// The positive part: a digital nonlinearity, for devices that are linear.
    Relu,
    /// tanh: a digital nonlinearity.
    Tanh,
    /// ln(1 + exp(βx)) / β: a smooth rectifier.
    Softplus(SoftplusConfig),
    /// A digital layer of trainable weights.
    Linear(LinearConfig),
    /// Trainable element-wise scale and offset, from the width before to the width behind.
    Scale,
    /// A physical layer. Its readings leave it in the unit of the device's model, or in halves of their range
    /// where a rig has no model: what follows need not know whether they are volts or nanoamperes.
    Physical(PhysicalConfig),
    /// Windows summed into classes; the last stage.
    Readout,
}

/// How wide a digital layer is.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize, JsonSchema)]
#[serde(deny_unknown_fields)]
pub struct LinearConfig {
    /// Its outputs.
    #[serde(deserialize_with = "validate::count")]
    pub outputs: usize,
}

/// How much is left out.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize, JsonSchema)]
#[serde(deny_unknown_fields)]
pub struct DropoutConfig {
    /// Share of the values.
    #[serde(deserialize_with = "validate::open_fraction")]
    pub rate: f64,
}

/// How sharp a smooth rectifier bends.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize, JsonSchema)]
#[serde(deny_unknown_fields)]
pub struct SoftplusConfig {
    /// β.
    #[serde(deserialize_with = "validate::positive")]
    pub beta: f64,
}

/// Rows and columns of a patch.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize, JsonSchema)]
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
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize, JsonSchema)]
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
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize, JsonSchema)]
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
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize, JsonSchema)]
#[serde(deny_unknown_fields)]
pub struct JitterConfig {
    /// Its standard deviation, in the unit that the values have there: of readings, the unit of the
    /// device's model, or half the range of a rig without one.
    #[serde(deserialize_with = "validate::positive")]
    pub deviation: f64,
}

/// Where a skip connection starts.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize, JsonSchema)]
#[serde(deny_unknown_fields)]
pub struct SkipConfig {
    /// How many stages it skips: the last `over` before this place.
    #[serde(deserialize_with = "validate::count")]
    pub over: usize,
}

/// A physical layer: a device played several times side by side.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize, JsonSchema)]
#[serde(deny_unknown_fields)]
pub struct PhysicalConfig {
    /// Name of the device under `[devices]`.
    #[schemars(with = "String")]
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
