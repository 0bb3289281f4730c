//! Refinement of twins while a network trains on their devices.
//!
//! Every few steps, some runs of shots that training has just played and some earlier runs become a lesson, which a
//! thread learns beside the training; the taught twin replaces the old one before the next lesson. After an epoch the
//! twin's gradient is compared with the device's, and an unfit twin is recalibrated about the network's drives.

use std::collections::BTreeMap;
use std::sync::Arc;
use std::time::Instant;

use burn::tensor::Device;
use rand::RngExt;
use schemars::JsonSchema;
use serde::{Deserialize, Serialize};
use twinprop_calibration::fidelity::FIT;
use twinprop_calibration::refine::{PendingLesson, RefinerState};
use twinprop_calibration::state::{State, as_part, take_part};
use twinprop_calibration::{Estimate, Fidelity, FidelityConfig, Refiner, ReplayBuffer};
use twinprop_devices::{random, validate};

use super::recalibration::{Budget, measure_at, recalibrate_about};
use crate::Error;
use crate::network::{Instrument, Laboratory, Network, Trace};

/// How twins are refined; in a recipe, `[training.refinement.on]`.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize, JsonSchema)]
#[serde(deny_unknown_fields, default)]
pub struct RefinementConfig {
    /// Computing cost of the twins' updates, as a share of the cost of the training steps. It sets the number of steps
    /// between two updates. One shot of an update counts as three shots of a step.
    #[serde(deserialize_with = "validate::positive")]
    pub budget: f64,
    /// Number of batches in an update that come from the latest step. All shots of a batch have the same device
    /// parameters.
    #[serde(deserialize_with = "validate::count")]
    pub fresh: usize,
    /// Number of batches in an update that come from earlier steps.
    pub replayed: usize,
    /// Batches of each device that are kept for later updates.
    #[serde(deserialize_with = "validate::count")]
    pub kept: usize,
    /// Factor on the twins' learning rates, which follow the schedule of the network's learning rate.
    #[serde(deserialize_with = "validate::positive")]
    pub pace: f64,
    /// Size of the gradient check after each epoch.
    pub fidelity: FidelityConfig,
    /// Smallest gradient cosine. A twin is recalibrated if its cosine is below `threshold`, and its confidence interval
    /// ends below max(`threshold`, 0.8). It is also recalibrated if its error is far above the noise.
    #[serde(deserialize_with = "validate::fraction")]
    pub threshold: f64,
    /// Shots of a recalibration; with 0, no twin is recalibrated.
    pub recalibration_shots: usize,
    /// Steps of a recalibration.
    #[serde(deserialize_with = "validate::count")]
    pub recalibration_steps: usize,
}

impl Default for RefinementConfig {
    fn default() -> Self {
        Self {
            budget: 0.1,
            fresh: 2,
            replayed: 6,
            kept: 256,
            pace: 3.0,
            fidelity: FidelityConfig { points: 16, directions: 1, repeats: 4 },
            threshold: 0.5,
            recalibration_shots: 1024,
            recalibration_steps: 2000,
        }
    }
}

/// Whether twins are refined.
#[derive(Clone, Debug, Default, PartialEq, Serialize, Deserialize, JsonSchema)]
#[serde(rename_all = "snake_case")]
#[non_exhaustive]
pub enum RefinementChoice {
    /// Refines twins whose verdict is not *fit*, and twins of devices that drift.
    #[default]
    Auto,
    /// Never.
    Off,
    /// Always.
    On(RefinementConfig),
}

/// A refined twin after an epoch.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
pub struct TwinCourse {
    /// Name of the device in the recipe.
    pub device: String,
    /// Mean squared error on the shots of this epoch's lessons, before it learned them, in units of their variance.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub error: Option<f32>,
    /// Cosine between its gradient and the device's.
    pub gradient_cosine: Estimate,
    /// Shots of the recalibration that followed; 0 without one.
    pub recalibration_shots: usize,
}

/// State of a refinement in a checkpoint, beside its tensors.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
pub struct RefinementState {
    seconds: f64,
    /// By the places of the devices.
    #[serde(rename = "pupils")]
    twins: BTreeMap<usize, LearningTwinState>,
}

/// State of one learning twin, beside its tensors.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
struct LearningTwinState {
    #[serde(rename = "untold")]
    pending: Option<PendingLesson>,
    errors: Vec<f32>,
}

/// The twins of a laboratory that learn while a network trains.
pub struct Refinement {
    config: RefinementConfig,
    seed: u64,
    backend: Device,
    /// One a device, in the laboratory's order; `None` for a device without a stage, or if its twin does not learn.
    twins: Vec<Option<LearningTwin>>,
    seconds: f64,
}

