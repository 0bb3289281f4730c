//! Encoding of values: 32-bit floats, 16-bit codes of a channel's range, or the cells of rasters in bits.

use schemars::JsonSchema;
use serde::{Deserialize, Serialize};

use super::message::Greeting;
use super::spikes;
use crate::{Bank, Channels, Interface};

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
    /// The cells of rasters in bits, the other banks in floats. A host uses it with every device that takes it,
    /// because nothing is lost; it is not chosen.
    #[serde(skip)]
    Spikes,
}

const LARGEST_CODE: f32 = 65_535.0;

/// Size of a shot in a frame.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) struct ShotSize {
    /// The header's channels.
    pub channels: usize,
    /// Bytes of the payload.
    pub bytes: usize,
}

impl ShotSize {
    /// Of so many floats.
    pub const fn of_floats(count: usize) -> Self {
        Self { channels: count, bytes: 4 * count }
    }
}

impl Encoding {
    /// The encoding of shots for a device with this `greeting`, if this one is chosen: of rasters, bits wherever the device
    /// takes them.
    pub(super) fn taken_by(self, greeting: &Greeting, interface: &Interface) -> Self {
        match self {
            _ if greeting.spikes && interface.has_raster() => Self::Spikes,
            Self::Codes if greeting.codes => Self::Codes,
            _ => Self::Floats,
        }
    }

    /// Size of a shot on `channels`.
    pub(super) fn shot(self, channels: &Channels) -> ShotSize {
        let count = channels.len();
        match self {
            Self::Floats => ShotSize::of_floats(count),
            Self::Codes => ShotSize { channels: count, bytes: 2 * count },
            Self::Spikes => ShotSize {
                channels: channels.banks().iter().map(|b| b.lines().unwrap_or(b.count)).sum(),
                bytes: channels.banks().iter().map(spike_bytes).sum(),
            },
        }
    }

    /// Appends `values`, shot by shot over `channels`.
    pub(super) fn write(self, channels: &Channels, values: &[f32], bytes: &mut Vec<u8>) {
        if self == Self::Floats {
            return write_floats(values, bytes);
        }
        for shot in values.chunks(channels.len().max(1)) {
            for (bank, run) in channels.runs(shot) {
                match self {
                    Self::Codes => {
                        let scale = LARGEST_CODE / (bank.maximum - bank.minimum);
                        bytes.extend(run.iter().flat_map(|value| {
                            // A cast saturates, and NaN becomes zero.
                            (((value - bank.minimum) * scale).round() as u16).to_le_bytes()
                        }));
                    }
                    Self::Spikes if bank.steps.is_some() => spikes::write(run, bytes),
                    Self::Spikes | Self::Floats => write_floats(run, bytes),
                }
            }
        }
    }

    /// Reads as many values as `values` holds; false where the sizes differ, or a bit stands behind a raster's cells.
    #[must_use]
    pub(super) fn read(self, channels: &Channels, bytes: &[u8], values: &mut [f32]) -> bool {
        match self {
            Self::Floats => read_floats(bytes, values),
            Self::Codes => read_codes(channels, bytes, values),
            Self::Spikes => read_spikes(channels, bytes, values),
        }
    }
}

/// Bytes of a shot of `bank` among spikes.
fn spike_bytes(bank: &Bank) -> usize {
    if bank.steps.is_some() { spikes::bytes(bank.count) } else { 4 * bank.count }
}

fn read_floats(bytes: &[u8], values: &mut [f32]) -> bool {
    if bytes.len() != 4 * values.len() {
        return false;
    }
    for (value, word) in values.iter_mut().zip(bytes.as_chunks::<4>().0) {
        *value = f32::from_le_bytes(*word);
    }
    true
}

fn read_codes(channels: &Channels, bytes: &[u8], values: &mut [f32]) -> bool {
    if bytes.len() != 2 * values.len() {
        return false;
    }
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
    true
}

fn read_spikes(channels: &Channels, mut bytes: &[u8], values: &mut [f32]) -> bool {
    let count = channels.len().max(1);
    if !values.len().is_multiple_of(count)
        || bytes.len() != values.len() / count * Encoding::Spikes.shot(channels).bytes
    {
        return false;
    }
    for shot in values.chunks_mut(count) {
        for (bank, run) in channels.runs_mut(shot) {
            let (here, behind) = bytes.split_at(spike_bytes(bank));
            bytes = behind;
            let is_read = match bank.steps {
                Some(_) => spikes::read(here, run),
                None => read_floats(here, run),
            };
            if !is_read {
                return false;
            }
        }
    }
    true
}

/// Appends `values` as 32-bit floats.
pub(super) fn write_floats(values: &[f32], bytes: &mut Vec<u8>) {
    bytes.extend(values.iter().flat_map(|value| value.to_le_bytes()));
}
