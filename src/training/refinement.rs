//! Refinement of twins while a network trains on their devices.
//!
//! Every few steps some runs of the shots that training has just played, and some that it played
//! before, become a lesson that a thread of its own takes while training goes on; the twin that comes of
//! it takes over before the next lesson is given. After an epoch the twin's gradient is compared with
//! the device's, and a twin that has lost its way is calibrated anew where the network now is.

use std::f64::consts::PI;
use std::sync::Arc;

use burn::tensor::Device;
use rand::{Rng, RngExt};
use serde::{Deserialize, Serialize};
use twinprop_calibration::design::{DesignConfig, TaskDrives, TaskLikeConfig, share_settings};
use twinprop_calibration::refine::Lesson;
use twinprop_calibration::{Estimate, Fidelity, FidelityConfig, Refiner, Replay, Shots};
use twinprop_devices::{PhysicalLayer, random, validate};

use crate::Error;
use crate::network::{Instrument, Laboratory, Network, Trace};

/// How twins are refined; in a recipe, `[training.refinement]`.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
#[serde(deny_unknown_fields, default)]
pub struct RefinementConfig {
    /// Training steps from one lesson to the next.
    #[serde(deserialize_with = "validate::count")]
    pub every: usize,
    /// Runs of a lesson that were played in the step before it; a run is a batch on one setting.
    #[serde(deserialize_with = "validate::count")]
    pub fresh: usize,
    /// Runs of a lesson from earlier.
    pub replayed: usize,
    /// Runs of each device that are kept.
    #[serde(deserialize_with = "validate::count")]
    pub kept: usize,
    /// Learning rate, as a share of the first of a fit.
    #[serde(deserialize_with = "validate::positive")]
    pub pace: f64,
    /// How much is measured after an epoch to compare the gradients.
    pub fidelity: FidelityConfig,
    /// A twin whose gradient's cosine is below this is calibrated anew.
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
            every: 4,
            fresh: 4,
            replayed: 4,
            kept: 256,
            pace: 0.3,
            fidelity: FidelityConfig { points: 16, directions: 1, repeats: 4 },
            threshold: 0.5,
            recalibration_shots: 1024,
            recalibration_steps: 2000,
        }
    }
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
    /// Shots that it was calibrated anew with thereupon.
    pub recalibration_shots: usize,
}

/// The twins of a laboratory that learn while a network trains.
pub struct Refinement<'a> {
    config: &'a RefinementConfig,
    seed: u64,
    backend: &'a Device,
    /// One a device, in the laboratory's order; none for a device without a stage or with a twin that
    /// has nothing to learn.
    pupils: Vec<Option<Pupil>>,
    seconds: f64,
}

/// One twin that learns.
struct Pupil {
    /// Places of the stages that play on its device.
    stages: Vec<usize>,
    replay: Replay,
    refiner: Refiner,
    /// Errors of the lessons in this epoch.
    errors: Vec<f32>,
}

/// Shots on one setting when a twin is calibrated anew, and settings a step.
const SHOTS_A_SETTING: usize = 4;
const SETTINGS_A_STEP: usize = 16;
/// A twin that explains less of the readings' variance is lost, whatever its gradient, if its error is
/// not mostly the device's noise: larger than that by this factor.
const LEAST_R2: f32 = 0.5;
const FAR_OVER_THE_FLOOR: f32 = 3.0;
/// How far those shots stray from what the network asks for.
const NEARBY: TaskLikeConfig =
    TaskLikeConfig { uniform_share: 0.3, input_spread: 0.15, parameter_spread: 0.2 };
/// How far those do that a twin is judged by.
const ON_THE_SPOT: TaskLikeConfig =
    TaskLikeConfig { uniform_share: 0.0, input_spread: 0.0, parameter_spread: 0.0 };

impl<'a> Refinement<'a> {
    /// Of the twins of `laboratory`, as `network` plays on its devices.
    #[must_use]
    pub fn new(
        config: &'a RefinementConfig,
        network: &Network,
        laboratory: &Laboratory,
        seed: u64,
        backend: &'a Device,
    ) -> Self {
        let pupils = laboratory.instruments.iter().enumerate().map(|(place, instrument)| {
            let stages = network.stages.iter().enumerate();
            let stages: Vec<usize> = stages
                .filter(|(_, stage)| stage.instrument() == Some(place))
                .map(|(index, _)| index)
                .collect();
            let learner = instrument.twin().learner(backend).filter(|_| !stages.is_empty())?;
            let replay = Replay::new(config.kept);
            Some(Pupil { stages, replay, refiner: Refiner::new(learner), errors: Vec::new() })
        });
        let pupils = pupils.collect();
        Self { config, seed, backend, pupils, seconds: 0.0 }
    }

    /// Seconds that the lessons took, beside the training.
    #[must_use]
    pub fn seconds(&self) -> f64 {
        self.seconds
    }

