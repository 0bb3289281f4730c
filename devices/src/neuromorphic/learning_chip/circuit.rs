//! What is fixed on a chip: thresholds and charges.

use nalgebra::RealField;

use super::{Feedback, LearningChipConfig};

/// The constants of a chip, in numbers F.
#[derive(Clone, Debug)]
pub(super) struct Circuit<F> {
    /// Ticks T of a shot.
    pub ticks: usize,
    /// ν of each neuron, layer by layer from the first after the lines.
    pub thresholds: Vec<Vec<F>>,
    /// q of each layer.
    pub charges: Vec<F>,
    /// u_min of each layer.
    pub lowest: Vec<F>,
    /// φ of each error neuron, hidden layer by hidden layer.
    pub error_thresholds: Vec<Vec<F>>,
    /// ε.
    pub loss_threshold: F,
    /// Whether errors come straight from the output; these are not gated.
    pub is_direct: bool,
}

/// The weights of a chip, each as rows: of W_l one a neuron before it, of E_l one a source of errors.
pub(super) struct Synapses<'a, F> {
    /// W_l, layer by layer from the first after the lines.
    pub weights: Vec<&'a [F]>,
    /// E_l, hidden layer by hidden layer.
    pub feedback: Vec<&'a [F]>,
}

/// ν of each layer, as designed.
pub(super) fn thresholds(config: &LearningChipConfig) -> Vec<f64> {
    let fans = &config.layers[..config.layers.len() - 1];
    let of_layer = |(place, &fan): (usize, &usize)| {
        let remaining = fans.len() - place;
        let scale = 0.5 * (3.0 * fan as f64).sqrt();
        if remaining == 1 {
            config.output_threshold * scale
        } else {
            config.hidden_threshold * scale / remaining as f64
        }
    };
    fans.iter().enumerate().map(of_layer).collect()
}

/// φ of each hidden layer, as designed.
pub(super) fn error_thresholds(config: &LearningChipConfig) -> Vec<f64> {
    let neurons = &config.layers[1..];
    let of_layer = |(place, pair): (usize, &[usize])| {
        let sources = sources(config.feedback, neurons, place);
        let fan = match config.feedback {
            Feedback::Symmetric => pair[0],
            Feedback::Random | Feedback::Direct => sources,
        };
        let scale = 0.5 * sources as f64 * (3.0 / fan as f64).sqrt();
        config.error_threshold * scale / (place + 2) as f64
    };
    neurons.windows(2).enumerate().map(of_layer).collect()
}

/// Sources of errors of the hidden layer `place` of the layers of `neurons`.
pub(super) fn sources(feedback: Feedback, neurons: &[usize], place: usize) -> usize {
    match feedback {
        Feedback::Symmetric | Feedback::Random => neurons[place + 1],
        Feedback::Direct => neurons[neurons.len() - 1],
    }
}

impl<F: RealField + Copy> Circuit<F> {
    /// The circuit as designed, every threshold times a factor of its own from `deviation`.
    pub fn new(config: &LearningChipConfig, mut deviation: impl FnMut() -> f64) -> Self {
        let neurons = &config.layers[1..];
        let mut each = |designed: &[f64]| -> Vec<Vec<F>> {
            let layers = designed.iter().zip(neurons);
            layers
                .map(|(value, &count)| {
                    (0..count).map(|_| nalgebra::convert(value * deviation())).collect()
                })
                .collect()
        };
        let designed = thresholds(config);
        Self {
            ticks: config.ticks,
            thresholds: each(&designed),
            error_thresholds: each(&error_thresholds(config)),
            lowest: designed
                .iter()
                .map(|value| match config.lowest_potential {
                    Some(lowest) => nalgebra::convert(-lowest * value),
                    None => F::min_value().unwrap_or(-F::one() / F::zero()),
                })
                .collect(),
            charges: designed.into_iter().map(nalgebra::convert).collect(),
            loss_threshold: nalgebra::convert(config.loss_threshold as f64),
            is_direct: config.feedback == Feedback::Direct,
        }
    }

    /// Ticks t_w of a phase.
    pub fn window(&self) -> usize {
        self.ticks / 2 - 1
    }
}
