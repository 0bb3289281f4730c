//! Chips of spiking neurons with every readout and both derivatives, at the spikes that another, noisy chip measured.

use burn::tensor::{Device, Tensor};
use nalgebra::{DMatrix, DVector};
use twinprop_calibration::bridge::{from_vec, to_tensor, to_vec};
use twinprop_calibration::in_tensors_of;
use twinprop_calibration::tensors::Draws;
use twinprop_devices::neuromorphic::{Jacobian, LifChip, LifChipConfig, LifReadout, SpikeGradient};
use twinprop_devices::{Differentiable, PhysicalLayer};

use crate::{backends, difference};

fn config() -> LifChipConfig {
    LifChipConfig { lines: 7, neurons: 9, steps: 30, ..Default::default() }
}

/// The same with a fixed pattern of synapses, in steps of the weights.
fn uneven() -> LifChipConfig {
    LifChipConfig { weight_bits: 4, gain_error: 0.3, refractory: 2, ..config() }
}

/// A value from 0 to 1 of a place.
fn share(place: usize) -> f32 {
    ((place as f32 * 12.9898).sin() * 43758.547).rem_euclid(1.0)
}

/// Drives, settings, readings and cotangents: a column a shot, and a column a setting.
struct Operands {
    x: DMatrix<f32>,
    theta: DMatrix<f32>,
    y: DMatrix<f32>,
    dy: DMatrix<f32>,
}

impl Operands {
    /// A tenth of the drives' cells are spikes, and the weights go from `weights.0` to `weights.1`.
    fn new(
        chip: &LifChip,
        device: &mut LifChip,
        (settings, shots): (usize, usize),
        weights: (f32, f32),
    ) -> Self {
        let interface = chip.interface();
        let (drives, readings) = (interface.inputs.len(), interface.outputs.len());
        let x = DMatrix::from_fn(drives, settings * shots, |cell, shot| {
            f32::from(share(1 + cell + drives * shot) < 0.1)
        });
        let parameters = interface.parameters.len();
        let theta = DMatrix::from_fn(parameters, settings, |place, setting| {
            weights.0 + (weights.1 - weights.0) * share(5 + 2 * place + 1001 * setting)
        });
        let dy = DMatrix::from_fn(readings, settings * shots, |row, shot| {
            2.0 * share(3 + 7 * row + 977 * shot) - 1.0
        });
        let mut y = dy.clone();
        for setting in 0..settings {
            let x = x.columns(setting * shots, shots).into_owned();
            let mut part = DMatrix::zeros(readings, shots);
            device.measure(&x, &theta.column(setting).into_owned(), &mut part).unwrap();
            y.columns_mut(setting * shots, shots).copy_from(&part);
        }
        Self { x, theta, y, dy }
    }

    /// Response and cotangents by the chip's own code.
    fn reference(&self, chip: &LifChip) -> [DMatrix<f32>; 3] {
        let Self { x, theta, y, dy } = self;
        let shots = x.ncols() / theta.ncols();
        let (mut response, mut dx, mut dtheta) = (dy.clone(), x.clone(), theta.clone());
        for setting in 0..theta.ncols() {
            let of = |matrix: &DMatrix<f32>| matrix.columns(setting * shots, shots).into_owned();
            let (x, y, dy) = (of(x), of(y), of(dy));
            let theta = theta.column(setting).into_owned();
            let (mut part, mut of_x) = (dy.clone(), x.clone());
            let mut of_theta = DVector::zeros(theta.len());
            chip.respond(&x, &theta, &mut part).unwrap();
            chip.vjp_at_readings(&x, &theta, &y, &dy, &mut of_x, &mut of_theta).unwrap();
            response.columns_mut(setting * shots, shots).copy_from(&part);
            dx.columns_mut(setting * shots, shots).copy_from(&of_x);
            dtheta.column_mut(setting).copy_from(&of_theta);
        }
        [response, dx, dtheta]
    }

    fn parameters(&self, device: &Device) -> Tensor<2> {
        let (parameters, settings) = self.theta.shape();
        from_vec(self.theta.as_slice().to_vec(), [settings, parameters], device)
    }
}

/// Response and adjoint of `chip` agree for one setting and for three, at weights within `weights`. The readings are
/// those of a noisy chip of `config`.
fn chip_agrees(
    chip: &LifChip,
    config: &LifChipConfig,
    shots: usize,
    weights: (f32, f32),
    case: &str,
) {
    let noisy = LifChipConfig {
        membrane_noise: 0.05,
        spike_loss: 0.05,
        spike_jitter: 0.1,
        ..config.clone()
    };
    for settings in [1, 3] {
        let mut measured = LifChip::fabricated(&noisy, 0.1, 8).unwrap();
        let operands = Operands::new(chip, &mut measured, (settings, shots), weights);
        let [response, dx, dtheta] = operands.reference(chip);
        let rows =
            config.neurons * if config.readout == LifReadout::Counts { 1 } else { config.steps };
        assert!(response.rows(0, rows).sum() > 10.0, "{case}: few spikes");
        for (device, tolerance) in backends() {
            let tensors = in_tensors_of(chip, &device).unwrap();
            let (x, theta) = (to_tensor(&operands.x, &device), operands.parameters(&device));
            let respond = to_vec(tensors.respond(x.clone(), theta.clone()));
            let measure = tensors.measure(x.clone(), theta.clone(), &Draws::new(1, 0));
            assert_eq!(to_vec(measure), respond, "{case}: a chip without noise");
            let point = tensors.linearise(x, theta);
            let (of_x, of_theta) =
                point.vjp(to_tensor(&operands.y, &device), to_tensor(&operands.dy, &device));
            for (ours, reference, what) in [
                (respond, &response, "response"),
                (to_vec(of_x), &dx, "drives"),
                (to_vec(of_theta), &dtheta, "parameters"),
            ] {
                let difference = difference(&ours, reference.as_slice());
                assert!(
                    difference < tolerance,
                    "{case}, {settings} settings on {device:?}: {what} off by {difference}"
                );
            }
        }
    }
}

