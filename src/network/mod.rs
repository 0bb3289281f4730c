//! A network: a list of stages, each with an explicit `forward` and `vjp`.
//!
//! No tape spans the network. A rule chains the stages, so a device can be a black box and a twin
//! can bring its own adjoint.

mod activation;
mod dropout;
mod encode;
mod jitter;
mod laboratory;
mod linear;
mod noise;
mod pad;
mod passage;
mod patches;
mod physical;
mod reading_units;
mod readout;
mod scale;
mod slice;
mod stage;
mod wire;

pub use activation::Activation;
pub use dropout::Dropout;
pub use encode::Encode;
pub use jitter::Jitter;
pub use laboratory::{Instrument, Laboratory, Moment, TensorDevice};
pub use linear::Linear;
pub use pad::Pad;
pub use passage::Passage;
pub use patches::Patches;
pub use physical::Physical;
pub use reading_units::{ReadingUnit, ReadingUnits};
pub use readout::Readout;
pub use scale::Scale;
pub use slice::Slice;
pub use stage::{Matrix, Outgoing, Pullback, Source, Stage};
pub use wire::Wire;

use std::ops::Range;

use burn::tensor::Tensor;
use twinprop_calibration::Linearised;
use twinprop_calibration::design::TaskDrives;
use twinprop_devices::DeviceError;

use crate::training::{BeanConfig, Regularisation};

/// Stages in the order of the data, and the connections that skip some of them.
pub struct Network {
    /// The stages.
    pub stages: Vec<Box<dyn Stage>>,
    /// Skip connections, of equal width at both ends.
    pub skips: Vec<Skip>,
    /// What makes assemblies of the units that enter some of the stages.
    pub bean: Option<Assemblies>,
}

/// A regulariser and the places of the stages whose inputs it is about.
#[derive(Clone, Debug)]
pub struct Assemblies {
    /// The regulariser.
    pub config: BeanConfig,
    /// The places.
    pub places: Vec<usize>,
}

/// Adds the value that enters stage `from` to the one that enters the later stage `to`.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Skip {
    /// Where it starts.
    pub from: usize,
    /// Where it ends.
    pub to: usize,
}

/// What a forward pass leaves for the backward pass.
pub struct Trace {
    /// Input of each stage, `[batch, width]`.
    pub inputs: Vec<Tensor<2>>,
    /// Output of each stage, `[batch, width]`.
    pub outputs: Vec<Tensor<2>>,
    /// The twin of each stage at its input, as far as it was linearised there.
    pub linearised: Vec<Option<Box<dyn Linearised>>>,
}

impl Trace {
    pub(crate) fn for_stages(count: usize) -> Self {
        Self {
            inputs: Vec::with_capacity(count),
            outputs: Vec::with_capacity(count),
            linearised: Vec::new(),
        }
    }

    /// What enters stage `index`: `x` or the output before it, and what skips to it.
    fn entering(&self, index: usize, x: &Tensor<2>, skips: &[Skip]) -> Tensor<2> {
        let value = self.outputs.last().unwrap_or(x).clone();
        let arriving = skips.iter().filter(|skip| skip.to == index);
        arriving.fold(value, |value, skip| value + self.inputs[skip.from].clone())
    }

    /// The trace of a batch whose parts left `parts`, one after the other; without the twins.
    ///
    /// # Panics
    /// Without a part.
    #[must_use]
    pub fn joined(parts: &[Self]) -> Self {
        let join = |of: fn(&Self) -> &Vec<Tensor<2>>| {
            let places = 0..of(&parts[0]).len();
            places
                .map(|place| {
                    Tensor::cat(parts.iter().map(|part| of(part)[place].clone()).collect(), 0)
                })
                .collect()
        };
        Self {
            inputs: join(|part| &part.inputs),
            outputs: join(|part| &part.outputs),
            linearised: Vec::new(),
        }
    }

    /// Output of the last stage, `[batch, classes]`.
    ///
    /// # Panics
    /// For a network without stages, which no recipe has.
    #[must_use]
    pub fn logits(&self) -> &Tensor<2> {
        self.outputs.last().expect("a network has stages")
    }
}

impl Network {
    /// Runs `x` `[batch, features]` through the stages; physical values come from `source`.
    ///
    /// # Errors
    /// Whatever a device answers.
    pub fn forward(
        &self,
        x: Tensor<2>,
        laboratory: &mut Laboratory,
        source: Source,
    ) -> Result<Trace, DeviceError> {
        self.trace(x, |stage, entering| Ok((stage.forward(entering, laboratory, source)?, None)))
    }

