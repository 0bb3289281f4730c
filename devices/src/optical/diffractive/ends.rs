//! The ends of a network: light leaves the modulator, and arrives at the camera.

use super::fourier::Wave;
use super::stack::Diffractive;
use crate::lanes::{LANES, ZERO};

impl Diffractive {
    /// The `field` behind the modulator at the drives of a block of shots; light is dark in lanes without a shot.
    #[inline(always)]
    pub(super) fn launch(&self, inputs: &[f32], field: &mut [Wave]) {
        let window = self.modulator;
        field.fill(Wave::ZERO);
        for row in 0..window.blocks {
            for column in 0..window.blocks {
                let mut amplitude = ZERO;
                let shots = inputs.chunks_exact(window.blocks * window.blocks);
                for (amplitude, shot) in amplitude.iter_mut().zip(shots) {
                    *amplitude = shot[row * window.blocks + column];
                }
                for y in window.places(row) {
                    for x in window.places(column) {
                        field[y * self.grid.side + x].re = amplitude;
                    }
                }
            }
        }
    }

    /// Cotangents of the drives from those of the `field` behind the modulator.
    #[inline(always)]
    pub(super) fn launch_back(&self, field: &[Wave], of_inputs: &mut [f32]) {
        let window = self.modulator;
        for row in 0..window.blocks {
            for column in 0..window.blocks {
                let mut sum = ZERO;
                for y in window.places(row) {
                    for x in window.places(column) {
                        let re = &field[y * self.grid.side + x].re;
                        sum.iter_mut().zip(re).for_each(|(sum, re)| *sum += re);
                    }
                }
                let shots = of_inputs.chunks_exact_mut(window.blocks * window.blocks);
                for (shot, sum) in shots.zip(sum) {
                    shot[row * window.blocks + column] = sum;
                }
            }
        }
    }

    /// What bins of the sensitivity 1 read of `field`, for the shots of a block.
    #[inline(always)]
    pub(super) fn detect(&self, field: &[Wave], readings: &mut [f32]) {
        let bins = self.camera.blocks * self.camera.blocks;
        let share = self.share();
        for bin in 0..bins {
            let mut sum = ZERO;
            self.each_pixel(
                bin,
                #[inline(always)]
                |pixel| {
                    let Wave { re, im } = &field[pixel];
                    for lane in 0..LANES {
                        sum[lane] += re[lane] * re[lane] + im[lane] * im[lane];
                    }
                },
            );
            for (shot, sum) in readings.chunks_exact_mut(bins).zip(sum) {
                shot[bin] = share * sum;
            }
        }
    }

    /// Cotangents `of_field` of the `field` at the camera from those of what [`detect`](Self::detect) reads.
    #[inline(always)]
    pub(super) fn detect_back(&self, of_readings: &[f32], field: &[Wave], of_field: &mut [Wave]) {
        let bins = self.camera.blocks * self.camera.blocks;
        let share = 2.0 * self.share();
        of_field.fill(Wave::ZERO);
        for bin in 0..bins {
            let mut scale = ZERO;
            for (scale, shot) in scale.iter_mut().zip(of_readings.chunks_exact(bins)) {
                *scale = share * shot[bin];
            }
            self.each_pixel(
                bin,
                #[inline(always)]
                |pixel| {
                    let (field, of_field) = (&field[pixel], &mut of_field[pixel]);
                    for (lane, scale) in scale.iter().enumerate() {
                        of_field.re[lane] = scale * field.re[lane];
                        of_field.im[lane] = scale * field.im[lane];
                    }
                },
            );
        }
    }

    /// Reading per intensity of one of a bin's pixels.
    fn share(&self) -> f32 {
        self.gain / (self.camera.block * self.camera.block) as f32
    }

    #[inline(always)]
    fn each_pixel(&self, bin: usize, mut visit: impl FnMut(usize)) {
        let camera = self.camera;
        for y in camera.places(bin / camera.blocks) {
            for x in camera.places(bin % camera.blocks) {
                visit(y * self.grid.side + x);
            }
        }
    }
}
