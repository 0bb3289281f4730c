//! The device of the unit tests: two drives, two readings.

use super::message::Description;
use crate::{Channels, Interface};

/// Its account of itself; it may take `safe_seconds` to its safe state.
pub(super) fn description(safe_seconds: f64) -> Description {
    Description {
        name: "bench".to_owned(),
        serial_number: "1".to_owned(),
        firmware: "1".to_owned(),
        largest_shot_rate: None,
        safe_seconds: Some(safe_seconds),
        interface: Interface {
            device: "bench".to_owned(),
            inputs: Channels::bank("x", 2, "V", -1.0, 1.0),
            parameters: Channels::none(),
            outputs: Channels::bank("y", 2, "V", -1.0, 1.0),
            seconds_per_shot: 0.0,
        },
    }
}
