//! Trainable scale and offset of each channel of an image.

use burn::tensor::{Device, Tensor};

use super::{
    BatchPosition, Cotangents, DigitalStage, ImageShape, Scale, StageTensors, StageTensorsMut,
    Wanted,
};

/// [`Scale`] of each channel of an image: the same scale and offset, mean and deviation at all pixels.
pub struct ChannelScale {
    of_pixel: Scale,
    image: ImageShape,
}

impl ChannelScale {
    /// For images of the shape `image`. With `spread`, outputs start with zero mean and that standard deviation; without,
    /// they start equal to the inputs.
    #[must_use]
    pub fn new(image: ImageShape, spread: Option<f32>, device: &Device) -> Self {
        Self { of_pixel: Scale::new(image.channels, image.channels, spread, device), image }
    }

    /// `x` `[batch, pixels · channels]` as `[batch · pixels, channels]`.
    fn pixels(&self, x: Tensor<2>) -> Tensor<2> {
        x.reshape([-1, self.image.channels as i32])
    }
}

impl DigitalStage for ChannelScale {
    fn kind(&self) -> &'static str {
        "channel_scale"
    }

    fn forward(&self, x: &Tensor<2>, position: Option<BatchPosition>) -> Tensor<2> {
        self.of_pixel.forward(&self.pixels(x.clone()), position).reshape(x.dims())
    }

    fn vjp(
        &self,
        x: &Tensor<2>,
        dy: Tensor<2>,
        wanted: Wanted,
        position: Option<BatchPosition>,
    ) -> Cotangents {
        let (pixels, dy) = (self.pixels(x.clone()), self.pixels(dy));
        let Cotangents { input, parameters } = self.of_pixel.vjp(&pixels, dy, wanted, position);
        Cotangents { input: input.map(|dx| dx.reshape(x.dims())), parameters }
    }

    fn tensors(&self) -> StageTensors<'_> {
        self.of_pixel.tensors()
    }

    fn tensors_mut(&mut self) -> StageTensorsMut<'_> {
        self.of_pixel.tensors_mut()
    }

    fn initialise(&mut self, x: &Tensor<2>) {
        self.of_pixel.initialise(&self.pixels(x.clone()));
    }

    fn multiply_adds(&self) -> u64 {
        self.image.width() as u64
    }
}
