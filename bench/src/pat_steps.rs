//! The steps of physics-aware training that the benchmarks time and count.

use twinprop::Backend;

use crate::{
    Fit, Outcome, Step, deep_plate, fit_of_deep_plate, fit_of_mnist_optical, fit_of_recipe,
    mnist_optical, mnist_oscillators, vowels_optical,
};

/// A step of physics-aware training and its peer.
pub struct PatStep {
    /// Name for the command line.
    pub name: &'static str,
    /// Network, for the table.
    pub subject: &'static str,
    /// PyTorch's script in `bench/peers`.
    pub peer: &'static str,
    /// Whether PyTorch compiles its device and its twin within minutes.
    pub compiles: bool,
    /// Builds the step.
    pub step: fn() -> Step,
    /// Builds the calibration of the device, if the twin is learned.
    pub fit: Option<fn() -> Outcome<Fit>>,
    /// Fewest multiply-adds of the step; `None` for [`Step::multiply_adds`], with equations as twins.
    pub multiply_adds: Option<u64>,
    /// Rows, depth and columns of the matrix products that make up most multiply-adds.
    pub product: Option<[usize; 3]>,
}

/// The steps of physics-aware training that are benchmarked.
pub const PAT_STEPS: [PatStep; 4] = [
    PatStep {
        name: "step",
        subject: "196 and 206 oscillators",
        peer: "oscillator_step.py",
        compiles: true,
        step: mnist_oscillators,
        fit: None,
        // Four times eighteen matrix products per layer: of the device, the twin, the adjoint and the couplings'
        // gradient.
        multiply_adds: Some(4 * 18 * 32 * (196 * 196 + 206 * 206)),
        product: Some([32, 206, 206]),
    },
    PatStep {
        name: "vowels-step",
        subject: "`vowels-optical` with its neural twin",
        peer: "vowels_step.py",
        compiles: true,
        step: || Step::new(vowels_optical(Backend::Flex).1),
        fit: Some(|| fit_of_recipe("vowels-optical")),
        // Forward and backward pass of the twin of 18, 256, 256 and 22 units, for 704 shots in each of two layers.
        multiply_adds: Some(2 * 2 * 704 * (18 * 256 + 256 * 256 + 256 * 22)),
        product: Some([704, 256, 256]),
    },
    PatStep {
        name: "plate-step",
        subject: "a plate, three layers of four shots",
        peer: "plate_step.py",
        compiles: false,
        step: deep_plate,
        fit: Some(fit_of_deep_plate),
        multiply_adds: None,
        product: None,
    },
    PatStep {
        name: "hybrid-step",
        subject: "`mnist-optical`, a digital layer before the optical ones",
        peer: "mnist_hybrid_step.py",
        compiles: true,
        step: mnist_optical,
        fit: Some(fit_of_mnist_optical),
        multiply_adds: None,
        product: None,
    },
];
