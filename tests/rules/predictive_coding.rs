//! Predictive coding: the published values, and where it is backpropagation.

use super::*;

#[test]
fn gradients_agree_with_the_published_code() {
    // Norms of the weights' gradients, by the public code of Rosenbaum 2022 in float64.
    let cases = [
        (Inference::Exact, 1.0, 3, [0.292_456_188, 0.315_523_881, 1.051_154_340]),
        (Inference::FixedPrediction, 0.1, 20, [0.169_547_095, 0.272_901_283, 1.051_154_340]),
        (Inference::FixedPrediction, 0.5, 7, [0.260_468_793, 0.310_593_820, 1.051_154_340]),
        (Inference::Strict, 0.1, 20, [0.106_471_352, 0.192_006_565, 0.842_433_892]),
        (Inference::Strict, 0.1, 200, [0.268_445_985, 0.272_674_803, 0.772_984_769]),
        (Inference::Strict, 1.0, 3, [0.292_456_188, 0.321_484_390, 0.826_955_234]),
    ];
    let mut case = small();
    for (algorithm, eta, steps, expected) in cases {
        let gradients = case.gradients(&mut predictive_coding(algorithm, eta, steps));
        for (gradient, expected) in gradients.iter().step_by(2).zip(expected) {
            let error = (norm(gradient) / expected - 1.0).abs();
            assert!(error < 1e-5, "{algorithm:?}, η {eta}, {steps} steps: off by {error}");
        }
    }
}

#[test]
fn gradients_agree_with_all_reference_values() {
    let Some(file) = reference("predictive-coding.json") else { return };
    let weights: Vec<Vec<Vec<f64>>> = parse(&file["weights"]);
    let network = perceptron(Activation::Tanh, &weights, &parse::<Vec<Vec<f64>>>(&file["biases"]));
    let x: Vec<Vec<f64>> = parse(&file["x"]);
    let mut case = Case::new(
        network,
        Laboratory::default(),
        tensor(&x),
        parse::<Vec<usize>>(&file["labels"]).into(),
    );
    let cases = file["cases"].as_array().unwrap();
    assert_eq!(cases.len(), 7);
    for expected in cases {
        let algorithm = match expected["algorithm"].as_str().unwrap() {
            "exact" => Inference::Exact,
            name if name.starts_with("fixed") => Inference::FixedPrediction,
            _ => Inference::Strict,
        };
        let (eta, steps) = (parse(&expected["eta"]), parse(&expected["steps"]));
        let gradients = case.gradients(&mut predictive_coding(algorithm, eta, steps));
        let of_weights: Vec<Vec<Vec<f64>>> = parse(&expected["weights"]);
        let of_biases: Vec<Vec<f64>> = parse(&expected["biases"]);
        for (place, (weight, bias)) in of_weights.iter().zip(&of_biases).enumerate() {
            let found = transposed(&gradients[2 * place], weight);
            let error = relative(&found, &flat(weight))
                .max(relative(&gradients[2 * place + 1], &flat(std::slice::from_ref(bias))));
            println!("{algorithm:?}, η {eta}, {steps} steps, layer {}: {error:.1e}", place + 1);
            assert!(error < 1e-5, "{algorithm:?}, η {eta}, {steps} steps: off by {error}");
        }
    }
}

#[test]
fn predictive_coding_is_backpropagation_under_the_theorems_conditions() {
    for recipe in RECIPES {
        let mut case = case(recipe, 16);
        let backpropagation = case.gradients(&mut Backpropagation::ideal());
        let layers = Layers::of(&case.network).count();
        assert!((3..5).contains(&layers));
        for mut rule in [
            predictive_coding(Inference::Exact, 1.0, 1),
            predictive_coding(Inference::FixedPrediction, 1.0, layers),
        ] {
            for (found, expected) in case.gradients(&mut rule).iter().zip(&backpropagation) {
                assert!(relative(found, expected) < 1e-5, "{}", relative(found, expected));
            }
        }
    }
}

/// P[Binomial(trials, chance) ≥ least].
fn tail(trials: usize, chance: f64, least: usize) -> f64 {
    let choose = |k: usize| (0..k).map(|i| (trials - i) as f64 / (k - i) as f64).product::<f64>();
    let term =
        |k: usize| choose(k) * chance.powi(k as i32) * (1.0 - chance).powi((trials - k) as i32);
    (least..=trials).map(term).sum()
}

#[test]
fn fixed_predictions_scale_each_layers_gradient_by_a_binomial_tail() {
    for recipe in RECIPES {
        let mut case = case(recipe, 16);
        let backpropagation = case.gradients(&mut Backpropagation::ideal());
        let (layers, of_parameters) =
            (Layers::of(&case.network).count(), case.layer_of_parameters());
        for (eta, steps) in [(0.1, 20), (0.5, 7), (0.3, 4), (1.0, 2)] {
            let found =
                case.gradients(&mut predictive_coding(Inference::FixedPrediction, eta, steps));
            for ((found, expected), layer) in found.iter().zip(&backpropagation).zip(&of_parameters)
            {
                let share = tail(steps - 1, eta, layers - 1 - layer);
                let expected: Vec<f32> =
                    expected.iter().map(|value| value * share as f32).collect();
                if share == 0.0 {
                    assert_eq!(norm(found), 0.0, "layer {layer} is out of reach");
                } else {
                    let error = relative(found, &expected);
                    assert!(error < 1e-5, "η {eta}, {steps} steps, layer {layer}: {error}");
                }
            }
        }
    }
}
