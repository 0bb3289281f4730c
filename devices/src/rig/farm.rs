//! Several rigs of one kind as one device.

use std::sync::{Mutex, PoisonError};
use std::thread;
use std::time::Instant;

use nalgebra::{DMatrix, DVector};

use super::notice::tell;
use crate::{DeviceError, Interface, PhysicalLayer};

/// Share of a rig's part that is assigned to it; the rest goes to the first free rig.
const OWN_SHARE: f64 = 0.8;
/// Weight of the newest batch in the average speed of a rig.
const NEWEST: f64 = 0.25;

/// Distributes the shots of a batch over several devices by their speed.
///
/// A device that fails is dropped, and its shots are played on the others; the farm fails when its last
/// device does. Which device measures a shot depends on their speed, so with devices that differ or are noisy
/// a run is not repeatable bit for bit.
pub struct Farm {
    /// The interface of the rigs; the time of a shot is divided by their number.
    interface: Interface,
    members: Vec<Member>,
}

/// A device of a farm.
struct Member {
    layer: Box<dyn PhysicalLayer>,
    works: bool,
    /// Shots a second; `None` before the first batch.
    speed: Option<f64>,
    inputs: DMatrix<f32>,
    outputs: DMatrix<f32>,
}

/// A range of shots: the first, and one past the last.
type Part = (usize, usize);

/// A batch that is being played.
struct Batch<'a> {
    inputs: &'a DMatrix<f32>,
    parameters: Parameters<'a>,
    progress: Mutex<Progress<'a>>,
}

/// The parameters of a batch.
enum Parameters<'a> {
    /// Of all its shots.
    Shared(&'a DVector<f32>),
    /// A column a shot.
    OfEach(&'a DMatrix<f32>),
}

struct Progress<'a> {
    /// Parts that no rig plays yet.
    left: Vec<Part>,
    outputs: &'a mut DMatrix<f32>,
}

impl Farm {
    /// A farm of `layers`, which must not be empty.
    ///
    /// # Errors
    /// [`DeviceError::Config`] where their interfaces differ, or there are none.
    pub fn new(layers: Vec<Box<dyn PhysicalLayer>>) -> Result<Self, DeviceError> {
        let refused = |problem: String| {
            Err(DeviceError::Config { device: "a farm of rigs".to_owned(), problem })
        };
        let Some(first) = layers.first() else {
            return refused("it has no rigs; name at least one".to_owned());
        };
        for (number, layer) in layers.iter().enumerate() {
            if let Some((one, other)) = first.interface().difference(layer.interface()) {
                return refused(format!(
                    "its rigs must be of one kind: the first has {one}, number {} has {other}",
                    number + 1
                ));
            }
        }
        let mut interface = first.interface().clone();
        interface.seconds_per_shot /= layers.len() as f64;
        let members = layers.into_iter().map(Member::new).collect();
        Ok(Self { interface, members })
    }

    /// Whether any device works.
    fn works(&self) -> bool {
        self.members.iter().any(|member| member.works)
    }

    /// Divides `shots` into a part for each working device, by its speed, and parts for the first free device.
    fn divide(&self, shots: usize) -> (Vec<Part>, Vec<Part>) {
        let working = || self.members.iter().filter(|member| member.works);
        let known: Vec<f64> = working().filter_map(|member| member.speed).collect();
        let usual = known.iter().sum::<f64>() / known.len().max(1) as f64;
        let usual = if usual > 0.0 { usual } else { 1.0 };
        let speed = |member: &Member| member.speed.unwrap_or(usual);
        let total: f64 = working().map(speed).sum();
        // A single device gets everything.
        let own_share = if working().count() > 1 { OWN_SHARE } else { 1.0 };
        let (mut own, mut left) = (Vec::new(), Vec::new());
        let (mut first, mut until) = (0, 0.0);
        for member in &self.members {
            if !member.works {
                own.push((first, first));
                continue;
            }
            until += shots as f64 * speed(member) / total;
            let end = (until.round() as usize).min(shots);
            let kept = first + ((end - first) as f64 * own_share).ceil() as usize;
            own.push((first, kept));
            if kept < end {
                left.push((kept, end));
            }
            first = end;
        }
        (own, left)
    }

