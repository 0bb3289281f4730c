//! A device whose measurements depend on every drive and parameter, and whose shots have numbers of their own.

use twinprop_devices::rig::Description;
use twinprop_devices::{Channels, Interface};

/// Shots of a batch.
pub const SHOTS: usize = 32;
/// Drives that are values.
pub const INPUTS: usize = 3;
pub const PARAMETERS: usize = 2;

/// What the device's channels are.
#[derive(Clone, Copy, Debug, PartialEq)]
pub enum Oracle {
    Values,
    /// A raster of drives; a raster and a number of readings.
    Spikes,
}

impl Oracle {
    /// Its account of itself.
    pub fn description(self) -> Description {
        let (inputs, outputs) = match self {
            Self::Values => {
                (Channels::bank("x", INPUTS, "1", 0.0, 1e8), Channels::bank("y", 2, "1", -1e9, 1e9))
            }
            Self::Spikes => (
                Channels::raster("x", 7, 5),
                Channels::raster("y", 3, 7).and(Channels::bank("n", 1, "1", -1e9, 1e9)),
            ),
        };
        Description {
            name: "oracle".to_owned(),
            serial_number: "1".to_owned(),
            firmware: "1".to_owned(),
            largest_shot_rate: None,
            safe_seconds: None,
            interface: Interface {
                device: "oracle".to_owned(),
                inputs,
                parameters: Channels::bank("p", PARAMETERS, "1", 0.0, 1e8),
                outputs,
                seconds_per_shot: 1e-4,
            },
        }
    }

    /// The drives of a shot with a number of its own.
    pub fn drives(self, number: usize, batch: usize) -> Vec<f32> {
        match self {
            Self::Values => {
                vec![number as f32, (batch % 97) as f32, (number % SHOTS) as f32]
            }
            Self::Spikes => {
                let bits = number | (batch * 7919 % (1 << 15)) << 20;
                (0..35).map(|cell| ((bits >> cell) & 1) as f32).collect()
            }
        }
    }

    /// The number of a shot.
    pub fn number(self, x: &[f32]) -> u32 {
        match self {
            Self::Values => x[0] as u32,
            Self::Spikes => (0..20).map(|cell| (x[cell] as u32) << cell).sum(),
        }
    }

    /// The expected measurement; it depends on every drive and parameter.
    pub fn answer(self, x: &[f32], p: &[f32]) -> Vec<f32> {
        if self == Self::Values {
            return vec![x[0] + 0.5 * x[1] - x[2], 0.25 * x[0] + p[0] - 2.0 * p[1]];
        }
        let setting = p[0] as u32;
        let cell = |k: usize| (x[k] as u32 ^ x[34 - k] as u32 ^ (setting >> (k % 14) & 1)) as f32;
        (0..21).map(cell).chain([self.number(x) as f32 + p[0] - 2.0 * p[1]]).collect()
    }
}