const READOUTS: [LifReadout; 3] =
    [LifReadout::Raster, LifReadout::Counts, LifReadout::RasterAndMembrane];

fn derivatives() -> [SpikeGradient; 2] {
    let jacobian = Jacobian::Diagonal;
    [SpikeGradient::Surrogate { slope: 10.0 }, SpikeGradient::SpikeTrain { jacobian, floor: 0.3 }]
}

#[test]
fn chips_agree_with_every_readout_and_derivative() {
    for base in [config(), uneven(), LifChipConfig { recurrent: false, ..uneven() }] {
        for readout in READOUTS {
            for derivative in derivatives() {
                let config = LifChipConfig { readout, ..base.clone() };
                let mismatch = if config.weight_bits > 0 { 0.2 } else { 0.0 };
                let chip = LifChip::fabricated(&config, mismatch, 3).unwrap();
                let chip = chip.with_gradient(derivative);
                let case = format!(
                    "{readout:?}, {derivative:?}, recurrent: {}, mismatch {mismatch}",
                    config.recurrent
                );
                chip_agrees(&chip, &config, 37, (-0.6, 1.2), &case);
            }
        }
    }
}

#[test]
fn chips_of_all_sizes_agree() {
    for (lines, neurons, steps, shots, refractory) in
        [(2, 1, 40, 11, 0), (70, 66, 20, 5, 1), (5, 3, 130, 4, 40), (40, 5, 2, 400, 1)]
    {
        for derivative in derivatives() {
            let config = LifChipConfig { lines, neurons, steps, refractory, ..config() };
            let chip = LifChip::nominal(&config).unwrap().with_gradient(derivative);
            let case = format!("{lines} lines, {neurons} neurons, {steps} steps, {derivative:?}");
            let largest = if steps == 2 { 2.0 } else { 0.8 };
            chip_agrees(&chip, &config, shots, (-0.4, largest), &case);
        }
    }
}

/// Inhibition takes membranes out of the range that is read.
#[test]
fn membranes_beyond_their_range_agree() {
    let config =
        LifChipConfig { readout: LifReadout::RasterAndMembrane, synaptic_time: 2.0, ..config() };
    let chip = LifChip::fabricated(&config, 0.1, 2).unwrap();
    let operands = Operands::new(&chip, &mut chip.clone(), (1, 37), (-2.0, 1.0));
    assert_eq!(operands.y.min(), -8.0);
    chip_agrees(&chip, &config, 37, (-2.0, 1.0), "out of range");
}

/// The whole Jacobian is the diagonal one without synapses among neurons.
#[test]
fn the_whole_jacobian_among_neurons_stays_on_the_cpu() {
    let derivative = SpikeGradient::SpikeTrain { jacobian: Jacobian::Full, floor: 0.3 };
    let chip = LifChip::nominal(&config()).unwrap().with_gradient(derivative);
    assert!(in_tensors_of(&chip, &Device::flex()).is_none());
    let config = LifChipConfig { recurrent: false, ..config() };
    let chip = LifChip::nominal(&config).unwrap().with_gradient(derivative);
    chip_agrees(&chip, &config, 37, (-0.6, 1.2), "the whole Jacobian");
}

/// Halves of a weight's step are rounded away from 0.
#[test]
fn weights_between_two_steps_agree() {
    let config = LifChipConfig { largest_weight: 1.875, weight_bits: 4, ..config() };
    let chip = LifChip::nominal(&config).unwrap();
    let x = DMatrix::from_fn(7 * 30, 20, |cell, shot| f32::from(share(cell + 211 * shot) < 0.1));
    let theta = DVector::from_fn(16 * 9, |place, _| 0.0625 * (place % 31) as f32 - 0.5);
    let mut response = DMatrix::zeros(9 * 30, 20);
    chip.respond(&x, &theta, &mut response).unwrap();
    assert!(response.sum() > 100.0, "{}", response.sum());
    for (device, _) in backends() {
        let tensors = in_tensors_of(&chip, &device).unwrap();
        let theta = from_vec(theta.as_slice().to_vec(), [1, 16 * 9], &device);
        assert_eq!(to_vec(tensors.respond(to_tensor(&x, &device), theta)), response.as_slice());
    }
}
