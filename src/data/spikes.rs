//! Images as spikes: an image is a raster of steps × pixels.
//!
//! ```text
//! b = min(p / white, 1)                         brightness; 0 for negative p
//!
//! latency:   one spike at step ⌊(1 − b) / (1 − threshold) · (steps − 1) + ½⌋ if b ≥ threshold and b > 0
//! rate:      in every step a spike with the probability b · probability
//! ```
//!
//! | symbol | meaning | range |
//! |---|---|---|
//! | p | pixel, or the mean of a block of them (`shrink`) | any |
//! | white | pixel of full brightness: a number, or the largest p of the image | above 0 |
//! | b | brightness | 0 to 1 |
//!
//! Latency coding follows Thorpe, Delorme & Van Rullen (Neural Networks 14, 715, 2001): the brighter, the earlier. Rate coding
//! draws from a random stream that depends on the recipe's seed and on the image itself. So an image has the same spikes in
//! every epoch, in any batch, and in `predict`.

use nalgebra::DMatrix;
use rand::RngExt;
use rayon::prelude::*;
use schemars::JsonSchema;
use serde::{Deserialize, Serialize};
use twinprop_calibration::by_name;
use twinprop_devices::{random, validate};

use super::image_size::ImageSize;

/// An image as a raster of spikes, each cell 0 or 1, step after step: feature = step · pixels + pixel, pixels row by row.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize, JsonSchema)]
#[serde(deny_unknown_fields, default)]
pub struct SpikesConfig {
    /// Number of steps.
    #[serde(deserialize_with = "validate::count")]
    pub steps: usize,
    /// Rows and columns of the blocks of pixels that are averaged to one: 2 makes 14 × 14 pixels of 28 × 28. Blocks at the
    /// lower and right edge may be smaller.
    #[serde(deserialize_with = "validate::count")]
    pub shrink: usize,
    /// Pixel of full brightness: 1 in MNIST's format, 16 in `digits`. Without it, the largest one of each image, after
    /// averaging.
    #[serde(
        deserialize_with = "validate::optional_positive",
        skip_serializing_if = "Option::is_none"
    )]
    pub white: Option<f64>,
    /// How brightness becomes spikes.
    #[serde(deserialize_with = "by_name::read")]
    pub coding: PixelCoding,
}

impl Default for SpikesConfig {
    fn default() -> Self {
        let coding = PixelCoding::Latency(LatencyConfig::default());
        Self { steps: 20, shrink: 1, white: None, coding }
    }
}

/// How brightness becomes spikes; in a recipe, `coding = "rate"` or `coding = { latency = { threshold = 0.2 } }`.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize, JsonSchema)]
#[serde(rename_all = "snake_case")]
#[schemars(transform = by_name::in_schema)]
#[non_exhaustive]
pub enum PixelCoding {
    /// One spike a pixel: the brighter, the earlier.
    Latency(LatencyConfig),
    /// Random spikes: the brighter, the more.
    Rate(RateConfig),
}

/// One spike a pixel.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize, JsonSchema)]
#[serde(deny_unknown_fields, default)]
pub struct LatencyConfig {
    /// Brightness that fires in the last step; 0 or more, below 1. Darker pixels never fire, and black ones never do.
    #[serde(deserialize_with = "validate::part")]
    pub threshold: f64,
}

impl Default for LatencyConfig {
    fn default() -> Self {
        Self { threshold: 0.1 }
    }
}

/// Random spikes.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize, JsonSchema)]
#[serde(deny_unknown_fields, default)]
pub struct RateConfig {
    /// Probability of a spike of a white pixel in a step; above 0, at most 1.
    #[serde(deserialize_with = "validate::positive_fraction")]
    pub probability: f64,
}

impl Default for RateConfig {
    fn default() -> Self {
        Self { probability: 0.5 }
    }
}

impl SpikesConfig {
    /// Refuses images of the size `size` that cannot be shrunk, in words.
    pub(super) fn check(&self, size: ImageSize) -> Result<(), String> {
        let ImageSize { rows, columns } = size;
        if self.shrink > rows || self.shrink > columns {
            return Err(format!(
                "data.view.spikes.shrink averages blocks of {0} × {0} pixels, and the images have {rows} × {columns}; lower it",
                self.shrink
            ));
        }
        Ok(())
    }

    /// Names of the cells, step after step, of images of the size `size`.
    pub(super) fn feature_names(&self, size: ImageSize) -> Vec<String> {
        let pixels = size.subsampled(self.shrink).pixel_names();
        cell_names(self.steps, &pixels)
    }

