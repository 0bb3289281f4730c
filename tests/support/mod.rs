//! Shared parts of the tests of the built program.

#![allow(dead_code, reason = "each test uses its part")]

#[cfg(unix)]
pub mod rig;

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

/// Path of the built program.
pub const PROGRAM: &str = env!("CARGO_BIN_EXE_twinprop");

/// The built program.
pub fn program() -> Command {
    Command::new(PROGRAM)
}
