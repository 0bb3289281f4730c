//! The plate's motion in one kernel: a cube follows a shot through its steps, and its units share the modes.

use burn::tensor::Tensor;
use burn_cubecl::cubecl;
use cubecl::prelude::*;

use crate::tensors::kernels::{CubeTensor, contiguous, cubes, empty, tensor};

/// Most units of a cube, each with one mode or several; a power of two, which every backend allows.
const MOST_UNITS: usize = 256;
/// Rows of [`Modes::constants`].
const TO_Q: usize = 4;
const TO_V: usize = 5;
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
}

/// What the adjoint needs of each step.
pub(super) struct Kept {
    /// q before it and v after it, `[steps, settings · shots · M]`.
    before: CubeTensor,
    after: CubeTensor,
    /// S, `[steps, settings · shots]`.
    stretches: CubeTensor,
}

/// How a cube's units share the modes.
struct Cubes {
    units: usize,
    /// Modes of a unit.
    each: usize,
    count: CubeCount,
}

impl Cubes {
    fn new(rows: usize, modes: usize) -> Self {
        let units = modes.next_power_of_two().min(MOST_UNITS);
        Self { units, each: modes.div_ceil(units), count: cubes(rows) }
    }
}

/// What the detectors see of each mode `[settings · shots, instants · M]` under the force `waveform`, from rest, and, if
/// it `is_kept`, what the adjoint needs; `None` where the backend runs no kernels.
pub(super) fn play(
    modes: &Modes,
    waveform: &Tensor<2>,
    is_kept: bool,
) -> Option<(Tensor<2>, Kept)> {
    let waveform = contiguous(waveform)?;
    let (constants, ends) = (contiguous(&modes.constants)?, contiguous(&modes.ends)?);
    let [rows, samples] = waveform.meta.shape().dims();
    let &Modes { steps_per_sample: held, instants, sees_windows, .. } = modes;
    let modes = modes.count();
    let steps = if is_kept { samples * held } else { 0 };
    let kept = Kept {
        before: empty(&waveform, [steps.max(1), rows * modes]),
        after: empty(&waveform, [steps.max(1), rows * modes]),
        stretches: empty(&waveform, [steps.max(1), rows]),
    };
    let seen = empty(&waveform, [rows, instants * modes]);
    if rows > 0 {
        let Cubes { units, each, count } = Cubes::new(rows, modes);
        follow::launch(
            &waveform.client.clone(),
            count,
            CubeDim::new_1d(units as u32),
            waveform.into_buffer_arg(),
            constants.into_buffer_arg(),
            ends.into_buffer_arg(),
            seen.clone().into_buffer_arg(),
            kept.before.clone().into_buffer_arg(),
            kept.after.clone().into_buffer_arg(),
            kept.stretches.clone().into_buffer_arg(),
            rows as u32,
            modes as u32,
            samples as u32,
            held as u32,
            instants as u32,
            units,
            each,
            is_kept,
            sees_windows,
        );
    }
    Some((tensor(seen), kept))
}

/// Cotangents of the waveform from those of what the detectors see at each instant, `[settings · shots, instants · n]`:
/// with a pickup n is one, with envelopes M.
///
/// # Panics
/// If the cotangents are on a backend that runs no kernels: [`Kept`] is of one that does.
pub(super) fn pull_back(modes: &Modes, kept: &Kept, of_seen: Tensor<2>) -> Tensor<2> {
    let [of_seen, constants, ends] = [of_seen, modes.constants.clone(), modes.ends.clone()]
        .map(|of| contiguous(&of).expect("the backend of a kernel's motion runs kernels"));
    let [rows, _] = of_seen.meta.shape().dims();
    let [steps, _] = kept.stretches.meta.shape().dims();
    let &Modes { steps_per_sample: held, instants, sees_windows, .. } = modes;
    let modes = modes.count();
    let of_waveform = empty(&of_seen, [rows, steps / held]);
    if rows > 0 {
        let Cubes { units, each, count } = Cubes::new(rows, modes);
        follow_back::launch(
            &of_seen.client.clone(),
            count,
            CubeDim::new_1d(units as u32),
            of_seen.into_buffer_arg(),
            constants.into_buffer_arg(),
            ends.into_buffer_arg(),
            kept.before.clone().into_buffer_arg(),
            kept.after.clone().into_buffer_arg(),
            kept.stretches.clone().into_buffer_arg(),
            of_waveform.clone().into_buffer_arg(),
            rows as u32,
            modes as u32,
            (steps / held) as u32,
            held as u32,
            instants as u32,
            units,
            each,
            sees_windows,
        );
    }
    tensor(of_waveform)
}

