//! A coherent stack in tensors.
//!
//! The equation is that of [`CoherentStack`]. The meshes' matrices are made by the device on the CPU, as they are once a
//! setting and not once a shot, and so are the phases' cotangents from those of the matrices; the light of all shots,
//! the activations and the detectors are tensors. A shot is a row here: z_k = f(z_{k−1}) M_kᵀ.

use burn::tensor::{Device, Tensor};
use twinprop_devices::optical::{
    CoherentStack, Modulators, StackConstants, StackMatrices, StackReadout,
};

use super::equation::SettingEquation;
use crate::bridge::{from_vec, to_vec};
use crate::twin::Linearised;

/// A coherent stack on a backend.
pub struct StackTensors {
    stack: CoherentStack,
    detection: Detection,
}

/// The stack beside its meshes, on a backend.
#[derive(Clone)]
struct Detection {
    constants: StackConstants,
    /// s, `[1, N]`.
    sensitivity: Tensor<2>,
}

/// Complex amplitudes, `[shots, N]` each.
#[derive(Clone)]
struct Light {
    real: Tensor<2>,
    imaginary: Tensor<2>,
}

impl Light {
    /// Of rows with all real parts before the imaginary ones.
    fn of(rows: &Tensor<2>) -> Self {
        let modes = rows.dims()[1] / 2;
        let part = |start| rows.clone().narrow(1, start, modes);
        Self { real: part(0), imaginary: part(modes) }
    }

    fn rows(self) -> Tensor<2> {
        Tensor::cat(vec![self.real, self.imaginary], 1)
    }

    fn power(&self) -> Tensor<2> {
        self.real.clone().square() + self.imaginary.clone().square()
    }
}

impl StackTensors {
    /// `stack` on `backend`.
    #[must_use]
    pub fn new(stack: &CoherentStack, backend: &Device) -> Self {
        let constants = stack.as_built();
        let modes = constants.modes;
        let sensitivity = from_vec(constants.sensitivity.clone(), [1, modes], backend);
        Self { stack: stack.clone(), detection: Detection { constants, sensitivity } }
    }

    fn pass(&self, x: Tensor<2>, theta: Tensor<2>) -> StackPass {
        let device = x.device();
        let matrices = self
            .stack
            .matrices(&to_vec(theta).into())
            .expect("a caller sizes theta by the device's interface");
        let rows = 2 * self.detection.constants.modes;
        // A column-major matrix has the bytes of its row-major transpose.
        let transposes: Vec<Tensor<2>> = matrices
            .iter()
            .map(|matrix| from_vec(matrix.to_vec(), [rows, rows], &device))
            .collect();
        let mut entering = vec![self.detection.constants.amplitudes(&x)];
        let mut fields: Vec<Tensor<2>> = Vec::with_capacity(transposes.len());
        for (number, transpose) in transposes.iter().enumerate() {
            if let Some(field) = fields.last() {
                entering.push(self.detection.constants.activated(&Light::of(field)));
            }
            fields.push(entering[number].clone().matmul(transpose.clone()));
        }
        let detection = self.detection.clone();
        StackPass { detection, matrices, transposes, drives: x, entering, fields }
    }
}

impl SettingEquation for StackTensors {
    fn respond_at(&self, x: Tensor<2>, theta: Tensor<2>) -> Tensor<2> {
        let pass = self.pass(x, theta);
        self.detection.readings(&pass.last())
    }

    fn linearise_at(&self, x: Tensor<2>, theta: Tensor<2>) -> Box<dyn Linearised> {
        Box::new(self.pass(x, theta))
    }
}

/// The equation of the modulators and of the activations.
trait Elements {
    /// x of the drives, real parts first, `[shots, 2 N]`.
    fn amplitudes(&self, drives: &Tensor<2>) -> Tensor<2>;
    /// Cotangents of the drives from those of x.
    fn pull_back_amplitudes(&self, drives: &Tensor<2>, of: Tensor<2>) -> Tensor<2>;
    /// sin ψ and cos ψ.
    fn modulation(&self, power: Tensor<2>) -> [Tensor<2>; 2];
    /// f(z), real parts first.
    fn activated(&self, light: &Light) -> Tensor<2>;
    /// Cotangents of z from those `of` f(z).
    fn pull_back_activation(&self, at: &Light, of: &Light) -> Tensor<2>;
}

impl Elements for StackConstants {
    fn amplitudes(&self, drives: &Tensor<2>) -> Tensor<2> {
        if self.modulators != Modulators::AmplitudePhase {
            return drives.clone();
        }
        let Light { real: amplitude, imaginary: phase } = Light::of(drives);
        let real = amplitude.clone() * phase.clone().cos();
        Light { real, imaginary: amplitude * phase.sin() }.rows()
    }

    fn pull_back_amplitudes(&self, drives: &Tensor<2>, of: Tensor<2>) -> Tensor<2> {
        if self.modulators != Modulators::AmplitudePhase {
            return of;
        }
        let Light { real: amplitude, imaginary: phase } = Light::of(drives);
        let (of, sine, cosine) = (Light::of(&of), phase.clone().sin(), phase.cos());
        let of_amplitude = of.real.clone() * cosine.clone() + of.imaginary.clone() * sine.clone();
        let of_phase = (of.imaginary * cosine - of.real * sine) * amplitude;
        Light { real: of_amplitude, imaginary: of_phase }.rows()
    }

