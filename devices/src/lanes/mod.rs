//! Sixteen shots at a time: the equation of one shot, written once, runs on a block of shots.
//!
//! A [`Lane`] holds one quantity of sixteen shots, so that every loop over a lane is a vector
//! operation; a batch is cut into blocks of sixteen that all cores share.

mod simulation;

use crate::{Constant, Interface};

pub use simulation::Simulation;

/// Shots in a block.
pub const LANES: usize = 16;

/// One quantity of the shots of a block.
pub type Lane = [f32; LANES];

/// A lane of zeros.
pub(crate) const ZERO: Lane = [0.0; LANES];

/// y ← y + a x, lane by lane.
#[inline(always)]
pub(crate) fn add_scaled(y: &mut Lane, a: f32, x: &Lane) {
    for (y, x) in y.iter_mut().zip(x) {
        *y += a * x;
    }
}

/// The sum of the lanes, two halves at a time.
#[inline(always)]
pub(crate) fn total(lanes: &Lane) -> f32 {
    let halves: [f32; 8] = std::array::from_fn(|lane| lanes[lane] + lanes[lane + 8]);
    let quarters: [f32; 4] = std::array::from_fn(|lane| halves[lane] + halves[lane + 4]);
    (quarters[0] + quarters[2]) + (quarters[1] + quarters[3])
}

/// Sum of a x over a lane.
#[inline(always)]
pub(crate) fn dot(a: &Lane, x: &Lane) -> f32 {
    let mut products = ZERO;
    for (product, (a, x)) in products.iter_mut().zip(a.iter().zip(x)) {
        *product = a * x;
    }
    total(&products)
}

/// The noiseless equation of a device with independent shots.
///
/// `respond` and `vjp` see one block. They are compiled for several generations of processors, so
/// they and the functions that they call are `#[inline(always)]`.
///
/// ```
/// use twinprop_devices::lanes::{Cotangents, Equation, LANES, Lane};
/// use twinprop_devices::nalgebra::{DMatrix, DVector};
/// use twinprop_devices::{Channels, Constant, Differentiable, Interface, Simulation};
///
/// /// y = c (x + θ)², with c a constant of the copy.
/// #[derive(Clone)]
/// struct Square {
///     interface: Interface,
///     c: f32,
/// }
///
/// impl Equation for Square {
///     type Setting = f32;
///
///     fn interface(&self) -> &Interface {
///         &self.interface
///     }
///
///     fn prepare(&self, parameters: &[f32]) -> f32 {
///         parameters[0]
///     }
///
///     #[inline(always)]
///     fn respond(&self, theta: &f32, inputs: &[Lane], outputs: &mut [Lane]) {
///         for lane in 0..LANES {
///             outputs[0][lane] = self.c * (inputs[0][lane] + theta).powi(2);
///         }
///     }
///
///     #[inline(always)]
///     fn vjp(
///         &self,
///         theta: &f32,
///         inputs: &[Lane],
///         cotangents: &[Lane],
///         of_inputs: &mut [Lane],
///         sums: &mut Cotangents,
///     ) {
///         for lane in 0..LANES {
///             let sum = inputs[0][lane] + theta;
///             let slope = 2.0 * self.c * sum * cotangents[0][lane];
///             of_inputs[0][lane] = slope;
///             sums.parameters[0] += slope;
///             sums.constants[0] += sum * sum * cotangents[0][lane];
///         }
///     }
///
///     fn multiply_adds(&self) -> u64 {
///         2
///     }
///
///     fn constants(&self) -> Vec<Constant> {
///         vec![Constant { name: "c".to_owned(), value: self.c }]
///     }
///
///     fn set_constants(&mut self, values: &[f32]) {
///         self.c = values[0];
///     }
/// }
///
/// let interface = Interface {
///     device: "square".to_owned(),
///     inputs: Channels::bank("x", 1, "1", -1.0, 1.0),
///     parameters: Channels::bank("theta", 1, "1", -1.0, 1.0),
///     outputs: Channels::bank("y", 1, "1", 0.0, 10.0),
///     seconds_per_shot: 1e-6,
/// };
/// let device = Simulation::new(Square { interface, c: 2.0 });
/// let (x, theta) = (DMatrix::from_element(1, 3, 0.5), DVector::from_element(1, 0.5));
/// let (mut of_x, mut of_theta) = (DMatrix::zeros(1, 3), DVector::zeros(1));
/// device.vjp(&x, &theta, &DMatrix::from_element(1, 3, 1.0), &mut of_x, &mut of_theta)?;
/// assert_eq!((of_x[0], of_theta[0]), (4.0, 12.0));
/// # Ok::<(), twinprop_devices::DeviceError>(())
/// ```
pub trait Equation: Clone + Send + Sync + 'static {
    /// What is computed once for the parameters of a batch.
    type Setting: Send + Sync;

    /// What the device accepts and returns.
    fn interface(&self) -> &Interface;

    /// The setting of `parameters`, in the interface's units.
    fn prepare(&self, parameters: &[f32]) -> Self::Setting;

    /// Readings `[n_outputs]` of the drives `inputs` `[n_inputs]`.
    fn respond(&self, setting: &Self::Setting, inputs: &[Lane], outputs: &mut [Lane]);

    /// Cotangents of the drives (overwritten) and, summed over the shots, of parameters and constants
    /// (added to `sums`) from those of the readings.
    fn vjp(
        &self,
        setting: &Self::Setting,
        inputs: &[Lane],
        cotangents: &[Lane],
        of_inputs: &mut [Lane],
        sums: &mut Cotangents,
    );

    /// [`vjp`](Self::vjp) for a caller that does not use the cotangents of the constants: `sums` may be left without
    /// them. By default `vjp` itself.
    #[inline(always)]
    fn vjp_without_constants(
        &self,
        setting: &Self::Setting,
        inputs: &[Lane],
        cotangents: &[Lane],
        of_inputs: &mut [Lane],
        sums: &mut Cotangents,
    ) {
        self.vjp(setting, inputs, cotangents, of_inputs, sums);
    }

    /// Multiply-adds of one shot's response, to leading order, as
    /// [`Differentiable::multiply_adds`](crate::Differentiable::multiply_adds) counts them.
    fn multiply_adds(&self) -> u64;

    /// The constants that can be learned from shots.
    fn constants(&self) -> Vec<Constant>;

    /// Sets the constants, in the order of [`constants`](Self::constants).
    fn set_constants(&mut self, values: &[f32]);
}

