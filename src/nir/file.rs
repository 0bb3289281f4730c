//! Files of graphs.

use std::path::Path;

use nir_rs::NirError;
use twinprop_devices::write_whole;

use super::export::to_graph;
use super::import::{Grid, from_graph};
use super::network::SpikingNetwork;
use crate::Error;

impl SpikingNetwork {
    /// Writes the network as the graph `path`; an older file is replaced as a whole.
    ///
    /// # Errors
    /// [`Error::File`] if the file cannot be written, [`Error::Data`] for a name that HDF5 cannot hold.
    pub fn write(&self, path: &Path) -> Result<(), Error> {
        let advice = "name a file that can be written";
        // HDF5 locks the file that it writes, and a process that is started meanwhile keeps the lock: the user gets a copy.
        let folder = tempfile::tempdir().map_err(Error::file(&std::env::temp_dir(), advice))?;
        let written = folder.path().join("network.nir");
        to_graph(self)
            .and_then(|graph| nir_rs::io::write(&written, &graph))
            .map_err(|error| in_file(path, &error))?;
        let bytes = std::fs::read(&written).map_err(Error::file(&written, advice))?;
        write_whole(path, &bytes).map_err(Error::file(path, advice))
    }

    /// Reads the graph `path`. NIR has neither the length nor the number of the steps: they are those of `grid` or, in a
    /// file that this program wrote, what its metadata say.
    ///
    /// # Errors
    /// [`Error::Data`] for a file that is no graph, or a graph that a chip of `lif_chip`s cannot play: it names the node
    /// and what it would need. [`Error::Usage`] for steps that neither say.
    pub fn read(path: &Path, grid: Grid) -> Result<Self, Error> {
        if !path.is_file() {
            let problem = "there is no such file; name a graph in NIR".to_owned();
            return Err(Error::Data { path: path.to_owned(), problem });
        }
        let graph = nir_rs::io::read(path).map_err(|error| in_file(path, &error))?;
        let grid = grid.or_of(&graph)?;
        from_graph(&graph, grid).map_err(|problem| Error::Data { path: path.to_owned(), problem })
    }
}

fn in_file(path: &Path, error: &NirError) -> Error {
    Error::Data { path: path.to_owned(), problem: error.to_string() }
}
