//! The index of a recording: its device and its segments.

use std::fs;
use std::path::Path;

use serde::{Deserialize, Serialize};

use crate::Interface;

/// Name of the file that describes the device.
pub(super) const ABOUT: &str = "recording.json";
/// Name of the list of segments.
pub(super) const INDEX: &str = "index.jsonl";
/// Version of the layout.
pub(super) const FORMAT: u32 = 1;

/// The recorded device.
#[derive(Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub(super) struct About {
    pub format: u32,
    /// Seconds since 1970 at which the recording began.
    pub began: f64,
    pub interface: Interface,
}

/// CRC-32 of each file of a segment.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub(super) struct Checksums {
    pub inputs: u32,
    pub outputs: u32,
    pub parameters: u32,
    pub setting: u32,
    pub seconds: u32,
}

/// A segment's line in the index.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub(super) struct Line {
    /// Name of its folder.
    pub segment: String,
    pub first_shot: u64,
    pub shots: usize,
    pub settings: usize,
    pub crc32: Checksums,
}

/// A recording's device and segments.
pub(super) struct Contents {
    pub interface: Interface,
    pub segments: Vec<Line>,
    /// Bytes of the complete lines of the index.
    pub whole: usize,
}

/// Reads the index of the recording in `folder`, without its shots.
pub(super) fn contents(folder: &Path) -> Result<Contents, String> {
    let read = |name: &str| {
        fs::read_to_string(folder.join(name))
            .map_err(|error| format!("it has no {name} ({error}); name the folder of a recording"))
    };
    let about: About =
        serde_json::from_str(&read(ABOUT)?).map_err(|error| format!("{ABOUT}: {error}"))?;
    if about.format != FORMAT {
        let format = about.format;
        return Err(format!("its format is {format}, but this program reads format {FORMAT}"));
    }
    let index = read(INDEX)?;
    // If the program ended while it wrote a line, that segment is lost.
    let whole = index.rfind('\n').map_or(0, |end| end + 1);
    let lines = index[..whole].lines().enumerate().map(|(number, text)| {
        serde_json::from_str(text).map_err(|error| format!("{INDEX}, line {}: {error}", number + 1))
    });
    Ok(Contents { interface: about.interface, segments: lines.collect::<Result<_, _>>()?, whole })
}
