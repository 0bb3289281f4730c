//! Recordings of shots: what a device was asked, and what it measured.
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
//! NumPy reads the files as they are. A segment is written aside, synced and renamed before its line
//! is added to the index, so that a crash loses the shots of one segment at most. A [`Recorder`]
//! wraps any layer and writes one, or continues one; a [`Replay`] is a layer that answers from one;
//! [`Recorded`] is all of one in memory.

mod index;
mod recorded;
mod recorder;
mod replay;
mod segment;

pub use recorded::Recorded;
pub use recorder::{Recorder, Recording};
pub use replay::Replay;
