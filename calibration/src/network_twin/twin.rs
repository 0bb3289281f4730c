//! A network as a digital twin, and as one that keeps learning.

use std::iter::repeat;
use std::path::Path;

use burn::tensor::{Device, Tensor};
use twinprop_devices::Interface;

use super::architecture::Architecture;
use super::files::{Tensors, TwinDescription, read_description, save};
use super::units::Units;
use crate::adam::Adam;
use crate::bridge::{from_vec, to_vec};
use crate::error::CalibrationError;
use crate::fit::FitConfig;
use crate::moments::ReadingMoments;
use crate::state::{State, as_part, take, take_part};
use crate::twin::{DigitalTwin, Learner, Linearised, autodiff_vjp};
use twinprop_devices::shots::ShotRun;

/// A network that is the twin of one device.
#[derive(Clone)]
pub struct NetworkTwin<A> {
    network: A,
    interface: Interface,
    units: Units,
}

impl<A: Architecture> NetworkTwin<A> {
    /// An untrained twin for a device with `interface`, its weights drawn from `seed`; `readings`:
    /// mean and standard deviation of each output channel.
    #[must_use]
    pub fn new(
        config: &A::Config,
        interface: &Interface,
        readings: ReadingMoments,
        seed: u64,
        device: &Device,
    ) -> Self {
        Self {
            network: A::draw(config, interface, seed, device),
            interface: interface.clone(),
            units: Units::new(interface, readings, device),
        }
    }

    /// Loads the twin `NAME` of `folder`, as [`save`](DigitalTwin::save) left it, for a device with
    /// `interface`.
    ///
    /// # Errors
    /// [`CalibrationError::OtherDevice`] where the twin was fitted to another interface,
    /// [`CalibrationError::File`] and [`CalibrationError::Format`] where the files are missing,
    /// damaged, or of another kind of twin.
    pub fn load(
        folder: &Path,
        name: &str,
        interface: &Interface,
        device: &Device,
    ) -> Result<Self, CalibrationError> {
        let TwinDescription::<A> { config, interface } = read_description(folder, name, interface)?;
        let mut tensors = Tensors::read(folder, name, device)?;
        // An untrained twin of the same size says which tensors there must be, in which shapes.
        let outputs = interface.outputs.len();
        let moments = ReadingMoments { mean: vec![0.0; outputs], deviation: vec![1.0; outputs] };
        let like = Self::new(&config, &interface, moments, 0, device);
        let numbered = like.network.weights().iter().enumerate();
        let weights = numbered
            .map(|(index, tensor)| tensors.take(&format!("weights.{index}"), tensor))
            .collect::<Result<_, _>>()?;
        let moments = ReadingMoments {
            mean: to_vec(tensors.take("reading_mean", &like.units.reading_mean)?),
            deviation: to_vec(tensors.take("reading_deviation", &like.units.reading_deviation)?),
        };
        Ok(Self {
            network: A::with_weights(config, &interface, weights, device),
            units: Units::new(&interface, moments, device),
            interface,
        })
    }

    /// The network between normalised drives and normalised readings.
    #[must_use]
    pub fn network(&self) -> &A {
        &self.network
    }

    /// The device's units around the network.
    #[must_use]
    pub fn units(&self) -> &Units {
        &self.units
    }

    /// Its weights, to be changed.
    pub(super) fn weights_mut(&mut self) -> &mut [Tensor<2>] {
        self.network.weights_mut()
    }

    /// Mean squared error on shots, in units of each channel's variance, and its gradient by each
    /// weight. `inputs` `[shots, n_inputs]`, `parameters` `[groups, n_parameters]` and `readings`
    /// `[shots, n_outputs]` are in the device's units.
    pub(super) fn learn(
        &self,
        inputs: Tensor<2>,
        parameters: Tensor<2>,
        readings: Tensor<2>,
    ) -> (Tensor<1>, Vec<Tensor<2>>) {
        let (inputs, parameters) =
            (self.units.inputs.apply(inputs), self.units.parameters.apply(parameters));
        self.network.learn(inputs, parameters, self.units.normalise_readings(readings))
    }

    /// The error that [`learn`](Self::learn) returns, alone.
    pub(super) fn error(
        &self,
        inputs: Tensor<2>,
        parameters: Tensor<2>,
        readings: Tensor<2>,
    ) -> f32 {
        let predicted = self.forward(inputs, parameters);
        let difference = predicted - self.units.normalise_readings(readings);
        difference.square().mean().into_scalar::<f32>()
    }

    /// Normalised readings at drives in the device's units.
    fn forward(&self, x: Tensor<2>, theta: Tensor<2>) -> Tensor<2> {
        self.network.forward(self.units.inputs.apply(x), self.units.parameters.apply(theta))
    }
}

impl<A: Architecture> DigitalTwin for NetworkTwin<A> {
    fn interface(&self) -> &Interface {
        &self.interface
    }

