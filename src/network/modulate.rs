//! Complex features as the drives of modulators, in whatever parts a device takes its complex amplitudes.

use std::f32::consts::PI;

use burn::tensor::{Device, IndexingUpdateOp, Int, Tensor};
use twinprop_calibration::bridge::from_vec;
use twinprop_devices::Channels;

use super::{BatchPosition, Cotangents, DigitalStage, Wanted};

/// Features x_k = f_k + i f_{C+k}, k < C, as normalised drives of complex channels, cyclically:
///
/// ```text
/// z = s x_k                                    a share of the largest amplitude
/// (Re z, Im z)                                 to in-phase and quadrature parts
/// (2 |z| − 1, arg z / π)                       to amplitude and phase
/// ```
///
/// each clamped to [−1, 1]. Phases are kept: s is positive, and the same for both parts.
pub struct Modulate {
    kind: &'static str,
    is_polar: bool,
    /// Features with the real and the imaginary part of each complex channel.
    real: Tensor<1, Int>,
    imaginary: Tensor<1, Int>,
    /// s of each complex channel, `[1, complex channels]`.
    share: Tensor<2>,
    /// Place of each drive among all first and then all second parts, and the reverse.
    order: Tensor<1, Int>,
    back: Tensor<1, Int>,
}

/// Square of the smallest amplitude that has a phase.
const DARK: f32 = 1e-24;

impl Modulate {
    /// Features whose amplitudes go up to `largest`, one a complex feature, each onto the whole range of its channels.
    /// `channels` are a shot's drives, of `shots` shots. `None` unless they are complex amplitudes in one form.
    #[must_use]
    pub fn encode(
        channels: &Channels,
        shots: usize,
        largest: &[f32],
        device: &Device,
    ) -> Option<Self> {
        let share = |feature: usize, _range: f32| match largest[feature] {
            largest if largest > 0.0 => largest.recip(),
            _ => 0.0,
        };
        Self::new("encode", channels, shots, largest.len(), &share, device)
    }

    /// `features` complex features in the unit of the drives, which nothing rescales.
    #[must_use]
    pub fn wire(
        channels: &Channels,
        shots: usize,
        features: usize,
        device: &Device,
    ) -> Option<Self> {
        Self::new("wire", channels, shots, features, &|_feature, range| range.recip(), device)
    }

    fn new(
        kind: &'static str,
        channels: &Channels,
        shots: usize,
        features: usize,
        share: &dyn Fn(usize, f32) -> f32,
        device: &Device,
    ) -> Option<Self> {
        let banks = channels.complex_banks();
        let is_polar = banks.first()?.is_polar;
        let slots: usize = banks.iter().map(|bank| bank.first.len()).sum();
        if 2 * slots != channels.len() || banks.iter().any(|bank| bank.is_polar != is_polar) {
            return None;
        }
        let all = (slots * shots) as i64;
        // The complex channel of each drive, and whether the drive is its second part.
        let mut order = vec![0; 2 * slots * shots];
        let mut shares = Vec::with_capacity(slots * shots);
        for shot in 0..shots {
            let mut slot = (shot * slots) as i64;
            for bank in &banks {
                for (first, second) in bank.first.clone().zip(bank.second.clone()) {
                    order[2 * slots * shot + first] = slot;
                    order[2 * slots * shot + second] = all + slot;
                    shares.push(share(slot as usize % features, bank.largest()));
                    slot += 1;
                }
            }
        }
        let mut back = vec![0; order.len()];
        for (drive, place) in (0..).zip(&order) {
            back[*place as usize] = drive;
        }
        let places = |values: Vec<i64>| Tensor::<1, Int>::from_data(values.as_slice(), device);
        let real: Tensor<1, Int> = Tensor::arange(0..all, device).remainder_scalar(features as i64);
        Some(Self {
            kind,
            is_polar,
            imaginary: real.clone() + features as i64,
            real,
            share: from_vec(shares, [1, slots * shots], device),
            order: places(order),
            back: places(back),
        })
    }

    /// z of each complex channel, `[batch, complex channels]`: real and imaginary parts.
    fn amplitudes(&self, x: &Tensor<2>) -> [Tensor<2>; 2] {
        [&self.real, &self.imaginary]
            .map(|place| x.clone().select(1, place.clone()) * self.share.clone())
    }
}

