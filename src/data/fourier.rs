//! The middle of an image's Fourier transform, as complex amplitudes: what a lens makes of an image, and what a photonic
//! chip with few inputs takes of it.

use std::f64::consts::TAU;

use nalgebra::DMatrix;
use rayon::prelude::*;
use rustfft::num_complex::Complex64;
use schemars::JsonSchema;
use serde::{Deserialize, Serialize};
use twinprop_devices::validate;

use super::image_size::ImageSize;

/// The window of spatial frequencies that is kept: `rows` × `columns` about zero, −`rows`/2 to `rows`/2 − 1 waves an image.
///
/// ```text
/// F[u, v] = Σ_{r,c} p[r, c] exp(−2πi (u r / R + v c / C))        x = F / mean |F|
/// ```
///
/// with the mean over the window, image by image. A feature is a real part or, after all of those, an imaginary part;
/// u is the outer index.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize, JsonSchema)]
#[serde(deny_unknown_fields)]
pub struct FourierConfig {
    /// Number of frequencies along an image's height.
    #[serde(deserialize_with = "validate::count")]
    pub rows: usize,
    /// Number of frequencies along its width.
    #[serde(deserialize_with = "validate::count")]
    pub columns: usize,
}

impl FourierConfig {
    /// Refuses images of the size `size` with fewer frequencies, in words.
    pub(super) fn check(&self, size: ImageSize) -> Result<(), String> {
        if self.rows <= size.rows && self.columns <= size.columns {
            return Ok(());
        }
        Err(format!(
            "data.view.fourier keeps {} × {} frequencies of images of {} × {} pixels, which have no more than that; keep fewer",
            self.rows, self.columns, size.rows, size.columns
        ))
    }

    /// Names of the features, in their order.
    pub(super) fn feature_names(&self) -> Vec<String> {
        let window = |count: usize| centred(count);
        let names = ["real", "imaginary"].into_iter().flat_map(|part| {
            window(self.rows).flat_map(move |u| {
                window(self.columns).map(move |v| format!("{part} part at {u}, {v}"))
            })
        });
        names.collect()
    }

    /// The window of each of `images` `[pixels × samples]`, as features `[2 · rows · columns × samples]`.
    pub(super) fn features(&self, images: &DMatrix<f32>, size: ImageSize) -> DMatrix<f32> {
        let turns = |count: usize, of: usize| -> Vec<Vec<Complex64>> {
            let turn =
                |u: i64, place: usize| Complex64::cis(-TAU * (u * place as i64) as f64 / of as f64);
            centred(count).map(|u| (0..of).map(|place| turn(u, place)).collect()).collect()
        };
        let (along_rows, along_columns) =
            (turns(self.rows, size.rows), turns(self.columns, size.columns));
        let kept = self.rows * self.columns;
        let mut features = DMatrix::zeros(2 * kept, images.ncols());
        let pixels = images.as_slice().par_chunks(size.rows * size.columns);
        let shots = features.as_mut_slice().par_chunks_mut(2 * kept).zip(pixels);
        shots.for_each(|(features, pixels)| {
            let mut window = Vec::with_capacity(kept);
            for of_rows in &along_rows {
                let mut sums = vec![Complex64::ZERO; size.columns];
                for (row, turn) in pixels.chunks_exact(size.columns).zip(of_rows) {
                    for (sum, &pixel) in sums.iter_mut().zip(row) {
                        *sum += turn * f64::from(pixel);
                    }
                }
                window.extend(along_columns.iter().map(|of_columns| {
                    sums.iter().zip(of_columns).map(|(sum, turn)| sum * turn).sum::<Complex64>()
                }));
            }
            let mean = window.iter().map(|value| value.norm()).sum::<f64>() / kept as f64;
            // A black image has no direction to normalise.
            let scale = if mean > 0.0 { 1.0 / mean } else { 0.0 };
            let (real, imaginary) = features.split_at_mut(kept);
            for ((real, imaginary), value) in real.iter_mut().zip(imaginary).zip(&window) {
                (*real, *imaginary) = ((value.re * scale) as f32, (value.im * scale) as f32);
            }
        });
        features
    }
}

