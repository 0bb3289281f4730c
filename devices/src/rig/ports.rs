//! The serial ports of this machine.

use serialport::SerialPortType;

/// A serial port of this machine.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct PortFound {
    /// Its path or name.
    pub path: String,
    /// Its hardware, and whether it can be opened.
    pub description: String,
}

/// Lists the serial ports.
///
/// # Errors
/// Where the system cannot list them.
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
            // Opening a port restarts some boards, so only the access rights are checked.
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
