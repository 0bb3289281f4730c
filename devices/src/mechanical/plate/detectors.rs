//! The two ways to read a plate: the velocity at one point, or the envelope of each mode.

use super::modes::Propagator;
use crate::lanes::{LANES, Lane, ZERO, add_scaled};
use crate::saturation::Saturation;
use crate::waveform::Sampling;

/// Readings reach from minus to plus full scale.
pub(super) const FULL_SCALE: f32 = 1.0;
/// The converter behind a detector.
pub(super) const SATURATION: Saturation = Saturation::at(FULL_SCALE);
/// ε: reading of a modal detector at rest.
pub(super) const DETECTOR_FLOOR: f32 = 1e-3;

/// A detector of a plate's motion, and its adjoint. Velocities are those of the modes after a step.
pub(super) trait Detector {
    /// Updates the detector after a step.
    fn follow(&mut self, velocities: &[Lane]);

    /// Takes reading `reading`; the detector is up to date.
    fn read(&mut self, reading: usize, velocities: &[Lane], outputs: &mut [Lane]);

    /// Pulls the cotangents of reading `reading` back: adds those of the velocities at its instant, and of
    /// each mode's pickup factor.
    fn pull_back(
        &mut self,
        reading: usize,
        readings: &Readings<'_>,
        velocities: &[Lane],
        of_velocities: &mut [Lane],
        of_pickups: &mut [Lane],
    );

    /// Adds the cotangents of the velocities of a step within the window of the reading that was pulled
    /// back last.
    fn pull_back_step(&self, velocities: &[Lane], of_velocities: &mut [Lane]);
}

/// Readings before the converter, and the cotangents of those behind it.
pub(super) struct Readings<'a> {
    pub values: &'a [Lane],
    pub cotangents: &'a [Lane],
}

impl Readings<'_> {
    /// Cotangent of the reading in `place`, before the converter.
    #[inline(always)]
    fn cotangent(&self, place: usize) -> Lane {
        let (readings, mut cotangent) = (&self.values[place], self.cotangents[place]);
        for lane in 0..LANES {
            cotangent[lane] = SATURATION.pull_back(readings[lane], cotangent[lane]);
        }
        cotangent
    }
}

/// The velocity at one point, G Σ_m ψ_m q̇_m.
pub(super) struct Pickup<'a> {
    modes: &'a [Propagator],
    gains: &'a [f32],
}

impl<'a> Pickup<'a> {
    /// Reads `modes` with the gains `gains`, one a mode.
    #[inline(always)]
    pub fn new(modes: &'a [Propagator], gains: &'a [f32]) -> Self {
        Self { modes, gains }
    }
}

impl Detector for Pickup<'_> {
    #[inline(always)]
    fn follow(&mut self, _velocities: &[Lane]) {}

    #[inline(always)]
    fn read(&mut self, reading: usize, velocities: &[Lane], outputs: &mut [Lane]) {
        let mut y = ZERO;
        for ((mode, gain), v) in self.modes.iter().zip(self.gains).zip(velocities) {
            add_scaled(&mut y, gain * mode.pickup, v);
        }
        outputs[reading] = y;
    }

    #[inline(always)]
    fn pull_back(
        &mut self,
        reading: usize,
        readings: &Readings<'_>,
        velocities: &[Lane],
        of_velocities: &mut [Lane],
        of_pickups: &mut [Lane],
    ) {
        let cotangent = readings.cotangent(reading);
        let modes = self.modes.iter().zip(self.gains).zip(velocities);
        for (((mode, gain), &v), (of_v, of_pickup)) in
            modes.zip(of_velocities.iter_mut().zip(of_pickups))
        {
            add_scaled(of_v, gain * mode.pickup, &cotangent);
            for lane in 0..LANES {
                of_pickup[lane] += gain * v[lane] * cotangent[lane];
            }
        }
    }

    #[inline(always)]
    fn pull_back_step(&self, _velocities: &[Lane], _of_velocities: &mut [Lane]) {}
}

/// The root mean square of each mode's velocity over windows, √(G_m² ⟨q̇_m²⟩_k + ε²).
pub(super) struct ModalEnvelopes<'a> {
    modes: &'a [Propagator],
    gains: &'a [f32],
    sampling: Sampling,
    /// Forward: the sum of each mode's squared velocity over the window. Backward: the factor from a
    /// mode's velocity to its cotangent in the window.
    of_window: Vec<Lane>,
}

impl<'a> ModalEnvelopes<'a> {
    /// Reads `modes` with the gains `gains`, one a mode, in the windows of `sampling`.
    #[inline(always)]
    pub fn new(modes: &'a [Propagator], gains: &'a [f32], sampling: Sampling) -> Self {
        Self { modes, gains, sampling, of_window: vec![ZERO; modes.len()] }
    }
}

impl Detector for ModalEnvelopes<'_> {
    #[inline(always)]
    fn follow(&mut self, velocities: &[Lane]) {
        // Lanes are copied here and below, so that the compiler knows that none is written while it is read.
        for (square, &v) in self.of_window.iter_mut().zip(velocities) {
            for lane in 0..LANES {
                square[lane] += v[lane] * v[lane];
            }
        }
    }

    #[inline(always)]
    fn read(&mut self, reading: usize, _velocities: &[Lane], outputs: &mut [Lane]) {
        let windows = self.sampling.readings();
        let per_step = 1.0 / self.sampling.steps_before(reading) as f32;
        for (m, sum) in self.of_window.iter_mut().enumerate() {
            let factor = (self.gains[m] * self.modes[m].pickup).powi(2) * per_step;
            let (square, output) =
                (std::mem::replace(sum, ZERO), &mut outputs[m * windows + reading]);
            for lane in 0..LANES {
                let power = factor * square[lane];
                output[lane] = (power + DETECTOR_FLOOR.powi(2)).sqrt();
            }
        }
    }

    #[inline(always)]
    fn pull_back(
        &mut self,
        reading: usize,
        readings: &Readings<'_>,
        _velocities: &[Lane],
        _of_velocities: &mut [Lane],
        of_pickups: &mut [Lane],
    ) {
        let windows = self.sampling.readings();
        let per_step = 1.0 / self.sampling.steps_before(reading) as f32;
        for (m, mode) in self.modes.iter().enumerate() {
            let place = m * windows + reading;
            let cotangent = readings.cotangent(place);
            let factor = (self.gains[m] * mode.pickup).powi(2) * per_step;
            let (y, of_pickup) = (readings.values[place], &mut of_pickups[m]);
            for lane in 0..LANES {
                self.of_window[m][lane] = factor * cotangent[lane] / y[lane];
            }
            for lane in 0..LANES {
                let of_gain = y[lane] - DETECTOR_FLOOR.powi(2) / y[lane];
                of_pickup[lane] += cotangent[lane] * of_gain / mode.pickup;
            }
        }
    }

    #[inline(always)]
    fn pull_back_step(&self, velocities: &[Lane], of_velocities: &mut [Lane]) {
        for ((&factor, &v), of) in self.of_window.iter().zip(velocities).zip(of_velocities) {
            for lane in 0..LANES {
                of[lane] += factor[lane] * v[lane];
            }
        }
    }
}
