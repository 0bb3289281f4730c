//! What both passes have: the product with the couplings, and the values of a cube's shots.

use burn_cubecl::cubecl;
use cubecl::prelude::*;

/// s J − (1 + r) ∘ s of the cube's shots; a unit has `values` and gets `sums` of its oscillators, shot by shot.
#[cube]
#[allow(clippy::too_many_arguments, reason = "a kernel's arguments are plain numbers")]
pub(super) fn coupled(
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
    // Wait until all units have read the previous values.
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

/// A unit gets the values `of_shots` `[shots, N]` of its oscillators, shot by shot, and zero where there are none.
#[cube]
#[allow(clippy::too_many_arguments, reason = "a kernel's arguments are plain numbers")]
pub(super) fn read_shots(
    values: &mut Array<f32>,
    of_shots: &[f32],
    first_shot: usize,
    shots: usize,
    count: usize,
    #[comptime] units: usize,
    #[comptime] each: usize,
    #[comptime] group: usize,
) {
    #[unroll]
    for own in 0..each {
        let oscillator = own * units + UNIT_POS as usize;
        #[unroll]
        for shot in 0..group {
            let place = own * group + shot;
            values[place] = 0.0f32;
            if oscillator < count && first_shot + shot < shots {
                values[place] = of_shots[(first_shot + shot) * count + oscillator];
            }
        }
    }
}

/// A unit writes its `values` to `of_shots`, as [`read_shots`] gets them.
#[cube]
#[allow(clippy::too_many_arguments, reason = "a kernel's arguments are plain numbers")]
pub(super) fn write_shots(
    values: &mut Array<f32>,
    of_shots: &mut [f32],
    first_shot: usize,
    shots: usize,
    count: usize,
    #[comptime] units: usize,
    #[comptime] each: usize,
    #[comptime] group: usize,
) {
    #[unroll]
    for own in 0..each {
        let oscillator = own * units + UNIT_POS as usize;
        #[unroll]
        for shot in 0..group {
            if oscillator < count && first_shot + shot < shots {
                of_shots[(first_shot + shot) * count + oscillator] = values[own * group + shot];
            }
        }
    }
}
