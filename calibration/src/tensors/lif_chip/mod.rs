//! A chip of spiking neurons in tensors.
//!
//! The equation is that of [`LifChip`], and the derivatives are those of its [`SpikeGradient`]. A shot is a row here,
//! and spikes are numbers: 0 or 1. One product gives the input of the lines, s_in W, in all steps. Then all shots of
//! all settings take one step after the other:
//!
//! ```text
//! p ← (1 − 1/τ_s) p + s_in W + s R
//! v ← (1 − 1/τ_m) v + p / τ_s              0 while refractory
//! s = 1 where v > ν
//! ```
//!
//! Sums are in another order than in the loops of the CPU. So a neuron whose membrane is within rounding of its
//! threshold may fire in one of them and not in the other, and the rest of this shot differs then.
//!
//! The whole Jacobian of spike trains among recurrent neurons solves a linear system for each shot. It stays on the
//! CPU.

mod chip;
#[cfg(feature = "kernels")]
mod kernel;
mod link;
mod pass;
mod spike_train;

use burn::tensor::{Device, Tensor};
use twinprop_devices::neuromorphic::{Jacobian, LifChip, LifReadout, SpikeGradient};

use self::chip::{Chip, Played, is_spike};
use self::link::Link;
use self::pass::{Derivative, Pass};
use super::draws::Draws;
use super::equation::{TensorEquation, split};
use crate::twin::Linearised;

/// A chip of spiking neurons on a backend.
pub struct LifChipTensors {
    chip: Chip,
    link: Link,
    derivative: Derivative,
}

impl LifChipTensors {
    /// `chip` on `backend`; `None` where its derivative needs the whole Jacobian of spike trains.
    #[must_use]
    pub fn new(chip: &LifChip, backend: &Device) -> Option<Self> {
        let constants = chip.as_built();
        let derivative = match chip.gradient() {
            SpikeGradient::Surrogate { slope } => Derivative::Surrogate(slope),
            SpikeGradient::SpikeTrain { jacobian, floor }
                if jacobian == Jacobian::Diagonal || !constants.is_recurrent =>
            {
                Derivative::SpikeTrain(floor)
            }
            _ => return None,
        };
        let link = Link {
            loss: constants.spike_loss,
            jitter: constants.spike_jitter,
            noise: constants.membrane_noise,
        };
        Some(Self { chip: Chip::new(&constants, backend), link, derivative })
    }

    fn has_membrane(&self) -> bool {
        self.chip.readout == LifReadout::RasterAndMembrane
    }
}

impl TensorEquation for LifChipTensors {
    fn respond(&self, x: Tensor<2>, theta: Tensor<2>) -> Tensor<2> {
        let arriving = is_spike(split(x, theta.dims()[0]));
        let synapses = self.chip.synapses(theta);
        self.chip.readings(self.chip.play(arriving, &synapses, None, self.has_membrane()))
    }

    fn linearise(&self, x: Tensor<2>, theta: Tensor<2>) -> Box<dyn Linearised> {
        let arriving = is_spike(split(x, theta.dims()[0]));
        let synapses = self.chip.synapses(theta);
        // Counts do not tell when the neurons fired: the equation does.
        let played = (self.chip.readout == LifReadout::Counts)
            .then(|| self.chip.play(arriving.clone(), &synapses, None, true));
        let (chip, derivative) = (self.chip.clone(), self.derivative);
        Box::new(Pass { chip, derivative, synapses, arriving, played })
    }

    fn measure(&self, x: Tensor<2>, theta: Tensor<2>, draws: &Draws) -> Tensor<2> {
        let (chip, link) = (&self.chip, &self.link);
        let arriving = is_spike(split(x, theta.dims()[0]));
        let arriving = link.pass_on(arriving, "lost input spikes", draws);
        let synapses = chip.synapses(theta);
        let noise = link.membrane_noise(&arriving, chip.cells(), draws);
        let Played { mut spikes, membranes } =
            chip.play(arriving, &synapses, noise, self.has_membrane());
        if chip.readout != LifReadout::Counts {
            spikes = link.record(spikes, chip.neurons, draws);
        }
        chip.readings(Played { spikes, membranes })
    }
}