    /// Plays a batch that fits the interface.
    fn play(
        &mut self,
        inputs: &DMatrix<f32>,
        parameters: Parameters<'_>,
        outputs: &mut DMatrix<f32>,
    ) -> Result<(), DeviceError> {
        if !self.works() {
            return Err(DeviceError::Config {
                device: self.interface().device.clone(),
                problem: "every rig of the farm has failed; check them, then start again"
                    .to_owned(),
            });
        }
        let (mut own, left) = self.divide(inputs.ncols());
        let batch = Batch { inputs, parameters, progress: Mutex::new(Progress { left, outputs }) };
        // If a device fails after the others are done, its part takes another round.
        loop {
            let error = thread::scope(|scope| {
                let workers: Vec<_> = self
                    .members
                    .iter_mut()
                    .zip(&own)
                    .filter(|(member, _)| member.works)
                    .map(|(member, own)| scope.spawn(|| member.work(&batch, *own)))
                    .collect();
                let join = |worker: thread::ScopedJoinHandle<'_, Result<(), DeviceError>>| {
                    worker.join().unwrap_or_else(|panic| std::panic::resume_unwind(panic)).err()
                };
                workers.into_iter().filter_map(join).last()
            });
            if lock(&batch.progress).left.is_empty() {
                return Ok(());
            }
            if let (false, Some(error)) = (self.works(), error) {
                return Err(error);
            }
            own.iter_mut().for_each(|part| *part = (0, 0));
        }
    }
}

impl Member {
    fn new(layer: Box<dyn PhysicalLayer>) -> Self {
        let empty = DMatrix::zeros(0, 0);
        Self { layer, works: true, speed: None, inputs: empty.clone(), outputs: empty }
    }

    /// Plays `own`, then remaining parts of the batch until there are none.
    fn work(&mut self, batch: &Batch<'_>, own: Part) -> Result<(), DeviceError> {
        let start = Instant::now();
        let (mut part, mut played) = (own, 0);
        loop {
            if part.0 < part.1 {
                let outcome = self.play(batch, part);
                let mut progress = lock(&batch.progress);
                if let Err(error) = outcome {
                    self.works = false;
                    tell(&format!("a rig is dropped from its farm: {error}"));
                    progress.left.push(part);
                    return Err(error);
                }
                progress.outputs.columns_mut(part.0, part.1 - part.0).copy_from(&self.outputs);
                played += part.1 - part.0;
            }
            let Some(next) = lock(&batch.progress).left.pop() else { break };
            part = next;
        }
        if played > 0 {
            let speed = played as f64 / start.elapsed().as_secs_f64().max(1e-9);
            let before = self.speed.unwrap_or(speed);
            self.speed = Some(before + NEWEST * (speed - before));
        }
        Ok(())
    }

    fn play(&mut self, batch: &Batch<'_>, (first, end): Part) -> Result<(), DeviceError> {
        let shots = end - first;
        let width = batch.inputs.nrows();
        self.inputs.resize_mut(width, shots, 0.0);
        self.inputs.copy_from(&batch.inputs.columns(first, shots));
        self.outputs.resize_mut(self.layer.interface().outputs.len(), shots, 0.0);
        let (inputs, outputs) = (&self.inputs, &mut self.outputs);
        match batch.parameters {
            Parameters::Shared(parameters) => self.layer.measure(inputs, parameters, outputs),
            Parameters::OfEach(parameters) => {
                let parameters = parameters.columns(first, shots).into_owned();
                self.layer.measure_each(inputs, &parameters, outputs)
            }
        }
    }
}

impl Drop for Farm {
    /// Drops all rigs in parallel: each may take some seconds to reach its safe state.
    fn drop(&mut self) {
        thread::scope(|scope| {
            for member in self.members.drain(..) {
                scope.spawn(move || drop(member));
            }
        });
    }
}

/// The parts are valid also after a panic.
fn lock<'a, 'b>(progress: &'a Mutex<Progress<'b>>) -> std::sync::MutexGuard<'a, Progress<'b>> {
    progress.lock().unwrap_or_else(PoisonError::into_inner)
}

impl PhysicalLayer for Farm {
    fn interface(&self) -> &Interface {
        &self.interface
    }

    fn measure(
        &mut self,
        inputs: &DMatrix<f32>,
        parameters: &DVector<f32>,
        outputs: &mut DMatrix<f32>,
    ) -> Result<(), DeviceError> {
        self.interface.check_shapes(inputs, parameters, outputs)?;
        self.play(inputs, Parameters::Shared(parameters), outputs)
    }

    fn measure_each(
        &mut self,
        inputs: &DMatrix<f32>,
        parameters: &DMatrix<f32>,
        outputs: &mut DMatrix<f32>,
    ) -> Result<(), DeviceError> {
        self.interface.check_shapes_of_each(inputs, parameters, outputs)?;
        self.play(inputs, Parameters::OfEach(parameters), outputs)
    }
}
