//! How far to trust a twin: its readings and its gradient, judged on shots it never saw.

use burn::tensor::Device;
use nalgebra::{DMatrix, DVector};
use rand::{Rng, RngExt};
use rand_distr::{Distribution, StandardNormal};
use serde::{Deserialize, Serialize};
use twinprop_devices::{Channels, DeviceError, PhysicalLayer, random};

use crate::bridge::{from_vec, to_matrix, to_tensor, to_vec};
use crate::shots::Shots;
use crate::twin::DigitalTwin;

/// A twin's agreement with its device.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
pub struct Fidelity {
    /// Coefficient of determination of all channels together: 1 − Σ squared error / Σ variance.
    pub r2: f32,
    /// Root mean square error of all channels together, over their standard deviation.
    pub nrmse: f32,
    /// Coefficient of determination of each output channel.
    pub r2_by_channel: Vec<f32>,
    /// Root mean square error of each output channel over its standard deviation.
    pub nrmse_by_channel: Vec<f32>,
    /// Cosine between the twin's directional derivatives and the device's.
    pub gradient_cosine: f32,
}

/// How the gradient's fidelity is measured.
#[derive(Clone, Copy, Debug)]
pub struct GradientProbe {
    /// Points of the design about which the device is probed.
    pub points: usize,
    /// Random directions a point.
    pub directions: usize,
    /// Half the distance between the two shots of a central difference, as a share of the range.
    pub step: f32,
    /// Shots averaged at each end.
    pub repeats: usize,
}

impl Default for GradientProbe {
    fn default() -> Self {
        Self { points: 32, directions: 8, step: 0.05, repeats: 8 }
    }
}

impl Fidelity {
    /// Judges `twin` on `unseen` shots and, about some of their drives, by central differences of
    /// the device.
    ///
    /// # Errors
    /// Whatever the device answers.
    pub fn measure(
        twin: &dyn DigitalTwin,
        device: &mut dyn PhysicalLayer,
        unseen: &Shots,
        probe: GradientProbe,
        seed: u64,
        backend: &Device,
    ) -> Result<Self, DeviceError> {
        let predicted = predict(twin, &unseen.inputs, &unseen.parameters, backend);
        let shots = unseen.len() as f32;
        let error = (&predicted - &unseen.outputs).map(|error| error * error).column_sum() / shots;
        let variance = unseen.outputs.column_variance();
        let unexplained =
            |error: f32, variance: f32| if variance > 0.0 { error / variance } else { f32::NAN };
        let by_channel: Vec<f32> = error
            .iter()
            .zip(&variance)
            .map(|(&error, &variance)| unexplained(error, variance))
            .collect();
        let overall = unexplained(error.sum(), variance.sum());
        Ok(Self {
            r2: 1.0 - overall,
            nrmse: overall.sqrt(),
            r2_by_channel: by_channel.iter().map(|share| 1.0 - share).collect(),
            nrmse_by_channel: by_channel.iter().map(|share| share.sqrt()).collect(),
            gradient_cosine: gradient_cosine(twin, device, unseen, probe, seed, backend)?,
        })
    }
}

/// The twin's readings `[n_outputs × shots]` for shots with a parameter column each.
#[must_use]
pub fn predict(
    twin: &dyn DigitalTwin,
    inputs: &DMatrix<f32>,
    parameters: &DMatrix<f32>,
    backend: &Device,
) -> DMatrix<f32> {
    to_matrix(twin.predict(to_tensor(inputs, backend), to_tensor(parameters, backend)))
}

/// Cosine between the derivatives of the twin and those measured on the device.
///
/// At each point a random cotangent c weighs the outputs; the derivative of c·y along a random
/// direction v over inputs and parameters is once vjp(c)·v, by the twin, and once
/// (c·y(p + hv) − c·y(p − hv)) / 2h, measured. The cosine is taken over all points and directions
/// together.
fn gradient_cosine(
    twin: &dyn DigitalTwin,
    device: &mut dyn PhysicalLayer,
    unseen: &Shots,
    probe: GradientProbe,
    seed: u64,
    backend: &Device,
) -> Result<f32, DeviceError> {
    let interface = device.interface().clone();
    let channels = interface.inputs.clone().and(interface.parameters.clone());
    let width = interface.inputs.len();
    let mut random = random::stream(seed, "gradient fidelity");
    let (mut dot, mut twin_square, mut device_square) = (0.0f64, 0.0f64, 0.0f64);
    for _ in 0..probe.points {
        let shot = random.random_range(0..unseen.len());
        let point = interior_point(unseen, shot, &channels, probe.step);
        let cotangent = normals(interface.outputs.len(), &mut random);
        let row = |values: &[f32]| from_vec(values.to_vec(), [1, values.len()], backend);
        let (dx, dtheta) = twin.vjp(
            row(&point.as_slice()[..width]),
            row(&point.as_slice()[width..]),
            row(cotangent.as_slice()),
        );
        let gradient = DVector::from_vec([to_vec(dx), to_vec(dtheta)].concat());
        for _ in 0..probe.directions {
            // A step of ± its own range's share on each channel at random keeps every end in range.
            let direction = DVector::from_iterator(
                channels.len(),
                channels.iter().map(|channel| {
                    if random.random::<bool>() { channel.span() } else { -channel.span() }
                }),
            );
            let mut end = |sign: f32| -> Result<f32, DeviceError> {
                let drive = &point + &direction * (sign * probe.step);
                let inputs = DMatrix::from_fn(width, probe.repeats, |row, _| drive[row]);
                let parameters = drive.rows(width, drive.len() - width).into_owned();
                let mut outputs = DMatrix::zeros(cotangent.len(), probe.repeats);
                device.measure(&inputs, &parameters, &mut outputs)?;
                Ok(outputs.column_mean().dot(&cotangent))
            };
            let measured = f64::from((end(1.0)? - end(-1.0)?) / (2.0 * probe.step));
            let predicted = f64::from(gradient.dot(&direction));
            dot += measured * predicted;
            twin_square += predicted * predicted;
            device_square += measured * measured;
        }
    }
    Ok((dot / (twin_square * device_square).sqrt()) as f32)
}

/// Drive of shot `shot`, inputs before parameters, moved inside the ranges by a step.
fn interior_point(shots: &Shots, shot: usize, channels: &Channels, step: f32) -> DVector<f32> {
    let (inputs, parameters) = (shots.inputs.column(shot), shots.parameters.column(shot));
    DVector::from_iterator(
        channels.len(),
        inputs.iter().chain(parameters.iter()).zip(channels.iter()).map(|(drive, channel)| {
            let margin = step * channel.span();
            drive.clamp(channel.minimum + margin, channel.maximum - margin)
        }),
    )
}

fn normals(count: usize, random: &mut impl Rng) -> DVector<f32> {
    DVector::from_fn(count, |_, _| StandardNormal.sample(random))
}
