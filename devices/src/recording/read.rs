//! A recording read into memory.

use std::path::Path;

use nalgebra::DMatrix;

use super::index::{Contents, contents};
use super::segment::Segment;
use crate::{DeviceError, Interface, Shots};

/// The shots of the recording in `folder` in their order; every checksum is compared.
///
/// # Errors
/// [`DeviceError::Recording`] names the file and line that is missing or damaged.
pub fn read(folder: &Path) -> Result<Shots, DeviceError> {
    read_segments(folder)
        .map_err(|problem| DeviceError::Recording { path: folder.to_owned(), problem })
}

/// What the device of the recording in `folder` accepted and returned.
///
/// # Errors
/// [`DeviceError::Recording`] if there is no recording, or it is damaged.
pub fn interface(folder: &Path) -> Result<Interface, DeviceError> {
    let contents = contents(folder);
    let contents =
        contents.map_err(|problem| DeviceError::Recording { path: folder.to_owned(), problem })?;
    Ok(contents.interface)
}

fn read_segments(folder: &Path) -> Result<Shots, String> {
    let Contents { interface, segments, .. } = contents(folder)?;
    let (mut inputs, mut parameters, mut outputs) = (Vec::new(), Vec::new(), Vec::new());
    let (mut shots, width) = (0, interface.parameters.len());
    for line in &segments {
        let segment = Segment::read(&folder.join(&line.segment), line, &interface)?;
        shots += segment.shots();
        for setting in &segment.setting {
            parameters.extend_from_slice(&segment.parameters[*setting as usize * width..][..width]);
        }
        inputs.extend(segment.inputs);
        outputs.extend(segment.outputs);
    }
    Ok(Shots {
        inputs: DMatrix::from_vec(interface.inputs.len(), shots, inputs),
        parameters: DMatrix::from_vec(width, shots, parameters),
        outputs: DMatrix::from_vec(interface.outputs.len(), shots, outputs),
    })
}
