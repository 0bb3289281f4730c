//! The plate's motion in one kernel: a cube follows a shot through its steps, and its units share the modes.

use burn::tensor::Tensor;
use burn_cubecl::cubecl;
use cubecl::prelude::*;

use crate::tensors::kernels::{CubeTensor, contiguous, cubes, empty, tensor};

/// Most units of a cube, each with one mode or several; a power of two, which every backend allows.
const MOST_UNITS: usize = 256;
/// Most values of a tensor of saved states: 128 MiB, which every backend binds to a kernel.
const MOST_SAVED: usize = 1 << 25;
/// Rows of [`Modes::constants`].
const Q_TO_Q: usize = 0;
const V_TO_Q: usize = 1;
const Q_TO_V: usize = 2;
const V_TO_V: usize = 3;
const FORCE_TO_Q: usize = 4;
const FORCE_TO_V: usize = 5;
const RATIO: usize = 6;
const KICK: usize = 7;
const GAIN: usize = 8;

/// The modes of a plate and how they are read.
#[derive(Clone)]
pub(super) struct Modes {
    /// a, b, c, d, g_q, g_v, Ω, κ Ω and G, `[9, M]`.
    pub constants: Tensor<2>,
    /// One at each step after which a reading is taken, and zero at the others, `[1, steps]`.
    pub ends: Tensor<2>,
    pub steps_per_sample: usize,
    /// Number of readings' instants.
    pub instants: usize,
    /// Whether a reading sees all steps since the one before.
    pub sees_windows: bool,
}

impl Modes {
    /// M.
    fn count(&self) -> usize {
        self.constants.dims()[1]
    }

    /// Units of a cube.
    fn units(&self) -> usize {
        self.count().next_power_of_two().min(MOST_UNITS)
    }

    /// Modes of a unit.
    fn modes_a_unit(&self) -> usize {
        self.count().div_ceil(self.units())
    }
}

/// What the adjoint needs of each step of some shots.
pub(super) struct Saved {
    /// q before it, `[steps, shots · M]`.
    before: CubeTensor,
    /// v after it, where windows are seen, `[steps, shots · M]`.
    after: CubeTensor,
    /// S, `[steps, shots]`.
    stretches: CubeTensor,
}

/// What the detectors see of each mode `[settings · shots, instants · M]` under the force `waveform`, from rest; `None`
/// where the backend runs no kernels.
pub(super) fn play(modes: &Modes, waveform: &Tensor<2>) -> Option<Tensor<2>> {
    Some(play_some(modes, waveform, false)?.0)
}

/// The same, with what the adjoint needs, of so many shots after each other as one tensor can hold.
pub(super) fn play_and_save(
    modes: &Modes,
    waveform: &Tensor<2>,
) -> Option<(Tensor<2>, Vec<Saved>)> {
    let [rows, samples] = waveform.dims();
    let of_shot = samples * modes.steps_per_sample * modes.count();
    let most = (MOST_SAVED / of_shot.max(1)).max(1);
    let mut seen = Vec::new();
    let mut saved = Vec::new();
    for first in (0..rows.max(1)).step_by(most) {
        let some = waveform.clone().narrow(0, first, most.min(rows - first));
        let (of_some, saved_of_some) = play_some(modes, &some, true)?;
        seen.push(of_some);
        saved.push(saved_of_some);
    }
    Some((Tensor::cat(seen, 0), saved))
}

fn play_some(modes: &Modes, waveform: &Tensor<2>, is_saved: bool) -> Option<(Tensor<2>, Saved)> {
    let waveform = contiguous(waveform)?;
    let (constants, ends) = (contiguous(&modes.constants)?, contiguous(&modes.ends)?);
    let [rows, samples] = waveform.meta.shape().dims();
    let &Modes { steps_per_sample, instants, sees_windows, .. } = modes;
    let (count, steps) = (modes.count(), samples * steps_per_sample);
    // A kernel needs some tensor in each place.
    let saved_if = |is_saved: bool, width: usize| {
        empty(&waveform, if is_saved { [steps, width] } else { [1, 1] })
    };
    let saved = Saved {
        before: saved_if(is_saved, rows * count),
        after: saved_if(is_saved && sees_windows, rows * count),
        stretches: saved_if(is_saved, rows),
    };
    let seen = empty(&waveform, [rows, instants * count]);
    if rows > 0 {
        follow::launch(
            &waveform.client.clone(),
            cubes(rows),
            CubeDim::new_1d(modes.units() as u32),
            waveform.into_buffer_arg(),
            constants.into_buffer_arg(),
            ends.into_buffer_arg(),
            seen.clone().into_buffer_arg(),
            saved.before.clone().into_buffer_arg(),
            saved.after.clone().into_buffer_arg(),
            saved.stretches.clone().into_buffer_arg(),
            rows as u32,
            count as u32,
            samples as u32,
            steps_per_sample as u32,
            instants as u32,
            modes.units(),
            modes.modes_a_unit(),
            is_saved,
            sees_windows,
        );
    }
    Some((tensor(seen), saved))
}

