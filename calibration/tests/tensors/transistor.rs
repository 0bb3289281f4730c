//! Transistors with one and several steps a sample, with readings at uneven instants, with saturated readings and with
//! a stiff drain.

use twinprop_devices::electronic::{Transistor, TransistorConfig};

use crate::equation_agrees;

#[test]
fn transistors_agree() {
    let plain = TransistorConfig::default();
    let uneven = TransistorConfig { inputs: 10, parameters: 7, outputs: 6, ..plain.clone() };
    let fine = TransistorConfig { steps_per_sample: 3, outputs: 20, ..uneven.clone() };
    // The branch rings with the drives, and the channel seldom conducts.
    let saturated = TransistorConfig {
        ohms: 5.0,
        threshold_volts: 2.5,
        inputs: 40,
        parameters: 40,
        outputs: 80,
        ..plain.clone()
    };
    let stiff =
        TransistorConfig { farads: 1e-10, channel_length_modulation: 0.0, ..uneven.clone() };
    for (case, config) in [
        ("plain", plain),
        ("uneven", uneven),
        ("fine", fine),
        ("saturated", saturated),
        ("stiff", stiff),
    ] {
        let transistor = Transistor::fabricated(&config, 0.05, 3).unwrap();
        equation_agrees(&transistor, 37, 0.9, case);
    }
}
