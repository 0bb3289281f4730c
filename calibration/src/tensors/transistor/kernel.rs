//! The recursions of all steps in one kernel: a unit follows a shot through its steps.

use burn::tensor::Tensor;
use burn_cubecl::cubecl;
use cubecl::calculate_cube_count_elemwise;
use cubecl::prelude::*;

use super::states::StateMatrices;
use crate::tensors::kernels::{contiguous, empty, tensor};

/// Shots of a cube: few, as each takes long and all cores of the device should have some.
const SHOTS_A_CUBE: u32 = 32;

/// A circuit's constants.
pub(super) struct Circuit {
    /// Newton's iterations a stage.
    pub iterations: usize,
    /// U_T, λ and 2 n β U_T².
    pub thermal_volts: f32,
    pub modulation: f32,
    pub specific: f32,
    /// γ h/L and γ h/C.
    pub g_l: f32,
    pub g_c: f32,
    /// 1 / (1 + γ h R/L).
    pub damped: f32,
    /// (1 − γ) / γ.
    pub alpha: f32,
}

/// v of both stages of every step, `[steps, shots]` each, from what the drives determine there, of this shape as well;
/// `None` where the backend runs no kernels.
pub(super) fn integrate(
    circuit: &Circuit,
    lift: &Tensor<2>,
    pinch: &Tensor<2>,
    source: &Tensor<2>,
) -> Option<[Tensor<2>; 2]> {
    let shape @ [steps, shots] = lift.dims();
    let (lift, pinch, source) = (contiguous(lift)?, contiguous(pinch)?, contiguous(source)?);
    let [first, second] = [empty(&lift, shape), empty(&lift, shape)];
    if steps * shots > 0 {
        let (client, cube) = (lift.client.clone(), CubeDim::new_1d(SHOTS_A_CUBE));
        follow_shots::launch(
            &client,
            calculate_cube_count_elemwise(&client, shots, cube),
            cube,
            lift.into_buffer_arg(),
            pinch.into_buffer_arg(),
            source.into_buffer_arg(),
            first.clone().into_buffer_arg(),
            second.clone().into_buffer_arg(),
            steps as u32,
            shots as u32,
            circuit.iterations as u32,
            circuit.thermal_volts,
            circuit.modulation,
            circuit.specific,
            circuit.g_l,
            circuit.g_c,
            circuit.damped,
            circuit.alpha,
        );
    }
    Some([first, second].map(tensor))
}

/// Cotangents of (i, v) after each step from those of v that the readings add there, `seen` `[steps, shots]`, by the
/// matrices `step` of each step; `None` where the backend runs no kernels.
pub(super) fn pull_states(step: &StateMatrices, seen: &Tensor<2>) -> Option<[Tensor<2>; 2]> {
    let shape @ [steps, shots] = seen.dims();
    let seen = contiguous(seen)?;
    let (ii, iv) = (contiguous(&step.ii)?, contiguous(&step.iv)?);
    let (vi, vv) = (contiguous(&step.vi)?, contiguous(&step.vv)?);
    let [of_i, of_v] = [empty(&seen, shape), empty(&seen, shape)];
    if steps * shots > 0 {
        let (client, cube) = (seen.client.clone(), CubeDim::new_1d(SHOTS_A_CUBE));
        follow_back::launch(
            &client,
            calculate_cube_count_elemwise(&client, shots, cube),
            cube,
            ii.into_buffer_arg(),
            iv.into_buffer_arg(),
            vi.into_buffer_arg(),
            vv.into_buffer_arg(),
            seen.into_buffer_arg(),
            of_i.clone().into_buffer_arg(),
            of_v.clone().into_buffer_arg(),
            steps as u32,
            shots as u32,
        );
    }
    Some([of_i, of_v].map(tensor))
}

/// A unit integrates a shot from rest; `first` and `second` get v of both stages of each step.
#[cube(launch)]
#[allow(clippy::too_many_arguments, reason = "a kernel's arguments are plain numbers")]
fn follow_shots(
    lift: &[f32],
    pinch: &[f32],
    source: &[f32],
    first: &mut [f32],
    second: &mut [f32],
    steps: u32,
    shots: u32,
    iterations: u32,
    thermal: f32,
    modulation: f32,
    specific: f32,
    g_l: f32,
    g_c: f32,
    damped: f32,
    alpha: f32,
) {
    let shots = shots as usize;
    if ABSOLUTE_POS < shots {
        let mut current = 0.0f32;
        let mut voltage = 0.0f32;
        for step in 0..steps as usize {
            let place = step * shots + ABSOLUTE_POS;
            let lifted = current + lift[place];
            let stage = solved(
                voltage + lifted * (g_c * damped),
                voltage,
                pinch[place],
                source[place],
                iterations,
                thermal,
                modulation,
                specific,
                g_l,
                g_c,
                damped,
            );
            first[place] = stage;
            let of_stage = (lifted - stage * g_l) * damped;
            let lifted = current + (of_stage - current) * alpha + lift[place];
            let base = voltage + (stage - voltage) * alpha;
            voltage = solved(
                base + lifted * (g_c * damped),
                stage,
                pinch[place],
                source[place],
                iterations,
                thermal,
                modulation,
                specific,
                g_l,
                g_c,
                damped,
            );
            second[place] = voltage;
            current = (lifted - voltage * g_l) * damped;
        }
    }
}

/// v of a stage by Newton's iterations from the guess `start`.
#[cube]
#[allow(clippy::too_many_arguments, reason = "a kernel's arguments are plain numbers")]
fn solved(
    known: f32,
    start: f32,
    pinch: f32,
    source: f32,
    iterations: u32,
    thermal: f32,
    modulation: f32,
    specific: f32,
    g_l: f32,
    g_c: f32,
    damped: f32,
) -> f32 {
    let half = 0.5f32 / thermal;
    let linear = g_c * g_l * damped + 1.0f32;
    let mut voltage = start;
    for _ in 0..iterations {
        let x = (pinch - voltage) * half;
        let small = (-x.abs()).exp();
        let log = max(x, 0.0f32) + small.log1p();
        let mut above = small;
        if x >= 0.0f32 {
            above = 1.0f32;
        }
        let slope = log * above / (small + 1.0f32) * (2.0f32 * half);
        let size = (voltage * voltage + thermal * thermal).sqrt();
        let factor = (size * modulation + 1.0f32) * specific;
        let difference = source - log * log;
        let by_drain = slope * factor + difference * voltage / size * (specific * modulation);
        let rest = voltage * linear - known + difference * factor * g_c;
        voltage -= rest / (max(by_drain, 0.0f32) * g_c + linear);
    }
    voltage
}

/// A unit pulls a shot's cotangents from its last step to its first.
#[cube(launch)]
#[allow(clippy::too_many_arguments, reason = "a kernel's arguments are plain numbers")]
fn follow_back(
    ii: &[f32],
    iv: &[f32],
    vi: &[f32],
    vv: &[f32],
    seen: &[f32],
    of_current: &mut [f32],
    of_voltage: &mut [f32],
    steps: u32,
    shots: u32,
) {
    let (steps, shots) = (steps as usize, shots as usize);
    if ABSOLUTE_POS < shots {
        let mut current = 0.0f32;
        let mut voltage = 0.0f32;
        for back in 0..steps {
            let place = (steps - 1 - back) * shots + ABSOLUTE_POS;
            voltage += seen[place];
            of_current[place] = current;
            of_voltage[place] = voltage;
            let pulled = ii[place] * current + iv[place] * voltage;
            voltage = vi[place] * current + vv[place] * voltage;
            current = pulled;
        }
    }
}
