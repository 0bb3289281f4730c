//! A twin on disk: a network's `NAME.safetensors` with its numbers and `NAME.json` with the interface
//! that it belongs to; an equation's `NAME.constants.json`.

use std::collections::{BTreeMap, HashMap};
use std::path::{Path, PathBuf};

use burn::tensor::{Device, Tensor};
use safetensors::SafeTensors;
use safetensors::tensor::{Dtype, TensorView};
use serde::{Deserialize, Serialize};
use twinprop_devices::{Differentiable, Interface, write_whole};

use crate::bridge::{from_vec, to_vec};
use crate::error::CalibrationError;
use crate::neural::{NeuralTwin, NeuralTwinConfig};

/// The JSON beside a twin's numbers.
#[derive(Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
struct Description {
    format: u32,
    neural: NeuralTwinConfig,
    interface: Interface,
}

const FORMAT: u32 = 3;

/// Named tensors as the bytes of a safetensors file.
///
/// # Panics
/// Never: the views are built from tensors, whose sizes fit their shapes.
#[must_use]
pub fn to_safetensors<'a>(tensors: impl IntoIterator<Item = (String, &'a Tensor<2>)>) -> Vec<u8> {
    let data: Vec<(String, Vec<usize>, Vec<u8>)> = tensors
        .into_iter()
        .map(|(name, tensor)| {
            let bytes = to_vec(tensor.clone()).iter().flat_map(|v| v.to_le_bytes()).collect();
            (name, tensor.dims().to_vec(), bytes)
        })
        .collect();
    let views = data.iter().map(|(name, shape, bytes)| {
        let view = TensorView::new(Dtype::F32, shape.clone(), bytes);
        (name.as_str(), view.expect("bytes fit the shape"))
    });
    safetensors::serialize(views, None).expect("names and shapes are valid")
}

/// Named tensors of a safetensors file; every tensor has two dimensions and finite numbers.
///
/// # Errors
/// [`CalibrationError::File`] or [`CalibrationError::Format`], naming the file.
pub fn read_safetensors(
    path: &Path,
    device: &Device,
) -> Result<HashMap<String, Tensor<2>>, CalibrationError> {
    let bytes = std::fs::read(path)
        .map_err(|source| CalibrationError::File { path: path.to_owned(), source })?;
    let broken = |problem: String| CalibrationError::Format { path: path.to_owned(), problem };
    let file = SafeTensors::deserialize(&bytes).map_err(|error| broken(error.to_string()))?;
    file.iter()
        .map(|(name, view)| {
            let [rows, columns] = view.shape() else {
                return Err(broken(format!("tensor `{name}` has not two dimensions")));
            };
            if view.dtype() != Dtype::F32 {
                return Err(broken(format!("tensor `{name}` is not of 32-bit floats")));
            }
            let values: Vec<f32> = view
                .data()
                .chunks_exact(4)
                .map(|bytes| f32::from_le_bytes([bytes[0], bytes[1], bytes[2], bytes[3]]))
                .collect();
            if values.iter().any(|value| !value.is_finite()) {
                return Err(broken(format!("tensor `{name}` holds a number that is not finite")));
            }
            Ok((name.to_owned(), from_vec(values, [*rows, *columns], device)))
        })
        .collect()
}

/// Saves `twin` as `NAME.safetensors` and `NAME.json` in `folder`.
///
/// # Errors
/// [`CalibrationError::File`] names the file that could not be written.
pub(crate) fn save_network(
    twin: &NeuralTwin,
    folder: &Path,
    name: &str,
) -> Result<(), CalibrationError> {
    let mut tensors: Vec<(String, &Tensor<2>)> = twin
        .weights
        .iter()
        .enumerate()
        .map(|(index, tensor)| (format!("weights.{index}"), tensor))
        .collect();
    tensors.push(("reading_mean".to_owned(), &twin.reading_mean));
    tensors.push(("reading_deviation".to_owned(), &twin.reading_deviation));
    write(file(folder, name, "safetensors"), &to_safetensors(tensors))?;
    let description = Description {
        format: FORMAT,
        neural: twin.config.clone(),
        interface: twin.interface.clone(),
    };
    let json = serde_json::to_vec_pretty(&description).expect("a description is plain data");
    write(file(folder, name, "json"), &json)
}

