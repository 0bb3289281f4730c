//! Opens targets as a layer.

use std::path::Path;

use super::farm::Farm;
use super::monitor::Monitor;
use super::options::RigOptions;
use super::rig::Rig;
use super::served_twin::ServedTwin;
use super::target::Target;
use crate::{DeviceError, PhysicalLayer, SlewLimit};

/// An open device.
pub struct Opened {
    /// The device: a rig with its steps limited, a recording, or a farm.
    pub layer: Box<dyn PhysicalLayer>,
    /// A monitor of each rig.
    pub monitors: Vec<Monitor>,
    /// The device's twin, if it is one rig that has one.
    pub twin: Option<ServedTwin>,
}

/// Opens the device at `targets`; several targets form a farm.
///
/// # Errors
/// [`DeviceError::Rig`] where nothing answers, [`DeviceError::Recording`] where a recording cannot be
/// read, [`DeviceError::Config`] where the devices are of several kinds.
pub fn open(targets: &[Target], options: RigOptions) -> Result<Opened, DeviceError> {
    let mut monitors = Vec::new();
    let mut twin = None;
    let mut layers: Vec<Box<dyn PhysicalLayer>> = Vec::new();
    for target in targets {
        layers.push(match target.recording() {
            Some(folder) => replay(folder)?,
            None => {
                let rig = Rig::open(target, options)?;
                monitors.push(rig.monitor());
                twin = rig.twin();
                Box::new(SlewLimit::new(rig))
            }
        });
    }
    let layer = match layers.len() {
        1 => layers.remove(0),
        _ => {
            // Each device of a farm has a twin of its own.
            twin = None;
            Box::new(Farm::new(layers)?)
        }
    };
    Ok(Opened { layer, monitors, twin })
}

#[cfg(feature = "recording")]
fn replay(folder: &Path) -> Result<Box<dyn PhysicalLayer>, DeviceError> {
    Ok(Box::new(crate::recording::Replay::open(folder)?))
}

#[cfg(not(feature = "recording"))]
fn replay(folder: &Path) -> Result<Box<dyn PhysicalLayer>, DeviceError> {
    let problem = "this program cannot read recordings; build it with the feature `recording`";
    Err(DeviceError::Recording { path: folder.to_owned(), problem: problem.to_owned() })
}