/// A twin that learns.
struct LearningTwin {
    /// The shots of its device in a pass: the place of the stage, and the number of the shot in the stage.
    shots: Vec<(usize, usize)>,
    /// Steps from one lesson to the next.
    every: u64,
    replay: ReplayBuffer,
    refiner: Refiner,
    /// Errors of the lessons in this epoch.
    errors: Vec<f32>,
}

/// Cost of a lesson's shot, in shots of a step: the lesson passes it forward and backward as the step does, updates
/// the twin as well, and uses vectors and caches less well, in a small batch on one thread.
const COST_OF_A_LESSON: f64 = 3.0;
/// A twin with a smaller R² of the readings is unfit whatever its gradient, unless its error is mostly noise.
const LEAST_R2: f32 = 0.5;
/// An error is not mostly noise if it is this many times the noise floor.
const FAR_OVER_THE_FLOOR: f32 = 3.0;

impl Refinement {
    /// Refinement of the twins of `laboratory` with a true `learn`, by the shots of `network` on their devices.
    #[must_use]
    pub fn new(
        config: RefinementConfig,
        learn: &[bool],
        network: &Network,
        laboratory: &Laboratory,
        seed: u64,
        backend: &Device,
    ) -> Self {
        let instruments = laboratory.instruments.iter().zip(learn).enumerate();
        let twins = instruments.map(|(place, (instrument, learns))| {
            let stages = network.stages.iter().enumerate();
            let physical = stages.filter_map(|(index, stage)| Some((index, stage.physical()?)));
            let shots: Vec<(usize, usize)> = physical
                .filter(|(_, stage)| stage.instrument() == place)
                .flat_map(|(index, stage)| (0..stage.shots()).map(move |shot| (index, shot)))
                .collect();
            let learner =
                instrument.twin().learner(backend).filter(|_| *learns && !shots.is_empty())?;
            let lesson = COST_OF_A_LESSON * (config.fresh + config.replayed) as f64;
            let every = (lesson / (config.budget * shots.len() as f64)).ceil() as u64;
            let (replay, refiner) = (ReplayBuffer::new(config.kept), Refiner::new(learner));
            Some(LearningTwin { shots, every, replay, refiner, errors: Vec::new() })
        });
        let twins = twins.collect();
        Self { config, seed, backend: backend.clone(), twins, seconds: 0.0 }
    }

    /// Seconds that the lessons took, beside the training.
    #[must_use]
    pub fn seconds(&self) -> f64 {
        self.seconds
    }

    /// After training step `step`, from zero, with `trace`: replaces twins by what their last lesson taught, and starts
    /// the next lesson. `factor` is the schedule's factor on the learning rate.
    pub fn after_step(
        &mut self,
        step: u64,
        factor: f64,
        network: &Network,
        trace: &Trace,
        laboratory: &mut Laboratory,
    ) {
        let random = &mut random::stream(self.seed, &format!("refinement after step {step}"));
        for (twin, instrument) in self.twins.iter_mut().zip(&mut laboratory.instruments) {
            let Some(twin) = twin.as_mut().filter(|twin| step.is_multiple_of(twin.every)) else {
                continue;
            };
            self.seconds += twin.adopt(instrument, &self.backend);
            let mut runs = twin.replay.choose(self.config.replayed, random);
            for _ in 0..self.config.fresh {
                let (place, shot) = twin.shots[random.random_range(0..twin.shots.len())];
                let Some(stage) = network.stages[place].physical() else { continue };
                let run = Arc::new(stage.run(shot, &trace.inputs[place], &trace.outputs[place]));
                twin.replay.add(Arc::clone(&run));
                runs.push(run);
            }
            let rate = self.config.pace * factor * twin.refiner.steady_rate();
            twin.refiner.give(vec![(runs, rate)]);
        }
    }

    /// Waits for the present lessons and puts the taught twins in the laboratory. After a failed lesson the twin stays
    /// the same and learns on from there.
    pub fn adopt(&mut self, laboratory: &mut Laboratory) {
        let Self { twins, backend, seconds, .. } = self;
        for (twin, instrument) in twins.iter_mut().zip(&mut laboratory.instruments) {
            if let Some(twin) = twin {
                *seconds += twin.adopt(instrument, backend);
            }
        }
    }

    /// State of the learning twins, by the places of their devices: the tensors, and the rest.
    pub fn state(&mut self) -> (State, RefinementState) {
        let mut tensors = State::new();
        let mut twins = BTreeMap::new();
        for (place, twin) in self.twins.iter_mut().enumerate() {
            let Some(twin) = twin else { continue };
            let RefinerState { learner, pending } = twin.refiner.state();
            tensors.extend(as_part(&format!("{place}.learner"), learner));
            tensors.extend(as_part(&format!("{place}.replay"), twin.replay.state(&self.backend)));
            twins.insert(place, LearningTwinState { pending, errors: twin.errors.clone() });
        }
        (tensors, RefinementState { seconds: self.seconds, twins })
    }

