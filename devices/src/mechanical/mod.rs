//! Mechanical devices.

pub mod nystrom;
mod oscillators;
mod pendula;
mod plate;

pub use oscillators::{OscillatorConstants, Oscillators, OscillatorsConfig};
pub use pendula::{Pendula, PendulaConfig, PendulaConstants};
pub use plate::{Detection, Plate, PlateConfig, PlateConstants, PlateMode};