/// Cotangents summed over shots.
#[derive(Clone, Debug)]
pub struct Cotangents {
    /// Of the parameters.
    pub parameters: Vec<f32>,
    /// Of the constants.
    pub constants: Vec<f32>,
}

impl Cotangents {
    /// Zeros for so many parameters and constants.
    pub(crate) fn zeros(parameters: usize, constants: usize) -> Self {
        Self { parameters: vec![0.0; parameters], constants: vec![0.0; constants] }
    }

    /// `start` and all `parts`, in their order.
    pub(crate) fn sum(start: Self, parts: Vec<Self>) -> Self {
        let add = |sum: &mut [f32], part: &[f32]| {
            sum.iter_mut().zip(part).for_each(|(sum, part)| *sum += part);
        };
        parts.into_iter().fold(start, |mut sum, part| {
            add(&mut sum.parameters, &part.parameters);
            add(&mut sum.constants, &part.constants);
            sum
        })
    }
}

/// Up to [`LANES`] shots of `width` channels each, channel by channel; missing shots are zero.
fn to_lanes(shots: &[f32], width: usize) -> Vec<Lane> {
    let mut lanes = vec![ZERO; width];
    for (lane, shot) in shots.chunks_exact(width.max(1)).enumerate() {
        for (channel, value) in lanes.iter_mut().zip(shot) {
            channel[lane] = *value;
        }
    }
    lanes
}

/// The first shots of a block, as many as fit in `shots`.
fn from_lanes(lanes: &[Lane], shots: &mut [f32]) {
    for (lane, shot) in shots.chunks_exact_mut(lanes.len().max(1)).enumerate() {
        for (value, channel) in shot.iter_mut().zip(lanes) {
            *value = channel[lane];
        }
    }
}
