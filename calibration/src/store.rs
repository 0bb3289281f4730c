//! Files of twins: tensors as safetensors, and an equation's `NAME.constants.json`.

use std::collections::{BTreeMap, HashMap};
use std::path::{Path, PathBuf};

use burn::tensor::{Device, Tensor};
use safetensors::SafeTensors;
use safetensors::tensor::{Dtype, TensorView};
use twinprop_devices::{Differentiable, write_whole};

use crate::bridge::{from_vec, to_vec};
use crate::error::CalibrationError;

/// Named tensors as the bytes of a safetensors file.
///
/// # Panics
/// Never: the size of a tensor fits its shape.
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

/// The named tensors of a safetensors file; every tensor must have two dimensions and finite values.
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
                return Err(broken(format!("tensor `{name}` does not have two dimensions")));
            };
            if view.dtype() != Dtype::F32 {
                return Err(broken(format!("tensor `{name}` does not hold 32-bit floats")));
            }
            let values: Vec<f32> = view
                .data()
                .chunks_exact(4)
                .map(|bytes| f32::from_le_bytes([bytes[0], bytes[1], bytes[2], bytes[3]]))
                .collect();
            if values.iter().any(|value| !value.is_finite()) {
                return Err(broken(format!("tensor `{name}` holds a value that is not finite")));
            }
            Ok((name.to_owned(), from_vec(values, [*rows, *columns], device)))
        })
        .collect()
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

/// Writes a file as a whole.
///
/// # Errors
/// [`CalibrationError::File`] names the file.
pub(crate) fn write(path: PathBuf, bytes: &[u8]) -> Result<(), CalibrationError> {
    write_whole(&path, bytes).map_err(|source| CalibrationError::File { path, source })
}

/// The file `NAME.EXTENSION` of `folder`.
pub(crate) fn file(folder: &Path, name: &str, extension: &str) -> PathBuf {
    folder.join(format!("{name}.{extension}"))
}
