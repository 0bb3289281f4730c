//! Electronic devices.

mod crossbar;
mod transistor;

pub use crossbar::{Crossbar, CrossbarConfig, CrossbarConstants};
pub use transistor::{Transistor, TransistorConfig, TransistorConstants};
