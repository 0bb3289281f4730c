//! Coupled oscillators, few and so many that their kernel does not follow them.

use twinprop_devices::mechanical::{Oscillators, OscillatorsConfig};

use crate::equation_agrees;

/// A cube of the kernel follows one, two or four shots, and a unit one oscillator or several; beyond 1,024 oscillators the
/// kernel of wide products takes blocks of 32 shots and strips of 256 columns.
#[test]
fn oscillators_agree() {
    for (count, steps, shots) in [
        (12, 1, 7),
        (12, 2, 7),
        (12, 5, 7),
        (33, 3, 131),
        (12, 2, 301),
        (256, 3, 7),
        (300, 2, 37),
        (1024, 1, 3),
        (1030, 1, 3),
        (1030, 1, 37),
    ] {
        let config = OscillatorsConfig {
            count,
            steps,
            bend: 0.1,
            coupling_deviation: 0.2,
            ..Default::default()
        };
        let oscillators = Oscillators::fabricated(&config, 0.05, 3);
        let case = format!("{count} oscillators, {steps} steps, {shots} shots");
        equation_agrees(&oscillators, shots, 0.9, &case);
    }
}
