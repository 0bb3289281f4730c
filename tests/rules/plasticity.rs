//! Learned plasticity on stages.

use twinprop::network::DigitalStage;
use twinprop::rules::plasticity::{Coefficients, Side, Term};
use twinprop::rules::{LearnedPlasticity, LearnedPlasticityConfig};

use super::*;

fn theta(amounts: [f64; Term::COUNT]) -> LearnedPlasticityConfig {
    let terms = Coefficients::from_array(amounts);
    LearnedPlasticityConfig { terms, ..LearnedPlasticityConfig::default() }
}

/// Feedback matrices for the layers of a perceptron, none for the activations between them.
fn between(matrices: &[Vec<Vec<f64>>]) -> Vec<Option<Tensor<2>>> {
    let layers = matrices.iter().flat_map(|matrix| [Some(tensor(matrix)), None]);
    layers.take(2 * matrices.len() - 1).collect()
}

/// The four updates by the published algorithm, in f32.
#[test]
fn updates_agree_with_the_reference_values() {
    let Some(file) = reference("plasticity.json") else { return };
    let weights: Vec<Vec<Vec<f64>>> = parse(&file["weights"]);
    let feedback = between(&parse::<Vec<_>>(&file["feedback"]));
    let biases: Vec<Vec<f64>> = weights.iter().map(|weight| vec![0.0; weight.len()]).collect();
    let network = perceptron(Activation::Softplus(10.0), &weights, &biases);
    let x = tensor(&parse::<Vec<Vec<f64>>>(&file["x"]));
    let mut case =
        Case::new(network, Laboratory::default(), x, vec![parse::<usize>(&file["label"])].into());
    let cases = file["cases"].as_array().unwrap();
    assert_eq!(cases.len(), 4);
    for expected in cases {
        let config = LearnedPlasticityConfig {
            terms: parse(&expected["theta"]),
            data_sharpness: Some(10.0),
            ..LearnedPlasticityConfig::default()
        };
        let mut rule = LearnedPlasticity::with_matrices(config, feedback.clone());
        let gradients = case.gradients(&mut rule);
        let updates: Vec<Vec<Vec<f64>>> = parse(&expected["updates"]);
        for (place, update) in updates.iter().enumerate() {
            let found = transposed(&gradients[2 * place], update);
            let found: Vec<f32> = found.iter().map(|gradient| -gradient).collect();
            let error = relative(&found, &flat(update));
            println!("{}, layer {}: {error:.1e}", expected["theta"], place + 1);
            assert!(error < 1e-5, "{}, layer {}: {error:e}", expected["theta"], place + 1);
        }
    }
}

/// Each of the ten terms of one matrix by its definition, sample by sample, against the sums over a batch.
#[test]
fn every_term_agrees_with_its_definition() {
    let numbers = |rows: usize, columns: usize, phase: f32| {
        (0..rows * columns).map(|i| (phase + 0.7 * i as f32).sin()).collect::<Vec<f32>>()
    };
    let (batch, below, above) = (3, 4, 5);
    let w = numbers(below, above, 0.3);
    let (x, e0) = (numbers(batch, below, 1.0), numbers(batch, below, 2.0));
    let (y, e) = (numbers(batch, above, 3.0), numbers(batch, above, 4.0));
    let device = Device::flex();
    let [weights, x_all, e0_all] = [(&w, below, above), (&x, batch, below), (&e0, batch, below)]
        .map(|(values, rows, columns)| from_vec(values.clone(), [rows, columns], &device));
    let [y_all, e_all] = [&y, &e].map(|values| from_vec(values.clone(), [batch, above], &device));
    for term in Term::ALL {
        let mut expected = vec![0.0; below * above];
        for sample in 0..batch {
            let (x, e0) = (&x[sample * below..][..below], &e0[sample * below..][..below]);
            let (y, e) = (&y[sample * above..][..above], &e[sample * above..][..above]);
            let w = |o: usize, i: usize| w[i * above + o];
            let through = |out: &[f32], inn: &[f32]| -> f32 {
                let pairs = (0..above).flat_map(|o| (0..below).map(move |i| (o, i)));
                pairs.map(|(o, i)| out[o] * w(o, i) * inn[i]).sum()
            };
            let mean = y.iter().sum::<f32>() / above as f32;
            for o in 0..above {
                for i in 0..below {
                    let change = match term {
                        Term::PseudoGradient => -e[o] * x[i],
                        Term::ActivityError => -y[o] * e0[i],
                        Term::ErrorHebb => -e[o] * e0[i],
                        Term::Decay => -w(o, i),
                        Term::InputError => -e0[i],
                        Term::ActivePseudoGradient => -e[o] * mean * x[i],
                        Term::MatchedActivityError => -y[o] * through(y, e0) * e0[i],
                        Term::MatchedPseudoGradient => -e[o] * through(y, e0) * x[i],
                        Term::DrivenActivityError => -y[o] * through(e, x) * e0[i],
                        Term::Oja => {
                            let back: f32 = (0..above).map(|other| y[other] * w(other, i)).sum();
                            y[o] * x[i] - y[o] * back
                        }
                    };
                    expected[i * above + o] += change / batch as f32;
                }
            }
        }
        let mut amounts = [0.0; Term::COUNT];
        amounts[term as usize] = 1.0;
        let found = Coefficients::from_array(amounts).change(
            &weights,
            Side { activity: &x_all, error: &e0_all },
            Side { activity: &y_all, error: &e_all },
        );
        let error = relative(&to_vec(found), &expected);
        assert!(error < 1e-5, "{term:?}: {error:e}");
    }
}

