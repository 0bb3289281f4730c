//! The chip without chance, and the vector-Jacobian product of its rate model.

use nalgebra::{DMatrix, DMatrixView, DVector};

use super::LearningChip;
use super::populations::is_nudged;
use crate::{DeviceError, Differentiable};

/// Draws of the ticks without chance: the multiples of the golden section, which fill [0, 1) evenly in every run of
/// ticks.
fn even_draw(tick: usize) -> f32 {
    const GOLDEN: f64 = 0.618_033_988_749_894_9;
    ((tick as f64 + 0.5) * GOLDEN).fract() as f32
}

impl LearningChip {
    /// Slopes dr/d(Wᵀr) `[neurons × shots]` of layer `layer`, from 1, at the counts `readings`: 1/ν, or 0 for a neuron
    /// that was silent or fired in every tick of phase 1.
    fn slopes(&self, layer: usize, readings: &DMatrix<f32>) -> DMatrix<f32> {
        let free = self.channels.free(layer);
        let counts = readings.rows(free.start, free.len());
        let (thresholds, most) = (&self.circuit.thresholds[layer - 1], self.window());
        DMatrix::from_fn(counts.nrows(), counts.ncols(), |neuron, shot| {
            let count = counts[(neuron, shot)];
            if count > 0.0 && count < most { thresholds[neuron].recip() } else { 0.0 }
        })
    }

    fn window(&self) -> f32 {
        self.channels.window() as f32
    }

    /// Cotangents of the rates of layer `layer` from those of its counts.
    fn of_rates(&self, layer: usize, inputs: &DMatrix<f32>, of: &DMatrix<f32>) -> DMatrix<f32> {
        let free = self.channels.free(layer);
        let mut sum = of.rows(free.start, free.len()).into_owned();
        if layer > 0 {
            let nudged = self.channels.nudged(layer);
            sum += of.rows(nudged.start, nudged.len());
        }
        sum *= self.window();
        if layer + 1 == self.channels.layers().len() {
            let targets = self.channels.targets();
            for (shot, mut sum) in sum.column_iter_mut().enumerate() {
                let targets = &inputs.column(shot).data.into_slice()[targets.clone()];
                let ticks =
                    if is_nudged(targets) { self.window() } else { self.circuit.ticks as f32 };
                sum.axpy(ticks, &of.column(shot).rows(0, sum.len()), 1.0);
            }
        }
        sum
    }
}

impl Differentiable for LearningChip {
    fn respond(
        &self,
        inputs: &DMatrix<f32>,
        parameters: &DVector<f32>,
        outputs: &mut DMatrix<f32>,
    ) -> Result<(), DeviceError> {
        self.interface.check_shapes(inputs, parameters, outputs)?;
        self.play(inputs, parameters, outputs, |_, draws| {
            draws.iter_mut().enumerate().for_each(|(tick, draw)| *draw = even_draw(tick));
        });
        Ok(())
    }

    fn vjp(
        &self,
        inputs: &DMatrix<f32>,
        parameters: &DVector<f32>,
        cotangents: &DMatrix<f32>,
        input_cotangents: &mut DMatrix<f32>,
        parameter_cotangents: &mut DVector<f32>,
    ) -> Result<(), DeviceError> {
        let mut readings = DMatrix::zeros(cotangents.nrows(), cotangents.ncols());
        self.respond(inputs, parameters, &mut readings)?;
        self.vjp_at_readings(
            inputs,
            parameters,
            &readings,
            cotangents,
            input_cotangents,
            parameter_cotangents,
        )
    }

    fn vjp_at_readings(
        &self,
        inputs: &DMatrix<f32>,
        parameters: &DVector<f32>,
        readings: &DMatrix<f32>,
        cotangents: &DMatrix<f32>,
        input_cotangents: &mut DMatrix<f32>,
        parameter_cotangents: &mut DVector<f32>,
    ) -> Result<(), DeviceError> {
        self.interface.check_shapes(inputs, parameters, cotangents)?;
        self.interface.check_shapes(inputs, parameters, readings)?;
        let layers = self.channels.layers();
        let last = layers.len() - 1;
        let effective = self.effective(parameters);
        let mut of_rates = self.of_rates(last, inputs, cotangents);
        for layer in (1..=last).rev() {
            let of_currents = of_rates.component_mul(&self.slopes(layer, readings));
            let (place, below) = (self.channels.weights(layer), self.channels.free(layer - 1));
            let rates = readings.rows(below.start, below.len()) / self.window();
            let of_weights = &of_currents * rates.transpose();
            let weights = &effective[place.clone()];
            let weights = DMatrixView::from_slice(weights, layers[layer], layers[layer - 1]);
            parameter_cotangents.as_mut_slice()[place].copy_from_slice(of_weights.as_slice());
            of_rates = weights.tr_mul(&of_currents) + self.of_rates(layer - 1, inputs, cotangents);
        }
        let synapses = parameter_cotangents.iter_mut().zip(&self.gains);
        synapses.for_each(|(cotangent, gain)| *cotangent *= gain);
        input_cotangents.fill(0.0);
        input_cotangents.rows_mut(0, layers[0]).copy_from(&(of_rates / self.largest_input));
        Ok(())
    }

    fn uses_readings(&self) -> bool {
        true
    }

    fn multiply_adds(&self) -> u64 {
        let products = self.channels.layers().windows(2).map(|pair| pair[0] * pair[1]);
        products.sum::<usize>() as u64 * self.circuit.ticks as u64
    }
}
