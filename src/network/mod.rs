//! A network: a list of stages, each with an explicit `forward` and `vjp`.
//!
//! No tape spans the network. A rule chains the stages, so a device can be a black box and a twin
//! can bring its own adjoint.

mod activation;
mod bean;
mod channel_scale;
mod convolution;
mod digital;
mod drives;
mod dropout;
mod encode;
mod jitter;
mod laboratory;
mod linear;
mod modulate;
mod noise;
mod pad;
mod patches;
mod pausable_pass;
mod physical;
mod point;
mod pool;
mod position;
mod range_penalty;
mod reading_units;
mod readout;
mod rows;
mod scale;
mod settings;
mod shot_watch;
mod skip;
mod slice;
mod spike_counts;
mod stage;
mod trace;
mod windows;
mod wire;

pub use activation::Activation;
pub use bean::{Assemblies, BeanConfig, Order, Regularisation};
pub use channel_scale::ChannelScale;
pub use convolution::Convolution;
pub use digital::{
    Cotangents, DigitalStage, Matrix, Outgoing, Pullback, StageTensors, StageTensorsMut, Wanted,
};
pub use dropout::Dropout;
pub use encode::Encode;
pub use jitter::Jitter;
pub use laboratory::{Instrument, Laboratory};
pub use linear::Linear;
pub use modulate::Modulate;
pub use pad::Pad;
pub use patches::Patches;
pub use pausable_pass::PausablePass;
pub use physical::{Physical, PhysicalOptions};
pub use point::{Passed, Point, Source};
pub use pool::{Pool, PoolKind};
pub use position::{BatchPosition, StageSeed};
pub use range_penalty::RangePenalty;
pub use reading_units::{ReadingUnit, ReadingUnits};
pub use readout::Readout;
pub use scale::Scale;
pub use shot_watch::ShotWatch;
pub use skip::Skip;
pub use slice::Slice;
pub use spike_counts::SpikeCounts;
pub use stage::Stage;
pub use trace::Trace;
pub use windows::{ImageShape, Motion, Windows};
pub use wire::Wire;

use std::ops::Range;

use burn::tensor::{Device, Tensor};
use twinprop_calibration::design::TaskDrives;
use twinprop_devices::DeviceError;

/// Stages in the order of the data, and the connections that skip some of them.
pub struct Network {
    /// The stages.
    pub stages: Vec<Stage>,
    /// Skip connections, of equal width at both ends.
    pub skips: Vec<Skip>,
    /// Optional BEAN regulariser of the inputs of some stages.
    pub bean: Option<Assemblies>,
}

impl Network {
    /// A network of `stages`, one after the other.
    #[must_use]
    pub fn new(stages: Vec<Stage>) -> Self {
        Self { stages, skips: Vec::new(), bean: None }
    }

    /// The burn device of its first tensor; the CPU if it has no tensor.
    #[must_use]
    pub fn device(&self) -> Device {
        self.state().first().map_or_else(Device::flex, |(_, tensor)| tensor.device())
    }

    /// Passes `x` `[batch, features]` through the stages; physical values come from `source`. `position` says which
    /// samples of which training step these are, and is `None` outside of training.
    ///
    /// # Errors
    /// Errors of a device.
    pub fn forward(
        &self,
        x: Tensor<2>,
        laboratory: &mut Laboratory,
        source: Source,
        position: Option<BatchPosition>,
    ) -> Result<Trace, DeviceError> {
        self.trace(x, position, |stage, input| stage.forward(input, laboratory, source, position))
    }

    /// The same, measured. Each twin is linearised at its stage's input while the device plays, so that
    /// [`backward`](Self::backward) has less to compute and needs no device and, without a regulariser, no twin.
    ///
    /// # Errors
    /// Errors of a device.
    pub fn measure_and_linearise(
        &self,
        x: Tensor<2>,
        laboratory: &mut Laboratory,
        position: Option<BatchPosition>,
    ) -> Result<Trace, DeviceError> {
        self.trace(x, position, |stage, input| {
            stage.measure_and_linearise(input, laboratory, position)
        })
    }

