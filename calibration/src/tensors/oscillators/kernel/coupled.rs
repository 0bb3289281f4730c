//! The product with the couplings, which both passes have.

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
