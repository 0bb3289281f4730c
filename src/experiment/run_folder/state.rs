//! State that a run leaves: its network, and the usage of its devices.

use std::collections::BTreeMap;
use std::path::Path;

use burn::tensor::{Device, Tensor};
use twinprop_calibration::store::{read_safetensors, to_safetensors};
use twinprop_devices::Usage;

use super::RunFolder;
use crate::Error;
use crate::network::{Laboratory, Network};

/// Usage of devices so far, by name: it sets their noise, drift and programming.
pub type Usages = BTreeMap<String, Usage>;

impl RunFolder {
    /// Saves the usage of the devices of `laboratory`.
    ///
    /// # Errors
    /// As [`write`](Self::write).
    pub fn save_usages(&self, laboratory: &Laboratory) -> Result<(), Error> {
        self.write_json(Self::USAGES, &laboratory.usages())
    }

    /// Reads the resolved recipe as text.
    ///
    /// # Errors
    /// [`Error::File`] if it cannot be read.
    pub fn recipe(&self) -> Result<String, Error> {
        let path = self.path.join(Self::RECIPE);
        std::fs::read_to_string(&path).map_err(Error::file(&path, "make it readable"))
    }

    /// Reads the usage of the devices; empty if the run saved none.
    ///
    /// # Errors
    /// [`Error::Data`] for a damaged file, [`Error::File`] for a file that cannot be read.
    pub fn usages(&self) -> Result<Usages, Error> {
        if !self.path.join(Self::USAGES).exists() {
            return Ok(Usages::new());
        }
        self.read_json(Self::USAGES, "make it readable, or remove it")
    }

    /// Saves the parameters and the state of `network`.
    ///
    /// # Errors
    /// As [`write`](Self::write).
    pub fn save_network(&self, network: &Network) -> Result<(), Error> {
        self.write_bytes(Self::PARAMETERS, &to_safetensors(network.state()))
    }

    /// Loads what [`save_network`](Self::save_network) saved into a network of the same recipe.
    ///
    /// # Errors
    /// [`Error::Data`] if the file does not fit the network.
    pub fn load_network(&self, network: &mut Network, backend: &Device) -> Result<(), Error> {
        let path = self.path.join(Self::PARAMETERS);
        load_state(
            &path,
            network,
            backend,
            "which the run's recipe needs; the two files are from different runs",
        )
    }
}

/// Loads the state of `network` from the file `path`; `advice` is for a tensor that is not there.
///
/// # Errors
/// [`Error::Data`] if the file does not fit the network.
pub(in crate::experiment) fn load_state(
    path: &Path,
    network: &mut Network,
    backend: &Device,
    advice: &str,
) -> Result<(), Error> {
    let mut saved = read_safetensors(path, backend)?;
    let names: Vec<String> = network.state().into_iter().map(|(name, _)| name).collect();
    for (name, place) in names.iter().zip(network.state_mut()) {
        let value: Option<Tensor<2>> = saved.remove(name);
        match value.filter(|value| value.dims() == place.dims()) {
            Some(value) => *place = value,
            None => {
                return Err(Error::Data {
                    path: path.to_owned(),
                    problem: format!(
                        "it has no tensor `{name}` of shape {:?}, {advice}",
                        place.dims()
                    ),
                });
            }
        }
    }
    Ok(())
}
