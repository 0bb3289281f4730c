//! Recordings of shots: drives, parameters and measurements.
//!
//! ```text
//! RECORDING/recording.json        the device's interface
//!           index.jsonl           a line a segment: its shots, and the CRC-32 of each file
//!           000000/inputs.npy     f32 [shots × n_inputs]
//!                  outputs.npy    f32 [shots × n_outputs]
//!                  parameters.npy f32 [settings × n_parameters]
//!                  setting.npy    u32 [shots]: the row of `parameters.npy`
//!                  seconds.npy    f64 [shots]: since the recording began, when the batch was asked for
//!           000001/…
//! ```
//!
//! NumPy reads the files. A segment is written to a temporary folder, synced and renamed before its line is
//! added to the index, so that a crash loses the shots of at most one segment. A [`Recorder`] wraps any layer
//! and writes a recording; a [`Replay`] is a layer that answers from a recording; [`read`] reads a recording
//! into [`Shots`](crate::Shots).

mod index;
mod read;
mod recorder;
mod replay;
mod segment;

pub use read::{interface, read};
pub use recorder::{Recorder, Recording};
pub use replay::Replay;
