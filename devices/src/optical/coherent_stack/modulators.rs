//! The modulators that set the complex amplitudes of the light at a stack's inputs.

use std::borrow::Cow;

use nalgebra::DMatrix;
use schemars::JsonSchema;
use serde::{Deserialize, Serialize};

use crate::Channels;

/// The parts of a complex amplitude that a modulator is driven by.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, Serialize, Deserialize, JsonSchema)]
#[serde(rename_all = "snake_case")]
#[non_exhaustive]
pub enum Modulators {
    /// In-phase and quadrature parts: x = I + i Q.
    #[default]
    InPhaseQuadrature,
    /// Amplitude and phase: x = a exp(iφ).
    AmplitudePhase,
}

impl Modulators {
    /// The channels of `modes` modulators with amplitudes up to `largest`.
    pub(super) fn channels(self, modes: usize, largest: f32) -> Channels {
        match self {
            Self::InPhaseQuadrature => Channels::complex("drive", modes, "1", largest),
            Self::AmplitudePhase => Channels::polar("drive", modes, "1", largest),
        }
    }

    /// The amplitudes, in-phase parts first, that `drives` set; `[2 N × shots]` both.
    pub(super) fn amplitudes(self, drives: &DMatrix<f32>) -> Cow<'_, DMatrix<f32>> {
        match self {
            Self::InPhaseQuadrature => Cow::Borrowed(drives),
            Self::AmplitudePhase => {
                let (mut amplitudes, rows) = (drives.clone(), drives.nrows().max(1));
                for shot in amplitudes.as_mut_slice().chunks_exact_mut(rows) {
                    let (a, phase) = shot.split_at_mut(rows / 2);
                    for (a, phase) in a.iter_mut().zip(phase) {
                        let (sine, cosine) = phase.sin_cos();
                        (*a, *phase) = (*a * cosine, *a * sine);
                    }
                }
                Cow::Owned(amplitudes)
            }
        }
    }

    /// Replaces the cotangents `of_amplitudes` by those of `drives`.
    pub(super) fn pull_back(self, drives: &DMatrix<f32>, of_amplitudes: &mut DMatrix<f32>) {
        if self == Self::InPhaseQuadrature {
            return;
        }
        // (∂/∂a, ∂/∂φ) of (a cos φ, a sin φ).
        let mut at = drives.as_slice().chunks_exact(drives.nrows().max(1));
        for of in of_amplitudes.as_mut_slice().chunks_exact_mut(drives.nrows().max(1)) {
            let Some(drive) = at.next() else { return };
            let modes = of.len() / 2;
            for mode in 0..modes {
                let (a, (sine, cosine)) = (drive[mode], drive[modes + mode].sin_cos());
                let (of_real, of_imaginary) = (of[mode], of[modes + mode]);
                of[mode] = of_real * cosine + of_imaginary * sine;
                of[modes + mode] = a * (of_imaginary * cosine - of_real * sine);
            }
        }
    }
}
