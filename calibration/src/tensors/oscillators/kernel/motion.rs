//! The motion of a batch.

use burn_cubecl::cubecl;
use cubecl::prelude::*;

use super::shared::{coupled, read_shots, write_shots};

/// Accelerations at the angles `at`, a stage's.
#[cube]
#[allow(clippy::too_many_arguments, reason = "a kernel's arguments are plain numbers")]
fn accelerations(
    at: &Array<f32>,
    out: &mut Array<f32>,
    values: &mut Array<f32>,
    shared: &mut Shared<[f32]>,
    symmetric: &[f32],
    restoring: &[f32],
    drives: &[f32],
    sines: &mut [f32],
    slopes: &mut [f32],
    stage: usize,
    first_shot: usize,
    shots: usize,
    count: usize,
    bend: f32,
    #[comptime] units: usize,
    #[comptime] each: usize,
    #[comptime] group: usize,
    #[comptime] are_kept: bool,
) {
    #[unroll]
    for own in 0..each {
        let oscillator = own * units + UNIT_POS as usize;
        #[unroll]
        for shot in 0..group {
            let place = own * group + shot;
            let angle = at[place] * bend;
            values[place] = angle.sin();
            if comptime!(are_kept) && oscillator < count && first_shot + shot < shots {
                let kept = (stage * shots + first_shot + shot) * count + oscillator;
                sines[kept] = values[place];
                slopes[kept] = angle.cos() * bend;
            }
        }
    }
    coupled(values, out, shared, symmetric, restoring, count, units, each, group);
    #[unroll]
    for own in 0..each {
        let oscillator = own * units + UNIT_POS as usize;
        if oscillator < count {
            #[unroll]
            for shot in 0..group {
                out[own * group + shot] += drives[oscillator];
            }
        }
    }
}

/// A cube follows its shots from their initial `angles` to the `last`.
#[cube(launch)]
#[allow(clippy::too_many_arguments, reason = "a kernel's arguments are plain numbers")]
pub(super) fn follow(
    angles: &[f32],
    symmetric: &[f32],
    restoring: &[f32],
    drives: &[f32],
    last: &mut [f32],
    sines: &mut [f32],
    slopes: &mut [f32],
    shots: u32,
    count: u32,
    steps: u32,
    h: f32,
    bend: f32,
    #[comptime] units: usize,
    #[comptime] each: usize,
    #[comptime] group: usize,
    #[comptime] are_kept: bool,
) {
    let (shots, count, steps) = (shots as usize, count as usize, steps as usize);
    let first_shot = CUBE_POS * group;
    if first_shot < shots {
        let size = comptime!(each * group);
        let mut shared = Shared::<[f32]>::new_slice(comptime!(units * each * group));
        let mut values = Array::<f32>::new(size);
        let mut angle = Array::<f32>::new(size);
        let mut velocity = Array::<f32>::new(size);
        let mut at = Array::<f32>::new(size);
        let mut first = Array::<f32>::new(size);
        let mut second = Array::<f32>::new(size);
        let mut middle = Array::<f32>::new(size);
        read_shots(&mut angle, angles, first_shot, shots, count, units, each, group);
        #[unroll]
        for place in 0..size {
            velocity[place] = 0.0f32;
        }
        let mut stage = 0usize;
        for step in 0..steps {
            accelerations(
                &angle,
                &mut first,
                &mut values,
                &mut shared,
                symmetric,
                restoring,
                drives,
                sines,
                slopes,
                stage,
                first_shot,
                shots,
                count,
                bend,
                units,
                each,
                group,
                are_kept,
            );
            stage += 1;
            #[unroll]
            for place in 0..size {
                at[place] = angle[place] + velocity[place] * (0.5f32 * h);
                second[place] = first[place];
            }
            if step > 0 {
                accelerations(
                    &at,
                    &mut second,
                    &mut values,
                    &mut shared,
                    symmetric,
                    restoring,
                    drives,
                    sines,
                    slopes,
                    stage,
                    first_shot,
                    shots,
                    count,
                    bend,
                    units,
                    each,
                    group,
                    are_kept,
                );
                stage += 1;
            }
            #[unroll]
            for place in 0..size {
                at[place] += first[place] * (0.25f32 * h * h);
            }
            accelerations(
                &at,
                &mut middle,
                &mut values,
                &mut shared,
                symmetric,
                restoring,
                drives,
                sines,
                slopes,
                stage,
                first_shot,
                shots,
                count,
                bend,
                units,
                each,
                group,
                are_kept,
            );
            stage += 1;
            #[unroll]
            for place in 0..size {
                middle[place] += second[place];
                angle[place] += velocity[place] * h;
                at[place] = angle[place] + second[place] * (0.5f32 * h * h);
            }
            if step + 1 < steps {
                // The fourth stage's, as the second's are not used any more.
                accelerations(
                    &at,
                    &mut second,
                    &mut values,
                    &mut shared,
                    symmetric,
                    restoring,
                    drives,
                    sines,
                    slopes,
                    stage,
                    first_shot,
                    shots,
                    count,
                    bend,
                    units,
                    each,
                    group,
                    are_kept,
                );
                stage += 1;
                #[unroll]
                for place in 0..size {
                    velocity[place] +=
                        (first[place] + middle[place] * 2.0f32 + second[place]) * (h / 6.0f32);
                }
            }
            #[unroll]
            for place in 0..size {
                angle[place] += (first[place] + middle[place]) * (h * h / 6.0f32);
            }
        }
        write_shots(&mut angle, last, first_shot, shots, count, units, each, group);
    }
}
