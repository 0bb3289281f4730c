//! Calibrations and trainings on the device, without a recipe.

use std::sync::Arc;

use burn::tensor::Device;
use twinprop::Rule;
use twinprop::calibration::bridge::{to_tensor, to_vec};
use twinprop::calibration::design::{DesignConfig, TaskDrives, TaskLikeConfig, share_settings};
use twinprop::calibration::identify::identify;
use twinprop::calibration::{
    DigitalTwin, Ensemble, EnsembleConfig, EquationTwin, Fidelity, FidelityConfig, FitConfig,
    HybridConfig, HybridTwin, IdentifyConfig, NeuralTwin, NeuralTwinConfig, Shots, TemporalTwin,
    TemporalTwinConfig,
};
use twinprop::data::Split;
use twinprop::devices::{Differentiable, Interface, PhysicalLayer};
use twinprop::loss::CrossEntropy;
use twinprop::network::{
    Activation, Assemblies, BeanConfig, Dropout, Encode, Instrument, Jitter, Laboratory, Linear,
    Network, Order, Pad, Physical, PhysicalOptions, ReadingUnit, Readout, Scale, Skip, Slice,
    StageSeed, Wire,
};
use twinprop::training::{Refinement, RefinementConfig, Trainer, TrainingConfig, evaluate};

use super::device::{Tangents, Units, noisy, split};

/// The kinds of twin.
#[derive(Clone, Copy, Debug, PartialEq)]
pub enum TwinKind {
    Neural,
    Temporal,
    Ensemble,
    Physics,
    LearnedPhysics,
    Hybrid,
}

impl TwinKind {
    pub const ALL: [Self; 6] = [
        Self::Neural,
        Self::Temporal,
        Self::Ensemble,
        Self::Physics,
        Self::LearnedPhysics,
        Self::Hybrid,
    ];
}

/// Amounts of shots, samples and epochs.
#[derive(Clone, Copy)]
pub struct Effort {
    pub shots: usize,
    pub fit_epochs: usize,
    pub samples: usize,
    pub epochs: usize,
}

/// For tests of bits.
pub const SMALL: Effort = Effort { shots: 160, fit_epochs: 3, samples: 60, epochs: 2 };
/// For tests and a table of figures.
pub const WHOLE: Effort = Effort { shots: 1200, fit_epochs: 30, samples: 300, epochs: 20 };

/// Builds a network for the device and the data.
pub type Stages = fn(&Interface, &Split, &Device) -> Network;

/// Seed of the stage at `place`.
fn seed(place: usize) -> StageSeed {
    StageSeed { seed: 3, place }
}

fn physical(place: usize, interface: &Interface, shots: usize, device: &Device) -> Physical {
    let options = PhysicalOptions { shots, start: 0.5, ..PhysicalOptions::default() };
    Physical::new(0, interface, options, seed(place), device)
}

fn encode(data: &Split, device: &Device) -> Encode {
    let (minimum, maximum) = data.train.extremes();
    Encode::new(&minimum, &maximum, 4, device)
}

/// The stages of a usual recipe.
pub fn usual(interface: &Interface, data: &Split, device: &Device) -> Network {
    let stages = vec![
        encode(data, device).into(),
        Scale::new(4, 8, None, device).into(),
        physical(2, interface, 2, device).into(),
        Scale::new(8, 8, Some(1.0), device).into(),
        Readout::new(3, 8, device).into(),
    ];
    Network::new(stages)
}

/// Every stage, with and without a scale after readings, and a regulariser.
pub fn every_stage(interface: &Interface, data: &Split, device: &Device) -> Network {
    let readings: Vec<ReadingUnit> = ReadingUnit::each(&interface.outputs).collect();
    let rest = std::iter::repeat_n(ReadingUnit::ONE, 2);
    let shared = PhysicalOptions { shared: true, start: 0.5, ..PhysicalOptions::default() };
    let shared = Physical::new(0, interface, shared, seed(7), device);
    let padded: Vec<ReadingUnit> = readings[..2].iter().copied().chain(rest).collect();
    let stages = vec![
        encode(data, device).into(),
        Jitter::new(0.02, seed(1)).into(),
        physical(2, interface, 1, device).into(),
        Activation::Softplus(2.0).into(),
        Jitter::new(0.02, seed(4)).into(),
        Linear::new(4, 4, seed(5), device).into(),
        Activation::Tanh.into(),
        shared.into(),
        Dropout::new(0.1, seed(8)).into(),
        Slice { from: 1, count: 2 }.into(),
        Pad { channels: 2, runs: 1 }.into(),
        Wire::of_readings(&interface.inputs, &padded, device).into(),
        Scale::new(4, 8, None, device).into(),
        physical(13, interface, 2, device).into(),
        Activation::Relu.into(),
        Readout::new(3, 8, device).with_spread(1.0).into(),
    ];
    let config = BeanConfig { order: Order::First, strength: 0.01, gamma: 1.0, stages: None };
    // A device's input is added to its output.
    let skips = vec![Skip { from: 2, to: 3 }, Skip { from: 7, to: 8 }];
    Network { stages, skips, bean: Some(Assemblies { config, places: vec![5, 7] }) }
}

/// A device in its laboratory, and the network on it.
pub struct Setup {
    pub units: Units,
    pub effort: Effort,
    pub data: Split,
    pub network: Network,
    pub laboratory: Laboratory,
    pub task: TaskDrives,
    pub backend: Device,
}

