//! EMSTDP: a spiking approximation of backpropagation with a local rule like spike-timing-dependent plasticity
//! (Shrestha, Fang, Wu & Qiu, ICONS 2019, as in the author's released program).
//!
//! ```text
//! G_l = mean over the batch of h_(l−1) ⊗ (ĥ_l − h_l) / t_w
//! m_l ← 0.9 m_l + 0.1 G_l²        W_l ← clamp(W_l + η G_l / √(m_l + 10⁻⁸), −1, 1)
//! ```
//!
//! | symbol | meaning |
//! |---|---|
//! | h_l, ĥ_l | spikes of layer l in phase 1, which is free, and in phase 2, which is nudged towards the target |
//! | t_w | ticks of a phase |
//! | G_l | takes the place of the negative gradient by the weights W_l |
//! | m_l | running mean square of G_l, 1 at the start |
//! | η | learning rate |
//!
//! The rule plays the batch with its targets on a [`learning_chip`](twinprop_devices::neuromorphic), whose own error
//! neurons nudge the layers, and returns −G. The optimiser [`ClippedRmsProp`](crate::training::ClippedRmsProp) does the
//! rest. Nothing else changes a weight. The rule is local: a synapse reads only its own [`Activity`] and stores only its
//! own [`Synapse`]. The loss is measured, but the step does not use it.
//!
//! # When to use it
//! On a chip with spikes and error neurons, where learning must be local. It needs no twin, so it also learns what is
//! wrong with a chip.
//!
//! # What it costs
//! A shot a sample, and no backward pass.

mod synapse;

pub use synapse::{Activity, Synapse};

use burn::tensor::Tensor;
use schemars::JsonSchema;
use serde::{Deserialize, Serialize};
use twinprop_calibration::bridge::{from_vec, to_matrix};
use twinprop_devices::neuromorphic::LearningChipChannels;
use twinprop_devices::{Boundary, DeviceError, PhysicalLayer, Usage};

use super::{Batch, ForwardPass, Passes, StepOutput, TrainingRule};
use crate::data::Targets;
use crate::loss::Loss;
use crate::network::{Laboratory, Network, Source, Stage, Trace};

/// EMSTDP; in a recipe, `[training.rules.emstdp]`.
#[derive(Clone, Debug, Default, PartialEq, Eq, Serialize, Deserialize, JsonSchema)]
#[serde(deny_unknown_fields, default)]
pub struct EmstdpConfig {
    /// Whether the chip's nominal model learns in place of the chip. The chip is then used only in tests.
    pub in_silico: bool,
}

/// The rule: it plays a batch with its targets, and correlates the counts of both phases.
pub struct Emstdp {
    config: EmstdpConfig,
    /// The chip's model as designed, which learns in its place.
    model: Option<Boundary>,
}

impl Emstdp {
    /// The rule with these options.
    #[must_use]
    pub fn new(config: EmstdpConfig) -> Self {
        Self { config, model: None }
    }

    /// Passes `batch` through `network` with its targets as drives of the chip at `place`, whose channels are `channels`.
    fn pass(
        batch: &Batch,
        network: &Network,
        laboratory: &mut Laboratory,
        place: usize,
        channels: &LearningChipChannels,
    ) -> Result<Trace, DeviceError> {
        let mut trace = Trace::for_stages(network.stages.len(), Some(batch.position));
        for (number, stage) in network.stages.iter().enumerate() {
            let input = trace.input_of(number, batch.inputs, &network.skips);
            let input = if number == place {
                with_targets(&input, batch.targets.classes(), channels)
            } else {
                input
            };
            let passed =
                stage.forward(&input, laboratory, Source::Measured, Some(batch.position))?;
            trace.inputs.push(input);
            trace.push(passed);
        }
        Ok(trace)
    }

    /// The same on the chip's model as designed.
    fn pass_in_silico(
        &mut self,
        batch: &Batch,
        network: &Network,
        laboratory: &mut Laboratory,
        place: usize,
        instrument: usize,
        channels: &LearningChipChannels,
    ) -> Result<Trace, DeviceError> {
        let model = match &mut self.model {
            Some(model) => model,
            none => {
                let nominal = laboratory.instruments[instrument].nominal.clone();
                let nominal = nominal.ok_or_else(|| {
                    wrong(laboratory, instrument, "it has no model, which has to learn in its place; give it one, or leave out training.rules.emstdp.in_silico")
                })?;
                none.insert(Boundary::new(nominal))
            }
        };
        // The spikes of a step are the same in a resumed run.
        model.resume(&Usage::after(batch.position.samples_before));
        std::mem::swap(model, &mut laboratory.instruments[instrument].device);
        let trace = Self::pass(batch, network, laboratory, place, channels);
        std::mem::swap(model, &mut laboratory.instruments[instrument].device);
        trace
    }
}

