//! One value for each window of an image.

use burn::tensor::{Int, Tensor};
use rayon::prelude::*;
use schemars::JsonSchema;
use serde::{Deserialize, Serialize};
use twinprop_calibration::bridge::{from_vec, is_cpu, values};

use super::{BatchPosition, Cotangents, DigitalStage, Wanted, Windows};

/// Which value stands for a window.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, Serialize, Deserialize, JsonSchema)]
#[serde(rename_all = "snake_case")]
pub enum PoolKind {
    /// The largest.
    #[default]
    Max,
    /// The mean.
    Average,
}

/// The largest or the mean value of each window of an image, channel by channel; the outputs are an image of a pixel a
/// window.
///
/// The cotangent of a largest value is that of the first value in the window that is as large.
pub struct Pool {
    /// The windows.
    pub windows: Windows,
    /// Which value stands for a window.
    pub kind: PoolKind,
}

impl Pool {
    /// The windows of `x`, `[batch · windows, pixels, channels]`.
    fn rows(&self, x: &Tensor<2>) -> Tensor<3> {
        let [pixels, channels] = [self.windows.pixels(), self.windows.channels()];
        self.windows.of(x).reshape([-1, pixels as i32, channels as i32])
    }

    /// The largest values of the windows, by `x` on the CPU.
    fn largest_on_cpu(&self, x: &Tensor<2>) -> Tensor<2> {
        let ([batch, width], channels) = (x.dims(), self.windows.channels());
        let out = self.windows.counts().pixels() * channels;
        let (images, mut largest) = (&*values(x.clone()), vec![f32::NEG_INFINITY; batch * out]);
        let pairs = largest.par_chunks_mut(out).zip(images.par_chunks(width));
        pairs.for_each_init(
            || vec![0.0; self.windows.width()],
            |windows, (largest, image)| {
                self.windows.read(image, windows);
                let pairs = windows.chunks(self.windows.cells()).zip(largest.chunks_mut(channels));
                for (window, largest) in pairs {
                    for pixel in window.chunks(channels) {
                        let pairs = largest.iter_mut().zip(pixel);
                        pairs.for_each(|(largest, &value)| {
                            if value > *largest || value.is_nan() {
                                *largest = value;
                            }
                        });
                    }
                }
            },
        );
        from_vec(largest, [batch, out], &x.device())
    }

    /// The cotangent of the windows from the cotangent `dy` of their largest values, by `x` on the CPU.
    fn pull_back_largest_on_cpu(&self, x: &Tensor<2>, dy: Tensor<2>) -> Tensor<2> {
        let ([batch, width], channels) = (x.dims(), self.windows.channels());
        let (cells, total) = (self.windows.cells(), self.windows.width());
        let (images, dy) = (&*values(x.clone()), &*values(dy));
        let mut cotangents = vec![0.0; batch * total];
        let of_image = dy.len() / batch.max(1);
        let images = images.par_chunks(width).zip(dy.par_chunks(of_image.max(1)));
        cotangents.par_chunks_mut(total).zip(images).for_each_init(
            || vec![0.0; total],
            |windows, (cotangents, (image, dy))| {
                self.windows.read(image, windows);
                let windows = windows.chunks(cells).zip(dy.chunks(channels));
                for (cotangent, (window, dy)) in cotangents.chunks_mut(cells).zip(windows) {
                    for (channel, &dy) in dy.iter().enumerate() {
                        let values = window.iter().skip(channel).step_by(channels).enumerate();
                        let (largest, _) =
                            values.fold((0, f32::NEG_INFINITY), |best, (pixel, &value)| {
                                if value > best.1 { (pixel, value) } else { best }
                            });
                        cotangent[largest * channels + channel] = dy;
                    }
                }
            },
        );
        from_vec(cotangents, [batch, total], &x.device())
    }

    /// 1 at the first of the largest values of each window, and 0 elsewhere.
    fn first_largest(rows: &Tensor<3>) -> Tensor<3> {
        let [windows, pixels, channels] = rows.dims();
        let is_largest = rows.clone().equal(rows.clone().max_dim(1).expand(rows.dims()));
        let pixel = Tensor::<1, Int>::arange(0..pixels as i64, &rows.device());
        let pixel = pixel.reshape([1, pixels, 1]).expand([windows, pixels, channels]);
        let others = pixel.clone().mask_fill(is_largest.bool_not(), pixels as i64);
        let first = others.min_dim(1).expand([windows, pixels, channels]);
        pixel.equal(first).float()
    }
}

impl DigitalStage for Pool {
    fn kind(&self) -> &'static str {
        "pool"
    }

    fn forward(&self, x: &Tensor<2>, _position: Option<BatchPosition>) -> Tensor<2> {
        let pooled = match self.kind {
            PoolKind::Max if is_cpu(&x.device()) => return self.largest_on_cpu(x),
            PoolKind::Max => self.rows(x).max_dim(1),
            PoolKind::Average => self.rows(x).mean_dim(1),
        };
        pooled.reshape([x.dims()[0] as i32, -1])
    }

    fn vjp(
        &self,
        x: &Tensor<2>,
        dy: Tensor<2>,
        _wanted: Wanted,
        _position: Option<BatchPosition>,
    ) -> Cotangents {
        let (batch, device) = (x.dims()[0], x.device());
        let (pixels, channels) = (self.windows.pixels(), self.windows.channels());
        let spread = |dy: Tensor<2>| {
            let windows = batch * self.windows.counts().pixels();
            dy.reshape([windows, 1, channels]).expand([windows, pixels, channels])
        };
        let windows = match self.kind {
            PoolKind::Max if is_cpu(&device) => {
                return Cotangents::of_input(
                    self.windows.pull_back(self.pull_back_largest_on_cpu(x, dy)),
                );
            }
            PoolKind::Max => spread(dy) * Self::first_largest(&self.rows(x)),
            PoolKind::Average => spread(dy) / pixels as f32,
        };
        Cotangents::of_input(self.windows.pull_back(windows.reshape([batch as i32, -1])))
    }
}
