//! The boundary in front of a device: nothing out of range passes.

use std::sync::Arc;
use std::sync::atomic::{AtomicU64, Ordering};

use nalgebra::{DMatrix, DVector, Dim, Dyn, Matrix, VecStorage};
use serde::{Deserialize, Serialize};

use crate::elementary::vectorised;
use crate::interface::Channel;
use crate::layer::measure_settings_in_turn;
use crate::raster::{self, Side};
use crate::shot_sampler::ShotSampler;
use crate::{Bank, Channels, DeviceError, Interface, PhysicalLayer, Usage};

/// Stands in front of a device: clamps every drive and parameter into its channel's range, counts
/// what it clamped and played, and refuses measurements that are out of range.
///
/// ```
/// use twinprop_devices::nalgebra::{DMatrix, DVector};
/// use twinprop_devices::mechanical::{Pendula, PendulaConfig};
/// use twinprop_devices::{Boundary, PhysicalLayer};
///
/// let pendula = Pendula::nominal(&PendulaConfig { count: 4, ..Default::default() });
/// let mut device = Boundary::new(Box::new(pendula));
/// let interface = device.interface().clone();
/// // The drives of this shot are far out of range: they are clamped and counted.
/// let inputs = DMatrix::from_element(interface.inputs.len(), 1, 1e3);
/// let middles = interface.parameters.banks().iter().flat_map(|bank| vec![bank.middle(); bank.count]);
/// let parameters = DVector::from_vec(middles.collect());
/// let mut outputs = DMatrix::zeros(interface.outputs.len(), 1);
/// device.measure(&inputs, &parameters, &mut outputs)?;
/// assert_eq!((device.shots(), device.clamped()), (1, 4));
/// # Ok::<(), twinprop_devices::DeviceError>(())
/// ```
pub struct Boundary {
    layer: Box<dyn PhysicalLayer>,
    inputs: DMatrix<f32>,
    parameters: DVector<f32>,
    parameters_of_each: DMatrix<f32>,
    counts: BoundaryCounts,
    /// `counts.shots`, for other threads.
    seen: ShotCounter,
    sampler: ShotSampler,
}

/// Counts of a [`Boundary`].
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, Serialize, Deserialize)]
pub struct BoundaryCounts {
    /// Shots played.
    pub shots: u64,
    /// Values sent to the device: the drives of every shot, and the parameters of every batch.
    pub values: u64,
    /// Values that were out of range and were clamped to its nearest end.
    pub clamped: u64,
}

/// A counter of the shots that a device has played, for other threads.
#[derive(Clone, Debug, Default)]
pub struct ShotCounter(Arc<AtomicU64>);

impl ShotCounter {
    /// Shots so far.
    #[must_use]
    pub fn shots(&self) -> u64 {
        self.0.load(Ordering::Relaxed)
    }
}

impl Boundary {
    /// A boundary in front of `layer`.
    #[must_use]
    pub fn new(layer: Box<dyn PhysicalLayer>) -> Self {
        Self {
            layer,
            inputs: DMatrix::zeros(0, 0),
            parameters: DVector::zeros(0),
            parameters_of_each: DMatrix::zeros(0, 0),
            counts: BoundaryCounts::default(),
            seen: ShotCounter::default(),
            sampler: ShotSampler::default(),
        }
    }

    /// Continues to count from `counts`, those of an earlier process.
    pub fn count_from(&mut self, counts: BoundaryCounts) {
        self.counts = counts;
        self.seen.0.store(counts.shots, Ordering::Relaxed);
    }

    /// The counts so far.
    #[must_use]
    pub fn counts(&self) -> BoundaryCounts {
        self.counts
    }

    /// A counter of the shots for another thread.
    #[must_use]
    pub fn counter(&self) -> ShotCounter {
        self.seen.clone()
    }

    /// A sampler of the shots for another thread.
    #[must_use]
    pub fn sampler(&self) -> ShotSampler {
        self.sampler.clone()
    }

    /// Values clamped so far, data and parameters together.
    #[must_use]
    pub fn clamped(&self) -> u64 {
        self.counts.clamped
    }

    /// Shots played so far.
    #[must_use]
    pub fn shots(&self) -> u64 {
        self.counts.shots
    }

    /// Adds the counts of shots that another simulation of the same device played within the same ranges.
    pub fn take_in(&mut self, played: BoundaryCounts) {
        let BoundaryCounts { shots, values, clamped } = &mut self.counts;
        *shots += played.shots;
        *values += played.values;
        *clamped += played.clamped;
        self.seen.0.store(self.counts.shots, Ordering::Relaxed);
    }

    /// Checks that the drives `inputs` `[n_inputs × shots]` and the `parameters` `[n_parameters × settings]` are finite and
    /// the measurements `outputs` `[n_outputs × shots]` in range.
    ///
    /// # Errors
    /// [`DeviceError::NonFiniteDrive`] or [`DeviceError::BadMeasurement`] for the first that is not.
    pub fn check(
        &self,
        inputs: &DMatrix<f32>,
        parameters: &[f32],
        outputs: &DMatrix<f32>,
    ) -> Result<(), DeviceError> {
        outside(self.interface(), &self.interface().inputs, inputs.as_slice())?;
        outside(self.interface(), &self.interface().parameters, parameters)?;
        raster::check_shots(self.interface(), Side::Drives, inputs.as_slice())?;
        check_measurements(self.interface(), outputs.as_slice())
    }

