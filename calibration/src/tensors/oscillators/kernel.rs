//! The motion of a batch in one kernel: a cube follows some shots through all stages, and its units share the oscillators.
//!
//! A cube reads the whole matrix J at every stage, so that many oscillators take longer than with products of all
//! shots at once.

use burn::tensor::Tensor;
use burn_cubecl::cubecl;
use cubecl::prelude::*;

use crate::tensors::kernels::{contiguous, cubes, empty, tensor};
use crate::tensors::nystrom::Nystrom;

/// Most oscillators: beyond, the stages are products of all shots.
const MOST: usize = 1024;
/// Most units of a cube, which every backend allows.
const MOST_UNITS: usize = 256;
/// As many cubes as keep a large GPU busy; with more shots, a cube follows several.
const CUBES: usize = 128;
/// Most shots of a cube.
const MOST_SHOTS: usize = 4;

/// The matrices of the accelerations: J `[N, N]`, 1 + r and e `[1, N]`.
pub(super) struct Matrices<'a> {
    pub symmetric: &'a Tensor<2>,
    pub restoring: &'a Tensor<2>,
    pub drives: &'a Tensor<2>,
}

/// How cubes share the shots, and units the oscillators.
struct Cubes {
    units: usize,
    /// Oscillators of a unit.
    each: usize,
    /// Shots of a cube.
    group: usize,
    count: CubeCount,
}

impl Cubes {
    fn new(shots: usize, count: usize) -> Self {
        let units = count.next_multiple_of(32).min(MOST_UNITS);
        let group = shots.div_ceil(CUBES).next_power_of_two().min(MOST_SHOTS);
        let each = count.div_ceil(units);
        Self { units, each, group, count: cubes(shots.div_ceil(group)) }
    }
}

/// Final angles of `angles` `[shots, N]` and, if they are `kept`, sin((1 + η) Q) and its derivative by Q at every stage,
/// `[stages · shots, N]`; `None` where the backend runs no kernels, or for too many oscillators.
pub(super) fn integrate(
    nystrom: Nystrom,
    matrices: &Matrices,
    bend: f64,
    angles: &Tensor<2>,
    are_kept: bool,
) -> Option<[Tensor<2>; 3]> {
    let [shots, count] = angles.dims();
    if count > MOST || nystrom.steps == 0 {
        return None;
    }
    let angles = contiguous(angles)?;
    let [symmetric, restoring, drives] =
        [matrices.symmetric, matrices.restoring, matrices.drives].map(|of| contiguous(of));
    let (symmetric, restoring, drives) = (symmetric?, restoring?, drives?);
    let last = empty(&angles, [shots, count]);
    let rows = if are_kept { nystrom.slots() * shots } else { 1 };
    let [sines, slopes] = [empty(&angles, [rows, count]), empty(&angles, [rows, count])];
    if shots > 0 {
        let Cubes { units, each, group, count: cubes } = Cubes::new(shots, count);
        follow::launch(
            &angles.client.clone(),
            cubes,
            CubeDim::new_1d(units as u32),
            angles.into_buffer_arg(),
            symmetric.into_buffer_arg(),
            restoring.into_buffer_arg(),
            drives.into_buffer_arg(),
            last.clone().into_buffer_arg(),
            sines.clone().into_buffer_arg(),
            slopes.clone().into_buffer_arg(),
            shots as u32,
            count as u32,
            nystrom.steps as u32,
            nystrom.step as f32,
            bend as f32,
            units,
            each,
            group,
            are_kept,
        );
    }
    Some([last, sines, slopes].map(tensor))
}

/// Cotangents of the initial angles `[shots, N]` and of the accelerations of every stage `[stages · shots, N]` from those
/// of the final angles and the `slopes` of [`integrate`].
pub(super) fn pull_back(
    nystrom: Nystrom,
    matrices: &Matrices,
    slopes: &Tensor<2>,
    of_last: &Tensor<2>,
) -> Option<[Tensor<2>; 2]> {
    let [shots, count] = of_last.dims();
    if count > MOST || nystrom.steps == 0 {
        return None;
    }
    let (of_last, slopes) = (contiguous(of_last)?, contiguous(slopes)?);
    let (symmetric, restoring) = (contiguous(matrices.symmetric)?, contiguous(matrices.restoring)?);
    let of_first = empty(&of_last, [shots, count]);
    let pulls = empty(&of_last, [nystrom.slots() * shots, count]);
    if shots > 0 {
        let Cubes { units, each, group, count: cubes } = Cubes::new(shots, count);
        follow_back::launch(
            &of_last.client.clone(),
            cubes,
            CubeDim::new_1d(units as u32),
            of_last.into_buffer_arg(),
            symmetric.into_buffer_arg(),
            restoring.into_buffer_arg(),
            slopes.into_buffer_arg(),
            of_first.clone().into_buffer_arg(),
            pulls.clone().into_buffer_arg(),
            shots as u32,
            count as u32,
            nystrom.steps as u32,
            nystrom.slots() as u32,
            nystrom.step as f32,
            units,
            each,
            group,
        );
    }
    Some([of_first, pulls].map(tensor))
}

