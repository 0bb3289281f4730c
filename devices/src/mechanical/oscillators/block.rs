//! The integration of a block of shots.

use super::Oscillators;
use crate::elementary::{sin, sin_cos, vectorised};
use crate::matrix_product::multiply;
use crate::mechanical::nystrom::{STAGE, is_used, slot, slots};

/// A block of shots during its integration: the state, and the activations saved for the adjoint. Each is
/// a padded column a shot.
pub(super) struct Block<'a> {
    device: &'a Oscillators,
    matrix: &'a [f32],
    /// Rows · shots.
    size: usize,
    pub angle: Vec<f32>,
    velocity: Vec<f32>,
    accelerations: [Vec<f32>; 4],
    /// sin((1 + η) Q) of every slot, side by side; of the current slot alone where nothing is saved.
    pub sines: Vec<f32>,
    /// d sin((1 + η) Q) / d Q of every slot; empty where nothing is saved.
    slopes: Vec<f32>,
    /// Q of every slot; empty unless saved.
    angles: Vec<f32>,
}

/// Which activations an integration saves.
#[derive(Clone, Copy, PartialEq, Eq)]
pub(super) enum Save {
    /// None: only the final angles are needed.
    Nothing,
    /// Sines and slopes, for the cotangents of drives and parameters.
    Slopes,
    /// Also the angles, for the cotangent of η.
    Angles,
}

impl<'a> Block<'a> {
    /// The shots `inputs` at rest at their initial angles; `matrix` is A and e.
    pub fn new(device: &'a Oscillators, matrix: &'a [f32], inputs: &[f32], save: Save) -> Self {
        let angle = device.padded(inputs);
        let size = angle.len();
        let saved = slots(device.steps) * size;
        let zeros = || vec![0.0; size];
        Self {
            device,
            matrix,
            size,
            angle,
            velocity: zeros(),
            accelerations: [zeros(), zeros(), zeros(), zeros()],
            sines: device.buffers.buffer(if save == Save::Nothing { size } else { saved }),
            slopes: device.buffers.buffer(if save == Save::Nothing { 0 } else { saved }),
            angles: vec![0.0; if save == Save::Angles { saved } else { 0 }],
        }
    }

    /// Integrates to the end of the evolution time.
    pub fn integrate(&mut self) {
        for step in 0..self.device.steps {
            for stage in 0..4 {
                if (step, stage) == (0, 1) {
                    let (first, others) = self.accelerations.split_at_mut(1);
                    others[0].copy_from_slice(&first[0]);
                } else if is_used(step, stage, self.device.steps) {
                    self.accelerate(step, stage);
                }
            }
            self.advance();
        }
    }

    /// The acceleration of stage `stage`, with its sines and slopes.
    fn accelerate(&mut self, step: usize, stage: usize) {
        let (h, bend, size) = (self.device.step, self.device.bend, self.size);
        let saves = !self.slopes.is_empty();
        let first = if saves { slot(step, stage) * size } else { 0 };
        let sines = &mut self.sines[first..first + size];
        let (of_velocity, of_acceleration) = (STAGE[stage].0 * h, STAGE[stage].1 * h * h);
        let before = &self.accelerations[stage.saturating_sub(2)];
        let angles = self.angle.iter().zip(&self.velocity).zip(before).map(
            #[inline(always)]
            |((q, p), a)| q + of_velocity * p + of_acceleration * a,
        );
        if !self.angles.is_empty() {
            let saved = &mut self.angles[first..first + size];
            saved.iter_mut().zip(angles.clone()).for_each(|(saved, angle)| *saved = angle);
        }
        if saves {
            let slopes = &mut self.slopes[first..first + size];
            vectorised(
                #[inline(always)]
                || {
                    for ((sine, slope), angle) in sines.iter_mut().zip(slopes).zip(angles) {
                        let (s, c) = sin_cos(bend * angle);
                        (*sine, *slope) = (s, bend * c);
                    }
                },
            );
        } else {
            vectorised(
                #[inline(always)]
                || {
                    for (sine, angle) in sines.iter_mut().zip(angles) {
                        *sine = sin(bend * angle);
                    }
                },
            );
        }
        let Oscillators { count, rows, .. } = *self.device;
        for shot in sines.chunks_exact_mut(rows) {
            shot[count] = 1.0;
        }
        multiply(&mut self.accelerations[stage], self.matrix, sines, rows, rows);
    }

    /// The step from the four accelerations.
    fn advance(&mut self) {
        let h = self.device.step;
        let [a1, a2, a3, a4] = &self.accelerations;
        let state = self.angle.iter_mut().zip(&mut self.velocity);
        let accelerations = a1.iter().zip(a2).zip(a3.iter().zip(a4));
        vectorised(
            #[inline(always)]
            || {
                for ((q, p), ((a1, a2), (a3, a4))) in state.zip(accelerations) {
                    *q += h * *p + h * h / 6.0 * (a1 + a2 + a3);
                    *p += h / 6.0 * (a1 + 2.0 * (a2 + a3) + a4);
                }
            },
        );
    }

    /// The saved activations.
    pub fn saved(self) -> Saved {
        Saved { size: self.size, sines: self.sines, slopes: self.slopes, angles: self.angles }
    }
}

/// The saved activations of a [`Block`].
pub(super) struct Saved {
    pub size: usize,
    pub sines: Vec<f32>,
    pub slopes: Vec<f32>,
    pub angles: Vec<f32>,
}
