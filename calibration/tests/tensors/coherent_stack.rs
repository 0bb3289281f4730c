//! Coherent stacks with both kinds of modulators and of readout.

use twinprop_devices::optical::{CoherentStack, CoherentStackConfig, Modulators, StackReadout};

use crate::equation_agrees;

#[test]
fn stacks_agree() {
    let plain = CoherentStackConfig {
        modes: 7,
        splitter_error: 0.1,
        phase_error: 0.1,
        crosstalk: 0.02,
        loss_db: 0.2,
        largest_drive: 4.0,
        ..Default::default()
    };
    let polar =
        CoherentStackConfig { modulators: Modulators::AmplitudePhase, bias: 1.0, ..plain.clone() };
    let fixed = CoherentStackConfig {
        readout: StackReadout::FullScale(6.0),
        meshes: 2,
        bias: 1.0,
        ..plain.clone()
    };
    for (case, config) in [("plain", plain), ("polar", polar), ("fixed", fixed)] {
        let stack = CoherentStack::fabricated(&config, 0.05, 3).unwrap();
        equation_agrees(&stack, 37, 0.9, case);
    }
}
