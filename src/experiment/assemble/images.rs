//! Stages that read an image.

use super::Assembly;
use crate::Error;
use crate::data::ImageSize;
use crate::experiment::recipe::{ConvolutionConfig, PatchesConfig, PoolConfig};
use crate::network::{
    ChannelScale, Convolution, ImageShape, Motion, Patches, Pool, Stage, Windows,
};

impl Assembly<'_> {
    /// The image that enters the stage at `place`.
    fn image(&self, place: usize, kind: &str) -> Result<ImageShape, Error> {
        self.layout.image.ok_or_else(|| {
            let why = if self.was_image {
                "the values before it no longer lie in rows and columns; put it behind an image of the data, a convolution, a pool, or \"patches\" with a physical layer of one shot a patch"
            } else if self.split.image.is_some() {
                "it reads pixels, and data.view replaces them; leave out one of the two"
            } else {
                "the data are not images; leave it out"
            };
            Error::Usage(format!("stage {place} of `network`, \"{kind}\": {why}"))
        })
    }

    /// The windows that the stage at `place` reads.
    fn windows(&self, place: usize, kind: &str, motion: Motion) -> Result<Windows, Error> {
        let image = self.image(place, kind)?;
        let pixels = self.units.chunks(image.channels);
        if pixels.clone().any(|pixel| *pixel != self.units[..image.channels]) {
            return Err(Error::Usage(format!(
                "stage {place} of `network`, \"{kind}\": pixels have different units, as those of a range far from zero; put \"encode\" before it"
            )));
        }
        Windows::new(image, motion, self.backend).ok_or_else(|| {
            let (ImageSize { rows, columns }, window) = (image.size, motion.window);
            let (padding, least) = (motion.padding.rows, window.rows.min(window.columns));
            let (height, width) = (window.rows, window.columns);
            let why = if padding < least {
                format!("a window of {height} × {width} pixels does not fit into an image of {rows} × {columns}; make it smaller")
            } else {
                format!("a padding of {padding} is not smaller than the window of {height} × {width} pixels; take at most {}", least - 1)
            };
            Error::Usage(format!("stage {place} of `network`, \"{kind}\": {why}"))
        })
    }

    pub(super) fn patches(
        &self,
        place: usize,
        config: &PatchesConfig,
    ) -> Result<(Stage, usize), Error> {
        let windows = self.windows(place, "patches", config.motion())?;
        let ImageSize { rows, columns } = self.image(place, "patches")?.size;
        let (height, width) = (config.height, config.width);
        let padded = |size: usize, patch: usize| (size + 2 * config.padding).is_multiple_of(patch);
        if config.stride.is_none() && !(padded(rows, height) && padded(columns, width)) {
            let padding = match config.padding {
                0 => String::new(),
                padding => format!(" with a padding of {padding}"),
            };
            return Err(Error::Usage(format!(
                "stage {place} of `network`, \"patches\": an image of {rows} × {columns} pixels{padding} cannot be cut into patches of {height} × {width}; choose other patches, or give a `stride`, with which pixels may be left over"
            )));
        }
        let width = windows.width();
        Ok((Patches { windows }.into(), width))
    }

    pub(super) fn convolution(
        &self,
        place: usize,
        config: &ConvolutionConfig,
    ) -> Result<(Stage, usize), Error> {
        let windows = self.windows(place, "convolution", config.motion())?;
        let width = windows.counts().pixels() * config.channels;
        let seed = self.seed(place);
        Ok((Convolution::new(windows, config.channels, seed, self.backend).into(), width))
    }

    pub(super) fn pool(&self, place: usize, config: &PoolConfig) -> Result<(Stage, usize), Error> {
        let windows = self.windows(place, "pool", config.motion())?;
        let width = windows.counts().pixels() * windows.channels();
        Ok((Pool { windows, kind: config.kind }.into(), width))
    }

    pub(super) fn channel_scale(&self, place: usize) -> Result<(Stage, usize), Error> {
        let image = self.image(place, "channel_scale")?;
        let stage = ChannelScale::new(image, self.spread(place), self.backend);
        Ok((stage.into(), self.width))
    }
}