    fn predict(&self, x: Tensor<2>, theta: Tensor<2>) -> Tensor<2> {
        self.units.readings(self.forward(x, theta))
    }

    fn vjp(
        &self,
        x: Tensor<2>,
        theta: Tensor<2>,
        y: Tensor<2>,
        dy: Tensor<2>,
    ) -> (Tensor<2>, Tensor<2>) {
        match self.linearise(x.clone(), theta.clone()) {
            Some(linearised) => linearised.vjp(y, dy),
            None => autodiff_vjp(self, x, theta, dy),
        }
    }

    fn linearise(&self, x: Tensor<2>, theta: Tensor<2>) -> Option<Box<dyn Linearised>> {
        self.network.linearise(&self.units, x, theta)
    }

    fn multiply_adds(&self) -> u64 {
        self.network.multiply_adds()
    }

    fn learner(&self, backend: &Device) -> Option<Box<dyn Learner>> {
        Some(Box::new(NetworkLearner::new(self, backend)))
    }

    /// Saves `NAME.safetensors` and `NAME.json`.
    fn save(&self, folder: &Path, name: &str) -> Result<(), CalibrationError> {
        let weights = self.network.weights().iter().enumerate();
        let weights = weights.map(|(index, tensor)| (format!("weights.{index}"), tensor));
        let moments = [
            ("reading_mean".to_owned(), &self.units.reading_mean),
            ("reading_deviation".to_owned(), &self.units.reading_deviation),
        ];
        let description = TwinDescription::<A> {
            config: self.network.config().clone(),
            interface: self.interface.clone(),
        };
        save(&description, weights.chain(moments), folder, name)
    }
}

/// A copy of a network twin that learns its weights.
pub(crate) struct NetworkLearner<A> {
    twin: NetworkTwin<A>,
    optimiser: Adam,
    backend: Device,
}

impl<A: Architecture> NetworkLearner<A> {
    /// A copy of `twin`, which learns on `backend`.
    pub fn new(twin: &NetworkTwin<A>, backend: &Device) -> Self {
        Self { twin: twin.clone(), optimiser: Adam::default(), backend: backend.clone() }
    }

    /// The twin with what it has learned.
    pub fn network_twin(&self) -> &NetworkTwin<A> {
        &self.twin
    }

    /// `values` of each run one below the other, `[rows, columns]`.
    fn stack<'a>(&self, values: impl Iterator<Item = &'a [f32]>, columns: usize) -> Tensor<2> {
        let values: Vec<f32> = values.flatten().copied().collect();
        let rows = values.len() / columns.max(1);
        from_vec(values, [rows, columns], &self.backend)
    }
}

impl<A: Architecture> Learner for NetworkLearner<A> {
    fn first_rate(&self) -> f64 {
        FitConfig::default().learning_rate
    }

    fn steady_rate(&self) -> f64 {
        self.first_rate()
    }

    fn learn(&mut self, runs: &[&ShotRun], rate: f64) -> Result<f32, CalibrationError> {
        let Some(first) = runs.first() else { return Ok(0.0) };
        // Runs of one length are groups that share their parameters; otherwise each shot has its own.
        let is_even = runs.iter().all(|run| run.len() == first.len());
        let times = |run: &ShotRun| if is_even { 1 } else { run.len() };
        let settings =
            runs.iter().flat_map(|run| std::iter::repeat_n(run.parameters.as_slice(), times(run)));
        let inputs = self.stack(runs.iter().map(|run| run.inputs.as_slice()), first.inputs.nrows());
        let settings = self.stack(settings, first.parameters.len());
        let readings =
            self.stack(runs.iter().map(|run| run.outputs.as_slice()), first.outputs.nrows());
        let (error, gradients) = self.twin.learn(inputs, settings, readings);
        let error = error.into_scalar::<f32>();
        if !error.is_finite() {
            return Err(CalibrationError::RefinementDiverged { error });
        }
        self.optimiser.step(repeat(rate), self.twin.weights_mut().iter_mut().collect(), gradients);
        Ok(error)
    }

    fn state(&self) -> State {
        let weights: Vec<&Tensor<2>> = self.twin.network().weights().iter().collect();
        let named = weights.iter().enumerate();
        let mut state: State =
            named.map(|(place, &weight)| (format!("weight.{place}"), weight.clone())).collect();
        state.extend(as_part("adam", self.optimiser.state(&weights)));
        state
    }

    fn restore(&mut self, mut state: State) -> Result<(), String> {
        for (place, weight) in self.twin.weights_mut().iter_mut().enumerate() {
            *weight = take(&mut state, &format!("weight.{place}"))?;
        }
        self.optimiser.restore(take_part(&mut state, "adam"))
    }

    fn twin(&self) -> Box<dyn DigitalTwin> {
        Box::new(self.twin.clone())
    }
}
