//! `twinprop device`.

mod info;
mod list;
mod probe;
mod serve;

use clap::Subcommand;
use twinprop::Error;
use twinprop::devices::rig::Target;

/// Questions about devices.
#[derive(Subcommand)]
pub enum Device {
    /// The devices that a recipe can name, and the serial ports of this machine.
    List,
    /// Who answers at a target: its channels, ranges, limits and state.
    Info {
        /// Such as serial:///dev/ttyACM0, tcp://127.0.0.1:7777 or 'process:python3 rig.py'.
        target: Target,
    },
    /// What a device is like: its latency, rate, noise, drift and linearity, as a report with plots.
    Probe(probe::Probe),
    /// Put a recipe's simulated device behind the wire protocol.
    Serve(serve::Serve),
}

impl Device {
    /// Whether the lines on standard output are all that the command makes.
    pub fn only_prints(&self) -> bool {
        matches!(self, Self::List | Self::Info { .. })
    }
}

/// Answers.
pub fn run(command: &Device) -> Result<(), Error> {
    match command {
        Device::List => list::run(),
        Device::Info { target } => info::run(target),
        Device::Probe(command) => probe::run(command),
        Device::Serve(command) => serve::run(command),
    }
}
