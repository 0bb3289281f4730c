//! Your own device in its own process: nine phase modulators in front of a slab that scatters light onto twelve
//! photodiodes. The recipe examples/scattering_slab.toml starts it:
//!
//!     twinprop train examples/scattering_slab.toml

use std::f32::consts::FRAC_PI_2;

use twinprop::devices::nalgebra::{DMatrix, DVector};
use twinprop::devices::{Channels, DeviceError, Interface, PhysicalLayer, rig};

struct ScatteringSlab {
    interface: Interface,
    /// Real and imaginary part of the field at each diode from each modulator, `[12 × 9]`.
    scattering: [DMatrix<f32>; 2],
}

impl PhysicalLayer for ScatteringSlab {
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
        let [real, imaginary] = &self.scattering;
        for (drive, mut reading) in inputs.column_iter().zip(outputs.column_iter_mut()) {
            let phase = (drive + parameters) * FRAC_PI_2;
            let (cos, sin) = (phase.map(f32::cos), phase.map(f32::sin));
            let field = [real * &cos - imaginary * &sin, real * &sin + imaginary * &cos];
            reading.copy_from(&(field[0].map(|x| x * x) + field[1].map(|x| x * x)));
        }
        Ok(())
    }
}

fn main() -> std::io::Result<()> {
    let part = |k: f32| {
        DMatrix::from_fn(12, 9, |i, j| (k * (i * i + 3 * i * j + 7 * j) as f32).sin() / 3.0)
    };
    let interface = Interface {
        device: "scattering_slab".to_owned(),
        inputs: Channels::bank("modulator", 9, "quarter waves", 0.0, 1.0),
        parameters: Channels::bank("bias", 9, "quarter waves", -1.0, 1.0),
        outputs: Channels::bank("photodiode", 12, "mW", 0.0, 20.0),
        seconds_per_shot: 1e-5,
    };
    let slab = ScatteringSlab { interface, scattering: [part(1.1), part(1.7)] };
    rig::serve_on_stdio(slab, "scattering slab")
}
