//! A network as a recipe with initial parameters.

use std::fmt::Write;
use std::path::Path;

use burn::tensor::{Device, Tensor};
use twinprop_calibration::bridge::from_vec;
use twinprop_calibration::store::to_safetensors;
use twinprop_devices::neuromorphic::{LifChip, LifChipConfig, Population};
use twinprop_devices::write_whole;

use super::network::{Layer, SpikingNetwork};
use crate::Error;
use crate::experiment::Recipe;

/// Name of the recipe.
pub const RECIPE: &str = "recipe.toml";
/// Name of its file of initial parameters.
pub const PARAMETERS: &str = "initial.safetensors";

/// Tensors by their names in a network's state.
type Tensors = Vec<(String, Tensor<2>)>;

impl SpikingNetwork {
    /// Writes the network as a recipe and its initial parameters, [`RECIPE`] and [`PARAMETERS`] in the new folder `folder`.
    /// The recipe's samples are yet to be named. Its chips have continuous weights; their largest weight is a power of
    /// two, so that the weights are those of the network to the bit, and a threshold is the first neuron's: the weights of
    /// the others are scaled by the thresholds' ratio, which leaves spikes as they are.
    ///
    /// # Errors
    /// [`Error::Usage`] for what a recipe's chip cannot hold (constants of each neuron, synapses of neurons with themselves,
    /// time constants of one step), and for a folder that has a recipe; [`Error::Recipe`] for a layer's name that is no
    /// key of a recipe, or that two layers have; [`Error::File`] if it cannot be written.
    pub fn write_recipe(&self, folder: &Path) -> Result<(), Error> {
        let (recipe, tensors) = self.recipe()?;
        Recipe::parse(&recipe)?;
        let advice = "name a folder that can be written";
        std::fs::create_dir_all(folder).map_err(Error::file(folder, advice))?;
        let [recipe_path, parameters] = [RECIPE, PARAMETERS].map(|name| folder.join(name));
        if recipe_path.exists() || parameters.exists() {
            return Err(Error::Usage(format!(
                "{} has a recipe already; name a new folder",
                folder.display()
            )));
        }
        let bytes = to_safetensors(tensors.iter().map(|(name, tensor)| (name.clone(), tensor)));
        write_whole(&parameters, &bytes).map_err(Error::file(&parameters, advice))?;
        write_whole(&recipe_path, recipe.as_bytes()).map_err(Error::file(&recipe_path, advice))
    }

    /// The recipe's text, and the initial parameters.
    fn recipe(&self) -> Result<(String, Tensors), Error> {
        let device = Device::flex();
        let (mut stages, mut devices, mut tensors) = (String::new(), String::new(), Vec::new());
        let mut place = 0;
        for layer in &self.layers {
            let (chip, normalised) = self.chip(layer)?;
            let _ = writeln!(stages, "  \"wire\",");
            let _ = writeln!(stages, "  {{ physical = {{ device = \"{}\" }} }},", layer.name);
            devices += &table(&layer.name, &chip);
            let shape = [1, normalised.len()];
            tensors.push((
                format!("{}.physical.parameters", place + 1),
                from_vec(normalised, shape, &device),
            ));
            place += 2;
        }
        stages += "  \"spike_counts\",\n";
        place += 1;
        for dense in &self.readout {
            let outputs = dense.bias.len();
            let _ = writeln!(stages, "  {{ linear = {{ outputs = {outputs} }} }},");
            let weight = from_vec(dense.weight.clone(), [outputs, dense.inputs], &device);
            tensors.push((format!("{place}.linear.weight"), weight.transpose()));
            let bias = from_vec(dense.bias.clone(), [1, outputs], &device);
            tensors.push((format!("{place}.linear.bias"), bias));
            place += 1;
        }
        if self.readout.is_empty() {
            stages += "  \"readout\",\n";
            let temperature = Tensor::zeros([1, 1], &device);
            tensors.push((format!("{place}.readout.temperature"), temperature));
        }
        let (steps, lines) = (self.steps, self.lines());
        let recipe = format!(
            r#"# A spiking network, imported from NIR.

seed = 1

# The imported weights. Without this line, training starts from random ones.
initial_parameters = "{PARAMETERS}"

network = [
{stages}]

# Name your samples here: rasters of 0 and 1, of the shape (samples, {steps} steps, {lines} lines), and the class of each.
[data]
source = {{ arrays = {{ features = "rasters.npy", classes = "classes.npy" }} }}
{devices}
[calibration]
twin = {{ surrogate = {{ slope = 10.0 }} }}
design = {{ task_like = {{ uniform_share = 0.0, input_spread = 0.0, parameter_spread = 0.02 }} }}
test_shots = 100
fidelity = {{ points = 16 }}
require = "none"

[training]
rule = "pat"
epochs = 10
batch = 64
learning_rate = 0.001
refinement = "off"
"#
        );
        Ok((recipe, tensors))
    }

