//! What is made of images before a network gets them.

use nalgebra::DMatrix;
use schemars::JsonSchema;
use serde::{Deserialize, Serialize};

use super::fourier::FourierConfig;
use super::image_size::ImageSize;
use super::spikes::SpikesConfig;

/// What is made of an image; in a recipe, `data.view = { fourier = { rows = 8, columns = 8 } }` or
/// `data.view.spikes.steps = 20`.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize, JsonSchema)]
#[serde(rename_all = "snake_case")]
#[non_exhaustive]
pub enum ViewConfig {
    /// The middle of its Fourier transform.
    Fourier(FourierConfig),
    /// A raster of spikes.
    Spikes(SpikesConfig),
}

impl ViewConfig {
    /// The features that the network takes, of `images` of this `size`, `[pixels × samples]`. The recipe's `seed` draws what
    /// is random.
    #[must_use]
    pub fn features(&self, images: &DMatrix<f32>, size: ImageSize, seed: u64) -> DMatrix<f32> {
        match self {
            Self::Fourier(fourier) => fourier.features(images, size),
            Self::Spikes(spikes) => spikes.features(images, size, seed),
        }
    }

    /// Refuses images of a size that it does not go with, in words.
    pub(super) fn check(&self, size: ImageSize) -> Result<(), String> {
        match self {
            Self::Fourier(fourier) => fourier.check(size),
            Self::Spikes(spikes) => spikes.check(size),
        }
    }

    /// Names of the features, in their order.
    pub(super) fn feature_names(&self, size: ImageSize) -> Vec<String> {
        match self {
            Self::Fourier(fourier) => fourier.feature_names(),
            Self::Spikes(spikes) => spikes.feature_names(size),
        }
    }

    /// Whether the features are complex amplitudes: all real parts, then all imaginary parts.
    pub(super) fn is_complex(&self) -> bool {
        matches!(self, Self::Fourier(_))
    }
}
