//! `twinprop device list`.

use twinprop::Error;
use twinprop::devices::DeviceKind;
use twinprop::devices::rig::serial_ports;

/// Prints the simulated devices and the ports.
pub fn run() -> Result<(), Error> {
    println!("simulated devices, for a recipe's [devices.NAME.model.KIND]:");
    for (name, description) in DeviceKind::ALL {
        println!("  {name:<20} {description}");
    }
    println!("serial ports, for --device:");
    let ports = serial_ports().map_err(Error::Usage)?;
    for port in &ports {
        println!("  serial://{:<20} {}", port.path, port.description);
    }
    if ports.is_empty() {
        println!("  none");
    }
    Ok(())
}
