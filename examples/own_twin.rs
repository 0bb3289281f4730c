//! Your own digital twin: the physics that a lab knows, as a function of tensors.
//!
//! The device mixes its drives by fixed weights, adds a trainable bias and saturates. The lab knows all but the gain
//! of the saturation. `predict` is the device's equation; its vector-Jacobian product comes from automatic
//! differentiation, and `Fidelity` measures how far to trust it.
//!
//!     cargo run --release --example own_twin

use twinprop::burn::tensor::{Device, Tensor};
use twinprop::calibration::bridge::to_tensor;
use twinprop::calibration::design::DesignConfig;
use twinprop::calibration::{DigitalTwin, Fidelity, FidelityConfig, Shots};
use twinprop::devices::nalgebra::{DMatrix, DVector};
use twinprop::devices::{Boundary, Channels, DeviceError, Interface, PhysicalLayer};

/// y = tanh(g (W x + θ)) / g.
struct Saturating {
    interface: Interface,
    weights: DMatrix<f32>,
    gain: f32,
}

impl PhysicalLayer for Saturating {
    fn interface(&self) -> &Interface {
        &self.interface
    }

    fn measure(
        &mut self,
        inputs: &DMatrix<f32>,
        parameters: &DVector<f32>,
        outputs: &mut DMatrix<f32>,
    ) -> Result<(), DeviceError> {
        self.interface.check_shapes(inputs, parameters, outputs)?;
        for (drive, mut reading) in inputs.column_iter().zip(outputs.column_iter_mut()) {
            let sum = &self.weights * drive + parameters;
            reading.copy_from(&sum.map(|sum| (self.gain * sum).tanh() / self.gain));
        }
        Ok(())
    }
}

/// The same equation in tensors, with an assumed gain.
struct MyTwin {
    interface: Interface,
    /// Wᵀ, `[n_inputs, n_outputs]`.
    weights: Tensor<2>,
    gain: f32,
}

impl DigitalTwin for MyTwin {
    fn interface(&self) -> &Interface {
        &self.interface
    }

    /// `x` `[shots, n_inputs]`, `theta` `[groups, n_parameters]`: each group is a run of consecutive shots.
    fn predict(&self, x: Tensor<2>, theta: Tensor<2>) -> Tensor<2> {
        let ([shots, _], [groups, parameters]) = (x.dims(), theta.dims());
        let of_each = theta.reshape([groups, 1, parameters]).repeat_dim(1, shots / groups);
        let weights = self.weights.clone();
        // A tensor that is differentiated can only be multiplied with tensors on the autodiff backend.
        let weights = if x.is_autodiff() { Tensor::from_inner(weights) } else { weights };
        let sum = x.matmul(weights) + of_each.reshape([shots, parameters]);
        (sum * self.gain).tanh() / self.gain
    }

    fn multiply_adds(&self) -> u64 {
        (self.interface.inputs.len() * self.interface.outputs.len()) as u64
    }
}

fn main() -> Result<(), Box<dyn std::error::Error>> {
    let interface = Interface {
        device: "saturating".to_owned(),
        inputs: Channels::bank("drive", 6, "V", -1.0, 1.0),
        parameters: Channels::bank("bias", 5, "V", -0.5, 0.5),
        outputs: Channels::bank("reading", 5, "V", -2.0, 2.0),
        seconds_per_shot: 1e-4,
    };
    let weights = DMatrix::from_fn(5, 6, |i, j| (1.7 * (i * 6 + j) as f32).sin() / 2.0);
    let backend = Device::flex();
    let transposed = to_tensor(&weights, &backend);
    let device = Saturating { interface: interface.clone(), weights, gain: 1.5 };
    let mut device = Boundary::new(Box::new(device));

    let (inputs, parameters) = DesignConfig::Uniform.draw(&interface, 400, None, 1)?;
    let shots = Shots::measure(&mut device, inputs, parameters, |_| ())?;
    for gain in [1.5, 3.0, 20.0] {
        let twin = MyTwin { interface: interface.clone(), weights: transposed.clone(), gain };
        let config = FidelityConfig::default();
        let found = Fidelity::measure(&twin, &mut device, &shots, &config, 1, &backend, |_| ())?;
        let (cosine, r2) = (found.gradient.cosine, found.readings.r2);
        println!("gain {gain}: gradient cosine {cosine:.3}, R² {r2:.3}, {:?}", found.verdict());
    }
    Ok(())
}