/// s J − (1 + r) ∘ s of the cube's shots; a unit has `values` and gets `sums` of its oscillators, shot by shot.
#[cube]
#[allow(clippy::too_many_arguments, reason = "a kernel's arguments are plain numbers")]
fn coupled(
    values: &mut Array<f32>,
    sums: &mut Array<f32>,
    shared: &mut Shared<[f32]>,
    symmetric: &[f32],
    restoring: &[f32],
    count: usize,
    #[comptime] units: usize,
    #[comptime] each: usize,
    #[comptime] group: usize,
) {
    let width = comptime!(units * each);
    let unit = UNIT_POS as usize;
    // All have read the values before.
    sync_cube();
    #[unroll]
    for own in 0..each {
        #[unroll]
        for shot in 0..group {
            shared[shot * width + own * units + unit] = values[own * group + shot];
            sums[own * group + shot] = 0.0f32;
        }
    }
    sync_cube();
    for from in 0..count {
        #[unroll]
        for own in 0..each {
            let oscillator = own * units + unit;
            if oscillator < count {
                let coupling = symmetric[from * count + oscillator];
                #[unroll]
                for shot in 0..group {
                    sums[own * group + shot] += shared[shot * width + from] * coupling;
                }
            }
        }
    }
    #[unroll]
    for own in 0..each {
        let oscillator = own * units + unit;
        if oscillator < count {
            #[unroll]
            for shot in 0..group {
                let place = own * group + shot;
                sums[place] -= values[place] * restoring[oscillator];
            }
        }
    }
}

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

#[cube(launch)]
#[allow(clippy::too_many_arguments, reason = "a kernel's arguments are plain numbers")]
fn follow(
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
    let first_shot = CUBE_POS as usize * group;
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
        #[unroll]
        for own in 0..each {
            let oscillator = own * units + UNIT_POS as usize;
            #[unroll]
            for shot in 0..group {
                let place = own * group + shot;
                angle[place] = 0.0f32;
                velocity[place] = 0.0f32;
                if oscillator < count && first_shot + shot < shots {
                    angle[place] = angles[(first_shot + shot) * count + oscillator];
                }
            }
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
        #[unroll]
        for own in 0..each {
            let oscillator = own * units + UNIT_POS as usize;
            #[unroll]
            for shot in 0..group {
                if oscillator < count && first_shot + shot < shots {
                    last[(first_shot + shot) * count + oscillator] = angle[own * group + shot];
                }
            }
        }
    }
}

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

#[cube(launch)]
#[allow(clippy::too_many_arguments, reason = "a kernel's arguments are plain numbers")]
fn follow_back(
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
    let first_shot = CUBE_POS as usize * group;
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
        #[unroll]
        for own in 0..each {
            let oscillator = own * units + UNIT_POS as usize;
            #[unroll]
            for shot in 0..group {
                let place = own * group + shot;
                of_angle[place] = 0.0f32;
                of_velocity[place] = 0.0f32;
                if oscillator < count && first_shot + shot < shots {
                    of_angle[place] = of_last[(first_shot + shot) * count + oscillator];
                }
            }
        }
        let mut stage = stages as usize;
        for from_last in 0..steps {
            let step = steps - 1 - from_last;
            // The cotangents of the third stage are pulled below; the second has the same share.
            #[unroll]
            for place in 0..size {
                let in_angle = of_angle[place] * (h * h / 6.0f32);
                let in_velocity = of_velocity[place] * (h / 6.0f32);
                of_first[place] = in_angle + in_velocity;
                of_second[place] = in_angle + in_velocity * 2.0f32;
                pull[place] = in_velocity;
            }
            // From here, of_angle is the cotangent of what the step adds to without accelerations.
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
        #[unroll]
        for own in 0..each {
            let oscillator = own * units + UNIT_POS as usize;
            #[unroll]
            for shot in 0..group {
                if oscillator < count && first_shot + shot < shots {
                    of_start[(first_shot + shot) * count + oscillator] =
                        of_angle[own * group + shot];
                }
            }
        }
    }
}
