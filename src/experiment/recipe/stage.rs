//! The stages of a recipe's network.

use schemars::JsonSchema;
use serde::{Deserialize, Serialize};
use toml::Spanned;
use twinprop_devices::validate;

use crate::network::PoolKind;

/// A stage of the network.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize, JsonSchema)]
#[serde(rename_all = "snake_case")]
#[non_exhaustive]
pub enum StageConfig {
    /// Scales the features to [−1, 1] and repeats them onto the input channels of the next physical layer. Only as the
    /// first stage.
    Encode,
    /// Wires values to the next physical layer's channels in their physical unit: 1 V becomes 1 V.
    Wire,
    /// Cuts an image into patches, which may overlap. With a physical layer behind it that plays each patch as a shot of one
    /// device, `shared = true`, it is a physical convolution.
    Patches(PatchesConfig),
    /// A digital convolution: the same trainable weights at every window of an image.
    Convolution(ConvolutionConfig),
    /// The largest or the mean value of each window of an image, channel by channel.
    Pool(PoolConfig),
    /// Trainable scale and offset of each channel of an image, the same at all pixels.
    ChannelScale,
    /// Adds channels at rest (0).
    Pad(PadConfig),
    /// Keeps some of the channels.
    Slice(SliceConfig),
    /// Skip connection: adds the input of an earlier stage.
    Skip(SkipConfig),
    /// Adds Gaussian noise in training, to make the network robust against the device's noise.
    Jitter(JitterConfig),
    /// Dropout: sets random values to zero in every training step.
    Dropout(DropoutConfig),
    /// max(0, x): a digital nonlinearity, for linear devices.
    Relu,
    /// tanh: a digital nonlinearity.
    Tanh,
    /// ln(1 + exp(βx)) / β: a smooth rectifier.
    Softplus(SoftplusConfig),
    /// A digital linear layer with trainable weights.
    Linear(LinearConfig),
    /// Trainable element-wise scale and offset. Repeats or leaves out values to fill the input channels of the next
    /// physical layer.
    Scale,
    /// A physical layer. Its outputs are readings in the unit of the device's model or, for a rig without a model, in
    /// halves of their range.
    Physical(PhysicalConfig),
    /// Counts the spikes of each line of a raster; behind a physical layer that is read as one.
    SpikeCounts,
    /// Averages windows of channels to one output per class or target value, with a trainable factor. Only as the last
    /// stage.
    Readout,
}

/// Width of a digital layer.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize, JsonSchema)]
#[serde(deny_unknown_fields)]
pub struct LinearConfig {
    /// Number of outputs.
    #[serde(deserialize_with = "validate::count")]
    pub outputs: usize,
}

/// Strength of the dropout.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize, JsonSchema)]
#[serde(deny_unknown_fields)]
pub struct DropoutConfig {
    /// Share of the values set to zero, between 0 and 1.
    #[serde(deserialize_with = "validate::open_fraction")]
    pub rate: f64,
}

/// Sharpness of a softplus.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize, JsonSchema)]
#[serde(deny_unknown_fields)]
pub struct SoftplusConfig {
    /// Sharpness β of the bend at 0.
    #[serde(deserialize_with = "validate::positive")]
    pub beta: f64,
}

/// Patches of an image. Without `stride` they touch, and the image must be a whole number of patches high and wide.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize, JsonSchema)]
#[serde(deny_unknown_fields)]
pub struct PatchesConfig {
    /// Rows of a patch, in pixels.
    #[serde(deserialize_with = "validate::count")]
    pub height: usize,
    /// Columns of a patch, in pixels.
    #[serde(deserialize_with = "validate::count")]
    pub width: usize,
    /// Pixels from a patch to the next, down and across. Pixels that are left over at the end are not in a patch.
    #[serde(
        default,
        deserialize_with = "validate::optional_count",
        skip_serializing_if = "Option::is_none"
    )]
    pub stride: Option<usize>,
    /// Pixels of zeros on each side of the image, fewer than a patch has;
    /// behind `encode` a zero is the middle of a drive's range.
    #[serde(default)]
    pub padding: usize,
}

