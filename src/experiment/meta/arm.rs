//! Meta-training of one arm on one seed: Θ is updated after every episode and tested on held-out tasks.

use std::time::Instant;

use burn::tensor::{Device, Tensor};
use serde::{Deserialize, Serialize};
use twinprop_calibration::Adam;
use twinprop_calibration::bridge::{from_vec, to_vec};
use twinprop_calibration::state::{as_part, take, take_part};
use twinprop_calibration::store::{read_safetensors, to_safetensors};
use twinprop_devices::random;

use super::super::run_folder::RunFolder;
use super::recipe::{MetaConfig, MetaRecipe};
use super::tasks::{Classes, Sources};
use crate::Error;
use crate::rules::plasticity::{
    Architecture, Coefficients, FeedbackKind, OnlineLearner, Outcome, Term,
};
use crate::training::{Event, Observer};

/// Arm of the comparison: a way to learn.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Serialize, Deserialize)]
#[serde(rename_all = "kebab-case")]
pub enum Arm {
    /// Backpropagation: symmetric feedback, only the pseudo-gradient term.
    Symmetric,
    /// Feedback alignment: fixed random feedback, only the pseudo-gradient term.
    Fixed,
    /// Learned rule: fixed random feedback, all terms that the recipe allows.
    Learned,
}

impl Arm {
    /// All arms.
    pub const ALL: [Self; 3] = [Self::Symmetric, Self::Fixed, Self::Learned];

    /// Its name.
    #[must_use]
    pub fn name(self) -> &'static str {
        match self {
            Self::Symmetric => "symmetric",
            Self::Fixed => "fixed",
            Self::Learned => "learned",
        }
    }

    fn feedback(self) -> FeedbackKind {
        match self {
            Self::Symmetric => FeedbackKind::Symmetric,
            Self::Fixed | Self::Learned => FeedbackKind::Fixed,
        }
    }

    fn terms(self, recipe: &MetaRecipe) -> Vec<Term> {
        match self {
            Self::Symmetric | Self::Fixed => vec![Term::PseudoGradient],
            Self::Learned => recipe.meta.terms.clone(),
        }
    }
}

/// Metrics of an episode: a line of `episodes.jsonl`.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
pub struct EpisodeMetrics {
    /// Number of the episode, from 1.
    pub episode: usize,
    /// Θ during the episode.
    pub theta: Coefficients,
    /// Mean cross-entropy of the queries; `None` if learning diverged, after which Θ is reduced.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub query_loss: Option<f64>,
    /// Share of queries answered right.
    pub query_accuracy: f64,
}

/// Result of an arm on one seed.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
pub struct ArmResult {
    /// The arm.
    pub arm: Arm,
    /// The seed.
    pub seed: u64,
    /// Θ after the last episode.
    pub theta: Coefficients,
    /// Share of queries answered right, mean over the held-out tasks.
    pub query_accuracy: f64,
    /// Cross-entropy of the queries, mean over the held-out tasks; `None` unless finite for all.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub query_loss: Option<f64>,
    /// Mean angle at each hidden layer between the error signals and backpropagation's, in degrees; `None` unless
    /// the signals of all tasks are finite.
    pub angles: Vec<Option<f64>>,
    /// Episodes in which learning diverged.
    pub diverged: usize,
    /// Duration of the episodes and tests in seconds.
    pub seconds: f64,
}

/// Episodes from one checkpoint to the next.
const CHECKPOINT_EVERY: usize = 25;
/// Factor of the coefficients after an episode in which learning diverged.
const BACK_OFF: f32 = 0.9;
const EPISODES: &str = "episodes.jsonl";
const STATE: &str = "state.safetensors";
const RESULT: &str = "result.json";
const ADVICE: &str = "remove the folder and start again";

/// State of a meta-training.
struct ThetaTraining {
    theta: Tensor<2>,
    adam: Adam,
    history: Vec<EpisodeMetrics>,
    seconds: f64,
}