impl DigitalStage for Modulate {
    fn kind(&self) -> &'static str {
        self.kind
    }

    fn forward(&self, x: &Tensor<2>, _position: Option<BatchPosition>) -> Tensor<2> {
        let [real, imaginary] = self.amplitudes(x);
        let parts = if self.is_polar {
            let amplitude = (real.clone().square() + imaginary.clone().square()).sqrt();
            vec![amplitude * 2.0 - 1.0, imaginary.atan2(real) / PI]
        } else {
            vec![real, imaginary]
        };
        Tensor::cat(parts, 1).clamp(-1.0, 1.0).select(1, self.order.clone())
    }

    fn vjp(
        &self,
        x: &Tensor<2>,
        dy: Tensor<2>,
        _wanted: Wanted,
        _position: Option<BatchPosition>,
    ) -> Cotangents {
        let [real, imaginary] = self.amplitudes(x);
        let parts = dy.select(1, self.back.clone());
        let slots = real.dims()[1];
        let [first, second] = [0, slots].map(|start| parts.clone().narrow(1, start, slots));
        let [of_real, of_imaginary] = if self.is_polar {
            let power = (real.clone().square() + imaginary.clone().square()).clamp_min(DARK);
            let clipped = power.clone().greater_scalar(1.0);
            // Along the amplitude, and across it, each divided by the amplitude.
            let along = first.mask_fill(clipped, 0.0) * 2.0 / power.clone().sqrt();
            let across = second / PI / power;
            [
                along.clone() * real.clone() - across.clone() * imaginary.clone(),
                along * imaginary + across * real,
            ]
        } else {
            let open =
                |of: Tensor<2>, part: Tensor<2>| of.mask_fill(part.abs().greater_scalar(1.0), 0.0);
            [open(first, real), open(second, imaginary)]
        };
        let dx = x
            .zeros_like()
            .select_assign(
                1,
                self.real.clone(),
                of_real * self.share.clone(),
                IndexingUpdateOp::Add,
            )
            .select_assign(
                1,
                self.imaginary.clone(),
                of_imaginary * self.share.clone(),
                IndexingUpdateOp::Add,
            );
        Cotangents::of_input(dx)
    }

    fn multiply_adds(&self) -> u64 {
        2 * self.share.dims()[1] as u64
    }
}

#[cfg(test)]
mod tests {
    use twinprop_calibration::bridge::to_vec;

    use super::*;

    /// Two samples of three complex features on two shots of two complex channels.
    fn features(device: &Device) -> Tensor<2> {
        let values = vec![3.0, 0.0, -0.5, 4.0, -2.0, 0.5, 1.0, 0.1, 0.2, -1.0, 0.3, 0.4];
        from_vec(values, [2, 6], device)
    }

    const LARGEST: [f32; 3] = [5.0, 2.0, 1.0];

    fn stage(channels: &Channels, device: &Device) -> Modulate {
        Modulate::encode(channels, 2, &LARGEST, device).expect("its channels are complex")
    }

    #[test]
    fn features_are_the_parts_that_the_modulators_take() {
        let device = Device::flex();
        let x = features(&device);
        let cartesian = stage(&Channels::complex("x", 2, "V", 8.0), &device).forward(&x, None);
        let expected = [
            // 3 + 4i of 5, −2i of 2, then −0.5 + 0.5i of 1 and the first again.
            [0.6, 0.0, 0.8, -1.0, -0.5, 0.6, 0.5, 0.8],
            [0.2, 0.05, -0.2, 0.15, 0.2, 0.2, 0.4, -0.2],
        ];
        for (found, expected) in to_vec(cartesian).iter().zip(expected.concat()) {
            assert!((found - expected).abs() < 1e-6, "{found}, not {expected}");
        }
        let polar = stage(&Channels::polar("x", 2, "V", 8.0), &device).forward(&x, None);
        let polar = to_vec(polar);
        // |z| = 1 and 1, their angles in shares of π.
        let expected = [1.0, 1.0, 4f32.atan2(3.0) / PI, -0.5];
        for (found, expected) in polar.iter().zip(expected) {
            assert!((found - expected).abs() < 1e-6, "{found}, not {expected}");
        }
        assert!(
            (polar[4] - (2.0 * 0.5f32.sqrt() - 1.0)).abs() < 1e-6 && (polar[6] - 0.75).abs() < 1e-6
        );
    }

    #[test]
    fn a_wire_keeps_the_unit_and_refuses_channels_that_are_not_complex() {
        let device = Device::flex();
        let channels = Channels::polar("x", 3, "V", 8.0);
        let wire = Modulate::wire(&channels, 1, 3, &device).expect("its channels are complex");
        let found = to_vec(wire.forward(&features(&device), None));
        assert!((found[0] - (2.0 * 5.0 / 8.0 - 1.0)).abs() < 1e-6, "{}", found[0]);
        let real = Channels::bank("x", 6, "V", -1.0, 1.0);
        assert!(Modulate::wire(&real, 1, 3, &device).is_none());
        assert!(Modulate::wire(&channels.and(real), 1, 3, &device).is_none());
    }

    #[test]
    fn cotangents_agree_with_central_differences() {
        let device = Device::flex();
        let x = features(&device);
        let weights: Vec<f32> = (0..16).map(|place| (place as f32 * 1.7).sin()).collect();
        for channels in [Channels::complex("x", 2, "V", 8.0), Channels::polar("x", 2, "V", 8.0)] {
            // Amplitudes of 1.25 at most: within the range.
            let stage = Modulate::encode(&channels, 2, &[6.0, 2.5, 1.5], &device).unwrap();
            let dy = from_vec(weights.clone(), [2, 8], &device);
            let found = to_vec(stage.vjp(&x, dy, Wanted::Input, None).into_input());
            for feature in 0..12 {
                let end = |step: f32| -> f32 {
                    let mut moved = to_vec(x.clone());
                    moved[feature] += step;
                    let y = to_vec(stage.forward(&from_vec(moved, [2, 6], &device), None));
                    y.iter().zip(&weights).map(|(y, weight)| y * weight).sum()
                };
                let expected = (end(1e-2) - end(-1e-2)) / 2e-2;
                assert!(
                    (found[feature] - expected).abs() < 5e-3 + 0.01 * expected.abs(),
                    "{feature}: {}, not {expected}",
                    found[feature]
                );
            }
        }
    }
}
