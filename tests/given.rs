//! Data of the calling program: what trains on them is resumed and opened with them, and unusable data are refused.

#![allow(clippy::unwrap_used, reason = "a failed test may panic")]

use std::ops::ControlFlow;
use std::sync::Mutex;
use std::sync::atomic::{AtomicUsize, Ordering};

use burn::tensor::{Device, Tensor};
use nalgebra::DMatrix;
use tempfile::TempDir;
use twinprop::Error;
use twinprop::data::{Dataset, Split, Targets};
use twinprop::devices::DeviceError;
use twinprop::devices::mechanical::{Pendula, PendulaConfig};
use twinprop::experiment::{
    Given, Recipe, Reopening, RunOptions, Trained, resume_given, train_recipe,
};
use twinprop::loss::{CrossEntropy, Loss, MeanSquare};
use twinprop::network::{BatchPosition, Laboratory, Linear, Network, StageSeed};
use twinprop::rules::{Backpropagation, Batch, StepOutput, TrainingRule};
use twinprop::training::{Ending, Event, Observer, Trainer, TrainingProgress, Unobserved};

/// Three features; their sum above zero is class 1, or the two values are the sum and the product of the first two.
fn samples(count: usize, first: usize, values: bool) -> Dataset {
    let x = DMatrix::from_fn(3, count, |row, sample| ((first + 3 * sample + row) as f32).sin());
    let targets: Targets = if values {
        let of = |row, x: nalgebra::DVectorView<f32>| if row == 0 { x.sum() } else { x[0] * x[1] };
        DMatrix::from_fn(2, count, |row, sample| of(row, x.column(sample))).into()
    } else {
        x.column_iter().map(|x| usize::from(x.sum() > 0.0)).collect::<Vec<_>>().into()
    };
    Dataset::new(x, targets)
}

fn given(values: bool) -> Given {
    let data = Split::new(samples(90, 0, values), samples(40, 1000, values));
    Given { data: Some(data), ..Given::default() }
}

const RECIPE: &str = r#"
seed = 1
network = ["encode", { linear = { outputs = 16 } }, "tanh", { linear = { outputs = 2 } }, "readout"]
data = { source = "given" }

[training]
rule = "pat"
epochs = 6
batch = 30
digital_learning_rate = 0.02

[accounting]
digital_peer = false
"#;

/// Stops the training after some steps.
struct StopAfter(usize);

impl Observer for StopAfter {
    fn observe(&mut self, event: &Event) -> Result<ControlFlow<()>, Error> {
        Ok(match event {
            Event::Step(step) if step.done == self.0 => ControlFlow::Break(()),
            _ => ControlFlow::Continue(()),
        })
    }
}

#[test]
fn a_run_on_given_data_is_resumed_and_opened_with_them() {
    for values in [false, true] {
        let recipe = if values { RECIPE.replace(", \"readout\"", "") } else { RECIPE.to_owned() };
        let recipe = Recipe::parse(&recipe).unwrap();
        let folder = TempDir::new().unwrap();
        let at = |name: &str| RunOptions {
            out: Some(folder.path().join(name)),
            ..RunOptions::default()
        };
        let (whole, _) =
            train_recipe(&recipe, "whole", given(values), &at("whole"), &mut Unobserved).unwrap();
        let stopped =
            train_recipe(&recipe, "broken", given(values), &at("broken"), &mut StopAfter(4));
        assert!(matches!(stopped, Err(Error::Interrupted(_))));
        let path = folder.path().join("broken");
        let options = RunOptions::default();
        let (resumed, _) = resume_given(&path, given(values), &options, &mut Unobserved).unwrap();
        assert_eq!(resumed.test, whole.test);

        let open =
            |given| Trained::open_given(&path, &Reopening::default(), given, &mut Unobserved);
        let trained = open(given(values)).unwrap();
        assert!(!trained.experiment.network.parameters().is_empty());
        let mut other = given(values);
        other.data = Some(Split::new(samples(90, 7, values), samples(40, 1000, values)));
        let problem = open(other).err().unwrap().to_string();
        assert!(problem.contains("feature 1"), "{problem}");
    }
}

/// Cross-entropy that is NaN in its third call.
struct NanLater(AtomicUsize);

impl Loss for NanLater {
    fn at(&self, outputs: &Tensor<2>, targets: &Targets) -> (f32, Tensor<2>) {
        let (loss, gradient) = CrossEntropy::default().at(outputs, targets);
        match self.0.fetch_add(1, Ordering::Relaxed) {
            2 => (f32::NAN, gradient * f32::NAN),
            _ => (loss, gradient),
        }
    }
}

/// The training ends at the step of the NaN, whose checkpoint is sound: it resumes to the result of a sound loss.
#[test]
fn a_loss_that_is_nan_ends_the_training_before_it_reaches_the_parameters() {
    let recipe = RECIPE.replace("epochs = 6", "epochs = 6\nloss = \"given\"");
    let recipe = Recipe::parse(&recipe).unwrap();
    let folder = TempDir::new().unwrap();
    let at =
        |name: &str| RunOptions { out: Some(folder.path().join(name)), ..RunOptions::default() };
    let with = |loss: Box<dyn Loss>| Given { loss: Some(loss), ..given(false) };
    let sound = || with(Box::<CrossEntropy>::default());
    let (whole, _) =
        train_recipe(&recipe, "whole", sound(), &at("whole"), &mut Unobserved).unwrap();
    let wrong = with(Box::new(NanLater(AtomicUsize::new(0))));
    let ended = train_recipe(&recipe, "broken", wrong, &at("broken"), &mut Unobserved);
    let problem = ended.err().unwrap().to_string();
    assert!(problem.contains("diverged in epoch 1"), "{problem}");
    let path = folder.path().join("broken");
    let (resumed, _) =
        resume_given(&path, sound(), &RunOptions::default(), &mut Unobserved).unwrap();
    assert_eq!(resumed.test, whole.test);
    let missing = Trained::open_given(&path, &Reopening::default(), given(false), &mut Unobserved);
    let problem = missing.err().unwrap().to_string();
    assert!(problem.contains("`training.loss`") && problem.contains("was not passed"), "{problem}");
}

