//! Ramps for devices that accept only small changes from shot to shot.

use nalgebra::{DMatrix, DVector};

use crate::{Channels, DeviceError, Interface, PhysicalLayer, Usage};

/// Most shots of one ramp.
const LONGEST_RAMP: usize = 10_000;

/// Inserts shots on the straight line between two shots that differ by more than a channel's
/// [`largest_step`](crate::Bank::largest_step), and drops their measurements. Parameters are ramped in the
/// same way, at the drives of the last shot.
///
/// The first ramp starts at zero, or at the end of the range that is nearest to zero.
pub struct SlewLimit<L> {
    layer: L,
    drives: Vec<f32>,
    parameters: Vec<f32>,
    ramp_shots: u64,
}

impl<L: PhysicalLayer> SlewLimit<L> {
    /// Ramps `layer`, which nothing else may drive.
    pub fn new(layer: L) -> Self {
        let rest = |channels: &Channels| {
            channels.iter().map(|channel| 0.0f32.clamp(channel.minimum, channel.maximum)).collect()
        };
        let Interface { inputs, parameters, .. } = layer.interface();
        let (drives, parameters) = (rest(inputs), rest(parameters));
        Self { layer, drives, parameters, ramp_shots: 0 }
    }

    /// Shots inserted so far.
    pub fn ramp_shots(&self) -> u64 {
        self.ramp_shots
    }

    /// Ramps the parameters to `wanted`, except for the last step, which the next shot takes.
    fn ramp_parameters(&mut self, wanted: &DVector<f32>) -> Result<(), DeviceError> {
        let channels = &self.layer.interface().parameters;
        let steps = steps_between(channels, &self.parameters, wanted.as_slice())
            .map_err(|problem| self.refuse(problem))?;
        let inputs = DMatrix::from_column_slice(self.drives.len(), 1, &self.drives);
        let mut outputs = DMatrix::zeros(self.layer.interface().outputs.len(), 1);
        for step in 1..steps {
            let on_the_way = between(&self.parameters, wanted.as_slice(), step, steps);
            let setting = DVector::from_iterator(wanted.len(), on_the_way);
            self.layer.measure(&inputs, &setting, &mut outputs)?;
            self.ramp_shots += 1;
        }
        self.parameters.copy_from_slice(wanted.as_slice());
        Ok(())
    }

    fn refuse(&self, problem: String) -> DeviceError {
        DeviceError::Config { device: self.layer.interface().device.clone(), problem }
    }
}

impl<L: PhysicalLayer> PhysicalLayer for SlewLimit<L> {
    fn interface(&self) -> &Interface {
        self.layer.interface()
    }

    fn measure(
        &mut self,
        inputs: &DMatrix<f32>,
        parameters: &DVector<f32>,
        outputs: &mut DMatrix<f32>,
    ) -> Result<(), DeviceError> {
        let interface = self.layer.interface();
        interface.check_shapes(inputs, parameters, outputs)?;
        let limited =
            |channels: &Channels| channels.banks().iter().any(|bank| bank.largest_step.is_some());
        if limited(&interface.parameters) {
            self.ramp_parameters(parameters)?;
        }
        if !limited(&self.layer.interface().inputs) {
            return self.layer.measure(inputs, parameters, outputs);
        }
        // All shots in one batch: those of the ramps and the wanted ones.
        let mut row: Vec<f32> = Vec::with_capacity(inputs.len());
        let mut wanted = Vec::with_capacity(inputs.ncols());
        let mut last = self.drives.clone();
        for shot in inputs.column_iter() {
            let steps = steps_between(&self.layer.interface().inputs, &last, shot.as_slice())
                .map_err(|problem| self.refuse(problem))?;
            for step in 1..steps {
                row.extend(between(&last, shot.as_slice(), step, steps));
            }
            row.extend_from_slice(shot.as_slice());
            wanted.push(row.len() / shot.len() - 1);
            last.copy_from_slice(shot.as_slice());
        }
        if wanted.len() * inputs.nrows() == row.len() {
            self.layer.measure(inputs, parameters, outputs)?;
        } else {
            let played = DMatrix::from_vec(inputs.nrows(), row.len() / inputs.nrows(), row);
            let mut measured = DMatrix::zeros(outputs.nrows(), played.ncols());
            self.layer.measure(&played, parameters, &mut measured)?;
            self.ramp_shots += (played.ncols() - wanted.len()) as u64;
            for (mut output, place) in outputs.column_iter_mut().zip(wanted) {
                output.copy_from(&measured.column(place));
            }
        }
        self.drives = last;
        Ok(())
    }