    /// Plays `inputs` at several settings `parameters` by `measure`, with both clamped first.
    fn measure_many(
        &mut self,
        inputs: &DMatrix<f32>,
        parameters: &DMatrix<f32>,
        outputs: &mut DMatrix<f32>,
        measure: impl FnOnce(
            &mut dyn PhysicalLayer,
            &DMatrix<f32>,
            &DMatrix<f32>,
            &mut DMatrix<f32>,
        ) -> Result<(), DeviceError>,
    ) -> Result<(), DeviceError> {
        let interface = self.layer.interface();
        let stray_inputs = outside(interface, &interface.inputs, inputs.as_slice())?;
        raster::check_shots(interface, Side::Drives, inputs.as_slice())?;
        let stray_parameters = outside(interface, &interface.parameters, parameters.as_slice())?;
        let (shots, values) = (inputs.ncols(), (inputs.len() + parameters.len()) as u64);
        let clamped = stray_inputs + stray_parameters;
        let inputs = clamped_to(&interface.inputs, stray_inputs, inputs, &mut self.inputs);
        let parameters = clamped_to(
            &interface.parameters,
            stray_parameters,
            parameters,
            &mut self.parameters_of_each,
        );
        measure(&mut *self.layer, inputs, parameters, outputs)?;
        self.sampler.offer(shots, inputs.as_slice(), outputs.as_slice());
        self.take_in(BoundaryCounts { shots: shots as u64, values, clamped });
        check_measurements(self.layer.interface(), outputs.as_slice())
    }

    /// Time that the shots played so far take on the device, in seconds.
    #[must_use]
    pub fn device_seconds(&self) -> f64 {
        #[expect(clippy::cast_precision_loss, reason = "2⁵² shots outlast any device")]
        let shots = self.counts.shots as f64;
        shots * self.interface().seconds_per_shot
    }
}

impl PhysicalLayer for Boundary {
    fn interface(&self) -> &Interface {
        self.layer.interface()
    }

    /// As [`PhysicalLayer::measure`], with drives and parameters clamped first.
    ///
    /// # Errors
    /// [`DeviceError::NonFiniteDrive`] before anything is played, and
    /// [`DeviceError::BadMeasurement`] for a measurement that is not finite or out of range.
    fn measure(
        &mut self,
        inputs: &DMatrix<f32>,
        parameters: &DVector<f32>,
        outputs: &mut DMatrix<f32>,
    ) -> Result<(), DeviceError> {
        let interface = self.layer.interface();
        let shots = interface.check_shapes(inputs, parameters, outputs)?;
        let stray_inputs = outside(interface, &interface.inputs, inputs.as_slice())?;
        raster::check_shots(interface, Side::Drives, inputs.as_slice())?;
        let stray_parameters = outside(interface, &interface.parameters, parameters.as_slice())?;
        let values = (inputs.len() + parameters.len()) as u64;
        let clamped = stray_inputs + stray_parameters;
        let inputs = clamped_to(&interface.inputs, stray_inputs, inputs, &mut self.inputs);
        let parameters =
            clamped_to(&interface.parameters, stray_parameters, parameters, &mut self.parameters);
        self.layer.measure(inputs, parameters, outputs)?;
        self.sampler.offer(shots, inputs.as_slice(), outputs.as_slice());
        self.take_in(BoundaryCounts { shots: shots as u64, values, clamped });
        check_measurements(self.layer.interface(), outputs.as_slice())
    }

    /// As [`PhysicalLayer::measure_each`], with drives and parameters clamped first; the parameters of
    /// every shot are counted.
    ///
    /// # Errors
    /// As for [`measure`](PhysicalLayer::measure).
    fn measure_each(
        &mut self,
        inputs: &DMatrix<f32>,
        parameters: &DMatrix<f32>,
        outputs: &mut DMatrix<f32>,
    ) -> Result<(), DeviceError> {
        self.layer.interface().check_shapes_of_each(inputs, parameters, outputs)?;
        self.measure_many(inputs, parameters, outputs, |layer, inputs, parameters, outputs| {
            layer.measure_each(inputs, parameters, outputs)
        })
    }

    /// As [`PhysicalLayer::measure_settings`], with drives and parameters clamped first; the parameters of every setting
    /// are counted.
    ///
    /// # Errors
    /// As for [`measure`](PhysicalLayer::measure).
    fn measure_settings(
        &mut self,
        inputs: &DMatrix<f32>,
        settings: &DMatrix<f32>,
        outputs: &mut DMatrix<f32>,
    ) -> Result<(), DeviceError> {
        let interface = self.layer.interface();
        interface.check_shapes_of_settings(inputs, settings, outputs)?;
        if !self.layer.plays_settings_at_once() {
            outside(interface, &interface.inputs, inputs.as_slice())?;
            raster::check_shots(interface, Side::Drives, inputs.as_slice())?;
            outside(interface, &interface.parameters, settings.as_slice())?;
            return measure_settings_in_turn(self, inputs, settings, outputs);
        }
        self.measure_many(inputs, settings, outputs, |layer, inputs, settings, outputs| {
            layer.measure_settings(inputs, settings, outputs)
        })
    }

