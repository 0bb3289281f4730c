//! What a run leaves behind: its network, and where use has left its devices.

use std::collections::BTreeMap;

use burn::tensor::{Device, Tensor};
use twinprop_calibration::store::{read_safetensors, to_safetensors};
use twinprop_devices::Usage;

use super::RunFolder;
use crate::Error;
use crate::network::{Laboratory, Network};

/// Where use has left devices, by their names.
pub type Usages = BTreeMap<String, Usage>;

impl RunFolder {
    /// Saves where use has left the devices of `laboratory`.
    ///
    /// # Errors
    /// As [`write`](Self::write).
    pub fn save_usages(&self, laboratory: &Laboratory) -> Result<(), Error> {
        self.write_json(Self::USAGES, &laboratory.usages())
    }

    /// The resolved recipe, as text.
    ///
    /// # Errors
    /// [`Error::File`] where it cannot be read.
    pub fn recipe(&self) -> Result<String, Error> {
        let path = self.path.join(Self::RECIPE);
        std::fs::read_to_string(&path).map_err(Error::file(&path, "let it be read"))
    }

    /// Where use has left the devices; nothing of a run that did not say.
    ///
    /// # Errors
    /// [`Error::Data`] for a damaged file, [`Error::File`] for one that cannot be read.
    pub fn usages(&self) -> Result<Usages, Error> {
        if !self.path.join(Self::USAGES).exists() {
            return Ok(Usages::new());
        }
        self.read_json(Self::USAGES, "let it be read, or remove it")
    }

    /// Saves everything that makes `network` what it is.
    ///
    /// # Errors
    /// As [`write`](Self::write).
    pub fn save_network(&self, network: &Network) -> Result<(), Error> {
        self.write_bytes(Self::PARAMETERS, &to_safetensors(network.state()))
    }

    /// Loads what [`save_network`](Self::save_network) saved into a network of the same recipe.
    ///
    /// # Errors
    /// [`Error::Data`] where the file does not fit the network.
    pub fn load_network(&self, network: &mut Network, backend: &Device) -> Result<(), Error> {
        let path = self.path.join(Self::PARAMETERS);
        let mut saved = read_safetensors(&path, backend)?;
        let names: Vec<String> = network.state().into_iter().map(|(name, _)| name).collect();
        for (name, place) in names.iter().zip(network.state_mut()) {
            let value: Option<Tensor<2>> = saved.remove(name);
            match value.filter(|value| value.dims() == place.dims()) {
                Some(value) => *place = value,
                None => {
                    return Err(Error::Data {
                        path,
                        problem: format!(
                            "it has no tensor `{name}` of shape {:?}, which the run's recipe asks for; the two files are not of one run",
                            place.dims()
                        ),
                    });
                }
            }
        }
        Ok(())
    }
}
