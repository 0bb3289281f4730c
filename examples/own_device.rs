//! Your own device, written in Rust and trained in this process, without a rig or a recipe file.
//!
//! The device is a ring of nine phase modulators in front of a slab that scatters light onto twelve photodiodes. Its
//! twin is learned from its shots; vowels are recognised by the diodes' readings.
//!
//!     cargo run --release --example own_device

use std::f32::consts::FRAC_PI_2;

use twinprop::devices::nalgebra::{DMatrix, DVector};
use twinprop::devices::{Channels, DeviceError, Interface, PhysicalLayer};
use twinprop::experiment::{Given, Recipe, RunOptions, train_recipe};
use twinprop::training::Unobserved;

struct ScatteringSlab {
    interface: Interface,
    /// Real and imaginary part of the field at each diode from each modulator, `[12 × 9]`.
    scattering: [DMatrix<f32>; 2],
}

impl ScatteringSlab {
    fn new() -> Self {
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
        Self { interface, scattering: [part(1.1), part(1.7)] }
    }
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

const RECIPE: &str = r#"
seed = 1
network = [
  "encode", "scale", { physical = { device = "slab", shots = 4 } }, "scale", "readout",
]
data = { source = "vowels" }
devices = { slab = { given = true } }

[calibration]
shots = 20000
test_shots = 200
twin = { neural = { width = 64, depth = 2 } }
fit = { epochs = 30 }

[training]
epochs = 60
learning_rate = 0.015

[accounting]
digital_peer = false
"#;

fn main() -> Result<(), Box<dyn std::error::Error>> {
    let folder = tempfile::tempdir()?;
    let options = RunOptions { out: Some(folder.path().join("run")), ..RunOptions::default() };
    let mut given = Given::default();
    given.devices.insert("slab".to_owned(), Box::new(ScatteringSlab::new()));
    let recipe = Recipe::parse(RECIPE)?;
    let (summary, _) = train_recipe(&recipe, "own_device", given, &options, &mut Unobserved)?;
    for twin in &summary.twins {
        println!("twin of {}: {}", twin.device, twin.words);
    }
    println!("{} after {} shots", summary.test, summary.device_shots);
    Ok(())
}