    /// The chip of `layer`, and its parameters as shares of the largest weight.
    fn chip(&self, layer: &Layer) -> Result<(LifChipConfig, Vec<f32>), Error> {
        let Layer { name, population } = layer;
        let wrong = |problem: String| Error::Usage(format!("the neurons `{name}` {problem}"));
        let same = |what: &str, values: &[f32]| match values {
            [first, others @ ..] => match others.iter().find(|other| *other != first) {
                None => Ok(*first),
                Some(other) => Err(wrong(format!(
                    "have different {what} ({first} and {other} steps), and a recipe's chip has one for all; make them equal before the import, or play the network in a program of your own, by `SpikingNetwork`"
                ))),
            },
            [] => Err(wrong("are none".to_owned())),
        };
        let neurons = &population.neurons;
        let membrane = same("membrane times", &neurons.membrane_time)?;
        let synaptic = same("synaptic times", &neurons.synaptic_time)?;
        refuse_own_synapses(population).map_err(wrong)?;
        let threshold = neurons.threshold[0];
        let scale: Vec<f32> = neurons.threshold.iter().map(|own| threshold / own).collect();
        let weights = population.synapses.chunks(scale.len());
        let weights: Vec<f32> =
            weights.flat_map(|row| row.iter().zip(&scale).map(|(w, scale)| w * scale)).collect();
        let largest = power_above(weights.iter().fold(0.0, |most: f32, w| most.max(w.abs())));
        let chip = LifChipConfig {
            lines: population.lines,
            neurons: neurons.len(),
            steps: self.steps,
            recurrent: population.is_recurrent(),
            membrane_time: in_64_bits(membrane),
            synaptic_time: in_64_bits(synaptic),
            threshold: in_64_bits(threshold),
            refractory: 0,
            largest_weight: f64::from(largest),
            weight_bits: 0,
            step_seconds: self.step_seconds,
            ..LifChipConfig::default()
        };
        LifChip::nominal(&chip)?;
        let normalised = weights.into_iter().map(|weight| weight / largest).collect();
        Ok((chip, normalised))
    }
}

/// The chip's table under `[devices]`.
fn table(name: &str, chip: &LifChipConfig) -> String {
    let LifChipConfig { lines, neurons, steps, recurrent, .. } = chip;
    let LifChipConfig { membrane_time, synaptic_time, threshold, largest_weight, .. } = chip;
    let step_seconds = chip.step_seconds;
    format!(
        "
[devices.{name}.model.lif_chip]
lines = {lines}
neurons = {neurons}
steps = {steps}
recurrent = {recurrent}
membrane_time = {membrane_time:?}
synaptic_time = {synaptic_time:?}
threshold = {threshold:?}
refractory = 0
largest_weight = {largest_weight:?}
step_seconds = {step_seconds:?}
"
    )
}

/// Refuses a weight from a neuron to itself.
fn refuse_own_synapses(population: &Population<f32>) -> Result<(), String> {
    let count = population.neurons.len();
    let mut neurons = 0..if population.is_recurrent() { count } else { 0 };
    match neurons.find(|neuron| population.row(population.lines + neuron)[*neuron] != 0.0) {
        None => Ok(()),
        Some(neuron) => Err(format!(
            "have a synapse of neuron {neuron} with itself, which a chip does not; set the diagonal of the recurrent weights to 0"
        )),
    }
}

/// The smallest power of two above `value`, which is not negative; 1 for 0.
fn power_above(value: f32) -> f32 {
    if value < f32::MIN_POSITIVE {
        return 1.0;
    }
    let power = value.log2().floor().exp2();
    // The logarithm is rounded.
    if power > value {
        power
    } else if 2.0 * power > value {
        2.0 * power
    } else {
        4.0 * power
    }
}

/// The 64-bit number with the fewest digits that is `value` in 32 bits.
fn in_64_bits(value: f32) -> f64 {
    let short: f64 = value.to_string().parse().unwrap_or_else(|_| f64::from(value));
    if (short as f32).to_bits() == value.to_bits() { short } else { f64::from(value) }
}
