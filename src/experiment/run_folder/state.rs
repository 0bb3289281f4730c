//! What a run leaves behind: its network, and where use has left its devices.

use burn::tensor::{Device, Tensor};
use twinprop_calibration::store::{read_safetensors, to_safetensors};

use super::RunFolder;
use crate::Error;
use crate::experiment::assemblies::StageAssemblies;
use crate::experiment::build::Usages;
use crate::experiment::calibration_run::CalibrationSummary;
use crate::experiment::summary::Summary;
use crate::experiment::transfer::Transfer;
use crate::network::{Laboratory, Network};

impl RunFolder {
    /// Saves where use has left the devices of `laboratory`.
    ///
    /// # Errors
    /// As [`write`](Self::write).
    pub fn save_usages(&self, laboratory: &Laboratory) -> Result<(), Error> {
        self.write_json(Self::USAGES, &laboratory.usages())
    }

    /// The run in numbers.
    ///
    /// # Errors
    /// [`Error::File`] for a run that has not ended, [`Error::Data`] for a damaged file.
    pub fn summary(&self) -> Result<Summary, Error> {
        self.read_json(Self::SUMMARY, "name the folder of a run that has ended")
    }

    /// The calibration in numbers; `None` without one.
    ///
    /// # Errors
    /// As [`usages`](Self::usages).
    pub fn calibration(&self) -> Result<Option<CalibrationSummary>, Error> {
        if !self.path.join(Self::CALIBRATION).exists() {
            return Ok(None);
        }
        self.read_json(Self::CALIBRATION, "let it be read").map(Some)
    }

    /// The resolved recipe, as text.
    ///
    /// # Errors
    /// [`Error::File`] where it cannot be read.
    pub fn recipe(&self) -> Result<String, Error> {
        let path = self.path.join(Self::RECIPE);
        std::fs::read_to_string(&path).map_err(Error::file(&path, "let it be read"))
    }

    /// A transfer in numbers.
    ///
    /// # Errors
    /// [`Error::File`] where there is none, [`Error::Data`] for a damaged file.
    pub fn transfer(&self) -> Result<Transfer, Error> {
        self.read_json(Self::TRANSFER, "name the folder of a transfer")
    }

    /// Which units answered alike when the run began; nothing of a run without a regulariser of assemblies.
    ///
    /// # Errors
    /// As [`usages`](Self::usages).
    pub fn assemblies(&self) -> Result<Vec<StageAssemblies>, Error> {
        if !self.path.join(Self::ASSEMBLIES).exists() {
            return Ok(Vec::new());
        }
        self.read_json(Self::ASSEMBLIES, "let it be read, or remove it")
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
