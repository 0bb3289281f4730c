//! Feedback alignment and direct feedback alignment.

use twinprop::network::{Point, Wanted};
use twinprop::rules::DirectFeedback;

use super::*;

/// Pulls the rows of `dy` back through the Jacobian of `stage` at the single sample `x`.
fn pull_back(stage: &Stage, x: &Tensor<2>, dy: Tensor<2>, laboratory: &Laboratory) -> Tensor<2> {
    let x = x.clone().repeat_dim(0, dy.dims()[0]);
    stage.vjp(Point::at(&x), dy, Wanted::Input, laboratory).into_input()
}

#[test]
fn feedback_through_the_true_jacobians_is_backpropagation() {
    for recipe in RECIPES {
        // A Jacobian belongs to a sample.
        let mut case = case(recipe, 1);
        let backpropagation = case.gradients(&mut Backpropagation::ideal());
        let jacobian = |stage: &Stage, x: &Tensor<2>, outputs: usize| {
            let unit = Tensor::<2>::eye(outputs, &x.device());
            pull_back(stage, x, unit, &case.laboratory)
        };
        let matrices = case.network.stages.iter().enumerate().map(|(place, stage)| {
            let (x, y) = (&case.trace.inputs[place], &case.trace.outputs[place]);
            stage.mixes().then(|| jacobian(stage, x, y.dims()[1]))
        });
        let mut rule = FeedbackAlignment::with_matrices(matrices.collect());
        for (found, expected) in case.gradients(&mut rule).iter().zip(&backpropagation) {
            assert!(relative(found, expected) < 1e-4, "{}", relative(found, expected));
        }
        // Straight from the loss: the product of the Jacobians of all stages above.
        let layers = Layers::of(&case.network);
        let classes = case.cotangent.dims()[1];
        let matrices = (0..layers.count() - 1).map(|layer| {
            let end = layers.stages(layer).end;
            let stages = case.network.stages[end..].iter().zip(&case.trace.inputs[end..]).rev();
            let unit = Tensor::<2>::eye(classes, &Device::flex());
            let product =
                stages.fold(unit, |dy, (stage, x)| pull_back(stage, x, dy, &case.laboratory));
            (end - 1, product)
        });
        let mut rule = DirectFeedback::with_matrices(matrices.collect());
        for (found, expected) in case.gradients(&mut rule).iter().zip(&backpropagation) {
            assert!(relative(found, expected) < 1e-4, "{}", relative(found, expected));
        }
    }
}
