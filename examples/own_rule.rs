//! Your own training rule: Manhattan learning, for devices with parameters that move up or down by one step.
//!
//! Memristors and other analog memories take pulses of one size, so that only the gradient's sign counts (Prezioso et
//! al., Nature 521, 61, 2015). The rule makes the passes of physics-aware training, and replaces each gradient of a
//! physical parameter by its sign: in a training step, all move by the same amount.
//!
//!     cargo run --release --example own_rule

use twinprop::Backend;
use twinprop::devices::DeviceError;
use twinprop::experiment::{Experiment, Given, Recipe, Setup, prepare};
use twinprop::loss::Loss;
use twinprop::network::{Laboratory, Network};
use twinprop::rules::{Backpropagation, Batch, StepOutput, TrainingRule};
use twinprop::training::{Descent, Trainer, Unobserved, evaluate};

/// Replaces the gradient of a physical parameter by its sign, times `step`.
struct Manhattan {
    inner: Backpropagation,
    step: f64,
}

impl TrainingRule for Manhattan {
    fn step(
        &mut self,
        batch: &Batch,
        network: &mut Network,
        laboratory: &mut Laboratory,
        loss: &dyn Loss,
    ) -> Result<StepOutput, DeviceError> {
        let mut found = self.inner.step(batch, network, laboratory, loss)?;
        let names = network.parameters();
        for (gradient, (name, _)) in found.gradients.iter_mut().zip(names) {
            if name.contains("physical") {
                *gradient = gradient.clone().sign() * self.step;
            }
        }
        Ok(found)
    }
}

const RECIPE: &str = r#"
seed = 1
network = [
  "encode", { physical = { device = "wide", start = 0.5 } }, "scale", "relu",
  { physical = { device = "narrow", start = 0.5 } }, "scale", "readout",
]
data = { source = "digits" }
[devices.wide.model.crossbar]
inputs = 64
outputs = 32
[devices.narrow.model.crossbar]
inputs = 32
outputs = 10
"#;

fn main() -> Result<(), Box<dyn std::error::Error>> {
    let backend = Backend::Flex.device()?;
    let setup = Setup::new(".".as_ref(), &backend);
    let recipe = Recipe::parse(RECIPE)?;
    let mut experiment = prepare(&recipe, &setup, Given::default(), &mut Unobserved)?;
    experiment.laboratory.use_exact_twins();
    let Experiment { network, laboratory, split, loss, .. } = &mut experiment;
    let rule = Manhattan { inner: Backpropagation::physics_aware(), step: 0.02 };
    Trainer::new(network, laboratory)
        .rule(rule)
        .optimiser(Descent)
        .learning_rate(0.2)
        .epochs(20)
        .seed(1)
        .train(split)?;
    let found = evaluate(network, laboratory, &split.test, &**loss, &backend)?;
    println!("physical parameters by signs alone: test {}", found.score);
    assert!(found.score.value() > 0.9, "digits are learned: {}", found.score);
    Ok(())
}
