//! Random networks, and their equations in double precision.

use rand::RngExt;
use twinprop::devices::neuromorphic::{Neurons, Population, Spikes};
use twinprop::devices::random;
use twinprop::nir::{Dense, Layer, SpikingNetwork};

/// Steps of a shot.
pub const STEPS: usize = 40;

/// A population of the same constants, or of different ones if it is `uneven`.
pub fn layer(
    name: &str,
    seed: u64,
    [lines, count]: [usize; 2],
    recurrent: bool,
    uneven: bool,
) -> Layer {
    let random = &mut random::stream(seed, name);
    let sources = if recurrent { lines + count } else { lines };
    let mut synapses: Vec<f32> =
        (0..sources * count).map(|_| 0.6 * random::deviate(random) as f32).collect();
    if recurrent {
        (0..count).for_each(|neuron| synapses[(lines + neuron) * count + neuron] = 0.0);
    }
    let mut each = |value: f32| -> Vec<f32> {
        (0..count)
            .map(|_| value * if uneven { random.random_range(0.8..1.2f32) } else { 1.0 })
            .collect()
    };
    let neurons = Neurons {
        membrane_time: each(12.3),
        synaptic_time: each(4.7),
        threshold: each(0.9),
        refractory: vec![0; count],
    };
    Layer { name: name.to_owned(), population: Population::new(lines, neurons, synapses) }
}

/// A digital layer.
pub fn dense(seed: u64, [inputs, outputs]: [usize; 2]) -> Dense {
    let random = &mut random::stream(seed, "dense");
    let mut values =
        |count: usize| (0..count).map(|_| random::deviate(random) as f32).collect::<Vec<f32>>();
    Dense { inputs, weight: values(inputs * outputs), bias: values(outputs) }
}

/// A network in steps of 0.1 ms.
pub fn network(layers: Vec<Layer>, readout: Vec<Dense>) -> SpikingNetwork {
    SpikingNetwork { layers, readout, steps: STEPS, step_seconds: 1e-4 }
}

/// Two populations, the first recurrent, and two digital layers, with constants of each neuron.
pub fn uneven() -> SpikingNetwork {
    let layers =
        vec![layer("first", 1, [9, 12], true, true), layer("second", 2, [12, 7], false, true)];
    network(layers, vec![dense(3, [7, 5]), dense(4, [5, 3])])
}

/// The same sizes with the same constants for all neurons of a population.
pub fn even() -> SpikingNetwork {
    let layers =
        vec![layer("first", 1, [9, 12], true, false), layer("second", 2, [12, 7], false, false)];
    network(layers, vec![dense(3, [7, 5]), dense(4, [5, 3])])
}

/// Rasters of `shots` shots of `lines` lines, a fifth of the cells with a spike.
pub fn rasters(shots: usize, lines: usize) -> Vec<Vec<f32>> {
    let random = &mut random::stream(11, "rasters");
    let mut cell = || f32::from(random.random_bool(0.2));
    (0..shots).map(|_| (0..STEPS * lines).map(|_| cell()).collect()).collect()
}

/// The rasters as spikes.
pub fn spikes(rasters: &[Vec<f32>], lines: usize) -> Vec<Spikes> {
    rasters.iter().map(|raster| Spikes::of_raster(raster, lines)).collect()
}

/// The counts of the last population by the plain equation in double precision, and how near any membrane comes to its
/// threshold, as a share of it.
pub fn plain_counts(network: &SpikingNetwork, input: &Spikes) -> (Vec<u32>, f64) {
    let mut fired: Vec<Vec<u32>> = (0..input.steps()).map(|step| input.at(step).to_vec()).collect();
    let (mut counts, mut nearest) = (Vec::new(), f64::INFINITY);
    for Layer { population, .. } in &network.layers {
        let neurons = &population.neurons;
        let count = neurons.len();
        let (mut p, mut v) = (vec![0.0; count], vec![0.0; count]);
        let mut answer: Vec<Vec<u32>> = Vec::new();
        counts = vec![0; count];
        for step in 0..fired.len() {
            let mut sources: Vec<usize> = Vec::new();
            if let Some(before) = step.checked_sub(1) {
                sources.extend(fired[before].iter().map(|&line| line as usize));
                if population.is_recurrent() {
                    let own = answer[before].iter().map(|&line| population.lines + line as usize);
                    sources.extend(own);
                }
            }
            let mut now = Vec::new();
            for neuron in 0..count {
                let x: f64 =
                    sources.iter().map(|&source| f64::from(population.row(source)[neuron])).sum();
                let [membrane, synaptic, threshold] =
                    [&neurons.membrane_time, &neurons.synaptic_time, &neurons.threshold]
                        .map(|values| f64::from(values[neuron]));
                p[neuron] = (1.0 - 1.0 / synaptic) * p[neuron] + x;
                v[neuron] = (1.0 - 1.0 / membrane) * v[neuron] + p[neuron] / synaptic;
                nearest = nearest.min((v[neuron] / threshold - 1.0).abs());
                if v[neuron] > threshold {
                    v[neuron] = 0.0;
                    counts[neuron] += 1;
                    now.push(neuron as u32);
                }
            }
            answer.push(now);
        }
        fired = answer;
    }
    (counts, nearest)
}