    /// Rasters of `images` of the size `size`, `[pixels × samples]`; `seed` draws the spikes of rate coding.
    pub(super) fn features(
        &self,
        images: &DMatrix<f32>,
        size: ImageSize,
        seed: u64,
    ) -> DMatrix<f32> {
        let shrunk = size.subsampled(self.shrink);
        let lines = shrunk.rows * shrunk.columns;
        let mut rasters = DMatrix::zeros(self.steps * lines, images.ncols());
        let pixels = images.as_slice().par_chunks(size.rows * size.columns);
        let shots = rasters.as_mut_slice().par_chunks_mut(self.steps * lines).zip(pixels);
        shots.for_each(|(raster, pixels)| {
            let brightness = self.brightness(pixels, size);
            match &self.coding {
                PixelCoding::Latency(latency) => latency.fire(&brightness, raster),
                PixelCoding::Rate(rate) => rate.fire(&brightness, stream_of(pixels, seed), raster),
            }
        });
        rasters
    }

    /// Brightness of each pixel of the shrunk image.
    fn brightness(&self, pixels: &[f32], size: ImageSize) -> Vec<f32> {
        let every = self.shrink;
        let mean = |(row, column): (usize, usize)| {
            let rows = row..(row + every).min(size.rows);
            let columns = column..(column + every).min(size.columns);
            let count = rows.len() * columns.len();
            let block = rows.flat_map(|row| {
                columns.clone().map(move |column| pixels[row * size.columns + column])
            });
            block.sum::<f32>() / count as f32
        };
        let mut means: Vec<f32> = size.pixels_left(every).map(mean).collect();
        let largest = || means.iter().copied().fold(0.0, f32::max);
        let white = self.white.map_or_else(largest, |white| white as f32);
        // A black image has no brightest pixel.
        let white = if white > 0.0 { white } else { 1.0 };
        means.iter_mut().for_each(|value| *value = (*value / white).clamp(0.0, 1.0));
        means
    }
}

/// Names of the cells of a raster, step after step.
pub(super) fn cell_names(steps: usize, lines: &[String]) -> Vec<String> {
    let of_step = |step| lines.iter().map(move |line| format!("step {step}, {line}"));
    (0..steps).flat_map(of_step).collect()
}

/// The random stream of the image `pixels`.
fn stream_of(pixels: &[f32], seed: u64) -> impl RngExt {
    // Over words: equal images have equal spikes, wherever they are.
    let mut hash = random::Fnv1a::default();
    hash.0 ^= seed;
    pixels.iter().for_each(|pixel| hash.add(u64::from(pixel.to_bits())));
    random::stream(hash.0, "rate coding")
}

impl LatencyConfig {
    fn fire(&self, brightness: &[f32], raster: &mut [f32]) {
        let (lines, threshold) = (brightness.len(), self.threshold as f32);
        let last = (raster.len() / lines - 1) as f32;
        for (line, &brightness) in brightness.iter().enumerate() {
            if brightness > 0.0 && brightness >= threshold {
                let step = ((1.0 - brightness) / (1.0 - threshold) * last + 0.5) as usize;
                raster[step * lines + line] = 1.0;
            }
        }
    }
}

