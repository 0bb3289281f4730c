//! Images as features, row by row: subsampling, and random changes for training.

use nalgebra::DMatrix;
use rand::RngExt;
use schemars::JsonSchema;
use serde::{Deserialize, Serialize};
use twinprop_devices::{random, validate};

use super::image_size::ImageSize;
use super::view::ViewConfig;

/// Images with one byte per pixel, row by row.
#[derive(Clone, Debug, PartialEq)]
pub struct Images {
    pub(super) size: ImageSize,
    /// Pixels, image after image.
    pub(super) pixels: Vec<u8>,
    /// Byte value that becomes the feature 1.
    pub(super) one: f32,
}

impl Images {
    /// Images from features `[pixels × samples]`; `None` unless all are whole numbers from 0 to 255.
    pub(super) fn of_levels(levels: &DMatrix<f32>, size: ImageSize) -> Option<Self> {
        let is_level = |level: f32| f32::from(level as u8) == level;
        let pixels = levels.iter().map(|&level| is_level(level).then_some(level as u8));
        Some(Self { size, pixels: pixels.collect::<Option<_>>()?, one: 1.0 })
    }

    fn one_by_one(&self) -> std::slice::ChunksExact<'_, u8> {
        self.pixels.chunks_exact(self.size.rows * self.size.columns)
    }

    /// Every `every`-th row and column of all images, `[features × samples]`.
    pub(super) fn features(&self, every: usize) -> DMatrix<f32> {
        let kept: Vec<usize> = self
            .size
            .pixels_left(every)
            .map(|(row, column)| row * self.size.columns + column)
            .collect();
        let images = self.one_by_one();
        let features = images.clone().flat_map(|image| kept.iter().map(|&pixel| image[pixel]));
        DMatrix::from_iterator(
            kept.len(),
            images.len(),
            features.map(|byte| f32::from(byte) / self.one),
        )
    }
}

/// Images with their classes.
pub(super) struct Labelled {
    pub images: Images,
    pub labels: Vec<usize>,
}

/// Random changes of the training images; `[data.augment]` in a recipe.
#[derive(Clone, Debug, Default, PartialEq, Serialize, Deserialize, JsonSchema)]
#[serde(deny_unknown_fields, default)]
pub struct AugmentConfig {
    /// Largest rotation in either direction, in degrees.
    #[serde(deserialize_with = "validate::non_negative")]
    pub rotation: f64,
    /// Largest shift up or down, as a share of the image height.
    #[serde(deserialize_with = "validate::fraction")]
    pub vertical_shift: f64,
    /// Largest shift left or right, as a share of the image width.
    #[serde(deserialize_with = "validate::fraction")]
    pub horizontal_shift: f64,
    /// Largest change of size: images are scaled by a factor from 1 − `scale` to 1 + `scale`.
    #[serde(deserialize_with = "validate::part")]
    pub scale: f64,
    /// Whether half of the images are mirrored left to right.
    pub horizontal_flip: bool,
    /// Number of epochs with changed images, by default all; later epochs use the original images, as the tests do.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub epochs: Option<usize>,
}

/// Training images at full size, and their random changes.
#[derive(Clone, Debug, PartialEq)]
pub struct Augmentation {
    pub(super) config: AugmentConfig,
    pub(super) images: Images,
    pub(super) every: usize,
    pub(super) view: Option<ViewConfig>,
    pub(super) seed: u64,
}

/// Words of the random stream per sample.
const WORDS_A_SAMPLE: u32 = 16;

impl Augmentation {
    /// Whether images are changed in `epoch`, counted from zero.
    pub(super) fn is_on(&self, epoch: usize) -> bool {
        self.config.epochs.is_none_or(|changed| epoch < changed)
    }

    /// The samples `chosen` with the random changes of `epoch`, subsampled and viewed: `[features × chosen]`.
    pub(super) fn draw(&self, chosen: &[usize], epoch: usize) -> DMatrix<f32> {
        let mut random = random::stream(self.seed, &format!("augmentation {epoch}"));
        let Images { size, pixels, one } = &self.images;
        let left = size.subsampled(self.every);
        let mut features = DMatrix::zeros(left.rows * left.columns, chosen.len());
        for (&sample, mut changed) in chosen.iter().zip(features.column_iter_mut()) {
            random::seek(&mut random, sample as u64, WORDS_A_SAMPLE);
            let mut either_way = |largest: f64| largest as f32 * random.random_range(-1.0..1.0f32);
            let place = Placement {
                angle: either_way(self.config.rotation).to_radians(),
                down: either_way(self.config.vertical_shift) * size.rows as f32,
                right: either_way(self.config.horizontal_shift) * size.columns as f32,
                scale: 1.0 + either_way(self.config.scale),
                mirrored: self.config.horizontal_flip && random.random::<bool>(),
            };
            let image = &pixels[sample * size.rows * size.columns..];
            place.view(image, *one, *size, self.every, changed.as_mut_slice());
        }
        match &self.view {
            Some(view) => view.features(&features, left, self.seed),
            None => features,
        }
    }
}

