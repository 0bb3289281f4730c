//! Banks of microrings in tensors.
//!
//! The equation is that of [`MicroringBank`]. Light is worth −1 behind all rings of a row, and its worth before a ring
//! is linear in its worth behind it,
//!
//! ```text
//! w_j = d L_j + T_j w_(j+1)        L = 1 / (1 + u²), T = 1 − c L        u = Δ / r
//! ```
//!
//! where d is the share that a ring drops on resonance, and c the share that it takes. The rings of a row are not
//! computed one after the other: runs of rings are joined to runs of twice the length, for all channels, rows and
//! settings at once (Hillis & Steele, Data parallel algorithms, Communications of the ACM 29, 1170, 1986). The
//! derivatives of the weights by the detunings are kept for the adjoint.

use burn::tensor::{Device, Tensor};
use twinprop_devices::optical::{MicroringBank, MicroringConstants};

use super::equation::{TensorEquation, join, split};
use super::saturation::Saturation;
use crate::bridge::from_vec;
use crate::twin::Linearised;

/// Banks of microrings on a backend.
#[derive(Clone)]
pub struct MicroringTensors {
    /// N and M.
    channels: usize,
    rows: usize,
    /// d and c.
    dropped: f32,
    taken: f32,
    saturation: Saturation,
    /// b / r − o, `[1, M, N]`.
    cold: Tensor<3>,
    /// η e / r, `[1, M, N]`.
    per_heat: Tensor<3>,
    /// a (k − n) / r of ring n and channel k, `[1, 1, N, N]`.
    spacings: Tensor<4>,
    /// κ^|n − j|, `[1, N, N]`.
    crosstalk: Tensor<3>,
    /// s / √N, `[1, 1, M]`.
    gains: Tensor<3>,
}

impl MicroringTensors {
    /// `bank` on `backend`.
    #[must_use]
    pub fn new(bank: &MicroringBank, backend: &Device) -> Self {
        let constants = bank.as_built();
        let MicroringConstants { channels, rows, spacing, crosstalk, .. } = constants;
        let upload = |values: Vec<f32>, shape: [usize; 2]| from_vec(values, shape, backend);
        let rings = |of: &dyn Fn(usize) -> f32| {
            upload((0..rows * channels).map(of).collect(), [rows, channels]).unsqueeze()
        };
        let pairs = |of: &dyn Fn(usize, usize) -> f32| {
            let values = (0..channels).flat_map(|ring| (0..channels).map(move |k| of(ring, k)));
            upload(values.collect(), [channels, channels])
        };
        let share = (channels as f32).sqrt().recip();
        let gains = constants.sensitivity.iter().map(|sensitivity| share * sensitivity).collect();
        Self {
            channels,
            rows,
            dropped: constants.dropped,
            taken: constants.taken,
            saturation: Saturation::at(constants.full_scale),
            cold: rings(&|ring| constants.bias - constants.offsets[ring]),
            per_heat: rings(&|ring| constants.per_power * constants.efficiencies[ring]),
            spacings: pairs(&|ring, channel| spacing * (channel as f32 - ring as f32)).unsqueeze(),
            crosstalk: pairs(&|ring, other| crosstalk.powi(ring.abs_diff(other) as i32))
                .unsqueeze(),
            gains: upload(gains, [1, rows]).unsqueeze(),
        }
    }

    /// u of each ring and channel at the heaters' powers `theta`, `[settings, M, N, N]`.
    fn detuned(&self, theta: Tensor<2>) -> Tensor<4> {
        let settings = theta.dims()[0];
        let powers = theta.reshape([settings, self.rows, self.channels]);
        let heat = powers.matmul(self.crosstalk.clone());
        let own = self.cold.clone() - heat * self.per_heat.clone();
        own.reshape([settings, self.rows, self.channels, 1]) + self.spacings.clone()
    }

    /// What light of each channel is worth before each ring, `[settings, M, N, N]`, from L and T.
    fn worth(&self, shares: Tensor<4>, mut passed: Tensor<4>) -> Tensor<4> {
        let mut dropped = shares * self.dropped;
        // Both are of the `reach` rings from a ring on, or of as many as there are.
        let mut reach = 1;
        while reach < self.channels {
            let length = self.channels - reach;
            let near = passed.clone().narrow(2, 0, length);
            let far = |of: &Tensor<4>| near.clone() * of.clone().narrow(2, reach, length);
            let (more, both) = (far(&dropped), far(&passed));
            let rest = |of: Tensor<4>| of.narrow(2, length, reach);
            let joined = dropped.clone().narrow(2, 0, length) + more;
            dropped = Tensor::cat(vec![joined, rest(dropped)], 2);
            passed = Tensor::cat(vec![both, rest(passed)], 2);
            reach *= 2;
        }
        dropped - passed
    }

