//! A look at a shot now and then, from another thread.

use std::sync::atomic::{AtomicBool, Ordering};
use std::sync::{Arc, Mutex, MutexGuard, PoisonError};

/// Drives and readings of one shot.
#[derive(Clone, Debug, Default, PartialEq)]
pub struct SampledShot {
    /// The drives as they were played, clamped, in device units.
    pub drives: Vec<f32>,
    /// The readings, in device units.
    pub readings: Vec<f32>,
}

/// Gets single shots out of a [`Boundary`](crate::Boundary) while another thread plays it. A batch of which no shot is
/// wanted costs one load of a flag.
///
/// ```
/// use twinprop_devices::nalgebra::{DMatrix, DVector};
/// use twinprop_devices::mechanical::{Pendula, PendulaConfig};
/// use twinprop_devices::{Boundary, PhysicalLayer};
///
/// let pendula = Pendula::nominal(&PendulaConfig { count: 2, ..Default::default() });
/// let mut device = Boundary::new(Box::new(pendula));
/// let (drives, settings) = (DMatrix::zeros(2, 3), DVector::zeros(device.interface().parameters.len()));
/// let mut readings = DMatrix::zeros(device.interface().outputs.len(), 3);
/// let sampler = device.sampler();
/// device.measure(&drives, &settings, &mut readings)?;
/// assert_eq!(sampler.take(), None);
/// sampler.request();
/// device.measure(&drives, &settings, &mut readings)?;
/// assert_eq!(sampler.take().unwrap().readings, readings.column(2).as_slice());
/// # Ok::<(), twinprop_devices::DeviceError>(())
/// ```
#[derive(Clone, Debug, Default)]
pub struct ShotSampler(Arc<Slot>);

#[derive(Debug, Default)]
struct Slot {
    is_wanted: AtomicBool,
    shot: Mutex<Option<SampledShot>>,
}

impl ShotSampler {
    /// Asks for the last shot of the next batch.
    pub fn request(&self) {
        self.0.is_wanted.store(true, Ordering::Relaxed);
    }

    /// The shot that was asked for; `None` if no batch has been played since.
    #[must_use]
    pub fn take(&self) -> Option<SampledShot> {
        self.shot().take()
    }

    /// Keeps the last of the shots in `drives` `[n_inputs × shots]` and `readings` `[n_outputs × shots]`, column after
    /// column, if one is wanted.
    pub(crate) fn offer(&self, shots: usize, drives: &[f32], readings: &[f32]) {
        if shots == 0 || !self.0.is_wanted.load(Ordering::Relaxed) {
            return;
        }
        self.0.is_wanted.store(false, Ordering::Relaxed);
        let last = |values: &[f32]| values[values.len() - values.len() / shots..].to_vec();
        *self.shot() = Some(SampledShot { drives: last(drives), readings: last(readings) });
    }

    fn shot(&self) -> MutexGuard<'_, Option<SampledShot>> {
        // A shot is whole or absent, also after a panic.
        self.0.shot.lock().unwrap_or_else(PoisonError::into_inner)
    }
}