    fn plays_settings_at_once(&self) -> bool {
        self.layer.plays_settings_at_once()
    }

    fn usage(&self) -> Usage {
        self.layer.usage()
    }

    fn resume(&mut self, usage: &Usage) {
        self.layer.resume(usage);
    }
}

/// How many of `run`, values of channels of `bank`, are out of range or not finite.
#[inline(always)]
fn strays_of(bank: &Bank, run: &[f32]) -> u64 {
    let (minimum, maximum) = (bank.minimum, bank.maximum);
    // Without a branch, and with 32-bit counts, as wide as the values, it becomes vectors.
    let inside = |value: f32| (minimum <= value) & (value <= maximum) & value.is_finite();
    let count = |run: &[f32]| run.iter().map(|value| u32::from(!inside(*value))).sum::<u32>();
    run.chunks(1 << 20).map(|run| u64::from(count(run))).sum()
}

/// How many of `values` (channels fastest) are out of range or not finite.
fn strays(channels: &Channels, values: &[f32]) -> u64 {
    vectorised(
        #[inline(always)]
        || match channels.banks() {
            // The shots are one run.
            [bank] => strays_of(bank, values),
            _ => {
                let shots = values.chunks(channels.len().max(1));
                let runs = shots.flat_map(|values| channels.runs(values));
                runs.map(|(bank, run)| strays_of(bank, run)).sum()
            }
        },
    )
}

/// The first of `values` (channels fastest) for which `is_wrong` holds, with its shot and its channel.
fn first_where<'a>(
    channels: &'a Channels,
    values: &[f32],
    is_wrong: impl Fn(f32, &Channel<'a>) -> bool,
) -> Option<(usize, f32, Channel<'a>)> {
    values.chunks(channels.len().max(1)).enumerate().find_map(|(shot, values)| {
        let mut of_channels = values.iter().copied().zip(channels.iter());
        let (value, channel) = of_channels.find(|(value, channel)| is_wrong(*value, channel))?;
        Some((shot, value, channel))
    })
}

/// How many of `values` (channels fastest) are out of range; a value that is not finite is an error.
fn outside(interface: &Interface, channels: &Channels, values: &[f32]) -> Result<u64, DeviceError> {
    let strays = strays(channels, values);
    let are_finite = || {
        vectorised(
            #[inline(always)]
            || values.iter().fold(true, |all, value| all & value.is_finite()),
        )
    };
    if strays > 0
        && !are_finite()
        && let Some((shot, value, channel)) =
            first_where(channels, values, |value, _| !value.is_finite())
    {
        return Err(DeviceError::NonFiniteDrive {
            device: interface.device.clone(),
            channel: channel.to_string(),
            shot,
            value,
        });
    }
    Ok(strays)
}

/// `values` if none of them is out of range (`strays` is 0), else a clamped copy of them in `copy`.
fn clamped_to<'a, C: Dim>(
    channels: &Channels,
    strays: u64,
    values: &'a Matrix<f32, Dyn, C, VecStorage<f32, Dyn, C>>,
    copy: &'a mut Matrix<f32, Dyn, C, VecStorage<f32, Dyn, C>>,
) -> &'a Matrix<f32, Dyn, C, VecStorage<f32, Dyn, C>> {
    if strays == 0 {
        return values;
    }
    copy.clone_from(values);
    clamp(channels, copy.as_mut_slice());
    copy
}

/// Clamps `run`, values of channels of `bank`.
#[inline(always)]
fn clamp_run(bank: &Bank, run: &mut [f32]) {
    run.iter_mut().for_each(|value| *value = value.clamp(bank.minimum, bank.maximum));
}

/// Clamps `values` (channels fastest) to their ranges.
pub(crate) fn clamp(channels: &Channels, values: &mut [f32]) {
    vectorised(
        #[inline(always)]
        || match channels.banks() {
            [bank] => clamp_run(bank, values),
            _ => {
                for values in values.chunks_mut(channels.len().max(1)) {
                    channels.runs_mut(values).for_each(|(bank, run)| clamp_run(bank, run));
                }
            }
        },
    );
}

fn check_measurements(interface: &Interface, values: &[f32]) -> Result<(), DeviceError> {
    let channels = &interface.outputs;
    if strays(channels, values) > 0 {
        let is_outside = |value: f32, channel: &Channel| {
            !(channel.minimum..=channel.maximum).contains(&value) || !value.is_finite()
        };
        if let Some((shot, value, channel)) = first_where(channels, values, is_outside) {
            return Err(DeviceError::BadMeasurement {
                device: interface.device.clone(),
                channel: channel.to_string(),
                unit: channel.unit.to_owned(),
                shot,
                value,
                minimum: channel.minimum,
                maximum: channel.maximum,
            });
        }
    }
    raster::check_shots(interface, Side::Readings, values)
}
