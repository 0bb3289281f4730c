//! A spiking network: populations one behind the other, and digital layers on the counts of the last one's spikes.

use twinprop_devices::neuromorphic::{Population, Spikes};

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
}