    /// The same, measured, with the twins linearised at what enters them while the devices play:
    /// [`backward`](Self::backward) has less to do then, and, without a regulariser, asks no device and no twin.
    ///
    /// # Errors
    /// Whatever a device answers.
    pub fn measure_and_linearise(
        &self,
        x: Tensor<2>,
        laboratory: &mut Laboratory,
    ) -> Result<Trace, DeviceError> {
        self.trace(x, |stage, entering| stage.measure_and_linearise(entering, laboratory))
    }

    /// The stages one after the other, each by `run`.
    fn trace(
        &self,
        x: Tensor<2>,
        mut run: impl FnMut(
            &dyn Stage,
            &Tensor<2>,
        ) -> Result<(Tensor<2>, Option<Box<dyn Linearised>>), DeviceError>,
    ) -> Result<Trace, DeviceError> {
        let mut trace = Trace::for_stages(self.stages.len());
        for (index, stage) in self.stages.iter().enumerate() {
            let entering = trace.entering(index, &x, &self.skips);
            let (output, linearised) = run(&**stage, &entering)?;
            trace.inputs.push(entering);
            trace.outputs.push(output);
            trace.linearised.push(linearised);
        }
        Ok(trace)
    }

    /// Gradients of the parameters, in the order of [`parameters_mut`](Self::parameters_mut), from
    /// the logits' cotangent `[batch, classes]`; each stage adds its range penalty.
    #[must_use]
    pub fn backward(
        &self,
        trace: &Trace,
        logits_cotangent: Tensor<2>,
        laboratory: &Laboratory,
    ) -> Vec<Tensor<2>> {
        self.backward_through(trace, logits_cotangent, laboratory, |_, _, _| None)
    }

    /// The same, where `handed_down` may say, from a stage's place, its input and the cotangent of its
    /// output, what it hands down in the place of its own cotangent of the input. It is asked from the last
    /// stage to the lowest that is trained.
    pub(crate) fn backward_through(
        &self,
        trace: &Trace,
        logits_cotangent: Tensor<2>,
        laboratory: &Laboratory,
        mut handed_down: impl FnMut(usize, &Tensor<2>, &Tensor<2>) -> Option<Tensor<2>>,
    ) -> Vec<Tensor<2>> {
        let mut cotangent = logits_cotangent;
        let mut gradients = Vec::with_capacity(self.stages.len());
        // Cotangent of each stage's input, the last first.
        let mut entered: Vec<Tensor<2>> = Vec::with_capacity(self.stages.len());
        let lowest = self.lowest_trained(0..self.stages.len());
        for (index, (stage, x)) in self.stages.iter().zip(&trace.inputs).enumerate().rev() {
            let other = handed_down(index, x, &cotangent);
            let is_lowest = Some(index) == lowest;
            let (dx, mut dparameters) = match trace.linearised.get(index) {
                Some(Some(twin)) => {
                    let (dx, dparameters) = stage.vjp_by(&**twin, x, cotangent, laboratory);
                    (Some(dx), dparameters)
                }
                _ if is_lowest => (None, stage.parameter_gradients(x, cotangent, laboratory)),
                _ => {
                    let (dx, dparameters) = stage.vjp(x, cotangent, laboratory);
                    (Some(dx), dparameters)
                }
            };
            let mut dx = if is_lowest { None } else { other.or(dx) };
            self.regularise(index, x, laboratory, dx.as_mut(), &mut dparameters);
            gradients.push(dparameters);
            let Some(dx) = dx else { break };
            let skipped = self.skips.iter().filter(|skip| skip.from == index);
            cotangent =
                skipped.fold(dx, |dx, skip| dx + entered[self.stages.len() - 1 - skip.to].clone());
            entered.push(cotangent.clone());
        }
        gradients.into_iter().rev().flatten().collect()
    }

    /// The first of `places` whose stage has parameters: no gradient is wanted of what enters it or lies below.
    pub(crate) fn lowest_trained(&self, mut places: Range<usize>) -> Option<usize> {
        places.find(|&place| !self.stages[place].parameters().is_empty())
    }

    /// Gradients of the parameters of the stage at `place` alone, the regulariser's among them.
    pub(crate) fn gradients_of(
        &self,
        place: usize,
        x: &Tensor<2>,
        dy: Tensor<2>,
        laboratory: &Laboratory,
    ) -> Vec<Tensor<2>> {
        let mut dparameters = self.stages[place].parameter_gradients(x, dy, laboratory);
        self.regularise(place, x, laboratory, None, &mut dparameters);
        dparameters
    }