/// A digital convolution.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize, JsonSchema)]
#[serde(deny_unknown_fields)]
pub struct ConvolutionConfig {
    /// Output channels.
    #[serde(deserialize_with = "validate::count")]
    pub channels: usize,
    /// Rows and columns of the window.
    #[serde(deserialize_with = "validate::count")]
    pub size: usize,
    /// Pixels from a window to the next, down and across. Pixels that are left over at the end are not read.
    #[serde(default = "one", deserialize_with = "validate::count")]
    pub stride: usize,
    /// Pixels of zeros on each side of the image, fewer than the window has;
    /// behind `encode` a zero is the middle of a drive's range.
    #[serde(default)]
    pub padding: usize,
}

/// A pool.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize, JsonSchema)]
#[serde(deny_unknown_fields)]
pub struct PoolConfig {
    /// Rows and columns of a window, and pixels from a window to the next. Pixels that are left over at the end are not
    /// read.
    #[serde(deserialize_with = "validate::count")]
    pub size: usize,
    /// Which value stands for a window.
    #[serde(default)]
    pub kind: PoolKind,
}

/// Number of channels at rest.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize, JsonSchema)]
#[serde(deny_unknown_fields)]
pub struct PadConfig {
    /// Channels appended to each run.
    #[serde(deserialize_with = "validate::count")]
    pub channels: usize,
    /// Number of equal runs into which the channels are divided, such as the shots of the next layer.
    #[serde(default = "one", deserialize_with = "validate::count")]
    pub runs: usize,
}

/// Range of the channels that are kept.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize, JsonSchema)]
#[serde(deny_unknown_fields)]
pub struct SliceConfig {
    /// First channel, from zero.
    #[serde(default)]
    pub from: usize,
    /// Number of channels.
    #[serde(deserialize_with = "validate::count")]
    pub count: usize,
}

/// Strength of the noise.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize, JsonSchema)]
#[serde(deny_unknown_fields)]
pub struct JitterConfig {
    /// Standard deviation, in the unit of the values: for readings, the unit of the device's model, or half the range
    /// of a rig without a model.
    #[serde(deserialize_with = "validate::positive")]
    pub deviation: f64,
}

/// Start of a skip connection.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize, JsonSchema)]
#[serde(deny_unknown_fields)]
pub struct SkipConfig {
    /// Number of stages to skip, counted back from here.
    #[serde(deserialize_with = "validate::count")]
    pub over: usize,
}

/// A physical layer: one or more shots of a device side by side.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize, JsonSchema)]
#[serde(deny_unknown_fields)]
pub struct PhysicalConfig {
    /// Name of the device under `[devices]`.
    #[schemars(with = "String")]
    pub device: Spanned<String>,
    /// Shots per sample.
    #[serde(default = "one", deserialize_with = "validate::count")]
    pub shots: usize,
    /// Whether all shots share one set of parameters; by default each shot has its own.
    #[serde(default)]
    pub shared: bool,
    /// Share of the parameters' ranges, around the middle, from which initial parameters are drawn uniformly; 0
    /// to 1.
    #[serde(default = "middle_half", deserialize_with = "validate::fraction")]
    pub start: f64,
    /// Whether initial parameters are instead those of uniformly random unitary matrices, for a device that is a mesh:
    /// `coherent_stack`.
    #[serde(default, skip_serializing_if = "std::ops::Not::not")]
    pub haar: bool,
    /// Whether initial parameters are instead weights of the variance 3 / fan-in, for a device that is a network of
    /// neurons: `learning_chip`.
    #[serde(default, skip_serializing_if = "std::ops::Not::not")]
    pub by_fan_in: bool,
}

fn one() -> usize {
    1
}

fn middle_half() -> f64 {
    0.5
}
