//! A network's files: `NAME.json` with its size and the interface that it belongs to, and
//! `NAME.safetensors` with its weights.

use std::collections::HashMap;
use std::fmt;
use std::marker::PhantomData;
use std::path::Path;

use burn::tensor::{Device, Tensor};
use serde::de::{Deserializer as _, Error as _, IgnoredAny, MapAccess, Visitor};
use serde::ser::SerializeMap;
use serde::{Serialize, Serializer};
use twinprop_devices::Interface;

use super::architecture::Architecture;
use crate::error::CalibrationError;
use crate::store::{file, read_safetensors, to_safetensors, write};

const FORMAT: u32 = 3;

/// The JSON beside a network's weights; its size stands under the key of its kind.
pub(super) struct TwinDescription<A: Architecture> {
    pub config: A::Config,
    pub interface: Interface,
}

impl<A: Architecture> Serialize for TwinDescription<A> {
    fn serialize<S: Serializer>(&self, serializer: S) -> Result<S::Ok, S::Error> {
        let mut map = serializer.serialize_map(Some(3))?;
        map.serialize_entry("format", &FORMAT)?;
        map.serialize_entry(A::KIND, &self.config)?;
        map.serialize_entry("interface", &self.interface)?;
        map.end()
    }
}

/// Reads a [`TwinDescription`].
struct Reader<A>(PhantomData<A>);

impl<'de, A: Architecture> Visitor<'de> for Reader<A> {
    type Value = TwinDescription<A>;

    fn expecting(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str("the description of a twin")
    }

    fn visit_map<M: MapAccess<'de>>(self, mut map: M) -> Result<Self::Value, M::Error> {
        let (mut format, mut config, mut interface, mut other) = (None, None, None, None);
        while let Some(key) = map.next_key::<String>()? {
            match key.as_str() {
                "format" => format = Some(map.next_value::<u32>()?),
                "interface" => interface = Some(map.next_value()?),
                kind if kind == A::KIND => config = Some(map.next_value()?),
                _ => {
                    map.next_value::<IgnoredAny>()?;
                    other = Some(key);
                }
            }
        }
        let format = format.ok_or_else(|| M::Error::missing_field("format"))?;
        if format != FORMAT {
            let problem = format!("its format is {format} and this program reads {FORMAT}");
            return Err(M::Error::custom(problem));
        }
        let other = other.map(|kind| {
            let problem = format!("it is a network of another kind: `{kind}`, not `{}`", A::KIND);
            M::Error::custom(problem)
        });
        match (config, interface, other) {
            (Some(config), Some(interface), None) => Ok(TwinDescription { config, interface }),
            (_, _, Some(error)) => Err(error),
            (None, ..) => Err(M::Error::missing_field(A::KIND)),
            (_, None, _) => Err(M::Error::missing_field("interface")),
        }
    }
}

/// Saves a network's `description` and `tensors` as `NAME.json` and `NAME.safetensors` in `folder`.
///
/// # Errors
/// [`CalibrationError::File`] names the file that could not be written.
pub(super) fn save<'a, A: Architecture>(
    description: &TwinDescription<A>,
    tensors: impl IntoIterator<Item = (String, &'a Tensor<2>)>,
    folder: &Path,
    name: &str,
) -> Result<(), CalibrationError> {
    write(file(folder, name, "safetensors"), &to_safetensors(tensors))?;
    let json = serde_json::to_vec_pretty(description).expect("a description is plain data");
    write(file(folder, name, "json"), &json)
}

/// The description of the network `NAME` of `folder`, for a device with `interface`.
///
/// # Errors
/// [`CalibrationError::OtherDevice`] where the network was fitted to another interface,
/// [`CalibrationError::File`] and [`CalibrationError::Format`] where the file is missing, damaged, or
/// describes a network of another kind.
pub(super) fn read_description<A: Architecture>(
    folder: &Path,
    name: &str,
    interface: &Interface,
) -> Result<TwinDescription<A>, CalibrationError> {
    let path = file(folder, name, "json");
    let json = std::fs::read(&path)
        .map_err(|source| CalibrationError::File { path: path.clone(), source })?;
    let mut deserializer = serde_json::Deserializer::from_slice(&json);
    let description = deserializer
        .deserialize_map(Reader::<A>(PhantomData))
        .and_then(|description| deserializer.end().map(|()| description))
        .map_err(|error| CalibrationError::Format {
            path: path.clone(),
            problem: error.to_string(),
        })?;
    match description.interface.difference(interface) {
        Some((what, found)) => Err(CalibrationError::OtherDevice { path, what, found }),
        None => Ok(description),
    }
}

/// The tensors of a network, each checked against the shape that it must have.
pub(super) struct Tensors {
    path: std::path::PathBuf,
    by_name: HashMap<String, Tensor<2>>,
}

impl Tensors {
    /// Reads the tensors of the network `NAME` of `folder`.
    ///
    /// # Errors
    /// As [`read_safetensors`].
    pub fn read(folder: &Path, name: &str, device: &Device) -> Result<Self, CalibrationError> {
        let path = file(folder, name, "safetensors");
        let by_name = read_safetensors(&path, device)?;
        Ok(Self { path, by_name })
    }

    /// Takes the tensor `name`, which must have the shape of `like`.
    ///
    /// # Errors
    /// [`CalibrationError::Format`] where it is missing or has another shape.
    pub fn take(&mut self, name: &str, like: &Tensor<2>) -> Result<Tensor<2>, CalibrationError> {
        let problem = match self.by_name.remove(name) {
            Some(tensor) if tensor.dims() == like.dims() => return Ok(tensor),
            Some(tensor) => format!(
                "tensor `{name}` has shape {:?} instead of {:?}",
                tensor.dims(),
                like.dims()
            ),
            None => format!("tensor `{name}` is missing"),
        };
        Err(CalibrationError::Format { path: self.path.clone(), problem })
    }
}
