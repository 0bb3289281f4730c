//! Crossbar tiles: with and without wires, within their converters' range and beyond.

use twinprop_devices::electronic::{Crossbar, CrossbarConfig};

use crate::equation_agrees;

#[test]
fn crossbars_agree() {
    let plain = CrossbarConfig { inputs: 13, outputs: 9, ..Default::default() };
    let wired = CrossbarConfig { wire_resistance: 1e-3, ..plain.clone() };
    let narrow = CrossbarConfig { full_scale: 0.2, ..wired.clone() };
    for (case, config) in [("plain", plain), ("wired", wired), ("narrow", narrow)] {
        let crossbar = Crossbar::fabricated(&config, 0.1, 3).unwrap();
        equation_agrees(&crossbar, 37, 0.9, case);
    }
}
