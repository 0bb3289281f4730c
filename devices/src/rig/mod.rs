//! Real devices: a wire protocol, its transports, and both of its ends.
//!
//! ```text
//! Rig ─ Host ─ transport (serial, TCP, child process) ─ link ─ Responder ─ device
//! ```
//!
//! [`Host`] and [`Responder`] are the two ends of the protocol, without a port, a clock or a thread. A [`Rig`] is a
//! [`PhysicalLayer`](crate::PhysicalLayer) that drives a host over a transport; several rigs form a [`Farm`];
//! shots go to the first free one. A device that has a digital twin serves that as well, as a [`ServedTwin`]. An [`emulator`] serves any layer by a responder. The bytes are specified in
//! `devices/PROTOCOL.md`.

mod capacity;
pub mod counts;
pub mod emulator;
pub mod error;
mod farm;
pub mod faults;
pub mod frame;
pub mod host;
pub mod listener;
pub mod message;
mod monitor;
pub mod notice;
mod open;
mod options;
#[cfg(feature = "serial")]
mod ports;
mod pump;
pub mod refusal;
pub mod registry;
pub mod responder;
#[expect(clippy::module_inception, reason = "the rig itself, among its parts")]
mod rig;
mod served_twin;
mod shared;
mod spikes;
mod stdio;
pub mod target;
#[cfg(test)]
mod test_device;
mod timing;
pub mod token;
pub mod transport;
pub mod values;
mod work;

pub use capacity::Capacity;
pub use counts::LinkCounts;
pub use emulator::{Emulator, EmulatorConfig, EmulatorEvent, Stdio, serve_on_stdio};
pub use error::RigError;
pub use farm::Farm;
pub use faults::{Faults, FaultsConfig};
pub use host::{Host, Identity, Patience};
pub use listener::Listener;
pub use message::{Description, Greeting, Health};
pub use monitor::Monitor;
pub use open::{Opened, open};
pub use options::RigOptions;
#[cfg(feature = "serial")]
pub use ports::{PortFound, serial_ports};
pub use refusal::Refusal;
pub use registry::{make_all_safe, may_be_driven};
pub use responder::{Play, Responder};
pub use rig::Rig;
pub use served_twin::ServedTwin;
pub use target::{RigTargets, Target};
pub use token::Token;
pub use transport::Transport;
pub use values::Encoding;
pub use work::Work;
