//! What a frame of shots asks a device for.

use super::frame::Kind;
use super::values::{Encoding, ShotSize};
use crate::Interface;

/// What a frame of shots asks a device for.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
#[non_exhaustive]
pub enum Work {
    /// To play them: drives → readings.
    #[default]
    Play,
    /// What its twin predicts: drives → predicted readings.
    Predict,
    /// Its twin's vector-Jacobian product: drives and the readings' cotangents → cotangents of the drives and of
    /// the parameters.
    Vjp,
}

impl Work {
    /// How many there are.
    pub(super) const COUNT: usize = 3;

    /// Values that a shot brings.
    #[must_use]
    pub fn width(self, interface: &Interface) -> usize {
        let inputs = interface.inputs.len();
        match self {
            Self::Play | Self::Predict => inputs,
            Self::Vjp => inputs + interface.outputs.len(),
        }
    }

    /// Values of a shot's answer.
    #[must_use]
    pub fn answer_width(self, interface: &Interface) -> usize {
        match self {
            Self::Play | Self::Predict => interface.outputs.len(),
            Self::Vjp => interface.inputs.len() + interface.parameters.len(),
        }
    }

    /// Size of a shot in a frame.
    pub(super) fn shot(self, encoding: Encoding, interface: &Interface) -> ShotSize {
        match self {
            Self::Play => encoding.shot(&interface.inputs),
            Self::Predict | Self::Vjp => ShotSize::of_floats(self.width(interface)),
        }
    }

    /// Size of a shot's answer in a frame.
    pub(super) fn answered_shot(self, encoding: Encoding, interface: &Interface) -> ShotSize {
        match self {
            Self::Play => encoding.shot(&interface.outputs),
            Self::Predict | Self::Vjp => ShotSize::of_floats(self.answer_width(interface)),
        }
    }

    /// The larger of the two, which a frame must hold.
    pub(super) fn largest_shot(self, encoding: Encoding, interface: &Interface) -> ShotSize {
        let (asked, answered) =
            (self.shot(encoding, interface), self.answered_shot(encoding, interface));
        ShotSize {
            channels: asked.channels.max(answered.channels),
            bytes: asked.bytes.max(answered.bytes),
        }
    }

    /// The encoding, if `chosen` is that of shots: twins speak floats alone, because cotangents have no range.
    pub(super) fn encoding(self, chosen: Encoding) -> Encoding {
        if self == Self::Play { chosen } else { Encoding::Floats }
    }

    /// Kind of the frames that ask for it.
    pub(super) fn request(self, encoding: Encoding) -> Kind {
        match (self, encoding) {
            (Self::Play, Encoding::Floats) => Kind::Play,
            (Self::Play, Encoding::Codes) => Kind::PlayCodes,
            (Self::Play, Encoding::Spikes) => Kind::PlaySpikes,
            (Self::Predict, _) => Kind::Predict,
            (Self::Vjp, _) => Kind::Vjp,
        }
    }

    /// Kind of the answers.
    pub(super) fn answer(self, encoding: Encoding) -> Kind {
        match (self, encoding) {
            (Self::Play, Encoding::Floats) => Kind::Measured,
            (Self::Play, Encoding::Codes) => Kind::MeasuredCodes,
            (Self::Play, Encoding::Spikes) => Kind::MeasuredSpikes,
            (Self::Predict, _) => Kind::Predicted,
            (Self::Vjp, _) => Kind::Cotangents,
        }
    }

    /// What a frame of `kind` asks for, and how its values are encoded; `None` of a frame without shots.
    pub(super) fn of(kind: Kind) -> Option<(Self, Encoding)> {
        Some(match kind {
            Kind::Play => (Self::Play, Encoding::Floats),
            Kind::PlayCodes => (Self::Play, Encoding::Codes),
            Kind::PlaySpikes => (Self::Play, Encoding::Spikes),
            Kind::Predict => (Self::Predict, Encoding::Floats),
            Kind::Vjp => (Self::Vjp, Encoding::Floats),
            _ => return None,
        })
    }
}
