//! RigTargets, the addresses of devices: `serial:///dev/ttyACM0?baud=…`, `tcp://127.0.0.1:7777`, `process:python3 rig.py`,
//! `replay:shots/pulse`.

use std::borrow::Cow;
use std::fmt;
use std::path::{Path, PathBuf};
use std::str::FromStr;

use schemars::{JsonSchema, Schema, SchemaGenerator, json_schema};
use serde::de::{SeqAccess, Visitor};
use serde::{Deserialize, Deserializer, Serialize};

#[cfg(feature = "serial")]
use super::transport::Serial;
use super::transport::{Process, SerialConfig, Tcp, Transport};

/// Bits a second of a serial port, unless the target says otherwise.
const BAUD: u32 = 115_200;

/// The address of a device.
///
/// * `serial:///dev/ttyACM0?baud=115200`, `serial://COM3`: a port by its name;
/// * `serial://?usb=2341:0043&serial=AB12`: a port by USB vendor, product and serial number;
/// * `tcp://127.0.0.1:7777`: a program that listens. `?retries=0` turns off retries of failed measurements
///   (normally 3), also for a serial port;
/// * `process:python3 rig.py`: a program that is started, on its standard input and output;
/// * `replay:shots/pulse`: a recording of another device, with the feature `recording`.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize, JsonSchema)]
#[serde(try_from = "String", into = "String")]
pub struct Target {
    text: String,
    place: Place,
}

#[derive(Clone, Debug, PartialEq, Eq)]
enum Place {
    Serial(SerialConfig, Option<u32>),
    Tcp(String, Option<u32>),
    Process(String),
    Replay(PathBuf),
}

impl Target {
    /// The folder, if the target is a recording.
    #[must_use]
    pub fn recording(&self) -> Option<&Path> {
        match &self.place {
            Place::Replay(folder) => Some(folder),
            _ => None,
        }
    }

    /// Advice on a link with needless latency, if this is known to be one.
    #[must_use]
    pub fn latency_advice(&self) -> Option<String> {
        match &self.place {
            #[cfg(feature = "serial")]
            Place::Serial(config, _) => Serial::new(config.clone()).latency_advice(),
            _ => None,
        }
    }

    /// Retries of a failed measurement, if set by `?retries=`.
    #[must_use]
    pub fn retries(&self) -> Option<u32> {
        match &self.place {
            Place::Serial(_, retries) | Place::Tcp(_, retries) => *retries,
            Place::Process(_) | Place::Replay(_) => None,
        }
    }

    /// The transport to it, not open yet.
    ///
    /// # Errors
    /// For a command that cannot be parsed, and for a recording.
    pub fn transport(&self) -> Result<Box<dyn Transport>, String> {
        Ok(match &self.place {
            #[cfg(feature = "serial")]
            Place::Serial(config, _) => Box::new(Serial::new(config.clone())),
            #[cfg(not(feature = "serial"))]
            Place::Serial(..) => {
                return Err("this build opens no serial ports; build it with the feature `serial`"
                    .to_owned());
            }
            Place::Tcp(address, _) => Box::new(Tcp::new(address)),
            Place::Process(command) => Box::new(Process::new(command)?),
            Place::Replay(_) => return Err("a recording has no link".to_owned()),
        })
    }
}

impl FromStr for Target {
    type Err = String;

    fn from_str(text: &str) -> Result<Self, String> {
        let place = if let Some(command) = text.strip_prefix("process:") {
            Process::new(command)?;
            Place::Process(command.to_owned())
        } else if let Some(folder) = text.strip_prefix("replay:") {
            if folder.is_empty() {
                return Err(format!("`{text}`: expected replay:FOLDER"));
            }
            Place::Replay(PathBuf::from(folder))
        } else if let Some(address) = text.strip_prefix("tcp://") {
            let (address, query) = address.split_once('?').unwrap_or((address, ""));
            let retries = match query.split_once('=') {
                None if query.is_empty() => None,
                Some(("retries", number)) => Some(
                    number_of_retries(number).map_err(|problem| format!("`{text}`: {problem}"))?,
                ),
                _ => return Err(format!("`{text}`: expected tcp://HOST:PORT?retries=NUMBER")),
            };
            match address.rsplit_once(':') {
                Some((host, port)) if !host.is_empty() && port.parse::<u16>().is_ok() => {
                    Place::Tcp(address.to_owned(), retries)
                }
                _ => return Err(format!("`{text}`: expected tcp://HOST:PORT")),
            }
        } else if let Some(port) = text.strip_prefix("serial://") {
            let (config, retries) =
                serial(port).map_err(|problem| format!("`{text}`: {problem}"))?;
            Place::Serial(config, retries)
        } else {
            return Err(format!(
                "`{text}` is no device; expected serial://PORT, tcp://HOST:PORT, process:COMMAND or replay:FOLDER"
            ));
        };
        Ok(Self { text: text.to_owned(), place })
    }
}