    fn usage(&self) -> Usage {
        self.layer.usage()
    }

    fn resume(&mut self, usage: &Usage) {
        self.layer.resume(usage);
    }
}

/// How many steps from `from` to `to` keep each within the largest step of its channel.
fn steps_between(channels: &Channels, from: &[f32], to: &[f32]) -> Result<usize, String> {
    let mut most = 1.0f32;
    for ((bank, from), (_, to)) in channels.runs(from).zip(channels.runs(to)) {
        let Some(largest) = bank.largest_step else { continue };
        let steps = from.iter().zip(to).map(|(from, to)| ((to - from).abs() / largest).ceil());
        most = steps.fold(most, f32::max);
    }
    if most > LONGEST_RAMP as f32 {
        return Err(format!(
            "a change from one shot to the next takes {most} steps of at most largest_step, more than {LONGEST_RAMP}; correct largest_step in its interface"
        ));
    }
    Ok(most as usize)
}

/// Values after `step` of `steps` equal steps from `from` to `to`.
fn between(from: &[f32], to: &[f32], step: usize, steps: usize) -> impl Iterator<Item = f32> {
    let share = step as f32 / steps as f32;
    from.iter().zip(to).map(move |(from, to)| from + share * (to - from))
}

#[cfg(test)]
mod tests {
    use super::*;

    /// Answers with its first drive; keeps the largest step that it was asked for.
    struct Timid {
        interface: Interface,
        last: (f32, f32),
        largest: (f32, f32),
        shots: usize,
    }

    impl Timid {
        fn new() -> Self {
            let interface = Interface {
                device: "timid".to_owned(),
                inputs: Channels::bank("x", 1, "V", -2.0, 2.0).with_largest_step(0.25),
                parameters: Channels::bank("p", 1, "V", 1.0, 3.0).with_largest_step(0.5),
                outputs: Channels::bank("y", 1, "V", -2.0, 2.0),
                seconds_per_shot: 1e-3,
            };
            Self { interface, last: (0.0, 1.0), largest: (0.0, 0.0), shots: 0 }
        }
    }

    impl PhysicalLayer for Timid {
        fn interface(&self) -> &Interface {
            &self.interface
        }

        fn measure(
            &mut self,
            inputs: &DMatrix<f32>,
            parameters: &DVector<f32>,
            outputs: &mut DMatrix<f32>,
        ) -> Result<(), DeviceError> {
            for (x, y) in inputs.iter().zip(outputs.iter_mut()) {
                self.largest.0 = self.largest.0.max((x - self.last.0).abs());
                self.largest.1 = self.largest.1.max((parameters[0] - self.last.1).abs());
                self.last = (*x, parameters[0]);
                self.shots += 1;
                *y = *x;
            }
            Ok(())
        }
    }

    #[test]
    fn no_step_exceeds_the_largest_and_the_wanted_shots_are_measured() {
        let mut led = SlewLimit::new(Timid::new());
        let inputs = DMatrix::from_row_slice(1, 4, &[1.0, 1.1, -1.9, 2.0]);
        let mut outputs = DMatrix::zeros(1, 4);
        led.measure(&inputs, &DVector::from_element(1, 3.0), &mut outputs).unwrap();
        assert_eq!(outputs, inputs);
        let timid = &led.layer;
        assert!(
            timid.largest.0 <= 0.25 + 1e-6 && timid.largest.1 <= 0.5 + 1e-6,
            "{:?}",
            timid.largest
        );
        assert_eq!(timid.shots as u64, 4 + led.ramp_shots());
        // Inserted: to 1, 3; to 1.1, none; to −1.9, 11; to 2, 15; the parameter from 1 to 3, 3.
        assert_eq!(led.ramp_shots(), 3 + 11 + 15 + 3);
    }
}
