//! How a network is trained.

use schemars::JsonSchema;
use serde::{Deserialize, Serialize};
use twinprop_calibration::by_name;
use twinprop_devices::validate;

use super::{OptimiserKind, RefinementChoice, Schedule, ShrinkageConfig};
use crate::data::{Feature, FeatureScaling, Split};
use crate::loss::{Loss, LossConfig};
use crate::network::{BeanConfig, Network};
use crate::rules::RulesConfig;
use crate::{Error, Rule};

/// How a network is trained; in a recipe, `[training]`.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize, JsonSchema)]
#[serde(deny_unknown_fields, default)]
pub struct TrainingConfig {
    /// The rule, unless the command line names another.
    pub rule: Rule,
    /// Options of the rules.
    pub rules: RulesConfig,
    /// Optional BEAN regulariser.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub bean: Option<BeanConfig>,
    /// Penalties on the size of trained parameters.
    pub shrinkage: ShrinkageConfig,
    /// The loss; by default cross-entropy for classes and the mean squared error for values.
    #[serde(deserialize_with = "by_name::read_optional", skip_serializing_if = "Option::is_none")]
    pub loss: Option<LossConfig>,
    /// Passes over the training data.
    #[serde(deserialize_with = "validate::count")]
    pub epochs: usize,
    /// Samples per step.
    #[serde(deserialize_with = "validate::count")]
    pub batch: usize,
    /// Parts into which `pat` splits a batch. While the devices measure a part, the CPU computes another part up to its
    /// next device, and the backward pass of the previous part. Useful if the devices are much slower than the CPU.
    /// The devices' parameters are set again for every part. Cannot be combined with `bean`.
    #[serde(deserialize_with = "validate::count")]
    pub parts: usize,
    /// The optimiser.
    pub optimiser: OptimiserKind,
    /// Initial learning rate of the optimiser, for parameters normalised to [−1, 1].
    #[serde(deserialize_with = "validate::positive")]
    pub learning_rate: f64,
    /// Initial learning rate of the digital stages' parameters (scales, offsets, the readout's temperature); by default
    /// `learning_rate`.
    #[serde(
        deserialize_with = "validate::optional_positive",
        skip_serializing_if = "Option::is_none"
    )]
    pub digital_learning_rate: Option<f64>,
    /// How the learning rate changes over the training.
    pub schedule: Schedule,
    /// Strength of the penalty on drives and parameters out of range.
    #[serde(deserialize_with = "validate::non_negative")]
    pub range_penalty: f64,
    /// Whether and how twins keep learning while a network is trained by `pat`.
    pub refinement: RefinementChoice,
}

impl Default for TrainingConfig {
    fn default() -> Self {
        Self {
            rule: Rule::Pat,
            rules: RulesConfig::default(),
            bean: None,
            shrinkage: ShrinkageConfig::default(),
            loss: None,
            epochs: 60,
            batch: 32,
            parts: 1,
            optimiser: OptimiserKind::Adam,
            learning_rate: 0.02,
            digital_learning_rate: None,
            schedule: Schedule::Cosine,
            range_penalty: 1.0,
            refinement: RefinementChoice::Auto,
        }
    }
}

impl TrainingConfig {
    /// The loss for the training samples of `data`.
    ///
    /// # Errors
    /// [`Error::Usage`] if it does not fit the targets.
    pub fn loss(&self, data: &Split) -> Result<Box<dyn Loss>, Error> {
        let targets = &data.train.targets;
        let config = self.loss.clone().unwrap_or_else(|| LossConfig::default_for(targets));
        let scaled = |target: &&Feature| target.scaling != FeatureScaling::default();
        if config == LossConfig::BinaryCrossEntropy
            && let Some(target) = data.schema.targets.iter().find(scaled)
        {
            return Err(Error::Usage(format!(
                "binary-cross-entropy compares labels, and the target `{}` has other values than 0 and 1; set training.loss to mean-square",
                target.name
            )));
        }
        config.start(targets, &data.classes).map_err(Error::Usage)
    }

    /// Steps of a training on `samples` samples.
    #[must_use]
    pub fn steps(&self, samples: usize) -> usize {
        self.epochs * samples.div_ceil(self.batch)
    }

    /// Names of the trained tensors of `network` that are no matrices, so that only the pseudo-gradient of the rule's
    /// terms acts on them; empty for a rule without terms.
    #[must_use]
    pub fn only_pseudo_gradient(&self, network: &Network) -> Vec<String> {
        match self.rule {
            Rule::LearnedPlasticity => self.rules.learned_plasticity.without_matrix(network),
            _ => Vec::new(),
        }
    }
}
