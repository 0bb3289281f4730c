//! The serial ports of this machine.

use serialport::SerialPortType;

/// A serial port that could be a device's.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct PortFound {
    /// Its path or name.
    pub path: String,
    /// What is known of it, and whether it can be opened.
    pub description: String,
}

/// The serial ports that the system shows.
///
/// # Errors
/// Where the system does not say.
pub fn serial_ports() -> Result<Vec<PortFound>, String> {
    let ports = serialport::available_ports()
        .map_err(|error| format!("the serial ports cannot be listed: {error}"))?;
    Ok(ports
        .into_iter()
        .map(|port| {
            let kind = match port.port_type {
                SerialPortType::UsbPort(usb) => format!(
                    "USB {:04x}:{:04x}, {}, serial number {}",
                    usb.vid,
                    usb.pid,
                    usb.product.as_deref().unwrap_or("no product name"),
                    usb.serial_number.as_deref().unwrap_or("none")
                ),
                SerialPortType::PciPort => "on the PCI bus".to_owned(),
                SerialPortType::BluetoothPort => "Bluetooth".to_owned(),
                SerialPortType::Unknown => "unknown".to_owned(),
            };
            // Opening it would restart some boards: only the right to is looked at.
            let closed = access_problem(&port.port_name)
                .map_or(String::new(), |problem| format!("; cannot be opened: {problem}"));
            PortFound { description: format!("{kind}{closed}"), path: port.port_name }
        })
        .collect())
}

#[cfg(unix)]
fn access_problem(path: &str) -> Option<String> {
    use rustix::fs::{Access, access};
    let rights = Access::READ_OK | Access::WRITE_OK;
    access(path, rights).err().map(|error| format!("{error} (group dialout)"))
}

#[cfg(windows)]
fn access_problem(_path: &str) -> Option<String> {
    None
}
