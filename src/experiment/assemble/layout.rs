//! How the values between two stages lie in an image.

use crate::data::{ImageSize, Split};
use crate::experiment::recipe::{
    ConvolutionConfig, PadConfig, PatchesConfig, PoolConfig, Recipe, StageConfig,
};
use crate::network::{ImageShape, Motion};

/// How the values between two stages lie in an image.
#[derive(Clone, Copy, Default)]
pub(super) struct Layout {
    /// Their image; `None` if they are not one.
    pub image: Option<ImageShape>,
    /// Patches down and across, if they are patches side by side.
    patches: Option<ImageSize>,
}

impl Layout {
    /// Of the features of `split`: `data.view` replaces the pixels.
    pub fn of_data(recipe: &Recipe, split: &Split) -> Self {
        let size = split.image.filter(|_| recipe.data.view.is_none());
        Self { image: size.map(|size| ImageShape { size, channels: 1 }), patches: None }
    }

    /// Of the outputs of a stage that lies behind values of this layout and changes their number from `width_in` to
    /// `width_out`.
    pub fn after(self, config: &StageConfig, width_in: usize, width_out: usize) -> Self {
        let counts = |motion: Motion| self.image.and_then(|image| motion.counts(image.size));
        let image = |size: Option<ImageSize>, channels| Self {
            image: size.map(|size| ImageShape { size, channels }),
            patches: None,
        };
        match config {
            StageConfig::Patches(config) => Self { image: None, patches: counts(config.motion()) },
            StageConfig::Convolution(config) => image(counts(config.motion()), config.channels),
            StageConfig::Pool(config) => {
                image(counts(config.motion()), self.image.map_or(0, |image| image.channels))
            }
            StageConfig::Physical(config) => {
                let size = self.patches.filter(|patches| patches.pixels() == config.shots);
                image(size, width_out / config.shots)
            }
            StageConfig::SpikeCounts => {
                let size = self.image.map(|image| image.size);
                image(size, size.map_or(0, |size| width_out / size.pixels()))
            }
            StageConfig::Pad(PadConfig { runs, .. }) => {
                let patches = self.patches.filter(|patches| patches.pixels() == *runs);
                Self { image: None, patches }
            }
            StageConfig::Encode | StageConfig::Wire | StageConfig::Scale
                if width_in == width_out =>
            {
                self
            }
            StageConfig::ChannelScale
            | StageConfig::Relu
            | StageConfig::Tanh
            | StageConfig::Softplus(_)
            | StageConfig::Jitter(_)
            | StageConfig::Dropout(_)
            | StageConfig::Skip(_) => self,
            _ => Self::default(),
        }
    }

    /// This layout and `other` in words, if both are images and differ, or both are patches and do.
    pub fn differs_from(self, other: Self) -> Option<(String, String)> {
        let images = self.image.zip(other.image).filter(|(one, other)| one != other);
        let image = |ImageShape { size: ImageSize { rows, columns }, channels }| {
            format!("an image of {rows} × {columns} pixels of {channels} channels")
        };
        let patches = self.patches.zip(other.patches).filter(|(one, other)| one != other);
        let grid = |ImageSize { rows, columns }| format!("{rows} × {columns} patches");
        let images = images.map(|(one, other)| (image(one), image(other)));
        images.or_else(|| patches.map(|(one, other)| (grid(one), grid(other))))
    }

    /// What to do with `width` values that do not fit the `inputs` of each of the `shots` of a layer.
    pub fn advice_on_shots(self, width: usize, shots: usize, inputs: usize) -> String {
        let Some(patches) = self.patches.map(ImageSize::pixels) else {
            return "put \"scale\" or \"pad\" before it".to_owned();
        };
        let of_patch = width / patches.max(1);
        if of_patch == inputs {
            return format!("give it `shots = {patches}`, one for each patch");
        }
        let numbers = format!("a patch has {of_patch} values, and a shot takes {inputs}");
        if of_patch > inputs {
            return format!("{numbers}: make the patches smaller, or give the device more inputs");
        }
        let pad = format!("{{ pad = {{ channels = {}, runs = {patches} }} }}", inputs - of_patch);
        let of_shots = if shots == patches {
            String::new()
        } else {
            format!(", and give it `shots = {patches}`")
        };
        format!("{numbers}: put `{pad}` before it{of_shots}")
    }
}

impl PatchesConfig {
    pub(super) fn motion(&self) -> Motion {
        let window = ImageSize { rows: self.height, columns: self.width };
        let stride = self.stride.map_or(window, ImageSize::square);
        Motion { window, stride, padding: ImageSize::square(self.padding) }
    }
}

impl ConvolutionConfig {
    pub(super) fn motion(&self) -> Motion {
        let [window, stride, padding] =
            [self.size, self.stride, self.padding].map(ImageSize::square);
        Motion { window, stride, padding }
    }
}

impl PoolConfig {
    pub(super) fn motion(&self) -> Motion {
        let window = ImageSize::square(self.size);
        Motion { window, stride: window, padding: ImageSize::square(0) }
    }
}
