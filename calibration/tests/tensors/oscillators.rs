//! Coupled oscillators, also so many that a kernel of this crate multiplies.

use twinprop_devices::mechanical::{Oscillators, OscillatorsConfig};

use crate::equation_agrees;

/// The kernel of wide products takes blocks of 32 shots and strips of 256 columns.
#[test]
fn oscillators_agree() {
    for (count, steps, shots) in
        [(12, 1, 7), (12, 2, 7), (12, 5, 7), (256, 3, 7), (256, 1, 32), (300, 2, 37), (1030, 1, 3)]
    {
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