/// The problem `problem` of the device `instrument`.
fn wrong(laboratory: &Laboratory, instrument: usize, problem: &str) -> DeviceError {
    let device = laboratory.instruments[instrument].name.clone();
    DeviceError::Config { device, problem: problem.to_owned() }
}

/// `x` `[batch, inputs]` with the targets of `classes`: 1 for the class, −1 for others.
fn with_targets(x: &Tensor<2>, classes: &[usize], channels: &LearningChipChannels) -> Tensor<2> {
    let (targets, outputs) = (channels.targets(), channels.outputs());
    let mut values = vec![-1.0; classes.len() * outputs];
    for (values, &class) in values.chunks_mut(outputs).zip(classes) {
        values[class] = 1.0;
    }
    let lines = x.clone().narrow(1, 0, targets.start);
    Tensor::cat(vec![lines, from_vec(values, [classes.len(), outputs], &x.device())], 1)
}

/// −G of all weights, in the order of the chip's parameters, from its readings `[n_outputs × batch]`.
fn negative_drives(readings: &nalgebra::DMatrix<f32>, channels: &LearningChipChannels) -> Vec<f32> {
    let layers = channels.layers();
    let mut drives = vec![0.0; channels.weights(layers.len() - 1).end];
    for layer in 1..layers.len() {
        let drives = &mut drives[channels.weights(layer)];
        let places = [channels.free(layer - 1), channels.free(layer), channels.nudged(layer)];
        for shot in readings.as_slice().chunks(readings.nrows()) {
            let [before, free, nudged] = places.clone().map(|places| &shot[places]);
            let rows = drives.chunks_mut(layers[layer]).zip(before);
            for (row, &pre) in rows.filter(|(_, pre)| **pre != 0.0) {
                for ((drive, &free), &nudged) in row.iter_mut().zip(free).zip(nudged) {
                    *drive += Activity { pre, free, nudged }.correlation();
                }
            }
        }
    }
    let shots = readings.ncols() * channels.window();
    drives.iter_mut().for_each(|drive| *drive /= -(shots as f32));
    drives
}

impl TrainingRule for Emstdp {
    fn step(
        &mut self,
        batch: &Batch,
        network: &mut Network,
        laboratory: &mut Laboratory,
        loss: &dyn Loss,
    ) -> Result<StepOutput, DeviceError> {
        let mut stages = network.stages.iter().enumerate();
        let (place, instrument) = stages
            .find_map(|(place, stage)| Some((place, stage.physical()?.instrument())))
            .expect("the rule is checked for its network");
        let interface = laboratory.instruments[instrument].device.interface();
        let channels = LearningChipChannels::of(interface).ok_or_else(|| {
            wrong(laboratory, instrument, "emstdp needs a chip with error neurons, a `learning_chip`; train this device by pat")
        })?;
        if let Some(class) = batch.targets.classes().iter().max()
            && *class >= channels.outputs()
        {
            let problem = format!(
                "it has {} output neurons, and the data more than {class} classes; give its last layer one neuron a class",
                channels.outputs()
            );
            return Err(wrong(laboratory, instrument, &problem));
        }
        let trace = if self.config.in_silico {
            self.pass_in_silico(batch, network, laboratory, place, instrument, &channels)?
        } else {
            Self::pass(batch, network, laboratory, place, &channels)?
        };
        let pass = ForwardPass::new(trace, batch.targets, loss);
        let readings = pass.trace.readings[place].clone();
        let readings = to_matrix(readings.expect("a physical stage has readings"));
        let drives = negative_drives(&readings, &channels);
        let shape = [1, drives.len()];
        let gradients = vec![from_vec(drives, shape, &batch.inputs.device())];
        Ok(pass.with_gradients(gradients, network, laboratory))
    }

    fn check(&self, network: &Network, targets: &Targets) -> Result<(), String> {
        if !matches!(targets, Targets::Classes(_)) {
            return Err(
                "emstdp learns classes, and the targets are values; train by pat".to_owned()
            );
        }
        let chips: Vec<_> = network.stages.iter().filter_map(Stage::physical).collect();
        if !matches!(chips.as_slice(), [chip] if chip.shots() == 1) {
            return Err(
                "emstdp trains a network with one physical layer of one shot, a `learning_chip`; put all layers of neurons on one chip, or train by pat"
                    .to_owned(),
            );
        }
        let trained = network
            .stages
            .iter()
            .find(|stage| stage.physical().is_none() && !stage.parameters().is_empty());
        trained.map_or(Ok(()), |stage| {
            Err(format!(
                "emstdp trains the weights of a chip, and \"{}\" has parameters of its own; leave it out, or train by pat",
                stage.kind()
            ))
        })
    }

    fn passes(&self, _network: &Network) -> Passes {
        Passes { forward: 1.0, backward: 0.0 }
    }
}
