//! Provenance of a run: program version, command, dates and devices; and the duration of its parts.

use std::ffi::OsString;
use std::path::Path;
use std::sync::OnceLock;
use std::time::{SystemTime, UNIX_EPOCH};

use serde::{Deserialize, Serialize};

use super::recipe::{DeviceEntry, Recipe};
use crate::network::Laboratory;

/// Program version, command, dates and devices of a run.
#[derive(Clone, Debug, Default, PartialEq, Serialize, Deserialize)]
#[serde(default)]
pub struct Provenance {
    /// Version of twinprop.
    pub version: String,
    /// Command line; empty for a library call.
    #[serde(skip_serializing_if = "String::is_empty")]
    pub command: String,
    /// Date of the beginning, such as `2026-11-28 07:30 UTC`.
    pub began: String,
    /// Date of the results.
    pub ended: String,
    /// Devices: name in the recipe, and description.
    pub devices: Vec<(String, String)>,
}

/// Beginning of a run: `begun.json`.
#[derive(Clone, Debug, Serialize, Deserialize)]
pub(super) struct Begun {
    /// The recipe's file name.
    pub recipe: String,
    /// Version of twinprop.
    #[serde(default)]
    pub version: String,
    /// Command line; empty for a library call.
    #[serde(default)]
    pub command: String,
    /// Date, such as `2026-11-28 07:30 UTC`.
    #[serde(default)]
    pub began: String,
}

impl Begun {
    /// Provenance of a run that ends now on `devices` (names and descriptions).
    pub fn provenance(&self, devices: Vec<(String, String)>) -> Provenance {
        Provenance {
            version: self.version.clone(),
            command: self.command.clone(),
            began: self.began.clone(),
            ended: now(),
            devices,
        }
    }

    /// Name of the recipe without its ending.
    pub fn name(&self) -> &str {
        self.recipe.trim_end_matches(".toml")
    }
}

/// Duration of a run's parts in seconds, without breaks between processes.
#[derive(Clone, Copy, Debug, Default, PartialEq, Serialize, Deserialize)]
#[serde(default)]
pub struct Spent {
    /// Number of shots that initialise the untrained network.
    pub first_shots: u64,
    /// Reading the data, opening the devices and the first shots.
    pub opening: f64,
    /// Calibrating the twins.
    pub calibration: f64,
    /// Training, with the tests after its epochs.
    pub training: f64,
    /// Measuring reference readings for drift checks, and correlations of regularised stages.
    pub reference: f64,
    /// Search for the digital peer.
    pub digital_peer: f64,
    /// All parts and the reports.
    pub total: f64,
}

