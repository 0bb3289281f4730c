//! Encoding of values: 32-bit floats, or 16-bit codes of a channel's range.

use schemars::JsonSchema;
use serde::{Deserialize, Serialize};

use crate::Channels;

/// Encoding of the values of a frame.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, Serialize, Deserialize, JsonSchema)]
#[serde(rename_all = "snake_case")]
#[non_exhaustive]
pub enum Encoding {
    /// IEEE 754 binary32, little endian.
    #[default]
    Floats,
    /// 0 is the lower end of the channel's range and 65,535 the upper one: what a converter of up to
    /// 16 bits can tell apart, in half the bytes.
    Codes,
}

const LARGEST_CODE: f32 = 65_535.0;

impl Encoding {
    /// Bytes a value.
    #[must_use]
    pub const fn width(self) -> usize {
        match self {
            Self::Floats => 4,
            Self::Codes => 2,
        }
    }

    /// Appends `values`, shot by shot over `channels`.
    pub(super) fn write(self, channels: &Channels, values: &[f32], bytes: &mut Vec<u8>) {
        match self {
            Self::Floats => write_floats(values, bytes),
            Self::Codes => {
                for shot in values.chunks(channels.len().max(1)) {
                    for (bank, run) in channels.runs(shot) {
                        let scale = LARGEST_CODE / (bank.maximum - bank.minimum);
                        bytes.extend(run.iter().flat_map(|value| {
                            // A cast saturates, and NaN becomes zero.
                            (((value - bank.minimum) * scale).round() as u16).to_le_bytes()
                        }));
                    }
                }
            }
        }
    }

    /// Reads as many values as `values` holds; false where the sizes differ.
    #[must_use]
    pub(super) fn read(self, channels: &Channels, bytes: &[u8], values: &mut [f32]) -> bool {
        if bytes.len() != self.width() * values.len() {
            return false;
        }
        match self {
            Self::Floats => {
                for (value, word) in values.iter_mut().zip(bytes.as_chunks::<4>().0) {
                    *value = f32::from_le_bytes(*word);
                }
            }
            Self::Codes => {
                let mut words = bytes.as_chunks::<2>().0.iter();
                for shot in values.chunks_mut(channels.len().max(1)) {
                    for (bank, run) in channels.runs_mut(shot) {
                        let scale = (bank.maximum - bank.minimum) / LARGEST_CODE;
                        for (value, word) in run.iter_mut().zip(&mut words) {
                            let code = f32::from(u16::from_le_bytes(*word));
                            *value = (bank.minimum + code * scale).min(bank.maximum);
                        }
                    }
                }
            }
        }
        true
    }
}

/// Appends `values` as 32-bit floats.
pub(super) fn write_floats(values: &[f32], bytes: &mut Vec<u8>) {
    bytes.extend(values.iter().flat_map(|value| value.to_le_bytes()));
}