    /// Hears that training step `step`, from zero, has been made and left `trace`: gives twins what
    /// their last lesson taught, and the next lesson.
    pub fn after_step(
        &mut self,
        step: u64,
        network: &Network,
        trace: &Trace,
        laboratory: &mut Laboratory,
    ) {
        if !step.is_multiple_of(self.config.every as u64) {
            return;
        }
        self.adopt(laboratory);
        let random = &mut random::stream(self.seed, &format!("refinement after step {step}"));
        for pupil in self.pupils.iter_mut().flatten() {
            let mut runs = pupil.replay.choose(self.config.replayed, random);
            for _ in 0..self.config.fresh {
                let place = pupil.stages[random.random_range(0..pupil.stages.len())];
                let (stage, slot) = (&network.stages[place], random.random_range(0..1 << 16));
                if let Some(run) = stage.run(slot, &trace.inputs[place], &trace.outputs[place]) {
                    let run = Arc::new(run);
                    pupil.replay.add(Arc::clone(&run));
                    runs.push(run);
                }
            }
            let rate = self.config.pace * pupil.refiner.first_rate();
            pupil.refiner.give(vec![(runs, rate)]);
        }
    }

    /// Waits for the lessons that are under way and puts what they taught in the laboratory. A twin
    /// whose lesson failed stays what it was, and learns anew from there.
    pub fn adopt(&mut self, laboratory: &mut Laboratory) {
        let Self { pupils, backend, seconds, .. } = self;
        for (pupil, instrument) in pupils.iter_mut().zip(&mut laboratory.instruments) {
            if let Some(pupil) = pupil {
                *seconds += pupil.adopt(instrument, backend, |_, _| true);
            }
        }
    }

    /// Compares the twins' gradients with the devices' where `trace` is, after `epochs` epochs, and
    /// calibrates anew what is below the threshold.
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
            let design = DesignConfig::TaskLike(ON_THE_SPOT);
            let shots = measure(design, &task, self.config.fidelity.points, 1, instrument, random)?;
            let twin = instrument.twin.as_deref().expect("its learner is of its twin");
            let Fidelity { gradient, readings, .. } = Fidelity::measure(
                twin,
                &mut instrument.device,
                &shots,
                &self.config.fidelity,
                random.random(),
                self.backend,
                |_| (),
            )?;
            let cosine = gradient.cosine;
            let is_astray =
                cosine.is_known_cosine() && f64::from(cosine.value) < self.config.threshold;
            let is_far = readings.over_the_floor().is_none_or(|factor| factor > FAR_OVER_THE_FLOOR);
            let is_lost = is_astray || (is_far && readings.r2.value < LEAST_R2);
            let recalibration_shots = if is_lost { self.config.recalibration_shots } else { 0 };
            if recalibration_shots > 0 {
                let design = DesignConfig::TaskLike(NEARBY);
                let shots = measure(
                    design,
                    &task,
                    recalibration_shots,
                    SHOTS_A_SETTING,
                    instrument,
                    random,
                )?;
                pupil.calibrate(&shots, self.config.recalibration_steps, random);
                self.seconds +=
                    pupil.adopt(instrument, self.backend, |before, after| after < before);
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
    /// Waits for its last lesson and gives `instrument` what came of it, if `accept` takes its errors
    /// before and after; says how long it took. What is not taken is forgotten.
    fn adopt(
        &mut self,
        instrument: &mut Instrument,
        backend: &Device,
        accept: impl Fn(f32, f32) -> bool,
    ) -> f64 {
        match self.refiner.learned() {
            Ok(Some(learned)) if accept(learned.error_before, learned.error_after) => {
                instrument.twin = Some(learned.twin);
                self.errors.push(learned.error_before);
                learned.seconds
            }
            Ok(None) => 0.0,
            Ok(Some(_)) | Err(_) => {
                self.start_again(instrument, backend);
                0.0
            }
        }
    }

    /// Learns anew from the twin that `instrument` has.
    fn start_again(&mut self, instrument: &Instrument, backend: &Device) {
        if let Some(learner) = instrument.twin().learner(backend) {
            self.refiner = Refiner::new(learner);
        }
    }

    /// Gives a long lesson of `steps` steps on `shots`.
    fn calibrate(&mut self, shots: &Shots, steps: usize, random: &mut impl Rng) {
        let runs: Vec<Arc<_>> = shots.runs(SHOTS_A_SETTING).into_iter().map(Arc::new).collect();
        let first_rate = self.refiner.first_rate();
        let lesson: Lesson = (0..steps)
            .map(|step| {
                let chosen = (0..SETTINGS_A_STEP.min(runs.len()))
                    .map(|_| Arc::clone(&runs[random.random_range(0..runs.len())]));
                let done = step as f64 / steps as f64;
                (chosen.collect(), first_rate * 0.5 * (1.0 + (PI * done).cos()))
            })
            .collect();
        self.refiner.give(lesson);
    }
}

/// Measures `count` shots of `design` about what the network asks for, in runs of `run` that share
/// their parameters.
fn measure(
    design: DesignConfig,
    task: &TaskDrives,
    count: usize,
    run: usize,
    instrument: &mut Instrument,
    random: &mut impl Rng,
) -> Result<Shots, Error> {
    let interface = instrument.device.interface().clone();
    let (inputs, mut parameters) = design.draw(&interface, count, Some(task), random.random())?;
    share_settings(&mut parameters, run);
    Ok(Shots::measure(&mut instrument.device, inputs, parameters, |_| ())?)
}
