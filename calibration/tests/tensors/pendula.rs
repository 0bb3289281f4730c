//! Chains of several lengths, also of a single pendulum, which has no spring.

use twinprop_devices::mechanical::{Pendula, PendulaConfig};

use crate::equation_agrees;

#[test]
fn pendula_agree() {
    for (count, steps, shots) in [(30, 20, 37), (1, 3, 5), (2, 1, 17), (5, 2, 1), (70, 4, 256)] {
        let config = PendulaConfig { count, steps, ..Default::default() };
        for mismatch in [0.0, 0.1] {
            let pendula = Pendula::fabricated(&config, mismatch, 3);
            let case = format!("{count} pendula, {steps} steps, {shots} shots, copy {mismatch}");
            equation_agrees(&pendula, shots, 0.9, &case);
        }
    }
}
