//! Your own training loop: forward on the device, backward through its twin, without `Trainer`.
//!
//!     cargo run --release --example own_loop

use std::iter::repeat;

use twinprop::Backend;
use twinprop::calibration::Adam;
use twinprop::calibration::bridge::to_tensor;
use twinprop::experiment::{Experiment, Given, Recipe, Setup, prepare};
use twinprop::network::BatchPosition;
use twinprop::training::{Unobserved, evaluate};

const RECIPE: &str = r#"
seed = 1
network = [
  "encode", { physical = { device = "array", start = 0.06 } },
  "scale", { physical = { device = "array", start = 0.06 } }, "scale", "readout",
]
data = { source = "digits" }
[devices.array.model.oscillators]
count = 64
time = 1.0
steps = 8
bend = 0.1
coupling_deviation = 0.2
largest_angle = 1.5
[devices.array.imperfections]
input_noise = 0.01
"#;

fn main() -> Result<(), Box<dyn std::error::Error>> {
    let backend = Backend::Flex.device()?;
    let recipe = Recipe::parse(RECIPE)?;
    let setup = Setup::new(".".as_ref(), &backend);
    let mut experiment = prepare(&recipe, &setup, Given::default(), &mut Unobserved)?;
    experiment.laboratory.use_exact_twins();
    let Experiment { network, laboratory, split, loss, .. } = &mut experiment;

    let mut optimiser = Adam::default();
    // Stages that draw random numbers draw them by the position.
    let (batch, mut position) = (32, BatchPosition::default());
    for epoch in 1..=10 {
        let mut sum = 0.0;
        let samples: Vec<usize> = (0..split.train.len()).collect();
        for chosen in samples.chunks(batch) {
            let samples = split.train.choose(chosen);
            let x = to_tensor(&samples.features, &backend);
            let trace = network.measure_and_linearise(x, laboratory, Some(position))?;
            let (value, cotangent) = loss.at(trace.output(), &samples.targets);
            let gradients = network.backward(&trace, cotangent, laboratory);
            optimiser.step(repeat(0.006), network.parameters_mut(), gradients);
            sum += value * chosen.len() as f32;
            position = position.after(chosen.len());
        }
        let test = evaluate(network, laboratory, &split.test, &**loss, &backend)?;
        println!("epoch {epoch}: loss {:.3}, test {}", sum / split.train.len() as f32, test.score);
    }
    let test = evaluate(network, laboratory, &split.test, &**loss, &backend)?;
    assert!(test.score.value() > 0.93, "digits are learned: {}", test.score);
    Ok(())
}