/// Parameters with only a gradient move by the pseudo-gradient as in feedback alignment, on physical layers too.
#[test]
fn the_pseudo_gradient_alone_is_feedback_alignment() {
    let mut amounts = [0.0; Term::COUNT];
    amounts[Term::PseudoGradient as usize] = 0.01;
    for recipe in RECIPES {
        let mut case = case(recipe, 8);
        let expected = case.gradients(&mut FeedbackAlignment::new(Default::default(), 5));
        let found = case.gradients(&mut LearnedPlasticity::new(theta(amounts), 5));
        for (found, expected) in found.iter().zip(&expected) {
            let expected: Vec<f32> = expected.iter().map(|value| 0.01 * value).collect();
            assert!(relative(found, &expected) < 1e-5, "{}", relative(found, &expected));
        }
    }
}

const CROSSBARS: &str = r#"
network = ["encode", { physical = { device = "wide", start = 0.5 } }, "relu", { physical = { device = "narrow", start = 0.5 } }, "readout"]
data = { source = "digits" }
training = { range_penalty = 0.0 }
[devices.wide.model.crossbar]
inputs = 64
outputs = 16
[devices.narrow.model.crossbar]
inputs = 16
outputs = 10
"#;

/// A tile's matrix changes like the matrix of an equal digital layer.
#[test]
fn a_crossbars_matrix_learns_as_a_digital_one_does() {
    let mut tiles = case(CROSSBARS, 8);
    let digital: Vec<Stage> = std::mem::take(&mut tiles.network.stages)
        .into_iter()
        .enumerate()
        .map(|(place, stage)| {
            let Some(matrix) = stage.matrix() else { return stage };
            let [inputs, outputs] = matrix.weights.dims();
            let mut linear =
                Linear::new(inputs, outputs, StageSeed { seed: 0, place }, &Device::flex());
            *linear.tensors_mut().parameters[0] = matrix.weights;
            linear.into()
        })
        .collect();
    let mut tiles = case(CROSSBARS, 8);
    let gains = [64_f32, 16.0].map(|inputs| inputs.sqrt().recip());
    let x = tiles.trace.inputs[0].clone();
    let network = Network::new(digital);
    let mut perceptron = Case::new(network, Laboratory::default(), x, tiles.targets.clone());
    assert!(
        relative(&to_vec(tiles.trace.output().clone()), &to_vec(perceptron.trace.output().clone()))
            < 1e-5
    );
    let amounts = [0.01, 0.001, -0.02, 1e-4, 0.002, 0.003, 0.001, 0.002, 0.001, 0.004];
    let found = tiles.gradients(&mut LearnedPlasticity::new(theta(amounts), 5));
    let expected = perceptron.gradients(&mut LearnedPlasticity::new(theta(amounts), 5));
    // Tiles have no bias.
    for ((found, expected), gain) in found.iter().zip(expected.iter().step_by(2)).zip(gains) {
        let found: Vec<f32> = found.iter().map(|value| value * gain).collect();
        assert!(relative(&found, expected) < 1e-4, "{}", relative(&found, expected));
    }
}

#[test]
fn parameters_that_are_no_matrices_are_named() {
    let config = theta([0.01, 0.0, -0.02, 0.0, 0.0, 0.0, 0.0, 0.0, 0.0, 0.004]);
    let without = |recipe| config.without_matrix(&case(recipe, 1).network);
    let digital = without(RECIPES[0]);
    assert!(digital.contains(&"1.linear.bias".to_owned()), "{digital:?}");
    assert!(!digital.iter().any(|name| name.ends_with("weight")), "{digital:?}");
    let optical = without(RECIPES[2]);
    assert!(optical.contains(&"2.physical.parameters".to_owned()), "{optical:?}");
    assert!(!without(CROSSBARS).iter().any(|name| name.contains("physical")));
}
