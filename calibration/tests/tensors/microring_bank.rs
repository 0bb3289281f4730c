//! Banks of microrings, of any shape, with errors and saturated readings.

use twinprop_devices::optical::{MicroringBank, MicroringBankConfig};

use crate::equation_agrees;

#[test]
fn banks_agree() {
    let nominal = MicroringBankConfig { inputs: 16, outputs: 5, ..Default::default() };
    let errors = MicroringBankConfig {
        inputs: 21,
        outputs: 4,
        resonance_error: 5.0,
        efficiency_error: 0.1,
        crosstalk: 0.1,
        ..Default::default()
    };
    let saturated = MicroringBankConfig { full_scale: 0.5, ..errors.clone() };
    let near = MicroringBankConfig { inputs: 8, spacing: 25.0, ring_loss: 2.0, ..errors.clone() };
    let single = MicroringBankConfig { inputs: 1, outputs: 1, ..errors.clone() };
    for (case, config, shots) in [
        ("nominal", nominal, 37),
        ("errors", errors, 37),
        ("saturated", saturated, 37),
        ("near", near, 1),
        ("single", single, 7),
    ] {
        let bank = MicroringBank::fabricated(&config, 0.05, 3).unwrap();
        equation_agrees(&bank, shots, 0.9, case);
    }
}