impl RateConfig {
    fn fire(&self, brightness: &[f32], mut random: impl RngExt, raster: &mut [f32]) {
        let probability = self.probability as f32;
        for step in raster.chunks_exact_mut(brightness.len()) {
            for (cell, brightness) in step.iter_mut().zip(brightness) {
                let drawn: f32 = random.random();
                *cell = f32::from(u8::from(drawn < brightness * probability));
            }
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::data::{DataConfig, Locator};

    fn spikes(text: &str) -> SpikesConfig {
        toml::from_str(text).expect("the keys are right")
    }

    fn rasters(config: &SpikesConfig, images: &DMatrix<f32>, seed: u64) -> DMatrix<f32> {
        config.features(images, ImageSize { rows: 2, columns: 3 }, seed)
    }

    #[test]
    fn brighter_pixels_fire_earlier_and_dark_ones_never() {
        let config = spikes("steps = 5\nwhite = 8.0\ncoding.latency.threshold = 0.2");
        let image = DMatrix::from_column_slice(6, 1, &[8.0, 9.0, 4.8, 1.6, 1.5, -3.0]);
        let raster = rasters(&config, &image, 1);
        let times: Vec<Option<usize>> =
            (0..6).map(|pixel| (0..5).find(|step| raster[step * 6 + pixel] == 1.0)).collect();
        // (1 − 0.6) / (1 − 0.2) is half of the four steps.
        assert_eq!(times, [Some(0), Some(0), Some(2), Some(4), None, None]);
        assert_eq!(raster.sum(), 4.0);
        // Relative to its brightest pixel an image of any unit has the same spikes; a black one has none.
        let relative = SpikesConfig { white: None, ..config };
        let capped = image.map(|pixel| pixel.min(8.0));
        assert_eq!(
            rasters(&relative, &(capped.clone() * 512.0), 1),
            rasters(&relative, &capped, 1)
        );
        assert_eq!(rasters(&relative, &capped, 1), raster);
        for coding in ["threshold = 0.0", "threshold = 0.1"] {
            let config = spikes(&format!("coding.latency.{coding}"));
            assert_eq!(rasters(&config, &DMatrix::zeros(6, 1), 1).sum(), 0.0);
        }
        assert_eq!(rasters(&spikes("steps = 1"), &image, 1).shape(), (6, 1));
    }

    #[test]
    fn blocks_are_averaged() {
        let config = spikes("shrink = 2\nwhite = 1.0");
        let size = ImageSize { rows: 3, columns: 4 };
        let pixels = [1.0, 0.0, 0.5, 0.5, 1.0, 1.0, 0.5, 0.5, 0.25, 0.75, 1.0, 0.0];
        assert_eq!(config.brightness(&pixels, size), [0.75, 0.5, 0.5, 0.5]);
        let names = config.feature_names(size);
        assert_eq!((names.len(), names[7].as_str()), (80, "step 1, row 1, column 1"));
    }

    #[test]
    fn rates_follow_brightness_and_spikes_the_image() {
        let config = spikes("steps = 4000\nwhite = 1.0\ncoding.rate.probability = 0.6");
        let image = [0.0, 0.25, 0.5, 0.75, 1.0, 2.0];
        let raster = rasters(&config, &DMatrix::from_column_slice(6, 1, &image), 3);
        assert!(raster.iter().all(|&cell| cell == 0.0 || cell == 1.0));
        for (pixel, brightness) in image.iter().enumerate() {
            let count: f32 = raster.iter().skip(pixel).step_by(6).sum();
            let expected = 0.6 * brightness.min(1.0);
            // Four standard errors.
            let tolerance = 4.0 * (expected * (1.0 - expected) / 4000.0).sqrt();
            assert!((count / 4000.0 - expected).abs() <= tolerance, "{brightness}: {count}");
        }
        // The same wherever it is in a batch; another one for another seed or image.
        let other = image.map(|pixel| 0.5 * pixel);
        let batch = DMatrix::from_column_slice(6, 3, &[other, image, other].concat());
        let batch = rasters(&config, &batch, 3);
        assert_eq!(batch.column(1), raster.column(0));
        assert_eq!(batch.column(0), batch.column(2));
        assert_ne!(rasters(&config, &DMatrix::from_column_slice(6, 1, &image), 4), raster);
        // Draws of two images are independent: spikes of both are as frequent as chance has it.
        let both =
            (0..4000).filter(|step| batch[(step * 6 + 4, 0)] * batch[(step * 6 + 4, 1)] == 1.0);
        let both = both.count() as f32 / 4000.0;
        assert!((both - 0.3 * 0.6).abs() < 0.025, "{both}");
    }

    #[test]
    fn spikes_go_with_images_alone() {
        let load = |text: &str| {
            let config: DataConfig = toml::from_str(text).map_err(|error| error.to_string())?;
            config.load(&Locator::default(), 1).map_err(|error| error.to_string())
        };
        let view = "view.spikes = { steps = 8, shrink = 2, white = 16.0 }";
        let split = load(&format!("source = \"digits\"\n{view}")).unwrap();
        assert_eq!((split.train.features.nrows(), split.schema.features.len()), (8 * 16, 8 * 16));
        assert!(!split.schema.is_complex);
        let mut spikes = split.train.features.column_iter().map(|raster| raster.sum());
        assert!(spikes.all(|spikes| (1.0..=16.0).contains(&spikes)));
        // Changed images are viewed as the others are.
        let epochs = "augment = { horizontal_shift = 0.3, epochs = 1 }";
        let changed = load(&format!("source = \"digits\"\n{view}\n{epochs}")).unwrap();
        let drawn = changed.training_batch(&[0, 1, 2, 3], 0);
        assert_eq!(drawn.features.nrows(), 8 * 16);
        assert!(drawn.features.iter().all(|&cell| cell == 0.0 || cell == 1.0));
        assert_ne!(drawn.features, changed.training_batch(&[0, 1, 2, 3], 1).features);
        for (text, words) in [
            ("source = \"vowels\"\nview.spikes = {}", "no images"),
            (
                "source = \"digits\"\nview.spikes.shrink = 9",
                "spikes.shrink averages blocks of 9 × 9",
            ),
            ("source = \"digits\"\nview.spikes.steps = 0", "whole number of 1 or more"),
            ("source = \"digits\"\nview.spikes.coding = \"burst\"", "expected `latency` or `rate`"),
            ("source = \"digits\"\nview.spikes.coding.rate.probability = 1.5", "at most 1"),
            ("source = \"digits\"\nview.spikes.coding.latency.threshold = 1.0", "below 1"),
            ("source = \"digits\"\nview.spikes.white = 0.0", "above zero"),
            ("source = \"digits\"\nview.spikes.white = 1e6", "no training sample has a spike"),
        ] {
            let problem = load(text).unwrap_err();
            assert!(problem.contains(words), "{text}: {problem}");
        }
    }
}