/// Rotation, shift, scale and mirroring of an image.
struct Placement {
    angle: f32,
    down: f32,
    right: f32,
    scale: f32,
    mirrored: bool,
}

impl Placement {
    /// Writes every `every`-th row and column of the moved `image` to `seen`, divided by `one`. Each pixel is the nearest
    /// one of the original, so that the image stays as sharp as a test image; pixels outside are zero.
    fn view(&self, image: &[u8], one: f32, size: ImageSize, every: usize, seen: &mut [f32]) {
        let middle = (0.5 * (size.rows as f32 - 1.0), 0.5 * (size.columns as f32 - 1.0));
        let (sine, cosine) = (self.angle.sin() / self.scale, self.angle.cos() / self.scale);
        let inside = |place: f32, length: usize| {
            let nearest = place.round();
            (nearest >= 0.0 && nearest < length as f32).then_some(nearest as usize)
        };
        for (seen, (row, column)) in seen.iter_mut().zip(size.pixels_left(every)) {
            let column = if self.mirrored { size.columns - 1 - column } else { column };
            let (down, right) =
                (row as f32 - middle.0 - self.down, column as f32 - middle.1 - self.right);
            let from_row = cosine * down - sine * right + middle.0;
            let from_column = sine * down + cosine * right + middle.1;
            *seen = match (inside(from_row, size.rows), inside(from_column, size.columns)) {
                (Some(row), Some(column)) => f32::from(image[row * size.columns + column]) / one,
                _ => 0.0,
            };
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    const SIZE: ImageSize = ImageSize { rows: 5, columns: 4 };

    fn image() -> Vec<f32> {
        (0..20).map(|pixel| pixel as f32).collect()
    }

    fn images(samples: usize) -> Images {
        Images::of_levels(&DMatrix::from_fn(20, samples, |pixel, _| pixel as f32), SIZE)
            .expect("pixels are whole numbers")
    }

    fn place() -> Placement {
        Placement { angle: 0.0, down: 0.0, right: 0.0, scale: 1.0, mirrored: false }
    }

    fn view(place: &Placement, every: usize) -> Vec<f32> {
        let left = SIZE.subsampled(every);
        let mut seen = vec![0.0; left.rows * left.columns];
        place.view(&images(1).pixels, 1.0, SIZE, every, &mut seen);
        seen
    }

    #[test]
    fn an_image_left_in_place_is_only_subsampled() {
        assert_eq!(view(&place(), 1), image());
        let subsampled = images(1).features(2);
        assert_eq!(subsampled.as_slice(), [0.0, 2.0, 8.0, 10.0, 16.0, 18.0]);
        assert_eq!(view(&place(), 2), subsampled.as_slice());
    }

    #[test]
    fn an_image_is_shifted_mirrored_and_rotated() {
        let down = view(&Placement { down: 1.0, ..place() }, 1);
        assert_eq!(down[..4], [0.0; 4]);
        assert_eq!(down[4..], image()[..16]);
        let right = view(&Placement { right: 0.8, ..place() }, 1);
        assert_eq!(right[..4], [0.0, 0.0, 1.0, 2.0]);
        let mirrored = view(&Placement { mirrored: true, ..place() }, 1);
        assert_eq!(mirrored[..4], [3.0, 2.0, 1.0, 0.0]);
        let turned = view(&Placement { angle: std::f32::consts::PI, ..place() }, 1);
        assert!(turned.iter().eq(image().iter().rev()));
    }

    #[test]
    fn a_samples_change_depends_on_the_epoch_but_not_on_its_batch() {
        let augmentation = Augmentation {
            config: AugmentConfig { rotation: 90.0, scale: 0.3, ..Default::default() },
            images: images(3),
            every: 1,
            view: None,
            seed: 4,
        };
        let alone = augmentation.draw(&[2], 0);
        assert_eq!(alone.column(0), augmentation.draw(&[1, 2], 0).column(1));
        assert_ne!(alone, augmentation.draw(&[2], 1));
    }
}