impl Setup {
    pub fn new(units: Units, effort: Effort, stages: Stages) -> Self {
        Self::on(noisy(units), units, effort, stages)
    }

    pub fn on(layer: Box<dyn PhysicalLayer>, units: Units, effort: Effort, stages: Stages) -> Self {
        let backend = Device::flex();
        let data = split(units, effort.samples, effort.samples);
        let mut network = stages(layer.interface(), &data, &backend);
        let mut laboratory = Laboratory::default();
        laboratory.add(Instrument::new("tangents", layer));
        let x = to_tensor(&data.train.features, &backend);
        let trace = network.initialise(x, &mut laboratory).unwrap();
        let task = network.task_drives(&trace, 1).swap_remove(0).unwrap();
        Self { units, effort, data, network, laboratory, task, backend }
    }

    /// Gives the device a twin, and measures its fidelity.
    pub fn calibrate(&mut self, kind: TwinKind) -> Fidelity {
        let Self { units, effort, backend, .. } = self;
        let device = &mut self.laboratory.instruments[0].device;
        let interface = device.interface().clone();
        let test = effort.shots / 4;
        let design = DesignConfig::TaskLike(TaskLikeConfig::default());
        let (inputs, mut parameters) =
            design.draw(&interface, effort.shots + test, Some(&self.task), 5).unwrap();
        share_settings(&mut parameters, 4);
        let shots = Shots::measure(device, inputs, parameters, |_| ()).unwrap();
        let (seen, unseen) = shots.split_last(test);
        let fit = FitConfig {
            epochs: effort.fit_epochs,
            batch: 32,
            learning_rate: 0.01,
            ..Default::default()
        };
        let size = NeuralTwinConfig { width: 24, depth: 1, residual: false };
        let mut equation: Box<dyn Differentiable> = Box::new(Tangents::nominal(*units));
        let constants = IdentifyConfig {
            shots_per_setting: 4,
            epochs: effort.fit_epochs,
            ..Default::default()
        };
        let twin: Arc<dyn DigitalTwin> = match kind {
            TwinKind::Neural => Arc::new(
                NeuralTwin::fit(&size, &fit, &interface, &seen, 5, backend, |_, _| ()).unwrap().0,
            ),
            TwinKind::Temporal => {
                let size = TemporalTwinConfig { width: 16, depth: 3, taps: 3 };
                let fitted =
                    TemporalTwin::fit(&size, &fit, &interface, &seen, 5, backend, |_, _| ());
                Arc::new(fitted.unwrap().0)
            }
            TwinKind::Ensemble => {
                let of = EnsembleConfig { members: 2, member: size };
                let fitted = Ensemble::fit(&of, &fit, &interface, &seen, 5, backend, |_, _| ());
                Arc::new(fitted.unwrap())
            }
            TwinKind::Physics => Arc::new(EquationTwin::new(equation)),
            TwinKind::LearnedPhysics => {
                identify(&mut *equation, &constants, &seen, 5, backend, |_, _| ()).unwrap();
                Arc::new(EquationTwin::learned(equation))
            }
            TwinKind::Hybrid => {
                let config = HybridConfig { constants, residual: size };
                let fitted = HybridTwin::fit(equation, &config, &fit, &seen, 5, backend, |_, _| ());
                Arc::new(fitted.unwrap())
            }
        };
        let config = FidelityConfig { points: 12, directions: 2, repeats: 4 };
        let fidelity =
            Fidelity::measure(&*twin, device, &unseen, &config, 5, backend, |_| ()).unwrap();
        self.laboratory.instruments[0].twin = Some(twin);
        fidelity
    }

    /// Trains by `rule`, and refines the twin if `refined`; returns the test accuracy.
    pub fn train(&mut self, rule: Rule, refined: bool) -> f32 {
        let config =
            TrainingConfig { rule, epochs: self.effort.epochs, batch: 30, ..Default::default() };
        let mut refinement = refined.then(|| {
            let refinement = RefinementConfig {
                fidelity: FidelityConfig { points: 4, directions: 1, repeats: 2 },
                budget: 1.0,
                // Every twin is recalibrated.
                threshold: 1.0,
                recalibration_shots: 32,
                recalibration_steps: 4,
                ..Default::default()
            };
            let (network, laboratory) = (&self.network, &self.laboratory);
            Refinement::new(refinement, &[true], network, laboratory, 9, &self.backend)
        });
        let (network, laboratory) = (&mut self.network, &mut self.laboratory);
        let mut trainer = Trainer::new(network, laboratory).configure(&config, 9);
        trainer = match &mut refinement {
            Some(refinement) => trainer.refine(refinement),
            None => trainer.without_tests(),
        };
        trainer.train(&self.data).unwrap();
        drop(trainer);
        let (network, laboratory) = (&self.network, &mut self.laboratory);
        evaluate(network, laboratory, &self.data.test, &CrossEntropy::default(), &self.backend)
            .unwrap()
            .score
            .value()
    }

    /// The trained tensors, normalised, as bits.
    pub fn parameters(&self) -> Vec<u32> {
        let parameters = self.network.parameters().into_iter();
        parameters.flat_map(|(_, value)| to_vec(value.clone())).map(f32::to_bits).collect()
    }
}