    /// Passes `x` through the stages, each by `pass`.
    fn trace(
        &self,
        x: Tensor<2>,
        position: Option<BatchPosition>,
        mut pass: impl FnMut(&Stage, &Tensor<2>) -> Result<Passed, DeviceError>,
    ) -> Result<Trace, DeviceError> {
        let mut trace = Trace::for_stages(self.stages.len(), position);
        for (place, stage) in self.stages.iter().enumerate() {
            let input = trace.input_of(place, &x, &self.skips);
            let passed = pass(stage, &input)?;
            trace.inputs.push(input);
            trace.push(passed);
        }
        Ok(trace)
    }

    /// Gradients of the parameters, in the order of [`parameters_mut`](Self::parameters_mut), from the cotangent
    /// `[batch, width out]` of the network's output; each stage adds the gradient of its range penalty.
    #[must_use]
    pub fn backward(
        &self,
        trace: &Trace,
        output_cotangent: Tensor<2>,
        laboratory: &Laboratory,
    ) -> Vec<Tensor<2>> {
        self.backward_through(trace, output_cotangent, laboratory, |_, _, _| None)
    }

    /// The same, where `replaced` may return a cotangent of a stage's input that replaces the stage's own. It gets the
    /// stage's place, its input and the cotangent of its output, from the last stage to the lowest that is trained.
    pub(crate) fn backward_through(
        &self,
        trace: &Trace,
        output_cotangent: Tensor<2>,
        laboratory: &Laboratory,
        mut replaced: impl FnMut(usize, &Tensor<2>, &Tensor<2>) -> Option<Tensor<2>>,
    ) -> Vec<Tensor<2>> {
        let mut cotangent = output_cotangent;
        let mut gradients = Vec::with_capacity(self.stages.len());
        // Cotangent of each stage's input, the last first.
        let mut entered: Vec<Tensor<2>> = Vec::with_capacity(self.stages.len());
        let lowest = self.lowest_trained(0..self.stages.len());
        for (place, stage) in self.stages.iter().enumerate().rev() {
            let point = trace.point(place);
            let other = replaced(place, point.x, &cotangent);
            let is_lowest = Some(place) == lowest;
            let wanted = if is_lowest { Wanted::Parameters } else { Wanted::All };
            let Cotangents { input, mut parameters } =
                stage.vjp(point, cotangent, wanted, laboratory);
            let mut dx = if is_lowest { None } else { other.or(input) };
            self.regularise(place, point, laboratory, dx.as_mut(), &mut parameters);
            gradients.push(parameters);
            let Some(dx) = dx else { break };
            let skipped = self.skips.iter().filter(|skip| skip.from == place);
            cotangent =
                skipped.fold(dx, |dx, skip| dx + entered[self.stages.len() - 1 - skip.to].clone());
            entered.push(cotangent.clone());
        }
        gradients.into_iter().rev().flatten().collect()
    }

    /// The first of `places` at which a stage has parameters. Stages below it need no cotangent.
    pub(crate) fn lowest_trained(&self, mut places: Range<usize>) -> Option<usize> {
        places.find(|&place| !self.stages[place].parameters().is_empty())
    }

    /// Gradients of the parameters of the stage at `place` alone, with the regulariser's.
    pub(crate) fn gradients_of(
        &self,
        place: usize,
        point: Point,
        dy: Tensor<2>,
        laboratory: &Laboratory,
    ) -> Vec<Tensor<2>> {
        let stage = &self.stages[place];
        let mut parameters = stage.vjp(point, dy, Wanted::Parameters, laboratory).parameters;
        self.regularise(place, point, laboratory, None, &mut parameters);
        parameters
    }

    /// The regulariser at the stage at `place`, and the index of the stage's parameter that the regularised weights
    /// are; `None` where it does not act, and no index for a physical stage's Jacobian.
    pub(crate) fn regularisation(
        &self,
        place: usize,
        point: Point,
        laboratory: &Laboratory,
    ) -> Option<(Regularisation, Option<usize>)> {
        let Assemblies { config, places } = self.bean.as_ref()?;
        let stage = places.contains(&place).then(|| &self.stages[place])?;
        let Outgoing { weights, parameter } = stage.outgoing(point, laboratory)?;
        Some((config.at(point.x, &weights), parameter))
    }

