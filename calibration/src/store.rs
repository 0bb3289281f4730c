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
use crate::fit::Network;
use crate::neural::NeuralTwinConfig;
use crate::temporal::TemporalTwinConfig;
use crate::twin::DigitalTwin;

/// The JSON beside a twin's numbers.
#[derive(Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub(crate) struct Description {
    format: u32,
    /// The size of a neural twin, or of a temporal one.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub neural: Option<NeuralTwinConfig>,
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub temporal: Option<TemporalTwinConfig>,
    interface: Interface,
}

/// A network that is saved with its size.
pub(crate) trait Stored: Network + DigitalTwin {
    /// Its size.
    type Config;

    /// Writes its size into `description`.
    fn describe(&self, description: &mut Description);

    /// The size that `description` has, if it is of a twin of this kind.
    fn size(description: &Description) -> Option<Self::Config>;

    /// Mean and standard deviation of its readings, each `[1, n_outputs]`.
    fn moments(&self) -> [&Tensor<2>; 2];

    /// An untrained one of a size.
    fn untrained(config: &Self::Config, interface: &Interface, device: &Device) -> Self;

    /// One of given weights, and given mean and deviation of its readings.
    fn assembled(
        config: Self::Config,
        interface: Interface,
        weights: Vec<Tensor<2>>,
        moments: (Vec<f32>, Vec<f32>),
        device: &Device,
    ) -> Self;
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
    twin: &impl Stored,
    folder: &Path,
    name: &str,
) -> Result<(), CalibrationError> {
    let numbered = twin.weights().iter().enumerate();
    let mut tensors: Vec<(String, &Tensor<2>)> =
        numbered.map(|(index, tensor)| (format!("weights.{index}"), tensor)).collect();
    let [mean, deviation] = twin.moments();
    tensors.push(("reading_mean".to_owned(), mean));
    tensors.push(("reading_deviation".to_owned(), deviation));
    write(file(folder, name, "safetensors"), &to_safetensors(tensors))?;
    let mut description = Description {
        format: FORMAT,
        neural: None,
        temporal: None,
        interface: twin.interface().clone(),
    };
    twin.describe(&mut description);
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

/// Loads the twin `NAME` of `folder` for a device with `interface`.
///
/// # Errors
/// [`CalibrationError::OtherDevice`] where the twin was fitted to another interface,
/// [`CalibrationError::File`] and [`CalibrationError::Format`] where the files are missing, damaged, or
/// of another kind of twin.
#[expect(private_bounds, reason = "which twins are networks is decided here")]
pub fn load_network<N: Stored>(
    folder: &Path,
    name: &str,
    interface: &Interface,
    device: &Device,
) -> Result<N, CalibrationError> {
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
    let size = N::size(&description)
        .ok_or_else(|| broken("it is a network of another kind".to_owned()))?;
    if let Some((what, found)) = description.interface.difference(interface) {
        return Err(CalibrationError::OtherDevice { path, what, found });
    }
    let numbers = file(folder, name, "safetensors");
    let mut tensors = read_safetensors(&numbers, device)?;
    let broken = |problem: String| CalibrationError::Format { path: numbers.clone(), problem };
    // An untrained twin of the same size says which tensors there must be, in which shapes.
    let like = N::untrained(&size, interface, device);
    let mut take = |name: &str, like: &Tensor<2>| {
        let tensor =
            tensors.remove(name).ok_or_else(|| broken(format!("tensor `{name}` is missing")))?;
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
    let numbered = like.weights().iter().enumerate();
    let weights = numbered
        .map(|(index, tensor)| take(&format!("weights.{index}"), tensor))
        .collect::<Result<_, _>>()?;
    let [mean, deviation] = like.moments();
    let mean = to_vec(take("reading_mean", mean)?);
    let deviation = to_vec(take("reading_deviation", deviation)?);
    Ok(N::assembled(size, description.interface, weights, (mean, deviation), device))
}

fn write(path: PathBuf, bytes: &[u8]) -> Result<(), CalibrationError> {
    write_whole(&path, bytes).map_err(|source| CalibrationError::File { path, source })
}

fn file(folder: &Path, name: &str, extension: &str) -> PathBuf {
    folder.join(format!("{name}.{extension}"))
}
