//! The adjoint of a batch's motion.

use burn_cubecl::cubecl;
use cubecl::prelude::*;

use super::shared::{coupled, read_shots, write_shots};

/// Cotangents of a stage's angles from those `pull` of its accelerations.
#[cube]
#[allow(clippy::too_many_arguments, reason = "a kernel's arguments are plain numbers")]
fn of_angles(
    pull: &mut Array<f32>,
    out: &mut Array<f32>,
    shared: &mut Shared<[f32]>,
    symmetric: &[f32],
    restoring: &[f32],
    slopes: &[f32],
    pulls: &mut [f32],
    stage: usize,
    first_shot: usize,
    shots: usize,
    count: usize,
    #[comptime] units: usize,
    #[comptime] each: usize,
    #[comptime] group: usize,
) {
    coupled(pull, out, shared, symmetric, restoring, count, units, each, group);
    #[unroll]
    for own in 0..each {
        let oscillator = own * units + UNIT_POS as usize;
        #[unroll]
        for shot in 0..group {
            if oscillator < count && first_shot + shot < shots {
                let kept = (stage * shots + first_shot + shot) * count + oscillator;
                pulls[kept] = pull[own * group + shot];
                out[own * group + shot] *= slopes[kept];
            }
        }
    }
}

/// A cube pulls the cotangents of its shots from the final angles to the initial ones.
#[cube(launch)]
#[allow(clippy::too_many_arguments, reason = "a kernel's arguments are plain numbers")]
pub(super) fn follow_back(
    of_last: &[f32],
    symmetric: &[f32],
    restoring: &[f32],
    slopes: &[f32],
    of_start: &mut [f32],
    pulls: &mut [f32],
    shots: u32,
    count: u32,
    steps: u32,
    stages: u32,
    h: f32,
    #[comptime] units: usize,
    #[comptime] each: usize,
    #[comptime] group: usize,
) {
    let (shots, count, steps) = (shots as usize, count as usize, steps as usize);
    let first_shot = CUBE_POS * group;
    if first_shot < shots {
        let size = comptime!(each * group);
        let mut shared = Shared::<[f32]>::new_slice(comptime!(units * each * group));
        let mut of_angle = Array::<f32>::new(size);
        let mut of_velocity = Array::<f32>::new(size);
        let mut of_first = Array::<f32>::new(size);
        let mut of_second = Array::<f32>::new(size);
        let mut of_half = Array::<f32>::new(size);
        let mut pull = Array::<f32>::new(size);
        let mut pulled = Array::<f32>::new(size);
        read_shots(&mut of_angle, of_last, first_shot, shots, count, units, each, group);
        #[unroll]
        for place in 0..size {
            of_velocity[place] = 0.0f32;
        }
        let mut stage = stages as usize;
        for from_last in 0..steps {
            let step = steps - 1 - from_last;
            // The second and the third stage have the same share of the step.
            #[unroll]
            for place in 0..size {
                let in_angle = of_angle[place] * (h * h / 6.0f32);
                let in_velocity = of_velocity[place] * (h / 6.0f32);
                of_first[place] = in_angle + in_velocity;
                of_second[place] = in_angle + in_velocity * 2.0f32;
                pull[place] = in_velocity;
            }
            if step + 1 < steps {
                stage -= 1;
                of_angles(
                    &mut pull,
                    &mut pulled,
                    &mut shared,
                    symmetric,
                    restoring,
                    slopes,
                    pulls,
                    stage,
                    first_shot,
                    shots,
                    count,
                    units,
                    each,
                    group,
                );
                #[unroll]
                for place in 0..size {
                    pull[place] = of_second[place];
                    of_second[place] += pulled[place] * (0.5f32 * h * h);
                    of_angle[place] += pulled[place];
                }
            } else {
                #[unroll]
                for place in 0..size {
                    pull[place] = of_second[place];
                }
            }
            stage -= 1;
            of_angles(
                &mut pull,
                &mut of_half,
                &mut shared,
                symmetric,
                restoring,
                slopes,
                pulls,
                stage,
                first_shot,
                shots,
                count,
                units,
                each,
                group,
            );
            #[unroll]
            for place in 0..size {
                of_first[place] += of_half[place] * (0.25f32 * h * h);
            }
            if step == 0 {
                #[unroll]
                for place in 0..size {
                    of_first[place] += of_second[place];
                }
            } else {
                stage -= 1;
                of_angles(
                    &mut of_second,
                    &mut pulled,
                    &mut shared,
                    symmetric,
                    restoring,
                    slopes,
                    pulls,
                    stage,
                    first_shot,
                    shots,
                    count,
                    units,
                    each,
                    group,
                );
                #[unroll]
                for place in 0..size {
                    of_half[place] += pulled[place];
                }
            }
            stage -= 1;
            of_angles(
                &mut of_first,
                &mut pulled,
                &mut shared,
                symmetric,
                restoring,
                slopes,
                pulls,
                stage,
                first_shot,
                shots,
                count,
                units,
                each,
                group,
            );
            #[unroll]
            for place in 0..size {
                of_velocity[place] += of_angle[place] * h + of_half[place] * (0.5f32 * h);
                of_angle[place] += of_half[place] + pulled[place];
            }
        }
        write_shots(&mut of_angle, of_start, first_shot, shots, count, units, each, group);
    }
}
