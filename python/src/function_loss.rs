//! A Python function as a loss.

use std::sync::mpsc::Sender;

use nalgebra::DMatrix;
use twinprop::burn::tensor::Tensor;
use twinprop::calibration::bridge::{to_matrix, to_tensor};
use twinprop::data::Targets;
use twinprop::loss::Loss;

use crate::callback::{Argument, Call, Expected};
use crate::job::Message;

/// The loss of a registered function `(outputs, targets) -> ([[loss]], gradient)`, while a job uses it.
pub struct FunctionLoss {
    number: u64,
    /// The thread that calls it.
    job: Sender<Message>,
}

impl FunctionLoss {
    /// The loss of function `number`, which the thread behind `job` calls.
    pub fn new(number: u64, job: Sender<Message>) -> Self {
        Self { number, job }
    }
}

impl Loss for FunctionLoss {
    fn at(&self, outputs: &Tensor<2>, targets: &Targets) -> (f32, Tensor<2>) {
        let targets = match targets {
            Targets::Values(values) => Argument::Matrix(values.clone()),
            classes => {
                let classes = classes.classes();
                let numbers = classes.iter().map(|&class| class as f32);
                Argument::Vector(DMatrix::from_iterator(1, classes.len(), numbers))
            }
        };
        let values = to_matrix(outputs.clone());
        let expected = vec![
            Expected { name: "value", shots: 1, channels: 1 },
            Expected { name: "gradient", shots: values.ncols(), channels: values.nrows() },
        ];
        let arguments = vec![Argument::Matrix(values), targets];
        let made = Call::new(self.number, arguments, expected).make(Some(self.job.clone()));
        match made.as_deref() {
            Ok([value, gradient]) => (value[0], to_tensor(gradient, &outputs.device())),
            // A loss cannot fail: NaN ends the training, and the job raises what the function raised.
            _ => (f32::NAN, outputs.zeros_like()),
        }
    }
}
