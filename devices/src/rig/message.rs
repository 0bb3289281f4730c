//! Payloads of frames.

use std::time::Duration;

use serde::{Deserialize, Serialize};

use crate::Interface;

/// The device's answer to hello: its limits and its boot; 32 bytes, little endian.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Greeting {
    /// Oldest and newest version of the protocol that the device speaks.
    pub versions: (u8, u8),
    /// Whether it accepts 16-bit codes.
    pub codes: bool,
    /// Whether it has a twin, which predicts shots and pulls cotangents back.
    pub twin: bool,
    /// Whether it takes the cells of rasters in bits.
    pub spikes: bool,
    /// Whether a shot's outcome depends on the shots before it, so that none may be played again.
    pub stateful: bool,
    /// A number drawn when the device starts.
    pub boot: u32,
    /// Largest frame that it accepts and sends, in bytes on the wire.
    pub largest_frame: u32,
    /// Bytes of frames not yet answered that it can hold.
    pub window_bytes: u32,
    /// Most frames in flight: it remembers the answers of so many.
    pub window_frames: u16,
    /// The session that is open; 0 is none.
    pub session: u16,
    /// Interval of its watchdog: time without a frame after which it goes to its safe state; 0 is never.
    pub watchdog_milliseconds: u32,
    /// Length of the description.
    pub description_bytes: u32,
    /// Its CRC-32.
    pub description_crc: u32,
}

impl Greeting {
    /// Bytes of the payload.
    pub const BYTES: usize = 32;

    pub(super) fn write(&self, bytes: &mut Vec<u8>) {
        let (oldest, newest) = self.versions;
        let Self { codes, twin, spikes, .. } = *self;
        let abilities = 1 | u8::from(codes) << 1 | u8::from(twin) << 2 | u8::from(spikes) << 3;
        bytes.extend([oldest, newest, abilities, u8::from(self.stateful)]);
        bytes.extend(self.boot.to_le_bytes());
        bytes.extend(self.largest_frame.to_le_bytes());
        bytes.extend(self.window_bytes.to_le_bytes());
        bytes.extend(self.window_frames.to_le_bytes());
        bytes.extend(self.session.to_le_bytes());
        bytes.extend(self.watchdog_milliseconds.to_le_bytes());
        bytes.extend(self.description_bytes.to_le_bytes());
        bytes.extend(self.description_crc.to_le_bytes());
    }

    pub(super) fn read(payload: &[u8]) -> Option<Self> {
        let bytes: &[u8; Self::BYTES] = payload.try_into().ok()?;
        let long = |at| long(bytes, at).unwrap_or_default();
        Some(Self {
            versions: (bytes[0], bytes[1]),
            codes: bytes[2] & 2 != 0,
            twin: bytes[2] & 4 != 0,
            spikes: bytes[2] & 8 != 0,
            stateful: bytes[3] & 1 != 0,
            boot: long(4),
            largest_frame: long(8),
            window_bytes: long(12),
            window_frames: u16::from_le_bytes([bytes[16], bytes[17]]),
            session: u16::from_le_bytes([bytes[18], bytes[19]]),
            watchdog_milliseconds: long(20),
            description_bytes: long(24),
            description_crc: long(28),
        })
    }
}

/// The device's description: JSON, sent in pieces. A host refuses unknown keys.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct Description {
    /// Its name in the laboratory.
    pub name: String,
    /// Its serial number.
    pub serial_number: String,
    /// Version of its firmware.
    pub firmware: String,
    /// Largest shot rate in shots a second; `None` is unlimited.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub largest_shot_rate: Option<f64>,
    /// Seconds to reach its safe state at most; `None` is [`SAFE_SECONDS`](Self::SAFE_SECONDS).
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub safe_seconds: Option<f64>,
    /// Channels, ranges and units.
    pub interface: Interface,
}

