//! Refinement of twins while a network trains on their devices.
//!
//! Every few steps some runs of the shots that training has just played, and some that it played
//! before, become a lesson that a thread of its own takes beside the training; the twin that comes of
//! it takes over before the next lesson is given. After an epoch the twin's gradient is compared with
//! the device's, and a twin that has lost its way is recalibrated where the network now is.

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
use twinprop_calibration::{Estimate, Fidelity, FidelityConfig, Refiner, Replay};
use twinprop_devices::{random, validate};

use super::recalibration::{Budget, measure_at, recalibrate_about};
use crate::Error;
use crate::network::{Instrument, Laboratory, Network, Trace};

/// How twins are refined; in a recipe, `[training.refinement.on]`.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize, JsonSchema)]
#[serde(deny_unknown_fields, default)]
pub struct RefinementConfig {
    /// What lessons may cost, as a share of what the training steps do: as many steps pass between two
    /// of them as this takes. A shot of a lesson counts as three of a step.
    #[serde(deserialize_with = "validate::positive")]
    pub budget: f64,
    /// Runs of a lesson that were played in the step before it; a run is a batch on one setting.
    #[serde(deserialize_with = "validate::count")]
    pub fresh: usize,
    /// Runs of a lesson from earlier.
    pub replayed: usize,
    /// Runs of each device that are kept.
    #[serde(deserialize_with = "validate::count")]
    pub kept: usize,
    /// Factor of the twins' own learning rates, which fall as the network's does.
    #[serde(deserialize_with = "validate::positive")]
    pub pace: f64,
    /// How much is measured after an epoch to compare the gradients.
    pub fidelity: FidelityConfig,
    /// A twin is recalibrated whose gradient's cosine is below this, and surely below that of a fit
    /// one or, if that is more, surely below this.
    #[serde(deserialize_with = "validate::fraction")]
    pub threshold: f64,
    /// Shots that this takes; none, and it is never done.
    pub recalibration_shots: usize,
    /// Steps that it learns from them.
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
pub enum RefinementChoice {
    /// Where it pays: those that are not known to be fit to train by, and those of devices that drift.
    #[default]
    Auto,
    /// Never.
    Off,
    /// Always.
    On(RefinementConfig),
}

/// How a twin does after an epoch.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
pub struct TwinCourse {
    /// Name of the device in the recipe.
    pub device: String,
    /// Mean squared error on the shots that it learned from in this epoch, before it did, in units of
    /// their variance.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub error: Option<f32>,
    /// Cosine between its gradient and the device's.
    pub gradient_cosine: Estimate,
    /// Shots of the recalibration that followed; 0 where none did.
    pub recalibration_shots: usize,
}

/// What a checkpoint keeps of a refinement beside its tensors.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
pub struct RefinementState {
    seconds: f64,
    pupils: BTreeMap<usize, PupilState>,
}

/// The same of one twin that learns.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
struct PupilState {
    untold: Option<PendingLesson>,
    errors: Vec<f32>,
}

/// The twins of a laboratory that learn while a network trains.
pub struct Refinement {
    config: RefinementConfig,
    seed: u64,
    backend: Device,
    /// One a device, in the laboratory's order; none for a device without a stage or with a twin that
    /// shall not learn or has nothing to learn.
    pupils: Vec<Option<Pupil>>,
    seconds: f64,
}

/// One twin that learns.
struct Pupil {
    /// Place of each slot's stage that plays on its device, and the slot's there.
    slots: Vec<(usize, usize)>,
    /// Steps from one lesson to the next.
    every: u64,
    replay: Replay,
    refiner: Refiner,
    /// Errors of the lessons in this epoch.
    errors: Vec<f32>,
}

/// Shots of a step that one of a lesson costs as much as: it goes forward and backward as that does, its
/// twin learns besides, and a small batch on a thread of its own fills no vector and no cache as well.
const COST_OF_A_LESSON: f64 = 3.0;
/// A twin that explains less of the readings' variance is lost, whatever its gradient, if its error is
/// not mostly the device's noise: larger than that by this factor.
const LEAST_R2: f32 = 0.5;
const FAR_OVER_THE_FLOOR: f32 = 3.0;

impl Refinement {
    /// Of those twins of `laboratory` that shall `learn`, as `network` plays on their devices.
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
        let pupils = instruments.map(|(place, (instrument, learns))| {
            let stages = network.stages.iter().enumerate();
            let physical = stages.filter_map(|(index, stage)| Some((index, stage.physical()?)));
            let slots: Vec<(usize, usize)> = physical
                .filter(|(_, stage)| stage.instrument() == place)
                .flat_map(|(index, stage)| (0..stage.shots()).map(move |shot| (index, shot)))
                .collect();
            let learner =
                instrument.twin().learner(backend).filter(|_| *learns && !slots.is_empty())?;
            let lesson = COST_OF_A_LESSON * (config.fresh + config.replayed) as f64;
            let every = (lesson / (config.budget * slots.len() as f64)).ceil() as u64;
            let (replay, refiner) = (Replay::new(config.kept), Refiner::new(learner));
            Some(Pupil { slots, every, replay, refiner, errors: Vec::new() })
        });
        let pupils = pupils.collect();
        Self { config, seed, backend: backend.clone(), pupils, seconds: 0.0 }
    }

    /// Seconds that the lessons took, beside the training.
    #[must_use]
    pub fn seconds(&self) -> f64 {
        self.seconds
    }

