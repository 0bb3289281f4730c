//! Values of a node's tensors.

use nir_rs::nodes::CubaLif;
use nir_rs::{Tensor, TensorData};
use twinprop_devices::neuromorphic::Neurons;

/// A gain that deviates from 1 by less is 1 but for rounding: other programs keep constants in 32 bits.
const ROUNDING: f64 = 1e-6;

/// Neurons of a `CubaLIF`, and the factor of the synapses onto each.
pub(super) struct Neuronal {
    pub neurons: Neurons<f32>,
    pub gain: Vec<f64>,
}

/// The numbers of `tensor`, finite; `what` is for messages.
pub(super) fn numbers(tensor: &Tensor, what: &str) -> Result<Vec<f64>, String> {
    let numbers: Vec<f64> = match tensor.data() {
        TensorData::F32(values) => values.iter().map(|&value| f64::from(value)).collect(),
        TensorData::F64(values) => values.clone(),
        TensorData::I64(values) => values.iter().map(|&value| value as f64).collect(),
        TensorData::Bool(values) => values.iter().map(|&value| f64::from(value)).collect(),
    };
    match numbers.iter().all(|value| value.is_finite() && value.abs() <= f64::from(f32::MAX)) {
        true => Ok(numbers),
        false => Err(format!("{what} has a value that is not finite in 32 bits")),
    }
}

/// `count` numbers of `tensor`: one a neuron, or one for all.
pub(super) fn each(tensor: &Tensor, count: usize, what: &str) -> Result<Vec<f64>, String> {
    let values = numbers(tensor, what)?;
    match values.len() {
        1 => Ok(vec![values[0]; count]),
        found if found == count => Ok(values),
        found => Err(format!("{what} has {found} values for {count} neurons")),
    }
}

/// A matrix `[rows, columns]` with its columns' count.
pub(super) struct Matrix {
    pub rows: usize,
    pub columns: usize,
    pub values: Vec<f64>,
}

impl Matrix {
    pub fn of(tensor: &Tensor, what: &str) -> Result<Self, String> {
        let &[rows, columns] = tensor.shape() else {
            return Err(format!("{what} has {} axes, not two", tensor.ndim()));
        };
        Ok(Self { rows, columns, values: numbers(tensor, what)? })
    }

    /// Values of column after column, each row times its `gain`.
    pub fn by_column(&self, gain: &[f64]) -> Vec<f32> {
        let cell = |column: usize, row: usize| self.values[row * self.columns + column] * gain[row];
        (0..self.columns)
            .flat_map(|column| (0..self.rows).map(move |row| (column, row)))
            .map(|(column, row)| cell(column, row) as f32)
            .collect()
    }
}

/// 1 for a gain that is 1 but for rounding.
pub(super) fn rounded(gain: f64) -> f64 {
    if (gain - 1.0).abs() < ROUNDING { 1.0 } else { gain }
}

/// The `count` neurons of `node`, called `name`, in steps of `dt` seconds.
pub(super) fn neurons(
    name: &str,
    node: &CubaLif,
    count: usize,
    dt: f64,
) -> Result<Neuronal, String> {
    let field = |tensor: &Tensor, field: &str| {
        each(tensor, count, &format!("`{field}` of node `{name}` (CubaLIF)"))
    };
    let zero = |tensor: &Tensor, called: &str| -> Result<(), String> {
        match field(tensor, called)?.iter().find(|value| **value != 0.0) {
            None => Ok(()),
            Some(value) => Err(format!(
                "node `{name}` (CubaLIF) has `{called}` = {value}; a chip's membranes leak and are reset to 0; shift the potentials so that both are 0"
            )),
        }
    };
    zero(&node.v_leak, "v_leak")?;
    node.v_reset.as_ref().map_or(Ok(()), |tensor| zero(tensor, "v_reset"))?;
    let times = |tensor: &Tensor, called: &str| -> Result<Vec<f64>, String> {
        let steps: Vec<f64> = field(tensor, called)?.iter().map(|seconds| seconds / dt).collect();
        match steps.iter().find(|steps| (**steps as f32) < 1.0) {
            None => Ok(steps),
            Some(found) => Err(format!(
                "node `{name}` (CubaLIF): `{called}` is {found} steps of {dt} s; it must be a step or more; choose a shorter step with option `step_seconds`"
            )),
        }
    };
    let (synaptic, membrane) = (times(&node.tau_syn, "tau_syn")?, times(&node.tau_mem, "tau_mem")?);
    let threshold = field(&node.v_threshold, "v_threshold")?;
    if let Some(value) = threshold.iter().find(|value| **value as f32 <= 0.0) {
        return Err(format!(
            "node `{name}` (CubaLIF) has `v_threshold` = {value}; a chip's must be above its resting potential 0"
        ));
    }
    let r = field(&node.r, "r")?;
    let w_in = node.w_in.as_ref().map_or(Ok(vec![1.0; count]), |tensor| field(tensor, "w_in"))?;
    let gain = r.iter().zip(&w_in).zip(&membrane).map(|((r, w), time)| rounded(r * w / time));
    let gain = gain.collect();
    let narrow = |values: Vec<f64>| values.into_iter().map(|value| value as f32).collect();
    let neurons = Neurons {
        membrane_time: narrow(membrane),
        synaptic_time: narrow(synaptic),
        threshold: narrow(threshold),
        refractory: vec![0; count],
    };
    Ok(Neuronal { neurons, gain })
}