    /// The share of each channel's light that reaches each ring, `[settings, M, N, N]`, from T.
    fn reaching(&self, passed: Tensor<4>) -> Tensor<4> {
        let first = passed.clone().narrow(2, 0, 1).ones_like();
        let mut product = Tensor::cat(vec![first, passed], 2).narrow(2, 0, self.channels);
        let mut reach = 1;
        while reach < self.channels {
            let length = self.channels - reach;
            let both =
                product.clone().narrow(2, 0, length) * product.clone().narrow(2, reach, length);
            product = Tensor::cat(vec![product.narrow(2, 0, reach), both], 2);
            reach *= 2;
        }
        product
    }

    /// w, `[settings, M, N]`, of what light is worth before each ring.
    fn weights(&self, worth: Tensor<4>) -> Tensor<3> {
        let settings = worth.dims()[0];
        worth.narrow(2, 0, 1).reshape([settings, self.rows, self.channels])
    }

    /// Readings that do not saturate, `[settings, shots, M]`, of the drives `[settings, shots, N]`.
    fn open(&self, drives: Tensor<3>, weights: Tensor<3>) -> Tensor<3> {
        drives.matmul(weights.swap_dims(1, 2)) * self.gains.clone()
    }
}

impl TensorEquation for MicroringTensors {
    fn respond(&self, x: Tensor<2>, theta: Tensor<2>) -> Tensor<2> {
        let drives = split(x, theta.dims()[0]);
        let shares = (self.detuned(theta).square() + 1.0).recip();
        let passed = shares.clone() * -self.taken + 1.0;
        let weights = self.weights(self.worth(shares, passed));
        join(self.saturation.clamp(self.open(drives, weights)))
    }

    fn linearise(&self, x: Tensor<2>, theta: Tensor<2>) -> Box<dyn Linearised> {
        let drives = split(x, theta.dims()[0]);
        let detuned = self.detuned(theta);
        let shares = (detuned.clone().square() + 1.0).recip();
        let passed = shares.clone() * -self.taken + 1.0;
        let worth = self.worth(shares.clone(), passed.clone());
        let last = worth.clone().narrow(2, 0, 1).ones_like().neg();
        let behind = Tensor::cat(vec![worth.clone(), last], 2).narrow(2, 1, self.channels);
        // ∂L/∂u = −2 u L².
        let of_shares = self.reaching(passed) * (behind * -self.taken + self.dropped);
        let slopes = of_shares * shares.square() * detuned * -2.0;
        let weights = self.weights(worth);
        let readings = self.open(drives.clone(), weights.clone());
        Box::new(MicroringPass { bank: self.clone(), drives, weights, slopes, readings })
    }
}

/// Shots past the banks, with what the adjoint needs.
struct MicroringPass {
    bank: MicroringTensors,
    drives: Tensor<3>,
    weights: Tensor<3>,
    /// Derivative of each channel's weight by each ring's detuning in half widths, `[settings, M, N, N]`.
    slopes: Tensor<4>,
    /// Readings before they saturate, `[settings, shots, M]`.
    readings: Tensor<3>,
}

impl Linearised for MicroringPass {
    fn vjp(&self, _y: Tensor<2>, dy: Tensor<2>) -> (Tensor<2>, Tensor<2>) {
        let MicroringTensors { channels, rows, saturation, .. } = self.bank;
        let settings = self.drives.dims()[0];
        let of_readings = saturation.pull_back(self.readings.clone(), split(dy, settings));
        let open = of_readings * self.bank.gains.clone();
        let of_weights = open.clone().swap_dims(1, 2).matmul(self.drives.clone());
        let of_weights = of_weights.reshape([settings, rows, 1, channels]);
        let of_detunings = (of_weights * self.slopes.clone()).sum_dim(3);
        let of_detunings = of_detunings.reshape([settings, rows, channels]);
        let of_heat = of_detunings.neg() * self.bank.per_heat.clone();
        let of_powers = of_heat.matmul(self.bank.crosstalk.clone());
        let dx = join(open.matmul(self.weights.clone()));
        (dx, of_powers.reshape([settings, rows * channels]))
    }
}
