//! Where a device is: `serial:///dev/ttyACM0?baud=…`, `tcp://127.0.0.1:7777`, `process:python3 rig.py`.

use std::fmt;
use std::str::FromStr;

use serde::{Deserialize, Serialize};

use super::transport::{Process, Serial, SerialConfig, Tcp, Transport};

/// Bits a second of a serial port, unless the target says otherwise.
const BAUD: u32 = 115_200;

/// Where a device is.
///
/// * `serial:///dev/ttyACM0?baud=115200`, `serial://COM3`: a port by its name;
/// * `serial://?usb=2341:0043&serial=AB12`: a port by USB vendor, product and serial number;
/// * `tcp://127.0.0.1:7777`: a program that listens;
/// * `process:python3 rig.py`: a program that is started, on its standard input and output.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(try_from = "String", into = "String")]
pub struct Target {
    text: String,
    place: Place,
}

#[derive(Clone, Debug, PartialEq, Eq)]
enum Place {
    Serial(SerialConfig),
    Tcp(String),
    Process(String),
}

impl Target {
    /// The way to it, not open yet.
    ///
    /// # Errors
    /// Where a command's words cannot be told apart.
    pub fn transport(&self) -> Result<Box<dyn Transport>, String> {
        Ok(match &self.place {
            Place::Serial(config) => Box::new(Serial::new(config.clone())),
            Place::Tcp(address) => Box::new(Tcp::new(address)),
            Place::Process(command) => Box::new(Process::new(command)?),
        })
    }
}

impl FromStr for Target {
    type Err = String;

    fn from_str(text: &str) -> Result<Self, String> {
        let place = if let Some(command) = text.strip_prefix("process:") {
            Process::new(command)?;
            Place::Process(command.to_owned())
        } else if let Some(address) = text.strip_prefix("tcp://") {
            match address.rsplit_once(':') {
                Some((host, port)) if !host.is_empty() && port.parse::<u16>().is_ok() => {
                    Place::Tcp(address.to_owned())
                }
                _ => return Err(format!("`{text}`: expected tcp://HOST:PORT")),
            }
        } else if let Some(port) = text.strip_prefix("serial://") {
            Place::Serial(serial(port).map_err(|problem| format!("`{text}`: {problem}"))?)
        } else {
            return Err(format!(
                "`{text}` is no device; expected serial://PORT, tcp://HOST:PORT or process:COMMAND"
            ));
        };
        Ok(Self { text: text.to_owned(), place })
    }
}

/// A port with its settings, `PATH?key=value&…`.
fn serial(text: &str) -> Result<SerialConfig, String> {
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
            other => return Err(format!("unknown key `{other}`, expected baud, usb or serial")),
        }
    }
    if config.path.is_none() && config.usb.is_none() && config.usb_serial.is_none() {
        return Err("name a port, or a USB identity by ?usb=VENDOR:PRODUCT".to_owned());
    }
    Ok(config)
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
            "process:python3 'my rig.py' --fast",
        ] {
            let target: Target = text.parse().unwrap();
            assert_eq!(target.to_string(), text);
        }
    }

    #[test]
    fn what_is_no_target_is_refused_with_what_is_expected() {
        for (text, expected) in [
            ("/dev/ttyACM0", "serial://PORT"),
            ("tcp://localhost", "HOST:PORT"),
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