/// Reads the episodes in an arm's folder.
pub(super) fn episodes(folder: &RunFolder) -> Result<Vec<EpisodeMetrics>, Error> {
    folder.read_lines(EPISODES, ADVICE)
}

/// Meta-trains Θ for `arm` on `seed` in `folder`: starts, resumes or, if complete, reads the result.
pub(super) fn meta_train(
    arm: Arm,
    seed: u64,
    recipe: &MetaRecipe,
    sources: &Sources,
    folder: &RunFolder,
    observer: &mut dyn Observer,
) -> Result<(ArmResult, Vec<EpisodeMetrics>), Error> {
    if folder.path().join(RESULT).exists() {
        return Ok((folder.read_json(RESULT, ADVICE)?, folder.read_lines(EPISODES, ADVICE)?));
    }
    let device = Device::default();
    let mut training = ThetaTraining::open(folder, recipe, &device)?;
    let widths = [&[sources.width][..], &recipe.hidden, &[sources.classes]].concat();
    let mut learner =
        OnlineLearner::<f32>::new(Architecture::new(widths, recipe.beta), arm.feedback());
    let (known, held_out) = sources.divide(&recipe.tasks, seed)?;
    let terms = arm.terms(recipe);
    let mut clock = Instant::now();
    while training.history.len() < recipe.meta.episodes {
        training.episode(seed, &terms, recipe, &known, &mut learner);
        let advance = Event::WorkAdvances { done: training.history.len(), message: "" };
        let is_stopped = observer.observe(&advance)?.is_break();
        if is_stopped || training.history.len().is_multiple_of(CHECKPOINT_EVERY) {
            training.seconds += clock.elapsed().as_secs_f64();
            clock = Instant::now();
            training.save(folder, &device)?;
        }
        if is_stopped {
            return Err(Error::Interrupted("stopped between two episodes".to_owned()));
        }
    }
    training.save(folder, &device)?;
    let result = training.test(arm, seed, recipe, &held_out, &mut learner, clock);
    folder.write_json(RESULT, &result)?;
    Ok((result, training.history))
}

impl ThetaTraining {
    /// The state saved in `folder`, or the initial state.
    fn open(folder: &RunFolder, recipe: &MetaRecipe, device: &Device) -> Result<Self, Error> {
        let path = folder.path().join(STATE);
        let mut adam = Adam::default();
        if !path.exists() {
            let theta = recipe.meta.start.to_array().map(|amount| amount as f32);
            let theta = from_vec(theta.to_vec(), [1, Term::COUNT], device);
            return Ok(Self { theta, adam, history: Vec::new(), seconds: 0.0 });
        }
        let mut state = read_safetensors(&path, device)?;
        let damaged = |problem| Error::Data { path: path.clone(), problem };
        adam.restore(take_part(&mut state, "adam")).map_err(damaged)?;
        let mut number = |name| -> Result<f32, Error> {
            Ok(take(&mut state, name).map_err(damaged)?.into_scalar())
        };
        let (episodes, seconds) = (number("episodes")? as usize, f64::from(number("seconds")?));
        let theta = take(&mut state, "theta").map_err(damaged)?;
        let mut history: Vec<EpisodeMetrics> = folder.read_lines(EPISODES, ADVICE)?;
        history.truncate(episodes);
        Ok(Self { theta, adam, history, seconds })
    }

    fn save(&self, folder: &RunFolder, device: &Device) -> Result<(), Error> {
        folder.write_lines(EPISODES, &self.history)?;
        let number = |value: f64| from_vec(vec![value as f32], [1, 1], device);
        let mut state = as_part("adam", self.adam.state(&[&self.theta]));
        state.insert("theta".to_owned(), self.theta.clone());
        state.insert("episodes".to_owned(), number(self.history.len() as f64));
        state.insert("seconds".to_owned(), number(self.seconds));
        folder.write_bytes(
            STATE,
            &to_safetensors(state.iter().map(|(name, tensor)| (name.clone(), tensor))),
        )
    }

