//! `twinprop device`.

use clap::Subcommand;
use twinprop::Error;
use twinprop::devices::DeviceKind;

/// Questions about devices.
#[derive(Subcommand)]
pub enum Device {
    /// The devices that a recipe can name.
    List,
}

/// Answers.
pub fn run(command: &Device) -> Result<(), Error> {
    match command {
        Device::List => {
            for (name, description) in DeviceKind::ALL {
                println!("{name:<20} {description}");
            }
        }
    }
    Ok(())
}
