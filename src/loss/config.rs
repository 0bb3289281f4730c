//! The losses by name, with their options.

use std::collections::BTreeMap;

use schemars::JsonSchema;
use serde::{Deserialize, Serialize};
use twinprop_calibration::by_name;
use twinprop_devices::validate;

use super::{BinaryCrossEntropy, CrossEntropy, Huber, Loss, MeanAbsolute, MeanSquare};
use crate::data::Targets;

/// A loss; in a recipe, `loss = "huber"` or `loss = { huber = { delta = 0.1 } }` in `[training]`.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize, JsonSchema)]
#[serde(rename_all = "kebab-case")]
#[schemars(transform = by_name::in_schema)]
#[non_exhaustive]
pub enum LossConfig {
    /// Cross-entropy over a softmax, for classes.
    CrossEntropy(CrossEntropyConfig),
    /// Binary cross-entropy, for several labels of 0 or 1 a sample.
    BinaryCrossEntropy,
    /// Mean squared error, for values.
    MeanSquare,
    /// The Huber loss, for values with a few outliers.
    Huber(HuberConfig),
    /// Mean absolute error, for values with outliers.
    MeanAbsolute,
    /// A loss that your own program passes to the library.
    Given,
}

/// Options of the cross-entropy.
#[derive(Clone, Debug, Default, PartialEq, Serialize, Deserialize, JsonSchema)]
#[serde(deny_unknown_fields, default)]
pub struct CrossEntropyConfig {
    /// Weight of each class; 1 by default.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub class_weights: Option<ClassWeights>,
    /// ε: share of each target that is spread over all classes.
    #[serde(deserialize_with = "validate::part")]
    pub label_smoothing: f64,
}

/// Weights of classes.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize, JsonSchema)]
#[serde(rename_all = "kebab-case")]
#[non_exhaustive]
pub enum ClassWeights {
    /// Each class counts the same, however many samples it has.
    Balanced,
    /// By class name; 1 for a class that is not named.
    Named(BTreeMap<String, f64>),
}

/// Options of the Huber loss.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize, JsonSchema)]
#[serde(deny_unknown_fields, default)]
pub struct HuberConfig {
    /// δ, in units of the targets' standard deviation.
    #[serde(deserialize_with = "validate::positive")]
    pub delta: f64,
}

impl Default for HuberConfig {
    fn default() -> Self {
        Self { delta: Huber::default().delta }
    }
}

impl LossConfig {
    /// The loss of a recipe that names none: cross-entropy of classes, mean squared error of values.
    #[must_use]
    pub fn default_for(targets: &Targets) -> Self {
        match targets {
            Targets::Classes(_) => Self::CrossEntropy(CrossEntropyConfig::default()),
            Targets::Values(_) => Self::MeanSquare,
        }
    }

    /// The loss for the training targets `targets`; `classes` are the names of the classes.
    ///
    /// # Errors
    /// In a sentence: an unknown class, a weight that is negative or not finite, targets of another kind.
    pub fn start(&self, targets: &Targets, classes: &[String]) -> Result<Box<dyn Loss>, String> {
        let loss: Box<dyn Loss> = match self {
            Self::CrossEntropy(config) => Box::new(config.start(targets, classes)?),
            Self::BinaryCrossEntropy => Box::new(BinaryCrossEntropy),
            Self::MeanSquare => Box::new(MeanSquare),
            Self::Huber(HuberConfig { delta }) => Box::new(Huber { delta: *delta }),
            Self::MeanAbsolute => Box::new(MeanAbsolute),
            Self::Given => {
                return Err("key `training.loss`: the loss is a program's own, and was not passed; pass it in `Given::loss`".to_owned());
            }
        };
        loss.check(targets)?;
        Ok(loss)
    }
}

impl CrossEntropyConfig {
    fn start(&self, targets: &Targets, classes: &[String]) -> Result<CrossEntropy, String> {
        let loss = CrossEntropy::default().with_smoothing(self.label_smoothing as f32);
        let named = match &self.class_weights {
            None => return Ok(loss),
            Some(ClassWeights::Balanced) => return Ok(loss.balanced(targets)),
            Some(ClassWeights::Named(named)) => named,
        };
        let key = "training.loss.cross-entropy.class_weights.named";
        for (name, weight) in named {
            if !classes.contains(name) {
                return Err(format!(
                    "key `{key}`: there is no class `{name}`; the classes are {}",
                    classes.join(", ")
                ));
            }
            if !(*weight >= 0.0 && weight.is_finite()) {
                return Err(format!(
                    "key `{key}`: the weight of `{name}` is {weight}; it must be 0 or more"
                ));
            }
        }
        let weight = |name| named.get(name).map_or(1.0, |&weight| weight as f32);
        Ok(loss.with_weights(classes.iter().map(weight).collect()))
    }
}