/// A port with its settings, `PATH?key=value&…`.
fn serial(text: &str) -> Result<(SerialConfig, Option<u32>), String> {
    let mut retries = None;
    let (path, query) = text.split_once('?').unwrap_or((text, ""));
    let path = (!path.is_empty()).then(|| path.to_owned());
    let mut config = SerialConfig { path, usb: None, usb_serial: None, baud: BAUD };
    for setting in query.split('&').filter(|setting| !setting.is_empty()) {
        let (key, value) = setting.split_once('=').ok_or("a setting is key=value")?;
        match key {
            "baud" => {
                config.baud = value.parse().map_err(|_| "baud is a whole number above zero")?;
            }
            "usb" => {
                let number = |text| u16::from_str_radix(text, 16).ok();
                let identity = value
                    .split_once(':')
                    .and_then(|(vendor, product)| Some((number(vendor)?, number(product)?)));
                config.usb = Some(identity.ok_or("usb is VENDOR:PRODUCT in hexadecimal digits")?);
            }
            "serial" => config.usb_serial = Some(value.to_owned()),
            "retries" => retries = Some(number_of_retries(value)?),
            other => {
                return Err(format!(
                    "unknown key `{other}`, expected baud, usb, serial or retries"
                ));
            }
        }
    }
    if config.path.is_none() && config.usb.is_none() && config.usb_serial.is_none() {
        return Err("name a port, or a USB identity by ?usb=VENDOR:PRODUCT".to_owned());
    }
    Ok((config, retries))
}

fn number_of_retries(text: &str) -> Result<u32, String> {
    text.parse().map_err(|_| "retries is a whole number, 0 for none".to_owned())
}

impl fmt::Display for Target {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(&self.text)
    }
}

impl TryFrom<String> for Target {
    type Error = String;

    fn try_from(text: String) -> Result<Self, String> {
        text.parse()
    }
}

impl From<Target> for String {
    fn from(target: Target) -> Self {
        target.text
    }
}

/// One target, or several that form a farm; in a recipe, a string or a list of them.
#[derive(Clone, Debug, PartialEq, Eq, Serialize)]
#[serde(transparent)]
pub struct RigTargets(pub Vec<Target>);

impl JsonSchema for RigTargets {
    fn schema_name() -> Cow<'static, str> {
        "RigTargets".into()
    }

    fn json_schema(generator: &mut SchemaGenerator) -> Schema {
        let target = generator.subschema_for::<Target>();
        json_schema!({ "anyOf": [target, { "type": "array", "items": target, "minItems": 1 }] })
    }
}

impl<'de> Deserialize<'de> for RigTargets {
    fn deserialize<D: Deserializer<'de>>(deserializer: D) -> Result<Self, D::Error> {
        // By hand, because an untagged enum would hide the error of a target.
        struct OneOrSeveral;
        impl<'de> Visitor<'de> for OneOrSeveral {
            type Value = RigTargets;

            fn expecting(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
                f.write_str("a target, or a list of targets")
            }

            fn visit_str<E: serde::de::Error>(self, text: &str) -> Result<RigTargets, E> {
                text.parse().map(|target| RigTargets(vec![target])).map_err(E::custom)
            }

            fn visit_seq<A: SeqAccess<'de>>(self, mut list: A) -> Result<RigTargets, A::Error> {
                let mut targets = Vec::new();
                while let Some(target) = list.next_element()? {
                    targets.push(target);
                }
                if targets.is_empty() {
                    return Err(serde::de::Error::custom("a list of targets names at least one"));
                }
                Ok(RigTargets(targets))
            }
        }
        deserializer.deserialize_any(OneOrSeveral)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn targets_are_read() {
        for text in [
            "serial:///dev/ttyACM0?baud=1000000",
            "serial://COM3",
            "serial://?usb=2341:0043&serial=AB12",
            "tcp://127.0.0.1:7777",
            "tcp://127.0.0.1:7777?retries=0",
            "serial:///dev/ttyACM0?baud=9600&retries=7",
            "process:python3 'my rig.py' --fast",
            "replay:runs/one/shots/pulse",
        ] {
            let target: Target = text.parse().unwrap();
            assert_eq!(target.to_string(), text);
        }
    }

    #[test]
    fn invalid_targets_are_refused_with_advice() {
        for (text, expected) in [
            ("/dev/ttyACM0", "serial://PORT"),
            ("tcp://localhost", "HOST:PORT"),
            ("tcp://localhost:1?retries=-1", "whole number"),
            ("tcp://localhost:1?again=1", "retries=NUMBER"),
            ("serial://?baud=9600", "USB identity"),
            ("serial:///dev/ttyS0?bd=1", "unknown key `bd`"),
            ("process:", "name a program"),
            ("process:python3 'rig.py", "no command"),
        ] {
            let error = text.parse::<Target>().unwrap_err();
            assert!(error.contains(expected), "{text}: {error}");
        }
    }
}