impl Description {
    /// Longest time of a shot, in seconds.
    const LONGEST_SHOT: f64 = 3600.0;
    /// Most channels of one side, because a host holds them in memory.
    const MOST_CHANNELS: usize = 1 << 26;

    /// Standard of [`safe_seconds`](Self::safe_seconds).
    pub const SAFE_SECONDS: f64 = 10.0;

    /// Longest time to reach its safe state.
    #[must_use]
    pub fn safe_time(&self) -> Duration {
        Duration::from_secs_f64(self.safe_seconds.unwrap_or(Self::SAFE_SECONDS))
    }

    /// Its JSON.
    ///
    /// # Panics
    /// Never: a description is plain data.
    #[must_use]
    pub fn to_json(&self) -> Vec<u8> {
        serde_json::to_vec(self).expect("a description is plain data")
    }

    /// What is invalid in the description, if anything.
    #[must_use]
    pub fn fault(&self) -> Option<String> {
        let Interface { inputs, parameters, outputs, seconds_per_shot, .. } = &self.interface;
        for (side, channels) in
            [("inputs", inputs), ("parameters", parameters), ("outputs", outputs)]
        {
            let count =
                channels.banks().iter().try_fold(0usize, |sum, bank| sum.checked_add(bank.count));
            if count.is_none_or(|count| count > Self::MOST_CHANNELS) {
                return Some(format!(
                    "it has more than {} channels among its {side}",
                    Self::MOST_CHANNELS
                ));
            }
            if let Some(fault) = channels.fault(side) {
                return Some(fault);
            }
            for bank in channels.banks() {
                let (name, minimum, maximum) = (&bank.name, bank.minimum, bank.maximum);
                if !(minimum.is_finite() && maximum.is_finite() && minimum < maximum) {
                    return Some(format!(
                        "bank `{name}` of its {side} has the range {minimum} to {maximum}; the lower end must be below the upper one"
                    ));
                }
                if bank.largest_step.is_some_and(|step| !(step.is_finite() && step > 0.0)) {
                    return Some(format!(
                        "bank `{name}` of its {side} has a largest step that is not above zero"
                    ));
                }
            }
        }
        if inputs.is_empty() || outputs.is_empty() {
            return Some("it has no inputs or no outputs".to_owned());
        }
        let weights = inputs.len() * outputs.len();
        for bank in parameters.banks() {
            let Some(gain) = bank.matrix_gain else { continue };
            if !gain.is_normal() || bank.count != weights {
                return Some(format!(
                    "bank `{}` of its parameters has the gain of a matrix, {gain}, and {} channels; the gain must not be zero, and a matrix from its inputs to its outputs has {weights}",
                    bank.name, bank.count
                ));
            }
        }
        if !(0.0..=Self::LONGEST_SHOT).contains(seconds_per_shot) {
            return Some(format!("a shot takes {seconds_per_shot} s, it says; 0 to 3600 may be"));
        }
        if let Some(rate) = self.largest_shot_rate
            && !(rate.is_finite() && 1.0 / rate <= Self::LONGEST_SHOT && rate > 0.0)
        {
            return Some(format!(
                "its largest shot rate is {rate} a second, it says; one an hour is the least"
            ));
        }
        if let Some(seconds) = self.safe_seconds
            && !(seconds > 0.0 && seconds <= 3600.0)
        {
            return Some(format!(
                "it takes {seconds} s to reach its safe state, it says; above 0 and up to 3600 may be"
            ));
        }
        None
    }
}

/// A device's state and counters: the payload of a health frame, 24 bytes, little endian.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, Serialize)]
pub struct Health {
    /// The boot number of the counters.
    pub boot: u32,
    /// Whether it is in its safe state, confirmed.
    pub safe: bool,
    /// Milliseconds since it started.
    pub uptime_milliseconds: u32,
    /// Shots that it played since it started.
    pub shots: u64,
    /// How often its watchdog has expired.
    pub watchdog_trips: u32,
}

