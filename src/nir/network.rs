//! A spiking network: populations one behind the other, and digital layers on the counts of the last one's spikes.

use std::path::Path;

use nir_rs::NirError;
use twinprop_devices::neuromorphic::{Population, Spikes};
use twinprop_devices::write_whole;

use super::export::to_graph;
use super::import::{Grid, from_graph};
use crate::Error;

/// Populations of neurons, and the digital layers behind them.
#[derive(Clone, Debug, PartialEq)]
pub struct SpikingNetwork {
    /// The populations, each driven by the spikes of the one before; at least one.
    pub layers: Vec<Layer>,
    /// Digital layers, the first on the counts of the last population's spikes; none for the counts themselves.
    pub readout: Vec<Dense>,
    /// Steps T of a shot.
    pub steps: usize,
    /// Length dt of a step, in seconds.
    pub step_seconds: f64,
}

/// A population with its name.
#[derive(Clone, Debug, PartialEq)]
pub struct Layer {
    /// Its name: the start of its nodes' names in a graph, and its device's in a recipe.
    pub name: String,
    /// Neurons and synapses. Refractory times are 0: NIR has none.
    pub population: Population<f32>,
}

/// A digital layer, y = A x + b.
#[derive(Clone, Debug, PartialEq)]
pub struct Dense {
    /// Width of x.
    pub inputs: usize,
    /// A, `[output][input]`.
    pub weight: Vec<f32>,
    /// b, one value an output.
    pub bias: Vec<f32>,
}

impl Dense {
    /// A x + b.
    fn apply(&self, x: &[f32]) -> Vec<f32> {
        let rows = self.weight.chunks(self.inputs.max(1)).zip(&self.bias);
        rows.map(|(row, bias)| row.iter().zip(x).map(|(a, x)| a * x).sum::<f32>() + bias).collect()
    }
}

impl SpikingNetwork {
    /// Number of input lines.
    #[must_use]
    pub fn lines(&self) -> usize {
        self.layers.first().map_or(0, |layer| layer.population.lines)
    }

    /// Number of neurons of the last population.
    #[must_use]
    pub fn neurons(&self) -> usize {
        self.layers.last().map_or(0, |layer| layer.population.neurons.len())
    }

    /// The spikes of each population that answer `input`, a raster of T steps.
    #[must_use]
    pub fn play(&self, input: &Spikes) -> Vec<Spikes> {
        let mut rasters: Vec<Spikes> = Vec::with_capacity(self.layers.len());
        for layer in &self.layers {
            rasters.push(layer.population.play(rasters.last().unwrap_or(input)));
        }
        rasters
    }

    /// The network's answer to `input`: what the digital layers make of the counts, or the counts.
    #[must_use]
    pub fn answer(&self, input: &Spikes) -> Vec<f32> {
        let counts = self.play(input).pop().unwrap_or_default().counts(self.neurons());
        let counts = counts.into_iter().map(|count| count as f32).collect();
        self.readout.iter().fold(counts, |x, layer| layer.apply(&x))
    }

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
