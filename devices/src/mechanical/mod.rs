//! Mechanical devices.

mod oscillators;

pub use oscillators::{Oscillators, OscillatorsConfig};
