//! Which channel of a learning chip is what.

use std::ops::Range;

use crate::{Channels, Interface};

/// The channels of a learning chip, of a simulated or a real one.
///
/// Inputs are the lines, then the targets of the output neurons. Parameters are the weights, matrix by matrix, `[input,
/// output]` in this order. Readings are the counts of the output neurons, then those of phase 1 layer by layer from the
/// lines on, then those of phase 2 from the first layer of neurons on.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct LearningChipChannels {
    layers: Vec<usize>,
    window: usize,
}

impl LearningChipChannels {
    /// Name of the kind of device.
    const DEVICE: &'static str = "learning_chip";

    /// Of a chip with `layers` (lines, then neurons of each layer) and phases of `window` ticks.
    pub(super) fn new(layers: &[usize], window: usize) -> Self {
        Self { layers: layers.to_vec(), window }
    }

    /// The channels of the chip with `interface`; `None` if that is no learning chip.
    #[must_use]
    pub fn of(interface: &Interface) -> Option<Self> {
        if interface.device != Self::DEVICE {
            return None;
        }
        let phases = interface.outputs.banks().iter();
        let first = phases.filter(|bank| bank.name.starts_with("phase 1"));
        let (layers, ends): (Vec<usize>, Vec<f32>) =
            first.map(|bank| (bank.count, bank.maximum)).unzip();
        #[expect(
            clippy::cast_possible_truncation,
            clippy::cast_sign_loss,
            reason = "compared below"
        )]
        let window = *ends.first()? as usize;
        let found = Self::new(&layers, window);
        let lines = interface.inputs.banks().first()?;
        let expected = found.interface(lines.maximum, interface.seconds_per_shot);
        (layers.len() > 1 && *interface == expected).then_some(found)
    }

    /// The interface with these channels; a line spikes in every tick at the drive `largest_input`.
    pub(super) fn interface(&self, largest_input: f32, seconds_per_shot: f64) -> Interface {
        let Self { layers, window } = self;
        let (lines, outputs) = (layers[0], self.outputs());
        let counts = |phase: usize, layer: usize| {
            let name = format!("phase {phase} layer {layer}");
            Channels::bank(&name, layers[layer], "1", 0.0, *window as f32)
        };
        let weights = layers.windows(2).enumerate().map(|(place, pair)| {
            Channels::bank(&format!("W {}", place + 1), pair[0] * pair[1], "1", -1.0, 1.0)
        });
        let ticks = 2 * (window + 1);
        let first = (0..layers.len()).map(|layer| counts(1, layer));
        let second = (1..layers.len()).map(|layer| counts(2, layer));
        Interface {
            device: Self::DEVICE.to_owned(),
            inputs: Channels::bank("line", lines, "1", 0.0, largest_input)
                .and(Channels::bank("target", outputs, "1", -1.0, 1.0)),
            parameters: weights.fold(Channels::none(), Channels::and),
            outputs: first
                .chain(second)
                .fold(Channels::bank("output", outputs, "1", 0.0, ticks as f32), Channels::and),
            seconds_per_shot,
        }
    }

    /// Number of lines, then of the neurons of each layer.
    #[must_use]
    pub fn layers(&self) -> &[usize] {
        &self.layers
    }

    /// Ticks t_w of a phase: the largest count.
    #[must_use]
    pub fn window(&self) -> usize {
        self.window
    }

    /// Number of output neurons.
    #[must_use]
    pub fn outputs(&self) -> usize {
        self.layers.last().copied().unwrap_or(0)
    }

    /// Places of the targets among the inputs.
    #[must_use]
    pub fn targets(&self) -> Range<usize> {
        self.layers[0]..self.layers[0] + self.outputs()
    }

    /// Places of W_`layer` among the parameters, `layer` from 1.
    #[must_use]
    pub fn weights(&self, layer: usize) -> Range<usize> {
        let size = |layer: usize| self.layers[layer - 1] * self.layers[layer];
        let start = (1..layer).map(size).sum();
        start..start + size(layer)
    }

    /// Places of the counts of layer `layer` in phase 1 among the readings, from the lines (0) on.
    #[must_use]
    pub fn free(&self, layer: usize) -> Range<usize> {
        let start = self.outputs() + self.layers[..layer].iter().sum::<usize>();
        start..start + self.layers[layer]
    }

    /// Places of the counts of layer `layer` in phase 2 among the readings, `layer` from 1.
    #[must_use]
    pub fn nudged(&self, layer: usize) -> Range<usize> {
        let before = self.free(self.layers.len() - 1).end;
        let start = before + self.layers[1..layer].iter().sum::<usize>();
        start..start + self.layers[layer]
    }
}