/// −count/2, …, count − count/2 − 1.
fn centred(count: usize) -> impl Iterator<Item = i64> + Clone {
    let first = -((count / 2) as i64);
    (0..count as i64).map(move |place| first + place)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_wave_has_one_frequency_and_a_shifted_image_turned_amplitudes() {
        let size = ImageSize { rows: 12, columns: 10 };
        let config = FourierConfig { rows: 4, columns: 6 };
        let wave = |row: usize, column: usize| {
            (TAU * (row as f64 / 12.0 - 2.0 * column as f64 / 10.0)).cos() as f32
        };
        let image = |shift: usize| -> Vec<f32> {
            let pixels = (0..12).flat_map(|row| (0..10).map(move |column| (row, column)));
            pixels.map(|(row, column)| wave(row + shift, column)).collect()
        };
        let images = DMatrix::from_vec(120, 2, [image(0), image(3)].concat());
        let features = config.features(&images, size);
        let names = config.feature_names();
        assert_eq!(names.len(), 48);
        // Two of 24 amplitudes are there, each 12 times the mean.
        for (place, name) in names.iter().enumerate() {
            let is_there = ["real part at 1, -2", "real part at -1, 2"].contains(&name.as_str());
            let expected = if is_there { 12.0 } else { 0.0 };
            assert!((features[(place, 0)] - expected).abs() < 1e-4, "{name}");
        }
        // A quarter of a wave further down: exp(iπ/2).
        let place = names.iter().position(|name| name == "imaginary part at 1, -2").unwrap();
        assert!((features[(place, 1)] - 12.0).abs() < 1e-4, "{}", features[(place, 1)]);
        let black = config.features(&DMatrix::zeros(120, 1), size);
        assert_eq!(black, DMatrix::zeros(48, 1));
    }

    /// The reference values of the published benchmark.
    #[test]
    fn an_image_has_the_reference_values() {
        let path = std::path::Path::new(env!("CARGO_MANIFEST_DIR"));
        let path = path.join("../shared/golden/coherent-stack.json");
        let Ok(text) = std::fs::read_to_string(&path) else {
            println!("skipped: {} does not exist", path.display());
            return;
        };
        let golden: serde_json::Value = serde_json::from_str(&text).unwrap();
        let encoding = &golden["encoding"];
        let numbers = |value: &serde_json::Value| -> Vec<f32> {
            value.as_array().unwrap().iter().map(|one| one.as_f64().unwrap() as f32).collect()
        };
        let rows = encoding["image"].as_array().unwrap();
        let image: Vec<f32> = rows.iter().flat_map(numbers).map(|level| level / 255.0).collect();
        let size = ImageSize { rows: 28, columns: 28 };
        let config = FourierConfig { rows: 8, columns: 8 };
        let found = config.features(&DMatrix::from_vec(784, 1, image), size);
        let drives = &encoding["drives"];
        let expected = [numbers(&drives["re"]), numbers(&drives["im"])].concat();
        for (place, (found, expected)) in found.iter().zip(expected).enumerate() {
            assert!((found - expected).abs() < 1e-5, "{place}: {found}, not {expected}");
        }
    }

    #[test]
    fn views_that_do_not_fit_the_data_are_refused() {
        let load = |text: &str| {
            let config: crate::data::DataConfig = toml::from_str(text).unwrap();
            config.load(&crate::data::Locator::default(), 1)
        };
        let view = "view = { fourier = { rows = 4, columns = 4 } }";
        let split = load(&format!("source = \"digits\"\n{view}")).unwrap();
        assert_eq!((split.train.features.nrows(), split.schema.features.len()), (32, 32));
        // Changed images are viewed as the others are.
        let flipped = load(&format!("source = \"digits\"\n{view}\naugment.horizontal_flip = true"));
        let flipped = flipped.unwrap().augmentation.unwrap().draw(&(0..40).collect::<Vec<_>>(), 0);
        let kept = split.train.features.columns(0, 40).into_owned();
        let mirrored: Vec<bool> = kept
            .column_iter()
            .zip(flipped.column_iter())
            .map(|(kept, flipped)| (kept - flipped).amax() > 1e-3)
            .collect();
        assert!(mirrored.contains(&true) && mirrored.contains(&false), "{mirrored:?}");
        for (text, words) in [
            (format!("source = \"vowels\"\n{view}"), "no images"),
            (format!("source = \"digits\"\n{}", view.replace("rows = 4", "rows = 9")), "9 × 4"),
        ] {
            let problem = load(&text).unwrap_err().to_string();
            assert!(problem.contains(words), "{problem}");
        }
    }
}