    /// What the regulariser says of the stage at `place` and what enters it, `x`, and which of the stage's
    /// parameters its weights are.
    pub(crate) fn regularisation(
        &self,
        place: usize,
        x: &Tensor<2>,
        laboratory: &Laboratory,
    ) -> Option<(Regularisation, Option<usize>)> {
        let Assemblies { config, places } = self.bean.as_ref()?;
        let stage = places.contains(&place).then(|| &self.stages[place])?;
        let Outgoing { weights, parameter } = stage.outgoing(x, laboratory)?;
        Some((config.at(x, &weights), parameter))
    }

    /// Adds the regulariser's gradients to the cotangent of what enters the stage at `place`, if that is
    /// wanted, and to those of the stage's parameters that are in `dparameters`.
    pub(crate) fn regularise(
        &self,
        place: usize,
        x: &Tensor<2>,
        laboratory: &Laboratory,
        dx: Option<&mut Tensor<2>>,
        dparameters: &mut [Tensor<2>],
    ) {
        if let Some((regularisation, parameter)) = self.regularisation(place, x, laboratory) {
            if let Some(dx) = dx {
                *dx = dx.clone() + regularisation.activations;
            }
            if let Some(dparameter) = parameter.and_then(|which| dparameters.get_mut(which)) {
                *dparameter = dparameter.clone() + regularisation.weights;
            }
        }
    }

    /// Runs `x` through the stages and lets each set itself to the values that reach it.
    ///
    /// # Errors
    /// Whatever a device answers.
    pub fn initialise(
        &mut self,
        x: Tensor<2>,
        laboratory: &mut Laboratory,
    ) -> Result<Trace, DeviceError> {
        let mut trace = Trace::for_stages(self.stages.len());
        for (index, stage) in self.stages.iter_mut().enumerate() {
            let entering = trace.entering(index, &x, &self.skips);
            stage.initialise(&entering);
            trace.outputs.push(stage.forward(&entering, laboratory, Source::Measured)?);
            trace.inputs.push(entering);
        }
        Ok(trace)
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
        self.stages.iter_mut().flat_map(|stage| stage.parameters_mut()).collect()
    }

    /// Everything that makes the network what it is, trained or set at initialisation, with names.
    #[must_use]
    pub fn state(&self) -> Vec<(String, &Tensor<2>)> {
        let constants = self.stages.iter().enumerate().flat_map(|(index, stage)| {
            let named = stage.constants().into_iter();
            named.map(move |(name, value)| (format!("{index}.{}.{name}", stage.kind()), value))
        });
        self.parameters().into_iter().chain(constants).collect()
    }

    /// The tensors of [`state`](Self::state), in its order.
    pub fn state_mut(&mut self) -> Vec<&mut Tensor<2>> {
        let (mut parameters, mut constants) = (Vec::new(), Vec::new());
        for stage in &mut self.stages {
            let (trained, set) = stage.state_mut();
            parameters.extend(trained);
            constants.extend(set);
        }
        parameters.extend(constants);
        parameters
    }

    /// What the network asks of each of `devices` devices at `trace`; none of a device that it does not
    /// play on.
    #[must_use]
    pub fn task_drives(&self, trace: &Trace, devices: usize) -> Vec<Option<TaskDrives>> {
        let mut task: Vec<Option<TaskDrives>> = (0..devices).map(|_| None).collect();
        for (stage, x) in self.stages.iter().zip(&trace.inputs) {
            if let Some((instrument, drives)) = stage.task_drives(x) {
                task[instrument] = Some(match task[instrument].take() {
                    None => drives,
                    Some(before) => before.and(&drives),
                });
            }
        }
        task
    }

    /// What is added to the loss at `trace`: the penalty for drives and parameters out of range, summed over
    /// the stages, and the regulariser.
    #[must_use]
    pub fn penalty(&self, trace: &Trace, laboratory: &Laboratory) -> f32 {
        let stages = self.stages.iter().zip(&trace.inputs).enumerate();
        let penalties = stages.map(|(place, (stage, x))| {
            let regularisation = self.regularisation(place, x, laboratory);
            stage.range_penalty(x) + regularisation.map_or(0.0, |(found, _)| found.value)
        });
        penalties.sum()
    }
}