    /// Restores the `tensors` and the `state` of [`state`](Self::state); the laboratory's twins are restored before.
    ///
    /// # Errors
    /// What is missing, in a sentence.
    pub fn restore(
        &mut self,
        mut tensors: State,
        state: RefinementState,
        laboratory: &Laboratory,
    ) -> Result<(), String> {
        self.seconds = state.seconds;
        let twins = self.twins.iter_mut().zip(&laboratory.instruments).enumerate();
        for (place, (twin, instrument)) in twins {
            let Some(twin) = twin else { continue };
            let missing = || format!("the twin of `{}` is missing", instrument.name);
            let LearningTwinState { pending, errors } =
                state.twins.get(&place).cloned().ok_or_else(missing)?;
            let learner = instrument.twin().learner(&self.backend).ok_or_else(missing)?;
            let state = take_part(&mut tensors, &format!("{place}.learner"));
            twin.refiner = Refiner::resume(learner, RefinerState { learner: state, pending })?;
            twin.replay.restore(take_part(&mut tensors, &format!("{place}.replay")))?;
            twin.errors = errors;
        }
        Ok(())
    }

    /// Compares the twins' gradients with the devices' at the drives of `trace`, after `epochs` epochs, and
    /// recalibrates unfit twins.
    ///
    /// # Errors
    /// Errors of a device.
    pub fn check_twins(
        &mut self,
        epochs: usize,
        network: &Network,
        trace: &Trace,
        laboratory: &mut Laboratory,
    ) -> Result<Vec<TwinCourse>, Error> {
        self.adopt(laboratory);
        let mut task = network.task_drives(trace, laboratory.instruments.len());
        let mut courses = Vec::new();
        for (place, learning) in self.twins.iter_mut().enumerate() {
            let (Some(learning), Some(task)) = (learning, task[place].take()) else { continue };
            let instrument = &mut laboratory.instruments[place];
            let random =
                &mut random::stream(self.seed, &format!("twin {place} after {epochs} epochs"));
            let shots = measure_at(&task, self.config.fidelity.points, instrument, random)?;
            let twin = instrument.twin.as_deref().expect("its learner is of its twin");
            let Fidelity { gradient, readings, .. } = Fidelity::measure(
                twin,
                &mut instrument.device,
                &shots,
                &self.config.fidelity,
                random.random(),
                &self.backend,
                |_| (),
            )?;
            let cosine = gradient.cosine;
            // A few points are uncertain: a twin that may still be fit is not recalibrated.
            let threshold = self.config.threshold;
            let limit = f64::from(FIT).max(threshold);
            let has_unfit_gradient =
                f64::from(cosine.value) < threshold && f64::from(cosine.high) < limit;
            let is_far = readings.over_the_floor().is_none_or(|factor| factor > FAR_OVER_THE_FLOOR);
            let is_unfit = has_unfit_gradient || (is_far && readings.r2.value < LEAST_R2);
            let recalibration_shots = if is_unfit { self.config.recalibration_shots } else { 0 };
            if recalibration_shots > 0 {
                let start = Instant::now();
                let steps = self.config.recalibration_steps;
                let budget = Budget { shots: recalibration_shots, steps };
                recalibrate_about(&task, budget, instrument, random, &self.backend)?;
                learning.start_again(instrument, &self.backend);
                self.seconds += start.elapsed().as_secs_f64();
            }
            let lessons = learning.errors.len() as f32;
            courses.push(TwinCourse {
                device: instrument.name.clone(),
                error: (lessons > 0.0).then(|| learning.errors.drain(..).sum::<f32>() / lessons),
                gradient_cosine: cosine,
                recalibration_shots,
            });
        }
        Ok(courses)
    }
}

impl LearningTwin {
    /// Waits for its last lesson, puts the taught twin in `instrument`, and returns the seconds of the lesson. A failed
    /// lesson is forgotten.
    fn adopt(&mut self, instrument: &mut Instrument, backend: &Device) -> f64 {
        match self.refiner.learned() {
            Ok(Some(learned)) => {
                instrument.twin = Some(learned.twin.into());
                self.errors.push(learned.error_before);
                learned.seconds
            }
            Ok(None) => 0.0,
            Err(_) => {
                self.start_again(instrument, backend);
                0.0
            }
        }
    }

    /// Starts to learn from the twin that `instrument` has.
    fn start_again(&mut self, instrument: &Instrument, backend: &Device) {
        if let Some(learner) = instrument.twin().learner(backend) {
            self.refiner = Refiner::new(learner);
        }
    }
}
