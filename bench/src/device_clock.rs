//! Times of devices' measurements: a clock in front of a network's devices, or of stand-ins for remote devices.

use std::mem::replace;
use std::sync::{Arc, Mutex, PoisonError};
use std::time::{Duration, Instant};

use nalgebra::{DMatrix, DVector};
use twinprop::devices::{Boundary, DeviceError, Interface, PhysicalLayer};
use twinprop::network::Laboratory;

/// Start and end of each measurement.
#[derive(Clone, Default)]
pub struct DeviceClock(Arc<Mutex<Vec<(Instant, Instant)>>>);

impl DeviceClock {
    /// Puts the clock in front of every device of `laboratory`. If `takes` is given, replaces each device by a
    /// stand-in that sleeps for this time per shot.
    pub fn install(&self, laboratory: &mut Laboratory, takes: Option<Duration>) {
        for instrument in &mut laboratory.instruments {
            let stand_in = StandIn {
                interface: instrument.device.interface().clone(),
                takes: takes.unwrap_or_default(),
                owed: 0.0,
            };
            let stand_in = self.in_front_of(Boundary::new(Box::new(stand_in)));
            let device = replace(&mut instrument.device, stand_in);
            if takes.is_none() {
                instrument.device = self.in_front_of(device);
            }
        }
    }

    /// Returns start and end of each measurement.
    #[must_use]
    pub fn played(&self) -> Vec<(Instant, Instant)> {
        self.0.lock().unwrap_or_else(PoisonError::into_inner).clone()
    }

    /// Returns the time that the devices have measured since `start`.
    #[must_use]
    pub fn busy_since(&self, start: Instant) -> Duration {
        let played = self.played().into_iter();
        played.filter(|&(from, _)| from >= start).map(|(from, to)| to - from).sum()
    }

    fn in_front_of(&self, device: Boundary) -> Boundary {
        Boundary::new(Box::new(Clocked { device, clock: self.clone() }))
    }
}

/// A device behind the clock.
struct Clocked {
    device: Boundary,
    clock: DeviceClock,
}

impl PhysicalLayer for Clocked {
    fn interface(&self) -> &Interface {
        self.device.interface()
    }

    fn measure(
        &mut self,
        inputs: &DMatrix<f32>,
        parameters: &DVector<f32>,
        outputs: &mut DMatrix<f32>,
    ) -> Result<(), DeviceError> {
        let start = Instant::now();
        self.device.measure(inputs, parameters, outputs)?;
        let mut played = self.clock.0.lock().unwrap_or_else(PoisonError::into_inner);
        played.push((start, Instant::now()));
        Ok(())
    }
}

/// A stand-in for a remote device, which computes nothing and sleeps.
struct StandIn {
    interface: Interface,
    /// Time of a shot.
    takes: Duration,
    /// Seconds to sleep that are still owed; negative after sleeps that were too long, as sleeps are never exact.
    owed: f64,
}

impl PhysicalLayer for StandIn {
    fn interface(&self) -> &Interface {
        &self.interface
    }

    fn measure(
        &mut self,
        inputs: &DMatrix<f32>,
        _: &DVector<f32>,
        outputs: &mut DMatrix<f32>,
    ) -> Result<(), DeviceError> {
        let start = Instant::now();
        for (mut reading, drive) in outputs.column_iter_mut().zip(inputs.column_iter()) {
            let phase = drive.sum();
            for ((place, value), channel) in
                reading.iter_mut().enumerate().zip(self.interface.outputs.iter())
            {
                let share = 0.5 + 0.2 * (phase + place as f32).sin();
                *value = channel.minimum + share * channel.span();
            }
        }
        self.owed += inputs.ncols() as f64 * self.takes.as_secs_f64();
        let left = self.owed - start.elapsed().as_secs_f64();
        std::thread::sleep(Duration::from_secs_f64(left.max(0.0)));
        self.owed -= start.elapsed().as_secs_f64();
        Ok(())
    }
}
