//! Asymmetric training: the measured error at the twins' own states.

use std::sync::Arc;

use twinprop::calibration::EquationTwin;
use twinprop::rules::Asymmetric;

use super::*;

#[test]
fn the_measured_error_goes_down_through_the_predicted_states() {
    let mut case = case(RECIPES[2], 12);
    let pat = case.gradients(&mut Backpropagation::physics_aware()).concat();
    let exact = case.gradients(&mut Asymmetric).concat();
    assert!(relative(&exact, &pat) < 1e-5, "with exact twins it is physics-aware training");

    for instrument in &mut case.laboratory.instruments {
        let nominal = instrument.nominal.clone().unwrap();
        instrument.twin = Some(Arc::new(EquationTwin::new(nominal)));
    }
    let found = case.gradients(&mut Asymmetric).concat();
    let Case { network, laboratory, x, cotangent, .. } = &mut case;
    let predicted = network.forward(x.clone(), laboratory, Source::Predicted, None).unwrap();
    let expected = network.backward(&predicted, cotangent.clone(), laboratory);
    let expected: Vec<f32> = expected.into_iter().flat_map(to_vec).collect();
    assert!(relative(&found, &expected) < 1e-6);
    for mut other in [Backpropagation::physics_aware(), Backpropagation::in_silico()] {
        let other = case.gradients(&mut other).concat();
        assert!(relative(&found, &other) > 1e-3, "a wrong twin has states of its own");
    }
}
