//! Rules that only measure the loss: perturbations and finite differences.

use super::*;

#[test]
fn the_error_of_averaged_perturbations_falls_with_their_number_as_stated() {
    for recipe in RECIPES {
        let mut case = case(recipe, 4);
        let expected = case.gradients(&mut Backpropagation::ideal()).concat();
        // With n parameters and N directions, the error is √((n − 1) / N) of the gradient.
        for directions in [16, 256] {
            let config = PerturbationConfig { step: 0.003, directions };
            let found = case.gradients(&mut Perturbation::new(config, 7)).concat();
            let stated = ((expected.len() - 1) as f64 / directions as f64).sqrt();
            let error = relative(&found, &expected) / stated;
            println!("{} parameters, {directions} directions: {error:.3}", expected.len());
            assert!((0.7..1.4).contains(&error), "{directions} directions: {error} of {stated}");
        }
    }
}

#[test]
fn finite_differences_are_the_gradient() {
    let mut case = case(SECOND_HARMONIC, 8);
    let before: Vec<f32> =
        case.network.parameters().iter().flat_map(|(_, value)| to_vec((*value).clone())).collect();
    let expected = case.gradients(&mut Backpropagation::ideal()).concat();
    let config = FiniteDifferencesConfig { step: 0.01 };
    let found = case.gradients(&mut FiniteDifferences::new(config)).concat();
    assert!(relative(&found, &expected) < 5e-3, "{}", relative(&found, &expected));
    let after: Vec<f32> =
        case.network.parameters().iter().flat_map(|(_, value)| to_vec((*value).clone())).collect();
    assert_eq!(before, after, "the network has changed");
}
