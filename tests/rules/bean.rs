//! The BEAN regulariser.

use twinprop::network::{Assemblies, BeanConfig, Order, Point};

use super::*;

/// BEAN's value and gradients by the published definition, in float64 (3 samples, 5 units, 4 targets).
#[test]
fn bean_has_the_definitions_gradients() {
    let activation = |s: i32, i: i32| ((0.7 * f64::from(5 * s + i)).sin() + 0.3).max(0.0);
    let h: Vec<Vec<f64>> = (0..3).map(|s| (0..5).map(|i| activation(s, i)).collect()).collect();
    let weight = |i: i32, k: i32| 0.8 * (1.0 + 0.91 * f64::from(k) + 0.53 * f64::from(i)).sin();
    let w: Vec<Vec<f64>> = (0..5).map(|i| (0..4).map(|k| weight(i, k)).collect()).collect();
    for (order, value, by_weights, by_activations) in [
        (Order::First, 0.172_367_893_8, 0.175_180_541_4, 0.259_913_573_2),
        (Order::Second, 0.128_947_341_3, 0.243_181_711_0, 0.199_000_414_3),
    ] {
        let bean = BeanConfig { order, strength: 1.0, gamma: 1.0, stages: None };
        let found = bean.at(&tensor(&h), &tensor(&w));
        for (found, expected) in [
            (f64::from(found.value), value),
            (norm(&to_vec(found.weights)), by_weights),
            (norm(&to_vec(found.activations)), by_activations),
        ] {
            assert!((found / expected - 1.0).abs() < 1e-5, "{order:?}: {found}, not {expected}");
        }
    }
}

#[test]
fn bean_has_all_reference_values() {
    let Some(reference) = reference("bean.json") else { return };
    let (h, w): (Vec<Vec<f64>>, Vec<Vec<f64>>) =
        (parse(&reference["activations"]), parse(&reference["outgoing_weights"]));
    let cases = reference["cases"].as_array().unwrap();
    assert_eq!(cases.len(), 4);
    for case in cases {
        let order = if case["order"] == 1 { Order::First } else { Order::Second };
        let gamma = case["gamma"].as_f64().unwrap();
        let bean = BeanConfig { order, strength: 1.0, gamma, stages: None };
        let found = bean.at(&tensor(&h), &tensor(&w));
        let value = case["value"].as_f64().unwrap();
        assert!((f64::from(found.value) / value - 1.0).abs() < 1e-5);
        for (found, name) in
            [(found.activations, "grad_activations"), (found.weights, "grad_weights")]
        {
            let error = relative(&to_vec(found), &flat(&parse::<Vec<Vec<f64>>>(&case[name])));
            assert!(error < 1e-5, "{order:?}, γ {gamma}, {name}: {error:e}");
        }
    }
}

/// The regulariser's gradient reaches every parameter below, by any rule that passes errors down.
#[test]
fn with_bean_the_gradient_is_that_of_loss_and_regulariser() {
    for order in [Order::First, Order::Second] {
        let mut case = small();
        let config = BeanConfig { order, strength: 3.0, gamma: 1.5, stages: None };
        let plain = case.gradients(&mut Backpropagation::ideal()).concat();
        case.network.bean = Some(Assemblies { config, places: vec![2, 4] });
        let expected = case.gradients(&mut Backpropagation::ideal()).concat();
        assert!(relative(&plain, &expected) > 0.1, "the regulariser has no effect");
        let step = FiniteDifferencesConfig { step: 0.01 };
        let found = case.gradients(&mut FiniteDifferences::new(step)).concat();
        assert!(relative(&found, &expected) < 2e-3, "{}", relative(&found, &expected));
        let found =
            case.gradients(&mut predictive_coding(Inference::FixedPrediction, 1.0, 3)).concat();
        assert!(relative(&found, &expected) < 1e-5, "{}", relative(&found, &expected));
    }
}

/// On a physical layer the weights are the twin's mean Jacobian, by central differences of a prediction.
#[test]
fn a_physical_layers_outgoing_weights_are_its_mean_jacobian() {
    let mut case = case(SECOND_HARMONIC, 8);
    let place = case.network.stages.iter().position(|stage| stage.physical().is_some()).unwrap();
    let (stage, x) = (&case.network.stages[place], &case.trace.inputs[place]);
    let found = to_vec(stage.outgoing(Point::at(x), &case.laboratory).unwrap().weights);
    let [batch, width] = x.dims();
    let mut expected = Vec::new();
    for channel in 0..width {
        let mut change = vec![0.0; batch * width];
        (0..batch).for_each(|sample| change[sample * width + channel] = 1e-2);
        let change = from_vec(change, [batch, width], &x.device());
        let mut mean = |x: Tensor<2>| {
            let passed = stage.forward(&x, &mut case.laboratory, Source::Predicted, None).unwrap();
            to_vec(passed.output.mean_dim(0))
        };
        let (above, below) = (mean(x.clone() + change.clone()), mean(x.clone() - change));
        expected.extend(above.iter().zip(&below).map(|(above, below)| (above - below) / 2e-2));
    }
    assert!(relative(&found, &expected) < 1e-2, "{}", relative(&found, &expected));
}