    fn modulation(&self, power: Tensor<2>) -> [Tensor<2>; 2] {
        let angle = power * self.half_gain;
        let (sine, cosine) = (angle.clone().sin(), angle.cos());
        let (of_bias, by_bias) = self.half_bias;
        let sum = sine.clone() * by_bias + cosine.clone() * of_bias;
        [sum, cosine * by_bias - sine * of_bias]
    }

    fn activated(&self, light: &Light) -> Tensor<2> {
        let [sine, cosine] = self.modulation(light.power());
        let Light { real, imaginary } = light.clone();
        let kept = cosine.clone() * self.kept;
        Light {
            real: (cosine.clone() * real.clone() + sine.clone() * imaginary.clone()) * kept.clone(),
            imaginary: (cosine * imaginary - sine * real) * kept,
        }
        .rows()
    }

    fn pull_back_activation(&self, at: &Light, of: &Light) -> Tensor<2> {
        let [sine, cosine] = self.modulation(at.power());
        let kept = cosine.clone() * self.kept;
        // c′ = −i √(1−α) g/2 e^{−2iψ}
        let scale = -self.kept * self.half_gain;
        let slope = Light {
            real: sine.clone() * cosine.clone() * (2.0 * scale),
            imaginary: (cosine.clone().square() - sine.clone().square()) * scale,
        };
        let Light { real, imaginary } = at.clone();
        let Light { real: of_real, imaginary: of_imaginary } = of.clone();
        let along = of_real.clone()
            * (slope.real.clone() * real.clone() - slope.imaginary.clone() * imaginary.clone())
            + of_imaginary.clone()
                * (slope.real * imaginary.clone() + slope.imaginary * real.clone());
        let twice = along * 2.0;
        let turned = |first: Tensor<2>, second: Tensor<2>| {
            (cosine.clone() * first + sine.clone() * second) * kept.clone()
        };
        let pulled_real = turned(of_real.clone(), of_imaginary.clone().neg());
        let pulled_imaginary = turned(of_imaginary, of_real);
        Light {
            real: pulled_real + twice.clone() * real,
            imaginary: pulled_imaginary + twice * imaginary,
        }
        .rows()
    }
}

impl Detection {
    fn powers(&self, light: &Light) -> Tensor<2> {
        light.power() * self.sensitivity.clone()
    }

    /// ‖powers‖₂ of each shot, `[shots, 1]`, not below the floor, and 1 where it is above.
    fn norm(&self, powers: Tensor<2>) -> [Tensor<2>; 2] {
        let norm = powers.square().sum_dim(1).sqrt();
        let is_above = norm.clone().greater_scalar(self.constants.floor).float();
        [norm.clamp_min(self.constants.floor), is_above]
    }

    fn readings(&self, light: &Light) -> Tensor<2> {
        let powers = self.powers(light);
        match self.constants.readout {
            StackReadout::FullScale(power) => powers.clamp_max(power),
            _ => {
                let [norm, _] = self.norm(powers.clone());
                powers / norm
            }
        }
    }

    /// Cotangents of `light` from those `of` its readings `y`.
    fn pull_back(&self, light: &Light, y: Tensor<2>, of: Tensor<2>) -> Tensor<2> {
        let powers = self.powers(light);
        let of_powers = match self.constants.readout {
            StackReadout::FullScale(power) => of.mask_fill(powers.greater_scalar(power), 0.0),
            _ => {
                let [norm, is_above] = self.norm(powers);
                let along = (y.clone() * of.clone()).sum_dim(1) * is_above;
                (of - y * along) / norm
            }
        };
        let twice = of_powers * self.sensitivity.clone() * 2.0;
        let Light { real, imaginary } = light.clone();
        Light { real: real * twice.clone(), imaginary: imaginary * twice }.rows()
    }
}

/// Light through a stack, with what the adjoint needs.
struct StackPass {
    detection: Detection,
    matrices: StackMatrices,
    /// Mᵀ of each mesh, `[2 N, 2 N]`.
    transposes: Vec<Tensor<2>>,
    drives: Tensor<2>,
    /// What enters each mesh, and what leaves it, `[shots, 2 N]`.
    entering: Vec<Tensor<2>>,
    fields: Vec<Tensor<2>>,
}

impl StackPass {
    /// The light at the detectors.
    fn last(&self) -> Light {
        Light::of(&self.fields[self.fields.len() - 1])
    }
}

impl Linearised for StackPass {
    fn vjp(&self, y: Tensor<2>, dy: Tensor<2>) -> (Tensor<2>, Tensor<2>) {
        let device = dy.device();
        let mut pull = self.detection.pull_back(&self.last(), y, dy);
        let mut of_matrices: Vec<Vec<f32>> = Vec::with_capacity(self.fields.len());
        for (number, entering) in self.entering.iter().enumerate().rev() {
            of_matrices.push(to_vec(entering.clone().transpose().matmul(pull.clone())));
            pull = pull.matmul(self.transposes[number].clone().transpose());
            if number > 0 {
                let at = Light::of(&self.fields[number - 1]);
                let constants = &self.detection.constants;
                pull = constants.pull_back_activation(&at, &Light::of(&pull));
            }
        }
        of_matrices.reverse();
        let dtheta = self.matrices.parameter_cotangents(&of_matrices);
        let shape = [1, dtheta.len()];
        let dx = self.detection.constants.pull_back_amplitudes(&self.drives, pull);
        (dx, from_vec(dtheta, shape, &device))
    }
}