    /// Hears that training step `step`, from zero, has been made and left `trace`: gives twins what
    /// their last lesson taught, and the next lesson. `factor` is the schedule's of the learning rate.
    pub fn after_step(
        &mut self,
        step: u64,
        factor: f64,
        network: &Network,
        trace: &Trace,
        laboratory: &mut Laboratory,
    ) {
        let random = &mut random::stream(self.seed, &format!("refinement after step {step}"));
        for (pupil, instrument) in self.pupils.iter_mut().zip(&mut laboratory.instruments) {
            let Some(pupil) = pupil.as_mut().filter(|pupil| step.is_multiple_of(pupil.every))
            else {
                continue;
            };
            self.seconds += pupil.adopt(instrument, &self.backend);
            let mut runs = pupil.replay.choose(self.config.replayed, random);
            for _ in 0..self.config.fresh {
                let (place, slot) = pupil.slots[random.random_range(0..pupil.slots.len())];
                let Some(stage) = network.stages[place].physical() else { continue };
                let run = Arc::new(stage.run(slot, &trace.inputs[place], &trace.outputs[place]));
                pupil.replay.add(Arc::clone(&run));
                runs.push(run);
            }
            let rate = self.config.pace * factor * pupil.refiner.steady_rate();
            pupil.refiner.give(vec![(runs, rate)]);
        }
    }

    /// Waits for the lessons that are under way and puts what they taught in the laboratory. A twin
    /// whose lesson failed stays what it was, and learns from there.
    pub fn adopt(&mut self, laboratory: &mut Laboratory) {
        let Self { pupils, backend, seconds, .. } = self;
        for (pupil, instrument) in pupils.iter_mut().zip(&mut laboratory.instruments) {
            if let Some(pupil) = pupil {
                *seconds += pupil.adopt(instrument, backend);
            }
        }
    }

    /// Where the twins that learn stand, by the place of their devices: what goes into a tensor file, and
    /// what does not.
    pub fn state(&mut self) -> (State, RefinementState) {
        let mut tensors = State::new();
        let mut pupils = BTreeMap::new();
        for (place, pupil) in self.pupils.iter_mut().enumerate() {
            let Some(pupil) = pupil else { continue };
            let RefinerState { learner, pending: untold } = pupil.refiner.state();
            tensors.extend(as_part(&format!("{place}.learner"), learner));
            tensors.extend(as_part(&format!("{place}.replay"), pupil.replay.state(&self.backend)));
            pupils.insert(place, PupilState { untold, errors: pupil.errors.clone() });
        }
        (tensors, RefinementState { seconds: self.seconds, pupils })
    }

    /// Restores what [`state`](Self::state) gave, beside twins as they were then.
    ///
    /// # Errors
    /// In words, where something is missing.
    pub fn restore(
        &mut self,
        (mut tensors, state): (State, RefinementState),
        laboratory: &Laboratory,
    ) -> Result<(), String> {
        self.seconds = state.seconds;
        let pupils = self.pupils.iter_mut().zip(&laboratory.instruments).enumerate();
        for (place, (pupil, instrument)) in pupils {
            let Some(pupil) = pupil else { continue };
            let missing = || format!("it says nothing of the twin of `{}`", instrument.name);
            let PupilState { untold, errors } =
                state.pupils.get(&place).cloned().ok_or_else(missing)?;
            let learner = instrument.twin().learner(&self.backend).ok_or_else(missing)?;
            let state = take_part(&mut tensors, &format!("{place}.learner"));
            pupil.refiner =
                Refiner::resume(learner, RefinerState { learner: state, pending: untold })?;
            pupil.replay.restore(take_part(&mut tensors, &format!("{place}.replay")))?;
            pupil.errors = errors;
        }
        Ok(())
    }

    /// Compares the twins' gradients with the devices' where `trace` is, after `epochs` epochs, and
    /// recalibrates what is below the threshold.
    ///
    /// # Errors
    /// Whatever a device answers.
    pub fn look(
        &mut self,
        epochs: usize,
        network: &Network,
        trace: &Trace,
        laboratory: &mut Laboratory,
    ) -> Result<Vec<TwinCourse>, Error> {
        self.adopt(laboratory);
        let mut task = network.task_drives(trace, laboratory.instruments.len());
        let mut courses = Vec::new();
        for (place, pupil) in self.pupils.iter_mut().enumerate() {
            let (Some(pupil), Some(task)) = (pupil, task[place].take()) else { continue };
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
            // A few points say little: what may be fit all the same is left alone.
            let threshold = self.config.threshold;
            let surely = f64::from(FIT).max(threshold);
            let is_astray = f64::from(cosine.value) < threshold && f64::from(cosine.high) < surely;
            let is_far = readings.over_the_floor().is_none_or(|factor| factor > FAR_OVER_THE_FLOOR);
            let is_lost = is_astray || (is_far && readings.r2.value < LEAST_R2);
            let recalibration_shots = if is_lost { self.config.recalibration_shots } else { 0 };
            if recalibration_shots > 0 {
                let start = Instant::now();
                let steps = self.config.recalibration_steps;
                let effort = Budget { shots: recalibration_shots, steps };
                recalibrate_about(&task, effort, instrument, random, &self.backend)?;
                pupil.start_again(instrument, &self.backend);
                self.seconds += start.elapsed().as_secs_f64();
            }
            let lessons = pupil.errors.len() as f32;
            courses.push(TwinCourse {
                device: instrument.name.clone(),
                error: (lessons > 0.0).then(|| pupil.errors.drain(..).sum::<f32>() / lessons),
                gradient_cosine: cosine,
                recalibration_shots,
            });
        }
        Ok(courses)
    }
}

impl Pupil {
    /// Waits for its last lesson, gives `instrument` what came of it, and says how long it took. A
    /// lesson that failed is forgotten.
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
