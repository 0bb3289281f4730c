//! Losses: their gradients, and rules that follow every loss.

use nalgebra::DMatrix;
use twinprop::loss::{BinaryCrossEntropy, Huber, MeanAbsolute, MeanSquare};

use super::*;

/// Every loss with targets that it compares, for `outputs` outputs of `samples` samples.
fn losses(outputs: usize, samples: usize) -> Vec<(&'static str, Box<dyn Loss>, Targets)> {
    let classes =
        || Targets::Classes((0..samples).map(|sample| (7 * sample + 1) % outputs).collect());
    let wave =
        |output: usize, sample: usize| (1.3 * output as f32 + 0.7 * sample as f32 + 0.2).sin();
    let values = || Targets::Values(DMatrix::from_fn(outputs, samples, wave));
    let labels = DMatrix::from_fn(outputs, samples, |o, s| f32::from(u8::from(wave(o, s) > 0.1)));
    let weights = (0..outputs).map(|class| 0.5 + 0.3 * class as f32).collect();
    let weighted = CrossEntropy::default().with_weights(weights).with_smoothing(0.1);
    vec![
        ("cross-entropy", Box::new(CrossEntropy::default()), classes()),
        ("cross-entropy, weighted and smoothed", Box::new(weighted), classes()),
        ("binary cross-entropy", Box::new(BinaryCrossEntropy), labels.into()),
        ("mean square", Box::new(MeanSquare), values()),
        ("huber", Box::new(Huber { delta: 0.6 }), values()),
        ("mean absolute", Box::new(MeanAbsolute), values()),
        ("a user's own loss", Box::new(FourthPower), values()),
    ]
}

/// ℒ = mean of (y − t)⁴, a user's own loss.
struct FourthPower;

impl Loss for FourthPower {
    fn at(&self, outputs: &Tensor<2>, targets: &Targets) -> (f32, Tensor<2>) {
        let Targets::Values(values) = targets else { panic!("it compares values") };
        let errors = outputs.clone() - to_tensor(values, &outputs.device());
        let count = outputs.shape().num_elements() as f64;
        let loss = errors.clone().powi_scalar(4).sum() / count;
        (loss.into_scalar(), errors.powi_scalar(3) * (4.0 / count))
    }
}

#[test]
fn every_cotangent_is_the_losss_derivative() {
    let (samples, outputs) = (3, 4);
    // No output is near a kink: 0.05 from its target, or 0.05 from δ beyond it.
    let at = |place: usize| 1.1 * (2.3 * place as f32 + 0.4).cos() + 0.3;
    let y = from_vec((0..samples * outputs).map(at).collect(), [samples, outputs], &Device::flex());
    let direction: Vec<f32> = (0..samples * outputs).map(|i| (1.7 * i as f32).sin()).collect();
    let direction = from_vec(direction, [samples, outputs], &Device::flex());
    for (name, loss, targets) in losses(outputs, samples) {
        let (value, cotangent) = loss.at(&y, &targets);
        assert!(value.is_finite() && value > 0.0, "{name}: {value}");
        let predicted: f32 = to_vec(cotangent * direction.clone()).into_iter().sum();
        let end = |h: f64| f64::from(loss.at(&(y.clone() + direction.clone() * h), &targets).0);
        let h = 0.02;
        let measured = (8.0 * (end(h) - end(-h)) - (end(2.0 * h) - end(-2.0 * h))) / (12.0 * h);
        let error = (measured - f64::from(predicted)).abs();
        assert!(error < 1e-4 * measured.abs().max(0.1), "{name}: {measured}, {predicted}");
    }
}

#[test]
fn exact_predictive_coding_is_backpropagation_under_every_loss() {
    for recipe in RECIPES {
        let mut case = case(recipe, 16);
        let layers = Layers::of(&case.network).count();
        let [samples, outputs] = case.trace.output().dims();
        for (name, loss, targets) in losses(outputs, samples) {
            case.targets = targets;
            let expected = case.gradients_by(&mut Backpropagation::physics_aware(), &*loss);
            for mut rule in [
                predictive_coding(Inference::Exact, 1.0, 1),
                predictive_coding(Inference::FixedPrediction, 1.0, layers),
            ] {
                for (found, expected) in case.gradients_by(&mut rule, &*loss).iter().zip(&expected)
                {
                    assert!(norm(expected) > 0.0, "{name}: a gradient of zero compares nothing");
                    let error = relative(found, expected);
                    assert!(error < 1e-5, "{name}: {error}");
                }
            }
        }
    }
}

/// Rules without a derivative measure their loss.
#[test]
fn perturbations_and_differences_follow_every_loss() {
    for recipe in RECIPES {
        let mut case = case(recipe, 4);
        let [samples, outputs] = case.trace.output().dims();
        for (name, loss, targets) in losses(outputs, samples) {
            // Its gradient jumps where parameters move an output across its target.
            if name == "mean absolute" {
                continue;
            }
            case.targets = targets;
            let expected =
                case.gradients_by(&mut Backpropagation::physics_aware(), &*loss).concat();
            let directions = 128;
            let config = PerturbationConfig { step: 0.003, directions };
            let found = case.gradients_by(&mut Perturbation::new(config, 7), &*loss).concat();
            // With n parameters and N directions, the error is √((n − 1) / N) of the gradient.
            let stated = ((expected.len() - 1) as f64 / directions as f64).sqrt();
            let error = relative(&found, &expected) / stated;
            assert!((0.6..1.5).contains(&error), "{name}: {error} of {stated}");
        }
    }
}

/// With more and more directions, the mean converges to the gradient of a user's own loss.
#[test]
fn perturbations_converge_to_the_gradient_of_a_users_own_loss() {
    let mut case = small();
    let targets = DMatrix::from_fn(3, 2, |output, sample| (output as f32 - sample as f32).sin());
    case.targets = targets.into();
    let expected = case.gradients_by(&mut Backpropagation::physics_aware(), &FourthPower).concat();
    let error = |case: &mut Case, directions: usize| {
        let config = PerturbationConfig { step: 0.01, directions };
        let found = case.gradients_by(&mut Perturbation::new(config, 11), &FourthPower).concat();
        relative(&found, &expected)
    };
    let errors = [64, 1024, 16_384].map(|directions| error(&mut case, directions));
    assert!(errors[1] < 0.4 * errors[0] && errors[2] < 0.4 * errors[1], "{errors:?}");
    assert!(errors[2] < 0.1, "{errors:?}");
}

#[test]
fn losses_and_rules_refuse_unsuitable_targets_before_training() {
    let classes = Targets::Classes(vec![0, 1]);
    let values = Targets::Values(DMatrix::from_element(1, 2, 3.0));
    for (loss, targets, named) in [
        (Box::new(CrossEntropy::default()) as Box<dyn Loss>, &values, "cross-entropy"),
        (Box::new(MeanSquare), &classes, "mean-square"),
        (Box::new(BinaryCrossEntropy), &values, "from 0 to 1"),
    ] {
        let why = loss.check(targets).unwrap_err();
        assert!(why.contains(named) && why.contains("training.loss"), "{why}");
    }
    let rule = twinprop::rules::LearnedPlasticity::new(Default::default(), 1);
    let why = rule.check(&small().network, &values).unwrap_err();
    assert!(why.contains("classes"), "{why}");
}
