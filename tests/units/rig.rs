//! The same through recipes, on rigs of which only the channels are known.

use std::net::TcpListener;
use std::path::Path;

use twinprop::devices::nalgebra::{DMatrix, DVector};
use twinprop::devices::rig::transport::Tcp;
use twinprop::devices::rig::{Emulator, EmulatorConfig};
use twinprop::devices::{Channels, DeviceError, Interface, PhysicalLayer};
use twinprop::experiment::{RunOptions, Summary, train};
use twinprop::training::Unobserved;

use super::device::{Units, noisy, split};

/// Serves `layer` to one host after the other; returns its target.
fn serve(layer: impl FnOnce() -> Box<dyn PhysicalLayer> + Send + 'static) -> String {
    let listener = TcpListener::bind("127.0.0.1:0").unwrap();
    let target = format!("tcp://{}", listener.local_addr().unwrap());
    std::thread::spawn(move || {
        let mut emulator = Emulator::new(layer(), "a rig", EmulatorConfig::default());
        for stream in listener.incoming().flatten() {
            let mut link = Tcp::accepted(stream).unwrap();
            let _ = emulator.serve(&mut link, |_| ());
        }
    });
    target
}

/// Writes the samples as a table.
fn write_table(path: &Path, units: Units) {
    let data = split(units, 180, 120);
    let mut text = "a,b,c,d,label\n".to_owned();
    for part in [&data.train, &data.test] {
        for (sample, label) in part.features.column_iter().zip(part.targets.classes()) {
            sample.iter().for_each(|value| text += &format!("{value:e},"));
            text += &format!("{}\n", data.classes[*label]);
        }
    }
    std::fs::write(path, text).unwrap();
}

/// Trains `network` on the rig at `target`, with these lines in `[calibration]`.
fn run(units: Units, target: &str, network: &str, calibration: &str) -> Summary {
    let folder = tempfile::tempdir().unwrap();
    write_table(&folder.path().join("table.csv"), units);
    let recipe = format!(
        r#"
seed = 1
network = {network}
[data]
source = {{ csv = {{ path = "table.csv" }} }}
[devices.mine.rig]
target = "{target}"
[calibration]
require = "none"
shots = 600
test_shots = 60
fit = {{ epochs = 30, batch = 32, learning_rate = 0.01 }}
fidelity = {{ points = 8, directions = 1, repeats = 2 }}
{calibration}
[training]
epochs = 20
refinement = "off"
[accounting]
digital_peer = false
"#
    );
    let path = folder.path().join("recipe.toml");
    std::fs::write(&path, recipe).unwrap();
    let options = RunOptions { out: Some(folder.path().join("run")), ..Default::default() };
    train(&path, &options, &mut Unobserved).unwrap().0
}

const SCALED: &str =
    r#"["encode", "scale", { physical = { device = "mine", shots = 2 } }, "scale", "readout"]"#;
const DIRECT: &str = r#"["encode", { physical = { device = "mine" } }, "readout"]"#;
const LINEAR: &str =
    r#"["encode", { physical = { device = "mine" } }, { linear = { outputs = 3 } }, "readout"]"#;
const WIRED: &str = r#"["encode", { physical = { device = "mine" } }, "wire",
  { physical = { device = "mine" } }, "readout"]"#;

#[test]
fn every_twin_that_needs_no_equation_and_every_design_works_on_a_rig() {
    let twins = [
        r#"twin = { neural = { width = 16, depth = 1 } }"#,
        r#"twin = { temporal = { width = 8, depth = 3, taps = 3 } }"#,
        r#"twin = { ensemble = { members = 2, member = { width = 16, depth = 1 } } }"#,
    ];
    let designs = [
        "",
        r#"design = "sobol""#,
        r#"design = { active = { rounds = 2, candidates = 3, fit = { epochs = 3 } } }"#,
        r#"design = { active = { rounds = 2, candidates = 3, fit = { epochs = 3 }, from = { task_like = {} } } }"#,
    ];
    for (number, twin) in twins.into_iter().enumerate() {
        for design in &designs[if number == 1 { 0 } else { number + 1 }..] {
            let target = serve(|| noisy(Units::ONE));
            let summary = run(Units::ONE, &target, SCALED, &format!("{twin}\n{design}"));
            let accuracy = summary.test.value();
            // A guess is right in one of three cases.
            assert!(accuracy > 0.55, "{twin} {design}: {accuracy}");
        }
    }
}

#[test]
fn readings_without_a_scale_train_the_same_in_nanoamperes() {
    let twin = "twin = { neural = { width = 16, depth = 1 } }";
    for network in [DIRECT, LINEAR, WIRED] {
        let of = |unit: f32| {
            // A wire's readings and drives have one unit.
            let units = Units { reading: unit, drive: unit, ..Units::ONE };
            let target = serve(move || noisy(units));
            run(units, &target, network, twin)
        };
        let (plain, nano) = (of(1.0), of(1e-9));
        // A guess is right in one of three cases.
        assert!(plain.test.value() > 0.45, "{network}: {}", plain.test.value());
        let apart = (plain.test.value() - nano.test.value()).abs();
        assert!(apart < 0.03, "{network}: {} {}", plain.test.value(), nano.test.value());
        let r2 = |summary: &Summary| summary.twin.as_ref().unwrap().r2;
        assert!((r2(&plain) - r2(&nano)).abs() < 0.01, "{} {}", r2(&plain), r2(&nano));
    }
}

/// A device without parameters; the readings of one bank fill a trillionth of its range.
struct Fixed {
    interface: Interface,
}

impl PhysicalLayer for Fixed {
    fn interface(&self) -> &Interface {
        &self.interface
    }

    fn measure(
        &mut self,
        inputs: &DMatrix<f32>,
        _parameters: &DVector<f32>,
        outputs: &mut DMatrix<f32>,
    ) -> Result<(), DeviceError> {
        for (x, mut y) in inputs.column_iter().zip(outputs.column_iter_mut()) {
            let tilt = [2.0 * x[0], x[0] - x[1], x[2] + x[3]].map(f32::tanh);
            y.copy_from_slice(&[2e14 + 1e9 * (1.0 + tilt[0]), 1e-12 * tilt[1], 1e-12 * tilt[2]]);
        }
        Ok(())
    }
}

#[test]
fn a_rig_with_mixed_units_no_parameters_and_too_wide_ranges_is_trained() {
    let twins =
        ["neural = { width = 16, depth = 1 }", "temporal = { width = 16, depth = 3, taps = 2 }"];
    for twin in twins {
        let target = serve(|| {
            let interface = Interface {
                device: "fixed".to_owned(),
                inputs: Channels::bank("d", 4, "V", -1.0, 1.0),
                parameters: Channels::none(),
                // Readings fill a trillionth of this range.
                outputs: Channels::bank("beat", 1, "Hz", 1.999_99e14, 2.000_03e14)
                    .and(Channels::bank("current", 2, "A", -1.0, 1.0)),
                seconds_per_shot: 1e-4,
            };
            Box::new(Fixed { interface })
        });
        let network = r#"["encode", "scale", { physical = { device = "mine", shots = 2 } }, "scale", "readout"]"#;
        let summary = run(Units::ONE, &target, network, &format!("twin = {{ {twin} }}"));
        let r2 = summary.twin.as_ref().unwrap().r2;
        assert!(summary.test.value() > 0.45 && r2 > 0.8, "{twin}: {} {r2}", summary.test.value());
    }
}
