//! Electronic devices.

mod transistor;

pub use transistor::{Transistor, TransistorConfig};
