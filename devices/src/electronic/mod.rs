//! Electronic devices.

mod crossbar;
mod transistor;

pub use crossbar::{Crossbar, CrossbarConfig};
pub use transistor::{Transistor, TransistorConfig};
