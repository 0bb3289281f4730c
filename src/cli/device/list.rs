//! `twinprop device list`.

use crate::Error;
use crate::devices::DeviceKind;
use crate::devices::rig::serial_ports;
use crate::outln;

/// Prints the simulated devices and the ports.
pub fn run() -> Result<(), Error> {
    outln!("simulated devices, for a recipe's [devices.NAME.model.KIND]:");
    for kind in DeviceKind::all() {
        outln!("  {:<20} {}", kind.name(), kind.description());
    }
    outln!("serial ports, for --device:");
    let ports = serial_ports().map_err(Error::Usage)?;
    for port in &ports {
        outln!("  serial://{:<20} {}", port.path, port.description);
    }
    if ports.is_empty() {
        outln!("  none");
    }
    Ok(())
}