/// Cotangents of the waveform from those of what the detectors see at each instant, `[settings · shots, instants · n]`:
/// with a pickup n is one, with envelopes M.
///
/// # Panics
/// If the cotangents are on a backend that runs no kernels: [`Saved`] is of one that does.
pub(super) fn pull_back(modes: &Modes, saved: &[Saved], of_seen: &Tensor<2>) -> Tensor<2> {
    let mut first = 0;
    let parts = saved.iter().map(|saved| {
        let [_, rows] = saved.stretches.meta.shape().dims();
        let some = of_seen.clone().narrow(0, first, rows);
        first += rows;
        pull_some_back(modes, saved, some)
    });
    Tensor::cat(parts.collect(), 0)
}

fn pull_some_back(modes: &Modes, saved: &Saved, of_seen: Tensor<2>) -> Tensor<2> {
    let [of_seen, constants, ends] = [of_seen, modes.constants.clone(), modes.ends.clone()]
        .map(|of| contiguous(&of).expect("the backend of a kernel's motion runs kernels"));
    let [rows, _] = of_seen.meta.shape().dims();
    let [steps, _] = saved.stretches.meta.shape().dims();
    let &Modes { steps_per_sample, instants, sees_windows, .. } = modes;
    let samples = steps / steps_per_sample;
    let of_waveform = empty(&of_seen, [rows, samples]);
    if rows > 0 {
        follow_back::launch(
            &of_seen.client.clone(),
            cubes(rows),
            CubeDim::new_1d(modes.units() as u32),
            of_seen.into_buffer_arg(),
            constants.into_buffer_arg(),
            ends.into_buffer_arg(),
            saved.before.clone().into_buffer_arg(),
            saved.after.clone().into_buffer_arg(),
            saved.stretches.clone().into_buffer_arg(),
            of_waveform.clone().into_buffer_arg(),
            rows as u32,
            modes.count() as u32,
            samples as u32,
            steps_per_sample as u32,
            instants as u32,
            modes.units(),
            modes.modes_a_unit(),
            sees_windows,
        );
    }
    tensor(of_waveform)
}

/// The sum of `part` over the units of the cube.
#[cube]
fn total(sums: &mut Shared<[f32]>, part: f32, #[comptime] units: usize) -> f32 {
    let unit = UNIT_POS as usize;
    // Wait until all units have read the previous sum.
    sync_cube();
    sums[unit] = part;
    sync_cube();
    #[unroll]
    for level in 0..comptime!(units.ilog2() as usize) {
        let half = comptime!(units >> (level + 1));
        if unit < half {
            let other = sums[unit + half];
            sums[unit] += other;
        }
        sync_cube();
    }
    sums[0]
}

#[cube(launch)]
#[allow(clippy::too_many_arguments, reason = "a kernel's arguments are plain numbers")]
fn follow(
    waveform: &[f32],
    constants: &[f32],
    ends: &[f32],
    seen: &mut [f32],
    before: &mut [f32],
    after: &mut [f32],
    stretches: &mut [f32],
    rows: u32,
    modes: u32,
    samples: u32,
    steps_per_sample: u32,
    instants: u32,
    #[comptime] units: usize,
    #[comptime] modes_a_unit: usize,
    #[comptime] is_saved: bool,
    #[comptime] sees_windows: bool,
) {
    let (row, rows, modes) = (CUBE_POS, rows as usize, modes as usize);
    if row < rows {
        let mut sums = Shared::<[f32]>::new_slice(units);
        let mut q = Array::<f32>::new(modes_a_unit);
        let mut v = Array::<f32>::new(modes_a_unit);
        let mut window = Array::<f32>::new(modes_a_unit);
        #[unroll]
        for own in 0..modes_a_unit {
            q[own] = 0.0;
            v[own] = 0.0;
            window[own] = 0.0;
        }
        let mut reading = 0usize;
        for sample in 0..samples as usize {
            let force = waveform[row * samples as usize + sample];
            for within in 0..steps_per_sample as usize {
                let step = sample * steps_per_sample as usize + within;
                let mut part = 0.0f32;
                #[unroll]
                for own in 0..modes_a_unit {
                    let mode = own * units + UNIT_POS as usize;
                    if mode < modes {
                        part += q[own] * q[own] * constants[RATIO * modes + mode];
                    }
                }
                let stretch = total(&mut sums, part, units);
                let is_end = ends[step] > 0.0f32;
                #[unroll]
                for own in 0..modes_a_unit {
                    let mode = own * units + UNIT_POS as usize;
                    if mode < modes {
                        let old = q[own];
                        let kicked = v[own] - old * constants[KICK * modes + mode] * stretch;
                        let new = old * constants[Q_TO_V * modes + mode]
                            + kicked * constants[V_TO_V * modes + mode]
                            + force * constants[FORCE_TO_V * modes + mode];
                        q[own] = old * constants[Q_TO_Q * modes + mode]
                            + kicked * constants[V_TO_Q * modes + mode]
                            + force * constants[FORCE_TO_Q * modes + mode];
                        v[own] = new;
                        let place = (step * rows + row) * modes + mode;
                        if comptime!(is_saved) {
                            before[place] = old;
                        }
                        if comptime!(is_saved && sees_windows) {
                            after[place] = new;
                        }
                        if comptime!(sees_windows) {
                            window[own] += new * new;
                        } else {
                            window[own] = new;
                        }
                        if is_end {
                            seen[(row * instants as usize + reading) * modes + mode] = window[own];
                            window[own] = 0.0;
                        }
                    }
                }
                if comptime!(is_saved) && UNIT_POS == 0 {
                    stretches[step * rows + row] = stretch;
                }
                if is_end {
                    reading += 1;
                }
            }
        }
    }
}

