//! Trainable element-wise scale and offset: the normalisation between layers.

use burn::tensor::{Device, IndexingUpdateOp, Int, Tensor};
use twinprop_calibration::bridge::{from_vec, is_cpu, values};

use super::rows::{collect_rows, in_tasks};
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
    /// Input channel of each output, on the CPU and on the backend.
    inputs: Vec<usize>,
    /// Whether output i is of input i.
    is_in_place: bool,
    place: Tensor<1, Int>,
    normalise: bool,
}

impl Scale {
    /// From `width_in` to `width_out` channels. With `spread`, outputs start with zero mean and that standard
    /// deviation; without, they start equal to the inputs.
    #[must_use]
    pub fn new(width_in: usize, width_out: usize, spread: Option<f32>, device: &Device) -> Self {
        let inputs: Vec<usize> = (0..width_out).map(|i| i * width_in / width_out).collect();
        let place: Vec<i32> = inputs.iter().map(|&input| input as i32).collect();
        Self {
            scale: Tensor::full([1, width_out], spread.unwrap_or(1.0), device),
            offset: Tensor::zeros([1, width_out], device),
            mean: Tensor::zeros([1, width_in], device),
            deviation: Tensor::ones([1, width_in], device),
            is_in_place: width_in == width_out,
            inputs,
            place: Tensor::from_data(place.as_slice(), device),
            normalise: spread.is_some(),
        }
    }

    fn normalised(&self, x: &Tensor<2>) -> Tensor<2> {
        ((x.clone() - self.mean.clone()) / self.deviation.clone()).select(1, self.place.clone())
    }

    /// [`forward`](DigitalStage::forward) on the CPU, in one pass.
    fn forward_on_cpu(&self, x: &Tensor<2>) -> Tensor<2> {
        let (device, [rows, width_in]) = (x.device(), x.dims());
        let (values, factors, width) = (&*values(x.clone()), self.factors(), self.inputs.len());
        assert_eq!(width_in, self.mean.dims()[1], "a sample has a value for each mean");
        let y = collect_rows(rows, width, |row, y| {
            let x = &values[row * width_in..][..width_in];
            let factors = factors.mean.iter().zip(&factors.gain).zip(&factors.offset);
            let scaled = |(x, ((mean, gain), offset)): (f32, ((&f32, &f32), &f32))| {
                (x - mean) * gain + offset
            };
            if self.is_in_place {
                y.extend(x.iter().copied().zip(factors).map(scaled));
            } else {
                y.extend(self.inputs.iter().map(|&input| x[input]).zip(factors).map(scaled));
            }
        });
        from_vec(y, [rows, width], &device)
    }

    /// [`vjp`](DigitalStage::vjp) on the CPU.
    fn vjp_on_cpu(&self, x: &Tensor<2>, dy: Tensor<2>) -> Cotangents {
        let (device, [rows, width_in]) = (x.device(), x.dims());
        let (values, dy, factors) = (&*values(x.clone()), &*values(dy), self.factors());
        let width = self.inputs.len();
        let dy_of = |row: usize| &dy[row * width..][..width];
        let dx = collect_rows(rows, width_in, |row, dx| {
            let of_inputs = factors.gain.iter().zip(dy_of(row)).map(|(gain, dy)| gain * dy);
            if self.is_in_place {
                dx.extend(of_inputs);
            } else {
                let first = dx.len();
                dx.resize(first + width_in, 0.0);
                let of_inputs = self.inputs.iter().zip(of_inputs);
                of_inputs.for_each(|(&input, of)| dx[first + input] += of);
            }
        });
        // One partial sum a task, added in their order: the same bits on any number of threads.
        let parts = in_tasks(rows, width, |rows| {
            let mut sums = Sums::zeros(width);
            for row in rows {
                let (x, dy) = (&values[row * width_in..][..width_in], dy_of(row));
                add(&mut sums.of_offset, dy.iter().copied());
                let factors = factors.mean.iter().zip(dy);
                let of_gain = |(x, (mean, dy)): (f32, (&f32, &f32))| (x - mean) * dy;
                if self.is_in_place {
                    add(&mut sums.of_gain, x.iter().copied().zip(factors).map(of_gain));
                } else {
                    let x = self.inputs.iter().map(|&input| x[input]);
                    add(&mut sums.of_gain, x.zip(factors).map(of_gain));
                }
            }
            sums
        });
        let mut sums = Sums::zeros(width);
        for part in parts {
            add(&mut sums.of_gain, part.of_gain);
            add(&mut sums.of_offset, part.of_offset);
        }
        let of_scale = sums.of_gain.iter().zip(&factors.per_deviation).map(|(of, by)| of * by);
        let parameters = [of_scale.collect(), sums.of_offset];
        let parameters = parameters.map(|sum| from_vec(sum, [1, width], &device));
        let input = Some(from_vec(dx, [rows, width_in], &device));
        Cotangents { input, parameters: parameters.into() }
    }

    /// What each output is computed with.
    fn factors(&self) -> Factors {
        let tensors = [&self.scale, &self.offset, &self.mean, &self.deviation];
        let read = tensors.map(|of| values(of.clone()));
        let [scale, offset, mean, deviation] = read.each_ref().map(|values| &**values);
        let per_deviation: Vec<f32> =
            self.inputs.iter().map(|&input| deviation[input].recip()).collect();
        Factors {
            mean: self.inputs.iter().map(|&input| mean[input]).collect(),
            gain: scale.iter().zip(&per_deviation).map(|(scale, by)| scale * by).collect(),
            per_deviation,
            offset: offset.to_vec(),
        }
    }
}

/// μ, a / σ, 1 / σ and b of each output.
struct Factors {
    mean: Vec<f32>,
    gain: Vec<f32>,
    per_deviation: Vec<f32>,
    offset: Vec<f32>,
}

/// Cotangents of a / σ and b, summed over rows.
struct Sums {
    of_gain: Vec<f32>,
    of_offset: Vec<f32>,
}

impl Sums {
    fn zeros(width: usize) -> Self {
        Self { of_gain: vec![0.0; width], of_offset: vec![0.0; width] }
    }
}

fn add(sums: &mut [f32], values: impl IntoIterator<Item = f32>) {
    sums.iter_mut().zip(values).for_each(|(sum, value)| *sum += value);
}

impl DigitalStage for Scale {
    fn kind(&self) -> &'static str {
        "scale"
    }

    fn forward(&self, x: &Tensor<2>, _position: Option<BatchPosition>) -> Tensor<2> {
        if is_cpu(&x.device()) {
            return self.forward_on_cpu(x);
        }
        self.normalised(x) * self.scale.clone() + self.offset.clone()
    }

    fn vjp(
        &self,
        x: &Tensor<2>,
        dy: Tensor<2>,
        _wanted: Wanted,
        _position: Option<BatchPosition>,
    ) -> Cotangents {
        if is_cpu(&x.device()) {
            return self.vjp_on_cpu(x, dy);
        }
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