#[test]
fn devices_and_twins_that_the_recipe_has_not_are_refused() {
    let recipe = Recipe::parse(RECIPE).unwrap();
    let mut given = given(false);
    let device = Box::new(Pendula::nominal(&PendulaConfig::default()));
    given.devices.insert("lab".to_owned(), device);
    let trained = train_recipe(&recipe, "run", given, &RunOptions::default(), &mut Unobserved);
    let problem = trained.err().unwrap().to_string();
    assert!(problem.contains("`lab`") && problem.contains("given = true"), "{problem}");
}

#[test]
fn samples_and_losses_that_the_recipe_does_not_ask_for_are_refused() {
    let of_file = RECIPE.replace("source = \"given\"", "source = \"vowels\"");
    let of_name = RECIPE.replace("[training]", "[training]\nloss = \"cross-entropy\"");
    let with_loss = Given { loss: Some(Box::<CrossEntropy>::default()), ..given(false) };
    for (recipe, given, key) in [(of_file, given(false), "source"), (of_name, with_loss, "loss")] {
        let recipe = Recipe::parse(&recipe).unwrap();
        let trained = train_recipe(&recipe, "run", given, &RunOptions::default(), &mut Unobserved);
        let problem = trained.err().unwrap().to_string();
        let expected = format!("`{key} = \"given\"`");
        assert!(problem.contains(&expected), "{problem}");
    }
}

/// Backpropagation that notes the positions of its steps.
struct Noted<'a>(Backpropagation, &'a Mutex<Vec<BatchPosition>>);

impl TrainingRule for Noted<'_> {
    fn step(
        &mut self,
        batch: &Batch,
        network: &mut Network,
        laboratory: &mut Laboratory,
        loss: &dyn Loss,
    ) -> Result<StepOutput, DeviceError> {
        self.1.lock().unwrap().push(batch.position);
        self.0.step(batch, network, laboratory, loss)
    }
}

/// Two epochs of 77 samples in batches of 30, and their last three steps after a resume.
#[test]
fn every_step_of_a_training_has_the_position_of_its_samples() {
    let linear = Linear::new(3, 2, StageSeed { seed: 1, place: 0 }, &Device::flex());
    let (mut network, mut laboratory) = (Network::new(vec![linear.into()]), Laboratory::default());
    let positions = Mutex::default();
    let rule = Noted(Backpropagation::physics_aware(), &positions);
    let mut trainer =
        Trainer::new(&mut network, &mut laboratory).rule(rule).loss(MeanSquare).epochs(2).batch(30);
    let data = Split::new(samples(77, 0, true), samples(40, 1000, true));
    assert_eq!(trainer.train(&data).unwrap(), Ending::Complete);
    let sizes = [30, 30, 17, 30, 30, 17];
    let expected: Vec<BatchPosition> = sizes
        .iter()
        .scan(BatchPosition::default(), |next, &size| {
            let position = *next;
            *next = next.after(size);
            Some(position)
        })
        .collect();
    assert_eq!(*positions.lock().unwrap(), expected);
    positions.lock().unwrap().clear();
    let mut progress = TrainingProgress::default();
    progress.steps = 3;
    assert_eq!(trainer.resume(&data, progress).unwrap(), Ending::Complete);
    assert_eq!(*positions.lock().unwrap(), expected[3..]);
}

#[test]
fn a_trainer_that_was_stopped_trains_again_and_refuses_missing_samples() {
    let backend = Device::flex();
    let linear = Linear::new(3, 2, StageSeed { seed: 1, place: 0 }, &backend);
    let (mut network, mut laboratory) = (Network::new(vec![linear.into()]), Laboratory::default());
    let mut stop = StopAfter(1);
    let mut trainer = Trainer::new(&mut network, &mut laboratory)
        .loss(MeanSquare)
        .epochs(2)
        .batch(30)
        .observe(&mut stop);
    let data = Split::new(samples(90, 0, true), samples(40, 1000, true));
    assert_eq!(trainer.train(&data).unwrap(), Ending::Stopped(1));
    // The same steps again, with the stop at the same step; the rest is trained after it.
    let mut progress = TrainingProgress::default();
    progress.steps = 1;
    assert_eq!(trainer.resume(&data, progress).unwrap(), Ending::Complete);
    for (train, test, expected) in [(0, 40, "no training samples"), (90, 0, "no test samples")] {
        let data = Split::new(samples(train, 0, true), samples(test, 1000, true));
        let problem = trainer.train(&data).unwrap_err().to_string();
        assert!(problem.contains(expected), "{problem}");
    }
    drop(trainer);
    let nothing = Split::new(samples(90, 0, true), samples(0, 1000, true));
    let mut trainer = Trainer::new(&mut network, &mut laboratory).loss(MeanSquare).epochs(1);
    trainer = trainer.without_tests();
    assert_eq!(trainer.train(&nothing).unwrap(), Ending::Complete);
}
