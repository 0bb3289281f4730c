//! The ends of a network: light leaves the modulator, and arrives at the camera.

use pulp::Simd;

use super::stack::Diffractive;
use super::wave::{Wave, parts};
use crate::lanes::ZERO;

impl Diffractive {
    /// The `field` behind the modulator at the drives of a block of shots; light is dark in lanes without a shot.
    #[inline(always)]
    pub(super) fn launch(&self, inputs: &[f32], field: &mut [Wave]) {
        let drives = self.modulator.count();
        field.fill(Wave::ZERO);
        for drive in 0..drives {
            let mut amplitude = ZERO;
            for (amplitude, shot) in amplitude.iter_mut().zip(inputs.chunks_exact(drives)) {
                *amplitude = shot[drive];
            }
            self.modulator.each_pixel(
                drive,
                #[inline(always)]
                |pixel| field[pixel].re = amplitude,
            );
        }
    }

    /// Cotangents of the drives from those of the `field` behind the modulator.
    #[inline(always)]
    pub(super) fn launch_back<S: Simd>(&self, simd: S, field: &[Wave], of_inputs: &mut [f32]) {
        let drives = self.modulator.count();
        for drive in 0..drives {
            let mut sum = ZERO;
            self.modulator.each_pixel(
                drive,
                #[inline(always)]
                |pixel| {
                    let sums = S::as_mut_simd_f32s(&mut sum).0.iter_mut();
                    let values = S::as_simd_f32s(&field[pixel].re).0;
                    for (sum, re) in sums.zip(values) {
                        *sum = simd.add_f32s(*sum, *re);
                    }
                },
            );
            for (shot, sum) in of_inputs.chunks_exact_mut(drives).zip(sum) {
                shot[drive] = sum;
            }
        }
    }

    /// What bins of the sensitivity 1 read of `field`, for the shots of a block.
    #[inline(always)]
    pub(super) fn detect<S: Simd>(&self, simd: S, field: &[Wave], readings: &mut [f32]) {
        let bins = self.camera.count();
        let share = self.share();
        for bin in 0..bins {
            let mut sum = ZERO;
            self.camera.each_pixel(
                bin,
                #[inline(always)]
                |pixel| {
                    for part in 0..parts::<S>() {
                        let sum = &mut S::as_mut_simd_f32s(&mut sum).0[part];
                        *sum = simd.add_f32s(*sum, field[pixel].load::<S>(part).power(simd));
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
    pub(super) fn detect_back<S: Simd>(
        &self,
        simd: S,
        of_readings: &[f32],
        field: &[Wave],
        of_field: &mut [Wave],
    ) {
        let bins = self.camera.count();
        let share = 2.0 * self.share();
        of_field.fill(Wave::ZERO);
        for bin in 0..bins {
            let mut scale = ZERO;
            for (scale, shot) in scale.iter_mut().zip(of_readings.chunks_exact(bins)) {
                *scale = share * shot[bin];
            }
            self.camera.each_pixel(
                bin,
                #[inline(always)]
                |pixel| {
                    let (field, of_field) = (&field[pixel], &mut of_field[pixel]);
                    for (part, scale) in S::as_simd_f32s(&scale).0.iter().enumerate() {
                        of_field.store(part, field.load::<S>(part).scaled(simd, *scale));
                    }
                },
            );
        }
    }

    /// Reading per intensity of one of a bin's pixels.
    fn share(&self) -> f32 {
        self.gain / (self.camera.block * self.camera.block) as f32
    }
}