    fn coefficients(&self) -> Coefficients {
        let theta = to_vec(self.theta.clone());
        Coefficients::from_array(std::array::from_fn(|place| f64::from(theta[place])))
    }

    /// Runs one episode and updates Θ.
    fn episode(
        &mut self,
        seed: u64,
        terms: &[Term],
        recipe: &MetaRecipe,
        classes: &Classes,
        learner: &mut OnlineLearner<f32>,
    ) {
        let episode = self.history.len() + 1;
        let mut random = random::stream(seed, &format!("episode {episode}"));
        let task = classes.draw(&recipe.tasks, &mut random);
        let theta = self.coefficients();
        let (outcome, mut gradient) = learner.learn_with_gradient(&theta, &task, &mut random);
        let is_finite = outcome.loss.is_finite() && gradient.iter().all(|value| value.is_finite());
        if is_finite {
            let MetaConfig { clip, l1, .. } = recipe.meta;
            for (term, gradient) in Term::ALL.into_iter().zip(&mut gradient) {
                let amount = theta.of(term);
                let shrinking = if amount == 0.0 { 0.0 } else { l1 * amount.signum() };
                *gradient = if terms.contains(&term) { *gradient + shrinking } else { 0.0 };
            }
            let length = gradient.iter().map(|value| value * value).sum::<f64>().sqrt();
            gradient.iter_mut().for_each(|value| *value *= (clip / length).min(1.0));
            let gradient = gradient.iter().map(|&value| value as f32).collect();
            let gradient = from_vec(gradient, [1, Term::COUNT], &self.theta.device());
            self.adam.step([recipe.meta.learning_rate], vec![&mut self.theta], vec![gradient]);
        }
        if !is_finite {
            // It is unknown which term was too large. All but the pseudo-gradient, which learning needs, are reduced.
            let kept =
                Term::ALL.map(|term| if term == Term::PseudoGradient { 1.0 } else { BACK_OFF });
            let kept = from_vec(kept.to_vec(), [1, Term::COUNT], &self.theta.device());
            self.theta = self.theta.clone() * kept;
        }
        let query_loss = is_finite.then_some(outcome.loss);
        let query_accuracy = outcome.accuracy;
        self.history.push(EpisodeMetrics { episode, theta, query_loss, query_accuracy });
    }

    /// Tests Θ on held-out tasks.
    fn test(
        &self,
        arm: Arm,
        seed: u64,
        recipe: &MetaRecipe,
        classes: &Classes,
        learner: &mut OnlineLearner<f32>,
        clock: Instant,
    ) -> ArmResult {
        let theta = self.coefficients();
        let outcomes: Vec<Outcome> = (0..recipe.meta.tests)
            .map(|test| {
                let mut random = random::stream(seed, &format!("held-out task {test}"));
                let task = classes.draw(&recipe.tasks, &mut random);
                learner.learn(&theta, &task, &mut random)
            })
            .collect();
        let mean = |value: &dyn Fn(&Outcome) -> f64| {
            outcomes.iter().map(value).sum::<f64>() / outcomes.len() as f64
        };
        let query_loss = Some(mean(&|outcome| outcome.loss)).filter(|loss| loss.is_finite());
        ArmResult {
            arm,
            seed,
            theta,
            query_accuracy: mean(&|outcome| outcome.accuracy),
            query_loss,
            angles: (0..recipe.hidden.len())
                .map(|layer| Some(mean(&|outcome| outcome.angles[layer])).filter(|a| a.is_finite()))
                .collect(),
            diverged: self.history.iter().filter(|one| one.query_loss.is_none()).count(),
            seconds: self.seconds + clock.elapsed().as_secs_f64(),
        }
    }
}
