//! Converters and noise in one kernel.

use burn::tensor::Tensor;
use burn_cubecl::cubecl;
use cubecl::calculate_cube_count_elemwise;
use cubecl::prelude::*;
use twinprop_devices::random::{ShotStream, WORDS, halves};

use super::conversion::Conversion;
use super::limits::Limits;
use crate::tensors::draws::Stream;
use crate::tensors::draws::kernel::numbers_of;
use crate::tensors::kernels::{contiguous, empty, tensor};

/// `values` `[rows, n]` with ranges `limits` as they come out of `conversion`, with the noise of `stream`; `None` where
/// their backend runs no kernels.
pub(super) fn convert(
    values: &Tensor<2>,
    limits: &Limits,
    conversion: Conversion,
    stream: Stream,
) -> Option<Tensor<2>> {
    let [rows, width] = values.dims();
    let values = contiguous(values)?;
    let Limits { minimum, maximum, .. } = limits;
    let (minimum, maximum) = (contiguous(minimum)?, contiguous(maximum)?);
    let client = values.client.clone();
    let converted = empty(&values, [rows, width]);
    let units = rows * width.div_ceil(WORDS);
    if units > 0 {
        let cube = CubeDim::new(&client, units);
        let ShotStream { key, purpose } = stream.numbers;
        let first = halves(stream.first);
        convert_words::launch(
            &client,
            calculate_cube_count_elemwise(&client, units, cube),
            cube,
            values.into_buffer_arg(),
            minimum.into_buffer_arg(),
            maximum.into_buffer_arg(),
            converted.clone().into_buffer_arg(),
            rows as u32,
            width as u32,
            first[0],
            first[1],
            purpose,
            key[0],
            key[1],
            conversion.last_code_before,
            conversion.last_code_after,
            conversion.additive,
            conversion.shot,
            conversion.is_noisy(),
        );
    }
    Some(tensor(converted))
}

/// A unit converts as many values of a shot as one counter has words.
#[cube(launch)]
#[allow(clippy::too_many_arguments, reason = "a kernel's arguments are plain numbers")]
fn convert_words(
    values: &[f32],
    minimum: &[f32],
    maximum: &[f32],
    converted: &mut [f32],
    shots: u32,
    width: u32,
    first_low: u32,
    first_high: u32,
    purpose: u32,
    first_key: u32,
    second_key: u32,
    last_code_before: f32,
    last_code_after: f32,
    additive: f32,
    shot_noise: f32,
    #[comptime] is_noisy: bool,
) {
    let width = width as usize;
    let blocks = width.div_ceil(WORDS);
    if ABSOLUTE_POS < shots as usize * blocks {
        let shot = ABSOLUTE_POS / blocks;
        let block = ABSOLUTE_POS % blocks;
        let mut normals = Array::<f32>::new(WORDS);
        if comptime!(is_noisy) {
            numbers_of(
                &mut normals,
                block as u32,
                shot as u32,
                first_low,
                first_high,
                purpose,
                first_key,
                second_key,
                true,
            );
        }
        #[unroll]
        for place in 0..WORDS {
            let column = block * WORDS + place;
            if column < width {
                let least = minimum[column];
                let most = maximum[column];
                let span = most - least;
                let mut value = values[shot * width + column];
                if last_code_before > 0.0 {
                    value = quantised(value, least, most, last_code_before);
                }
                if comptime!(is_noisy) {
                    let variance =
                        additive * additive + shot_noise * shot_noise * value.abs() / span;
                    value += span * variance.sqrt() * normals[place];
                    value = clamp_nan(value, least, most);
                }
                if last_code_after > 0.0 {
                    value = quantised(value, least, most, last_code_after);
                }
                converted[shot * width + column] = value;
            }
        }
    }
}

/// The nearest code of `value`; NaN stays NaN.
#[cube]
fn quantised(value: f32, least: f32, most: f32, last_code: f32) -> f32 {
    let span = most - least;
    let code = clamp_nan(((value - least) / span * last_code).round(), 0.0, last_code);
    // A quotient may be rounded up.
    clamp_nan(least + code / last_code * span, least, most)
}