#[cube(launch)]
#[allow(clippy::too_many_arguments, reason = "a kernel's arguments are plain numbers")]
fn follow_back(
    of_seen: &[f32],
    constants: &[f32],
    ends: &[f32],
    before: &[f32],
    after: &[f32],
    stretches: &[f32],
    of_waveform: &mut [f32],
    rows: u32,
    modes: u32,
    samples: u32,
    steps_per_sample: u32,
    instants: u32,
    #[comptime] units: usize,
    #[comptime] modes_a_unit: usize,
    #[comptime] sees_windows: bool,
) {
    let (row, rows, modes) = (CUBE_POS, rows as usize, modes as usize);
    let (samples, instants) = (samples as usize, instants as usize);
    if row < rows {
        let mut sums = Shared::<[f32]>::new_slice(units);
        let mut of_q = Array::<f32>::new(modes_a_unit);
        let mut of_v = Array::<f32>::new(modes_a_unit);
        let mut of_kicked = Array::<f32>::new(modes_a_unit);
        #[unroll]
        for own in 0..modes_a_unit {
            of_q[own] = 0.0;
            of_v[own] = 0.0;
        }
        let mut reading = instants;
        for from_last in 0..samples {
            let sample = samples - 1 - from_last;
            let mut of_force = 0.0f32;
            for within in 0..steps_per_sample as usize {
                let step = (sample + 1) * steps_per_sample as usize - 1 - within;
                let is_end = ends[step] > 0.0f32;
                if is_end {
                    reading -= 1;
                }
                let mut part = 0.0f32;
                #[unroll]
                for own in 0..modes_a_unit {
                    let mode = own * units + UNIT_POS as usize;
                    if mode < modes {
                        let place = (step * rows + row) * modes + mode;
                        if comptime!(sees_windows) {
                            let of_window = of_seen[(row * instants + reading) * modes + mode];
                            of_v[own] += of_window * after[place];
                        } else if is_end {
                            let gain = constants[GAIN * modes + mode];
                            of_v[own] += of_seen[row * instants + reading] * gain;
                        }
                        of_force += of_q[own] * constants[FORCE_TO_Q * modes + mode]
                            + of_v[own] * constants[FORCE_TO_V * modes + mode];
                        of_kicked[own] = of_q[own] * constants[V_TO_Q * modes + mode]
                            + of_v[own] * constants[V_TO_V * modes + mode];
                        part += of_kicked[own] * constants[KICK * modes + mode] * before[place];
                    }
                }
                let of_stretch = total(&mut sums, part, units);
                let stretch = stretches[step * rows + row];
                #[unroll]
                for own in 0..modes_a_unit {
                    let mode = own * units + UNIT_POS as usize;
                    if mode < modes {
                        let old = before[(step * rows + row) * modes + mode];
                        of_q[own] = of_q[own] * constants[Q_TO_Q * modes + mode]
                            + of_v[own] * constants[Q_TO_V * modes + mode]
                            - of_kicked[own] * constants[KICK * modes + mode] * stretch
                            - old * constants[RATIO * modes + mode] * 2.0f32 * of_stretch;
                        of_v[own] = of_kicked[own];
                    }
                }
            }
            let of_sample = total(&mut sums, of_force, units);
            if UNIT_POS == 0 {
                of_waveform[row * samples + sample] = of_sample;
            }
        }
    }
}
