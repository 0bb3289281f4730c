//! `twinprop device`.

mod info;
mod list;
mod probe;
mod serve;

use clap::Subcommand;

use crate::Error;
use crate::devices::rig::Target;

/// Commands about devices.
#[derive(Subcommand)]
pub enum Device {
    /// List the simulated devices and this machine's serial ports.
    List,
    /// Print a device's name, channels, ranges, limits and state.
    Info {
        /// The device, such as serial:///dev/ttyACM0, tcp://127.0.0.1:7777 or 'process:python3 rig.py'.
        target: Target,
    },
    /// Measure a device's latency, rate, noise, drift and linearity, and write a report with plots.
    Probe(probe::Probe),
    /// Serve a recipe's simulated device over the wire protocol, as a rig.
    Serve(serve::Serve),
}

impl Device {
    /// Whether the command's only result is its standard output.
    pub fn only_prints(&self) -> bool {
        matches!(self, Self::List | Self::Info { .. })
    }
}

/// Runs the command.
pub fn run(command: &Device) -> Result<(), Error> {
    match command {
        Device::List => list::run(),
        Device::Info { target } => info::run(target),
        Device::Probe(command) => probe::run(command),
        Device::Serve(command) => serve::run(command),
    }
}