impl Health {
    /// Bytes of the payload.
    pub const BYTES: usize = 24;

    pub(super) fn write(&self, bytes: &mut Vec<u8>) {
        bytes.extend(self.boot.to_le_bytes());
        bytes.extend(u32::from(self.safe).to_le_bytes());
        bytes.extend(self.uptime_milliseconds.to_le_bytes());
        bytes.extend(self.watchdog_trips.to_le_bytes());
        bytes.extend(self.shots.to_le_bytes());
    }

    pub(super) fn read(payload: &[u8]) -> Option<Self> {
        let bytes: &[u8; Self::BYTES] = payload.try_into().ok()?;
        let (_, shots) = bytes.split_last_chunk::<8>()?;
        Some(Self {
            boot: long(bytes, 0)?,
            safe: long(bytes, 4)? != 0,
            uptime_milliseconds: long(bytes, 8)?,
            watchdog_trips: long(bytes, 12)?,
            shots: u64::from_le_bytes(*shots),
        })
    }
}

/// The 32-bit number at byte `at`, or `None` beyond the end.
pub(super) fn long(bytes: &[u8], at: usize) -> Option<u32> {
    let bytes = bytes.get(at..at + 4)?;
    Some(u32::from_le_bytes([bytes[0], bytes[1], bytes[2], bytes[3]]))
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::Channels;
    use crate::rig::test_device::description;

    #[test]
    fn numbers_that_a_host_cannot_work_with_are_refused() {
        let rate = |rate| Description { largest_shot_rate: Some(rate), ..description(1.0) }.fault();
        for good in [1.0 / 3600.0, 500.0] {
            assert_eq!(rate(good), None);
        }
        for bad in [0.0, -1.0, 1e-20, 1.0 / 3601.0, 5e-324, f64::NAN, f64::INFINITY] {
            let fault = rate(bad).unwrap_or_else(|| panic!("a rate of {bad}"));
            assert!(fault.contains("shot rate"), "{fault}");
        }
        for bad in [0.0, -1.0, 3601.0, 1e300, f64::NAN, f64::INFINITY] {
            assert!(description(bad).fault().is_some(), "a safe state in {bad} s");
        }
        for bad in [-1.0, 3601.0, 1e300, f64::NAN, f64::INFINITY] {
            let mut description = description(1.0);
            description.interface.seconds_per_shot = bad;
            assert!(description.fault().is_some(), "a shot of {bad} s");
        }
    }

    #[test]
    fn a_raster_has_whole_steps() {
        let json = String::from_utf8(description(1.0).to_json()).unwrap_or_default();
        let fault = |steps: &str| {
            let bank = r#""name":"x","count":2,"unit":"V","minimum":-1.0,"maximum":1.0"#;
            let raster = r#""name":"x","count":6,"unit":"1","minimum":0.0,"maximum":1.0"#;
            let json = json.replacen(bank, &format!("{raster},\"steps\":{steps}"), 1);
            let described = serde_json::from_str::<Description>(&json);
            described.map_or_else(|error| Some(error.to_string()), |found| found.fault())
        };
        assert_eq!(fault("3"), None);
        for bad in ["0", "4", "12"] {
            let fault = fault(bad).unwrap_or_else(|| panic!("{bad} steps"));
            assert!(fault.contains("whole number of channels"), "{fault}");
        }
        assert!(fault("-1").is_some() && fault("1.5").is_some());
    }

    #[test]
    fn more_channels_than_fit_in_memory_are_refused() {
        let bank = |count| Channels::bank("p", count, "V", 0.0, 1.0);
        for parameters in [bank(usize::MAX), bank(1 << 40), bank(usize::MAX).and(bank(5))] {
            let mut description = description(1.0);
            description.interface.parameters = parameters;
            let fault = description.fault().expect("they are too many");
            assert!(fault.contains("its parameters"), "{fault}");
        }
    }
}
