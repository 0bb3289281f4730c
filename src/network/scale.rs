//! Trainable element-wise scale and offset: the normalisation between layers.

use burn::tensor::{Device, IndexingUpdateOp, Int, Tensor};

use super::{BatchPosition, Cotangents, DigitalStage, StageTensors, StageTensorsMut, Wanted};

/// Added to every channel's standard deviation, as a share of the channels' mean: dim channels carry mostly noise and
/// are not amplified to full size.
const DEVIATION_FLOOR: f32 = 0.2;

/// The smallest standard deviation, as a share of the values' mean size: constant values have it by rounding.
const ROUNDING: f32 = 1e-6;

/// y_i = a_i (x_j − μ_j) / σ_j + b_i, where j = ⌊i · width in / width out⌋ places the channels.
///
/// a and b are trained; μ and σ are the first values' mean and (floored) standard deviation, or 0 and 1
/// where the values are already normalised.
pub struct Scale {
    scale: Tensor<2>,
    offset: Tensor<2>,
    mean: Tensor<2>,
    deviation: Tensor<2>,
    /// Input channel of each output.
    place: Tensor<1, Int>,
    normalise: bool,
}

impl Scale {
    /// From `width_in` to `width_out` channels. With `spread`, outputs start with zero mean and that standard
    /// deviation; without, they start equal to the inputs.
    #[must_use]
    pub fn new(width_in: usize, width_out: usize, spread: Option<f32>, device: &Device) -> Self {
        let place: Vec<i32> = (0..width_out).map(|i| (i * width_in / width_out) as i32).collect();
        Self {
            scale: Tensor::full([1, width_out], spread.unwrap_or(1.0), device),
            offset: Tensor::zeros([1, width_out], device),
            mean: Tensor::zeros([1, width_in], device),
            deviation: Tensor::ones([1, width_in], device),
            place: Tensor::from_data(place.as_slice(), device),
            normalise: spread.is_some(),
        }
    }

    fn normalised(&self, x: &Tensor<2>) -> Tensor<2> {
        ((x.clone() - self.mean.clone()) / self.deviation.clone()).select(1, self.place.clone())
    }
}

impl DigitalStage for Scale {
    fn kind(&self) -> &'static str {
        "scale"
    }

    fn forward(&self, x: &Tensor<2>, _position: Option<BatchPosition>) -> Tensor<2> {
        self.normalised(x) * self.scale.clone() + self.offset.clone()
    }

    fn vjp(
        &self,
        x: &Tensor<2>,
        dy: Tensor<2>,
        _wanted: Wanted,
        _position: Option<BatchPosition>,
    ) -> Cotangents {
        let dscale = (self.normalised(x) * dy.clone()).sum_dim(0);
        let doffset = dy.clone().sum_dim(0);
        let placed = dy * self.scale.clone();
        let dx = x.zeros_like().select_assign(1, self.place.clone(), placed, IndexingUpdateOp::Add);
        Cotangents { input: Some(dx / self.deviation.clone()), parameters: vec![dscale, doffset] }
    }

    fn tensors(&self) -> StageTensors<'_> {
        StageTensors {
            parameters: vec![("scale", &self.scale), ("offset", &self.offset)],
            constants: vec![("mean", &self.mean), ("deviation", &self.deviation)],
        }
    }

    fn tensors_mut(&mut self) -> StageTensorsMut<'_> {
        StageTensorsMut {
            parameters: vec![&mut self.scale, &mut self.offset],
            constants: vec![&mut self.mean, &mut self.deviation],
        }
    }

    fn initialise(&mut self, x: &Tensor<2>) {
        if !self.normalise {
            return;
        }
        let (variance, mean) = x.clone().var_mean_bias(0);
        let deviation = variance.sqrt();
        let floor = deviation.clone().mean_dim(1) * DEVIATION_FLOOR;
        // Constant values would divide by zero.
        let size = x.clone().abs().mean().into_scalar::<f32>();
        let least = if size > 0.0 { ROUNDING * size } else { 1.0 };
        self.deviation = (deviation + floor).clamp_min(least);
        self.mean = mean;
    }

    fn multiply_adds(&self) -> u64 {
        self.place.dims()[0] as u64
    }
}