/// The sum of `part` over the units of the cube.
#[cube]
fn total(sums: &mut Shared<[f32]>, part: f32, #[comptime] units: usize) -> f32 {
    let unit = UNIT_POS as usize;
    // The sum before has been read by all.
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
    held: u32,
    instants: u32,
    #[comptime] units: usize,
    #[comptime] each: usize,
    #[comptime] is_kept: bool,
    #[comptime] sees_windows: bool,
) {
    let (row, rows, modes) = (CUBE_POS as usize, rows as usize, modes as usize);
    if row < rows {
        let mut sums = Shared::<[f32]>::new_slice(units);
        let mut q = Array::<f32>::new(each);
        let mut v = Array::<f32>::new(each);
        let mut window = Array::<f32>::new(each);
        #[unroll]
        for own in 0..each {
            q[own] = 0.0;
            v[own] = 0.0;
            window[own] = 0.0;
        }
        let mut reading = 0usize;
        for sample in 0..samples as usize {
            let force = waveform[row * samples as usize + sample];
            for within in 0..held as usize {
                let step = sample * held as usize + within;
                let mut part = 0.0f32;
                #[unroll]
                for own in 0..each {
                    let mode = own * units + UNIT_POS as usize;
                    if mode < modes {
                        part += q[own] * q[own] * constants[RATIO * modes + mode];
                    }
                }
                let stretch = total(&mut sums, part, units);
                let is_end = ends[step] > 0.0f32;
                #[unroll]
                for own in 0..each {
                    let mode = own * units + UNIT_POS as usize;
                    if mode < modes {
                        let old = q[own];
                        let kicked = v[own] - old * constants[KICK * modes + mode] * stretch;
                        let new = old * constants[2 * modes + mode]
                            + kicked * constants[3 * modes + mode]
                            + force * constants[TO_V * modes + mode];
                        q[own] = old * constants[mode]
                            + kicked * constants[modes + mode]
                            + force * constants[TO_Q * modes + mode];
                        v[own] = new;
                        if comptime!(is_kept) {
                            let place = (step * rows + row) * modes + mode;
                            before[place] = old;
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
                if comptime!(is_kept) && UNIT_POS == 0 {
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
    held: u32,
    instants: u32,
    #[comptime] units: usize,
    #[comptime] each: usize,
    #[comptime] sees_windows: bool,
) {
    let (row, rows, modes) = (CUBE_POS as usize, rows as usize, modes as usize);
    let (samples, instants) = (samples as usize, instants as usize);
    if row < rows {
        let mut sums = Shared::<[f32]>::new_slice(units);
        let mut of_q = Array::<f32>::new(each);
        let mut of_v = Array::<f32>::new(each);
        let mut of_kicked = Array::<f32>::new(each);
        #[unroll]
        for own in 0..each {
            of_q[own] = 0.0;
            of_v[own] = 0.0;
        }
        let mut reading = instants;
        for from_last in 0..samples {
            let sample = samples - 1 - from_last;
            let mut of_force = 0.0f32;
            for within in 0..held as usize {
                let step = (sample + 1) * held as usize - 1 - within;
                let is_end = ends[step] > 0.0f32;
                if is_end {
                    reading -= 1;
                }
                let mut part = 0.0f32;
                #[unroll]
                for own in 0..each {
                    let mode = own * units + UNIT_POS as usize;
                    if mode < modes {
                        let place = (step * rows + row) * modes + mode;
                        if comptime!(sees_windows) {
                            // After the last window nothing is seen.
                            if reading < instants {
                                let of_window = of_seen[(row * instants + reading) * modes + mode];
                                of_v[own] += of_window * after[place];
                            }
                        } else if is_end {
                            let gain = constants[GAIN * modes + mode];
                            of_v[own] += of_seen[row * instants + reading] * gain;
                        }
                        of_force += of_q[own] * constants[TO_Q * modes + mode]
                            + of_v[own] * constants[TO_V * modes + mode];
                        of_kicked[own] = of_q[own] * constants[modes + mode]
                            + of_v[own] * constants[3 * modes + mode];
                        part += of_kicked[own] * constants[KICK * modes + mode] * before[place];
                    }
                }
                let of_stretch = total(&mut sums, part, units);
                let stretch = stretches[step * rows + row];
                #[unroll]
                for own in 0..each {
                    let mode = own * units + UNIT_POS as usize;
                    if mode < modes {
                        let old = before[(step * rows + row) * modes + mode];
                        of_q[own] = of_q[own] * constants[mode]
                            + of_v[own] * constants[2 * modes + mode]
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
