//! Shared parts of the tests of the built program.

#![allow(dead_code, reason = "each test uses its part")]

#[cfg(unix)]
pub mod rig;

use std::path::Path;
use std::process::Command;

/// A recipe that trains in a second or two.
pub const QUICK: &str = r#"
seed = 3
network = [
  "encode", "scale", { physical = { device = "shg", shots = 4 } }, "scale", "readout",
]

[data]
source = "vowels"

[devices.shg.model.second_harmonic]
inputs = 9
parameters = 9
outputs = 12

[devices.shg.imperfections]
mismatch = 0.1
input_noise = 0.01
readout_noise = 0.01

[calibration]
require = "none"
shots = 600
test_shots = 100
twin = { neural = { width = 32, depth = 1 } }
fit = { epochs = 3 }

[training]
epochs = 3
"#;

/// A device, and a calibration and adaptations of it that take a second.
pub const SMALL: &str = r#"
[devices.shg.model.second_harmonic]
inputs = 4
parameters = 4
outputs = 6

[calibration]
require = "none"
shots = 200
test_shots = 40
twin = { neural = { width = 16, depth = 1 } }
fit = { epochs = 2 }
watch = { drives = 8 }

[accounting]
digital_peer = false

[adaptation]
recalibration_steps = 20
in_silico_epochs = 2
epochs = 1
"#;

/// The epochs of a run's `metrics.jsonl` without their times.
pub fn metrics(run: &Path) -> Vec<serde_json::Value> {
    let text = std::fs::read_to_string(run.join("metrics.jsonl")).unwrap();
    text.lines()
        .map(|line| {
            let mut value: serde_json::Value = serde_json::from_str(line).unwrap();
            value.as_object_mut().unwrap().remove("seconds").unwrap();
            value
        })
        .collect()
}

/// Path of the built program.
pub const PROGRAM: &str = env!("CARGO_BIN_EXE_twinprop");

/// The built program.
pub fn program() -> Command {
    Command::new(PROGRAM)
}
