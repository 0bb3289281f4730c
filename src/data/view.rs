//! What is made of images before a network gets them.

use nalgebra::DMatrix;
use schemars::JsonSchema;
use serde::{Deserialize, Serialize};

use super::fourier::FourierConfig;
use super::image_size::ImageSize;

/// What is made of an image; in a recipe, `data.view = { fourier = { rows = 8, columns = 8 } }`.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize, JsonSchema)]
#[serde(rename_all = "snake_case")]
#[non_exhaustive]
pub enum ViewConfig {
    /// The middle of its Fourier transform.
    Fourier(FourierConfig),
}

impl ViewConfig {
    /// The features that the network takes, of `images` of this `size`, `[pixels × samples]`.
    #[must_use]
    pub fn features(&self, images: &DMatrix<f32>, size: ImageSize) -> DMatrix<f32> {
        match self {
            Self::Fourier(fourier) => fourier.features(images, size),
        }
    }
}
