//! Random numbers by a kernel, where they are used.

use std::f32::consts::TAU;

use burn::tensor::{Device, Tensor};
use burn_cubecl::{Cube, cubecl};
use cubecl::calculate_cube_count_elemwise;
use cubecl::prelude::*;
use twinprop_devices::random::{Distributed, FACTORS, ROUNDS, WEYL, WORDS, halves};

use super::Stream;
use crate::tensors::kernels::{empty, tensor};

/// Numbers `[shots, width]` of `stream`; `None` where `device` runs no kernels.
pub(super) fn draw(
    distributed: Distributed,
    stream: Stream,
    [shots, width]: [usize; 2],
    device: &Device,
) -> Option<Tensor<2>> {
    // A tensor of the device, for its client.
    let one = Tensor::<1>::zeros([1], device).try_into_primitive::<Cube>().ok()?;
    let client = one.client.clone();
    let numbers = empty(&one, [shots, width]);
    let units = shots * width.div_ceil(WORDS);
    if units > 0 {
        let cube = CubeDim::new(&client, units);
        let [first_low, first_high] = halves(stream.first);
        draw_numbers::launch(
            &client,
            calculate_cube_count_elemwise(&client, units, cube),
            cube,
            numbers.clone().into_buffer_arg(),
            shots as u32,
            width as u32,
            first_low,
            first_high,
            stream.numbers.purpose,
            stream.numbers.key[0],
            stream.numbers.key[1],
            distributed == Distributed::Normally,
        );
    }
    Some(tensor(numbers))
}

/// A unit draws the numbers of one counter.
#[cube(launch)]
#[allow(clippy::too_many_arguments, reason = "a kernel's arguments are plain numbers")]
fn draw_numbers(
    numbers: &mut [f32],
    shots: u32,
    width: u32,
    first_low: u32,
    first_high: u32,
    purpose: u32,
    first_key: u32,
    second_key: u32,
    #[comptime] is_normal: bool,
) {
    let width = width as usize;
    let blocks = width.div_ceil(WORDS);
    if ABSOLUTE_POS < shots as usize * blocks {
        let shot = ABSOLUTE_POS / blocks;
        let block = ABSOLUTE_POS % blocks;
        let mut drawn = Array::<f32>::new(WORDS);
        numbers_of(
            &mut drawn,
            block as u32,
            shot as u32,
            first_low,
            first_high,
            purpose,
            first_key,
            second_key,
            is_normal,
        );
        let from = shot * width + block * WORDS;
        #[unroll]
        for place in 0..WORDS {
            if block * WORDS + place < width {
                numbers[from + place] = drawn[place];
            }
        }
    }
}

/// The numbers of a block of a shot, which is `shot` after the first.
#[cube]
#[allow(clippy::too_many_arguments, reason = "a kernel's arguments are plain numbers")]
pub(in crate::tensors) fn numbers_of(
    drawn: &mut Array<f32>,
    block: u32,
    shot: u32,
    first_low: u32,
    first_high: u32,
    purpose: u32,
    first_key: u32,
    second_key: u32,
    #[comptime] is_normal: bool,
) {
    let low = first_low + shot;
    let mut high = first_high;
    if low < first_low {
        high += 1;
    }
    let mut word_0 = block;
    let mut word_1 = low;
    let mut word_2 = high;
    let mut word_3 = purpose;
    let mut key_0 = first_key;
    let mut key_1 = second_key;
    #[unroll]
    for _ in 0..ROUNDS {
        let high_0 = u32::mul_hi(word_0, FACTORS[0]);
        let low_0 = word_0 * FACTORS[0];
        let high_1 = u32::mul_hi(word_2, FACTORS[1]);
        let low_1 = word_2 * FACTORS[1];
        word_0 = high_1 ^ word_1 ^ key_0;
        word_1 = low_1;
        word_2 = high_0 ^ word_3 ^ key_1;
        word_3 = low_0;
        key_0 += WEYL[0];
        key_1 += WEYL[1];
    }
    if comptime!(is_normal) {
        let radius_0 = (inner(word_0).ln() * -2.0f32).sqrt();
        let radius_1 = (inner(word_2).ln() * -2.0f32).sqrt();
        let angle_0 = inner(word_1) * TAU;
        let angle_1 = inner(word_3) * TAU;
        drawn[0] = radius_0 * angle_0.cos();
        drawn[1] = radius_0 * angle_0.sin();
        drawn[2] = radius_1 * angle_1.cos();
        drawn[3] = radius_1 * angle_1.sin();
    } else {
        drawn[0] = uniform(word_0);
        drawn[1] = uniform(word_1);
        drawn[2] = uniform(word_2);
        drawn[3] = uniform(word_3);
    }
}

/// 2⁻²³ and 2⁻²⁴.
const INNER: f32 = 1.0 / 8_388_608.0;
const UNIFORM: f32 = 1.0 / 16_777_216.0;

/// A number between 0 and 1, without either.
#[cube]
fn inner(word: u32) -> f32 {
    (f32::cast_from(word >> 9) + 0.5f32) * INNER
}

/// A number from 0 to 1, without 1.
#[cube]
fn uniform(word: u32) -> f32 {
    f32::cast_from(word >> 8) * UNIFORM
}