/// Saves the constants of `equation` as `NAME.constants.json` in `folder`.
///
/// # Errors
/// [`CalibrationError::File`] names the file that could not be written.
pub(crate) fn save_constants(
    equation: &dyn Differentiable,
    folder: &Path,
    name: &str,
) -> Result<(), CalibrationError> {
    let constants = equation.constants().into_iter();
    let named: BTreeMap<String, f32> =
        constants.map(|constant| (constant.name, constant.value)).collect();
    let json = serde_json::to_vec_pretty(&named).expect("names and numbers are plain data");
    write(file(folder, name, "constants.json"), &json)
}

/// Whether constants are saved as `NAME.constants.json` in `folder`.
#[must_use]
pub fn has_constants(folder: &Path, name: &str) -> bool {
    file(folder, name, "constants.json").is_file()
}

/// Gives `equation` the constants that are saved as `NAME.constants.json` in `folder`.
///
/// # Errors
/// [`CalibrationError::File`] and [`CalibrationError::Format`] where the file is missing, damaged, or
/// of another device.
pub fn load_constants(
    equation: &mut dyn Differentiable,
    folder: &Path,
    name: &str,
) -> Result<(), CalibrationError> {
    let path = file(folder, name, "constants.json");
    let json = std::fs::read(&path)
        .map_err(|source| CalibrationError::File { path: path.clone(), source })?;
    let wrong = |problem: String| CalibrationError::Format { path: path.clone(), problem };
    let learned: BTreeMap<String, f32> =
        serde_json::from_slice(&json).map_err(|error| wrong(error.to_string()))?;
    let constants = equation.constants().into_iter();
    let values: Vec<f32> = constants
        .map(|constant| {
            learned.get(&constant.name).copied().ok_or_else(|| {
                wrong(format!(
                    "it has no constant `{}`; it belongs to another device",
                    constant.name
                ))
            })
        })
        .collect::<Result<_, _>>()?;
    equation.set_constants(&values);
    Ok(())
}

impl NeuralTwin {
    /// Loads the twin `NAME` of `folder` for a device with `interface`.
    ///
    /// # Errors
    /// [`CalibrationError::OtherDevice`] where the twin was fitted to another interface,
    /// [`CalibrationError::File`] and [`CalibrationError::Format`] where the files are missing or
    /// damaged.
    pub fn load(
        folder: &Path,
        name: &str,
        interface: &Interface,
        device: &Device,
    ) -> Result<Self, CalibrationError> {
        let path = file(folder, name, "json");
        let json = std::fs::read(&path)
            .map_err(|source| CalibrationError::File { path: path.clone(), source })?;
        let broken = |problem: String| CalibrationError::Format { path: path.clone(), problem };
        let description: Description =
            serde_json::from_slice(&json).map_err(|error| broken(error.to_string()))?;
        if description.format != FORMAT {
            return Err(broken(format!(
                "its format is {} and this program reads {FORMAT}",
                description.format
            )));
        }
        if let Some((what, found)) = description.interface.difference(interface) {
            return Err(CalibrationError::OtherDevice { path, what, found });
        }
        let numbers = file(folder, name, "safetensors");
        let mut tensors = read_safetensors(&numbers, device)?;
        let broken = |problem: String| CalibrationError::Format { path: numbers.clone(), problem };
        // An untrained twin of the same size says which tensors there must be, in which shapes.
        let outputs = interface.outputs.len();
        let moments = (vec![0.0; outputs], vec![1.0; outputs]);
        let like = Self::new(&description.neural, interface, moments, 0, device);
        let mut take = |name: &str, like: &Tensor<2>| {
            let tensor = tensors
                .remove(name)
                .ok_or_else(|| broken(format!("tensor `{name}` is missing")))?;
            if tensor.dims() == like.dims() {
                Ok(tensor)
            } else {
                Err(broken(format!(
                    "tensor `{name}` has shape {:?} instead of {:?}",
                    tensor.dims(),
                    like.dims()
                )))
            }
        };
        let weights = like
            .weights
            .iter()
            .enumerate()
            .map(|(index, tensor)| take(&format!("weights.{index}"), tensor))
            .collect::<Result<_, _>>()?;
        let mean = to_vec(take("reading_mean", &like.reading_mean)?);
        let deviation = to_vec(take("reading_deviation", &like.reading_deviation)?);
        Ok(Self::assemble(
            description.neural,
            description.interface,
            weights,
            (mean, deviation),
            device,
        ))
    }
}

fn write(path: PathBuf, bytes: &[u8]) -> Result<(), CalibrationError> {
    write_whole(&path, bytes).map_err(|source| CalibrationError::File { path, source })
}

fn file(folder: &Path, name: &str, extension: &str) -> PathBuf {
    folder.join(format!("{name}.{extension}"))
}
