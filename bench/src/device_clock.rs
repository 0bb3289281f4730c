//! When devices play: a clock in front of a network's devices, or of stand-ins that take their time elsewhere.

use std::mem::replace;
use std::sync::{Arc, Mutex, PoisonError};
use std::time::{Duration, Instant};

use nalgebra::{DMatrix, DVector};
use twinprop::devices::{Boundary, DeviceError, Interface, PhysicalLayer};
use twinprop::network::Laboratory;

/// From when to when devices played.
#[derive(Clone, Default)]
pub struct DeviceClock(Arc<Mutex<Vec<(Instant, Instant)>>>);

impl DeviceClock {
    /// Puts the clock in front of every device of `laboratory`; if `takes` says how long a shot
    /// takes, with something in the device's place that takes as long and leaves the processor alone.
    pub fn install(&self, laboratory: &mut Laboratory, takes: Option<Duration>) {
        for instrument in &mut laboratory.instruments {
            let elsewhere = Elsewhere {
                interface: instrument.device.interface().clone(),
                takes: takes.unwrap_or_default(),
                owed: 0.0,
            };
            let elsewhere = self.in_front_of(Boundary::new(Box::new(elsewhere)));
            let device = replace(&mut instrument.device, elsewhere);
            if takes.is_none() {
                instrument.device = self.in_front_of(device);
            }
        }
    }

    /// From when to when the devices played, measurement by measurement.
    #[must_use]
    pub fn played(&self) -> Vec<(Instant, Instant)> {
        self.0.lock().unwrap_or_else(PoisonError::into_inner).clone()
    }

    /// How long the devices have played since `start`.
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

/// Something elsewhere that takes its time.
struct Elsewhere {
    interface: Interface,
    takes: Duration,
    /// Seconds that it should have taken and has not, below zero where it has taken more: a sleep is never
    /// as long as it should be.
    owed: f64,
}

impl PhysicalLayer for Elsewhere {
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
