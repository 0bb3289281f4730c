//! Options of the rules, each in a table of its own, used when the rule is.

use schemars::JsonSchema;
use serde::{Deserialize, Serialize};

use super::{
    Asymmetric, Backpropagation, DirectFeedback, DirectFeedbackConfig, Emstdp, EmstdpConfig,
    FeedbackAlignment, FeedbackAlignmentConfig, FiniteDifferences, FiniteDifferencesConfig,
    LearnedPlasticity, LearnedPlasticityConfig, Perturbation, PerturbationConfig, PredictiveCoding,
    PredictiveCodingConfig, Rule, TrainingRule,
};

/// Options of the rules; in a recipe, `[training.rules]`.
#[derive(Clone, Debug, Default, PartialEq, Serialize, Deserialize, JsonSchema)]
#[serde(deny_unknown_fields, default, rename_all = "kebab-case")]
pub struct RulesConfig {
    /// Of predictive coding.
    pub predictive_coding: PredictiveCodingConfig,
    /// Of feedback alignment.
    pub feedback_alignment: FeedbackAlignmentConfig,
    /// Of direct feedback alignment.
    pub direct_feedback_alignment: DirectFeedbackConfig,
    /// Of learned plasticity.
    pub learned_plasticity: LearnedPlasticityConfig,
    /// Of EMSTDP.
    pub emstdp: EmstdpConfig,
    /// Of simultaneous perturbation.
    pub spsa: PerturbationConfig,
    /// Of central finite differences.
    pub finite_differences: FiniteDifferencesConfig,
}

impl RulesConfig {
    /// `rule` with its options and random numbers from `seed`; `pat` splits a batch into `parts`.
    #[must_use]
    pub fn start(&self, rule: Rule, seed: u64, parts: usize) -> Box<dyn TrainingRule> {
        let direct = |augmented| {
            let config = self.direct_feedback_alignment.clone();
            Box::new(DirectFeedback::new(config, augmented, seed))
        };
        match rule {
            Rule::Pat => Box::new(Backpropagation::physics_aware().in_parts(parts)),
            Rule::InSilico => Box::new(Backpropagation::in_silico()),
            Rule::Ideal => Box::new(Backpropagation::ideal()),
            Rule::Asymmetric => Box::new(Asymmetric),
            Rule::PredictiveCoding => {
                Box::new(PredictiveCoding::new(self.predictive_coding.clone()))
            }
            Rule::FeedbackAlignment => {
                Box::new(FeedbackAlignment::new(self.feedback_alignment.clone(), seed))
            }
            Rule::DirectFeedbackAlignment => direct(false),
            Rule::AugmentedDirectFeedbackAlignment => direct(true),
            Rule::LearnedPlasticity => {
                Box::new(LearnedPlasticity::new(self.learned_plasticity.clone(), seed))
            }
            Rule::Emstdp => Box::new(Emstdp::new(self.emstdp.clone())),
            Rule::Spsa => Box::new(Perturbation::new(self.spsa.clone(), seed)),
            Rule::FiniteDifferences => {
                Box::new(FiniteDifferences::new(self.finite_differences.clone()))
            }
        }
    }
}