impl Spent {
    /// Name and duration in seconds of each part.
    #[must_use]
    pub fn parts(&self) -> [(&'static str, f64); 5] {
        [
            ("data, devices and first shots", self.opening),
            ("calibration", self.calibration),
            ("training with its tests", self.training),
            ("reference readings", self.reference),
            ("search for a digital peer", self.digital_peer),
        ]
    }
}

/// The arguments that the command line was started with, where they are not the process's.
static ARGUMENTS: OnceLock<Vec<OsString>> = OnceLock::new();

/// Notes the `arguments` of a command line that another program runs, such as Python.
#[cfg(feature = "cli")]
pub(crate) fn note_command_line(arguments: &[OsString]) {
    // A second command line of one process is described as the first.
    let _ = ARGUMENTS.set(arguments.to_vec());
}

/// Command line of this process in shell syntax; bytes that are not UTF-8 are replaced.
#[must_use]
pub fn command_line() -> String {
    let arguments = ARGUMENTS.get_or_init(|| std::env::args_os().collect());
    let mut arguments = arguments.iter().map(|text| text.to_string_lossy().into_owned());
    let program = arguments.next().unwrap_or_default();
    let program = Path::new(&program)
        .file_name()
        .map_or_else(|| "twinprop".to_owned(), |name| name.to_string_lossy().into_owned());
    std::iter::once(program).chain(arguments.map(quoted)).collect::<Vec<_>>().join(" ")
}

/// `argument` in shell syntax.
fn quoted(argument: String) -> String {
    let is_plain = |letter: char| letter.is_ascii_alphanumeric() || "=._-,/:+@%".contains(letter);
    if !argument.is_empty() && argument.chars().all(is_plain) {
        argument
    } else {
        format!("'{}'", argument.replace('\'', "'\\''"))
    }
}

/// Version of twinprop.
pub(super) fn version() -> String {
    env!("CARGO_PKG_VERSION").to_owned()
}

/// Names and descriptions of the devices of `recipe`; `laboratory` has the links of real devices.
pub(super) fn devices_in_words(recipe: &Recipe, laboratory: &Laboratory) -> Vec<(String, String)> {
    let mut links = laboratory.links();
    let mut in_words = |entry: &DeviceEntry| {
        let Some(rig) = &entry.rig else {
            let kind = entry.model.as_ref().map_or("", |model| model.name());
            return format!("{kind}, simulated");
        };
        let targets = rig.target.0.iter().map(|target| {
            if target.recording().is_some() {
                return format!("{target}, a recording");
            }
            let Some(link) = links.next() else { return target.to_string() };
            let who = &link.identity().description;
            let known = [&who.name, &who.serial_number, &who.firmware];
            let known = known.into_iter().filter(|text| !text.is_empty());
            format!("{target} ({})", known.cloned().collect::<Vec<_>>().join(", "))
        });
        targets.collect::<Vec<_>>().join("; ")
    };
    recipe.devices.iter().map(|(name, entry)| (name.clone(), in_words(entry))).collect()
}

/// Name of this computer, if it is known.
pub(crate) fn computer() -> Option<String> {
    let name = std::fs::read_to_string("/proc/sys/kernel/hostname")
        .ok()
        .or_else(|| std::env::var("HOSTNAME").or_else(|_| std::env::var("COMPUTERNAME")).ok())?;
    Some(name.trim().to_owned())
}

/// The present date to the minute, such as `2026-11-28 07:30 UTC`.
pub(super) fn now() -> String {
    let since = SystemTime::now().duration_since(UNIX_EPOCH);
    date(since.map_or(0, |since| since.as_secs()))
}

/// Date of `seconds` after the beginning of 1970 (Hinnant, *chrono-compatible low-level date algorithms*, 2013).
fn date(seconds: u64) -> String {
    let (days, rest) = (seconds / 86_400, seconds % 86_400);
    let shifted = days + 719_468;
    let (era, of_era) = (shifted / 146_097, shifted % 146_097);
    let year_of_era = (of_era - of_era / 1460 + of_era / 36_524 - of_era / 146_096) / 365;
    let day_of_year = of_era - (365 * year_of_era + year_of_era / 4 - year_of_era / 100);
    let month_from_march = (5 * day_of_year + 2) / 153;
    let day = day_of_year - (153 * month_from_march + 2) / 5 + 1;
    let month = if month_from_march < 10 { month_from_march + 3 } else { month_from_march - 9 };
    let year = year_of_era + 400 * era + u64::from(month <= 2);
    format!("{year}-{month:02}-{day:02} {:02}:{:02} UTC", rest / 3600, rest % 3600 / 60)
}

#[cfg(test)]
mod tests {
    use super::{date, quoted};

    #[test]
    fn arguments_are_quoted_if_a_shell_would_split_them() {
        for (argument, text) in [
            ("training.epochs=3", "training.epochs=3"),
            ("process:python3 rig.py", "'process:python3 rig.py'"),
            ("it's", r"'it'\''s'"),
            ("", "''"),
        ] {
            assert_eq!(quoted(argument.to_owned()), text);
        }
    }

    #[test]
    fn dates_follow_the_calendar() {
        for (seconds, text) in [
            (0, "1970-01-01 00:00 UTC"),
            (951_782_399, "2000-02-28 23:59 UTC"),
            (951_782_400, "2000-02-29 00:00 UTC"),
            (1_709_251_200, "2024-03-01 00:00 UTC"),
            (1_795_850_940, "2026-11-28 07:29 UTC"),
        ] {
            assert_eq!(date(seconds), text);
        }
    }
}