    /// Adds the regulariser's gradients to the optional cotangent `dx` of the input of the stage at `place`, and to
    /// the gradients `parameters` of the stage's parameters.
    pub(crate) fn regularise(
        &self,
        place: usize,
        point: Point,
        laboratory: &Laboratory,
        dx: Option<&mut Tensor<2>>,
        parameters: &mut [Tensor<2>],
    ) {
        if let Some((regularisation, parameter)) = self.regularisation(place, point, laboratory) {
            if let Some(dx) = dx {
                *dx = dx.clone() + regularisation.activations;
            }
            if let Some(gradient) = parameter.and_then(|which| parameters.get_mut(which)) {
                *gradient = gradient.clone() + regularisation.weights;
            }
        }
    }

    /// Passes `x` `[batch, features]` through the stages, measured, and initialises each by its input.
    ///
    /// # Errors
    /// Errors of a device.
    pub fn initialise(
        &mut self,
        x: Tensor<2>,
        laboratory: &mut Laboratory,
    ) -> Result<Trace, DeviceError> {
        let mut trace = Trace::for_stages(self.stages.len(), None);
        for (place, stage) in self.stages.iter_mut().enumerate() {
            let input = trace.input_of(place, &x, &self.skips);
            stage.initialise(&input);
            let passed = stage.forward(&input, laboratory, Source::Measured, None)?;
            trace.inputs.push(input);
            trace.push(passed);
        }
        Ok(trace)
    }

    /// Shots of all devices for one sample.
    #[must_use]
    pub fn shots_a_sample(&self) -> usize {
        self.stages.iter().filter_map(Stage::physical).map(Physical::shots).sum()
    }

    /// The trainable tensors with their names, `STAGE.KIND.NAME`.
    #[must_use]
    pub fn parameters(&self) -> Vec<(String, &Tensor<2>)> {
        let stages = self.stages.iter().enumerate();
        stages
            .flat_map(|(index, stage)| {
                let named = stage.parameters().into_iter();
                named.map(move |(name, value)| (format!("{index}.{}.{name}", stage.kind()), value))
            })
            .collect()
    }

    /// The trainable tensors, in the order of [`parameters`](Self::parameters).
    pub fn parameters_mut(&mut self) -> Vec<&mut Tensor<2>> {
        self.stages.iter_mut().flat_map(|stage| stage.tensors_mut().parameters).collect()
    }

    /// All tensors, trained or set at initialisation, with their names.
    #[must_use]
    pub fn state(&self) -> Vec<(String, &Tensor<2>)> {
        let constants = self.stages.iter().enumerate().flat_map(|(index, stage)| {
            let named = stage.tensors().constants.into_iter();
            named.map(move |(name, value)| (format!("{index}.{}.{name}", stage.kind()), value))
        });
        self.parameters().into_iter().chain(constants).collect()
    }

    /// The tensors of [`state`](Self::state), in its order.
    pub fn state_mut(&mut self) -> Vec<&mut Tensor<2>> {
        let (mut parameters, mut constants) = (Vec::new(), Vec::new());
        for stage in &mut self.stages {
            let tensors = stage.tensors_mut();
            parameters.extend(tensors.parameters);
            constants.extend(tensors.constants);
        }
        parameters.extend(constants);
        parameters
    }

    /// Drives and parameters of each of `devices` devices at `trace`; `None` for a device that no stage plays.
    #[must_use]
    pub fn task_drives(&self, trace: &Trace, devices: usize) -> Vec<Option<TaskDrives>> {
        let mut task: Vec<Option<TaskDrives>> = (0..devices).map(|_| None).collect();
        for (stage, x) in self.stages.iter().zip(&trace.inputs) {
            let Some(physical) = stage.physical() else { continue };
            let (drives, of_device) = (physical.task_drives(x), &mut task[physical.instrument()]);
            *of_device = Some(match of_device.take() {
                None => drives,
                Some(before) => before.and(&drives),
            });
        }
        task
    }

    /// What is added to the loss at `trace`: the penalty for drives and parameters out of range, summed over
    /// the stages, and the regulariser.
    #[must_use]
    pub fn penalty(&self, trace: &Trace, laboratory: &Laboratory) -> f32 {
        let penalties = self.stages.iter().enumerate().map(|(place, stage)| {
            let point = trace.point(place);
            let regularisation = self.regularisation(place, point, laboratory);
            stage.range_penalty(point.x) + regularisation.map_or(0.0, |(found, _)| found.value)
        });
        penalties.sum()
    }
}
