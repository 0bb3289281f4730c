//! Light through the network, and the adjoint of its readings, sixteen shots at a time.

use nalgebra::{DMatrix, DVector};
use pulp::{Arch, Simd, WithSimd};
use rayon::prelude::*;
use rustfft::num_complex::Complex32;

use super::gap::OfGap;
use super::stack::{Diffractive, Sums};
use super::wave::Wave;
use crate::LinearisedEquation;
use crate::lanes::{LANES, total};

/// Shots at a setting, with what the adjoint needs.
pub(super) struct Pass {
    network: Diffractive,
    parameters: Vec<f32>,
    /// e^{iφ}, mask by mask.
    masks: Vec<Complex32>,
    /// Fields where they arrive at each mask and at the camera, plane by plane, of one block of shots after the other.
    fields: Vec<Wave>,
    /// Readings of bins of the sensitivity 1 that do not saturate, `[c² × shots]`.
    powers: DMatrix<f32>,
}

/// A field and lines, for one block of shots.
struct Scratch {
    field: Vec<Wave>,
    other: Vec<Wave>,
    lines: [Vec<Wave>; 2],
}

/// The readings of `network`.
pub(super) fn respond(
    network: &Diffractive,
    inputs: &DMatrix<f32>,
    parameters: &DVector<f32>,
    outputs: &mut DMatrix<f32>,
) {
    let masks = network.at(parameters.as_slice());
    let (drives, bins) = (inputs.nrows(), outputs.nrows());
    let (masks, arch) = (masks.as_slice(), Arch::new());
    let blocks = inputs.as_slice().par_chunks(LANES * drives);
    blocks.zip(outputs.as_mut_slice().par_chunks_mut(LANES * bins)).for_each_init(
        || Scratch::new(network, false),
        |scratch, (inputs, readings)| {
            arch.dispatch(Play { network, masks, scratch, inputs, readings, fields: None });
        },
    );
    network.saturate(outputs);
}

/// A block of shots on its way through the network.
struct Play<'a> {
    network: &'a Diffractive,
    masks: &'a [Complex32],
    scratch: &'a mut Scratch,
    inputs: &'a [f32],
    /// Readings of bins of the sensitivity 1.
    readings: &'a mut [f32],
    /// The fields where they arrive, plane by plane, if they are kept.
    fields: Option<&'a mut [Wave]>,
}

impl WithSimd for Play<'_> {
    type Output = ();

    #[inline(always)]
    fn with_simd<S: Simd>(self, simd: S) {
        let Self { network, masks, scratch, inputs, readings, mut fields } = self;
        let Scratch { field, lines: [line, _], .. } = scratch;
        let (side, pixels) = (network.grid.side, network.pixels());
        network.launch(inputs, field);
        network.travel(
            simd,
            masks,
            field,
            line,
            #[inline(always)]
            |plane, number, row| {
                if let Some(fields) = &mut fields {
                    fields[plane * pixels + number * side..][..side].copy_from_slice(row);
                }
            },
        );
        network.detect(simd, field, readings);
    }
}

/// What is computed beside the cotangents of the masks.
enum Ends<'a> {
    /// Cotangents of a block's drives.
    Drives(&'a mut [f32]),
    /// Those of the gaps, with the cycles of the waves.
    Gaps(&'a [Complex32]),
}

impl Scratch {
    /// Scratch of a field, and of two if `both`.
    fn new(network: &Diffractive, both: bool) -> Self {
        let (pixels, side) = (network.pixels(), network.grid.side);
        Self {
            field: vec![Wave::ZERO; pixels],
            other: vec![Wave::ZERO; if both { pixels } else { 0 }],
            lines: [(); 2].map(|()| vec![Wave::ZERO; side]),
        }
    }
}

impl Diffractive {
    /// Takes `field` from the modulator to the camera. `arrive` gets each row where it arrives at a mask or at the camera:
    /// the plane's number, the row's, and the row.
    #[inline(always)]
    fn travel<S: Simd>(
        &self,
        simd: S,
        masks: &[Complex32],
        field: &mut [Wave],
        line: &mut [Wave],
        mut arrive: impl FnMut(usize, usize, &[Wave]),
    ) {
        let (side, grid) = (self.grid.side, &self.grid);
        for row in field.chunks_exact_mut(side) {
            grid.fourier.forward(simd, row);
        }
        for (plane, gap) in self.gaps.iter().enumerate() {
            grid.cross(simd, gap, false, field, line);
            for (number, row) in field.chunks_exact_mut(side).enumerate() {
                grid.fourier.back(simd, row);
                arrive(plane, number, row);
                if plane < self.layers {
                    let mask = &masks[plane * side * side + number * side..][..side];
                    for (wave, turn) in row.iter_mut().zip(mask) {
                        wave.turn(simd, *turn);
                    }
                    grid.fourier.forward(simd, row);
                }
            }
        }
    }

    /// Readings of the true bins from those of bins of the sensitivity 1.
    fn saturate(&self, powers: &mut DMatrix<f32>) {
        let saturation = self.saturation();
        for shot in powers.as_mut_slice().chunks_exact_mut(self.sensitivity().len()) {
            for (reading, sensitivity) in shot.iter_mut().zip(self.sensitivity()) {
                *reading *= sensitivity;
            }
            saturation.clamp(shot);
        }
    }
}

impl Pass {
    /// The shots `inputs` at `parameters`, which fit the interface.
    pub fn new(network: &Diffractive, inputs: &DMatrix<f32>, parameters: &DVector<f32>) -> Self {
        let masks = network.at(parameters.as_slice());
        let (pixels, planes) = (network.pixels(), network.gaps.len());
        let (drives, bins) = (inputs.nrows(), network.sensitivity().len());
        let mut powers = DMatrix::zeros(bins, inputs.ncols());
        let (arch, blocks) = (Arch::new(), inputs.ncols().div_ceil(LANES));
        let mut fields = vec![Wave::ZERO; blocks * planes * pixels];
        let blocks = inputs.as_slice().par_chunks(LANES * drives);
        let blocks = blocks.zip(powers.as_mut_slice().par_chunks_mut(LANES * bins));
        blocks.zip(fields.par_chunks_mut(planes * pixels)).for_each_init(
            || Scratch::new(network, false),
            |scratch, ((inputs, readings), fields)| {
                let (masks, fields) = (masks.as_slice(), Some(fields));
                arch.dispatch(Play { network, masks, scratch, inputs, readings, fields });
            },
        );
        Self {
            network: network.clone(),
            parameters: parameters.as_slice().to_vec(),
            masks,
            fields,
            powers,
        }
    }

    /// The readings.
    pub fn readings(&self) -> DMatrix<f32> {
        let mut readings = self.powers.clone();
        self.network.saturate(&mut readings);
        readings
    }

    /// The fields that arrive at each mask and at the camera, real parts first, `[2 n² × shots]`.
    pub fn fields(&self) -> Vec<DMatrix<f32>> {
        let (pixels, planes) = (self.network.pixels(), self.network.gaps.len());
        let of_plane = |plane: usize| {
            DMatrix::from_fn(2 * pixels, self.powers.ncols(), |place, shot| {
                let block = (shot / LANES * planes + plane) * pixels;
                let wave = &self.fields[block + place % pixels];
                let part = if place < pixels { &wave.re } else { &wave.im };
                part[shot % LANES]
            })
        };
        (0..planes).map(of_plane).collect()
    }

    /// Cotangents of the constants, in their order.
    pub fn constants(&self, cotangents: &DMatrix<f32>) -> Vec<f32> {
        let sums = self.pull_back(cotangents, None);
        self.network.of_constants(sums, &self.parameters)
    }

    /// What the cotangents of the readings say; those of the drives go to `of_inputs`. Those of the gaps are computed only
    /// where it is `None`.
    fn pull_back(&self, cotangents: &DMatrix<f32>, of_inputs: Option<&mut DMatrix<f32>>) -> Sums {
        let Self { network, powers, .. } = self;
        let (saturation, sensitivity) = (network.saturation(), network.sensitivity());
        let bins = sensitivity.len();
        let mut open = cotangents.clone();
        let mut of_sensitivity = vec![0.0; bins];
        let shots = open.as_mut_slice().chunks_exact_mut(bins);
        for (of, powers) in shots.zip(powers.as_slice().chunks_exact(bins)) {
            for bin in 0..bins {
                let pulled = saturation.pull_back(sensitivity[bin] * powers[bin], of[bin]);
                of_sensitivity[bin] += pulled * powers[bin];
                of[bin] = pulled * sensitivity[bin];
            }
        }
        let (planes, pixels) = (network.gaps.len(), network.pixels());
        let blocks = open.as_slice().par_chunks(LANES * bins);
        let blocks = blocks.zip(self.fields.par_chunks(planes * pixels));
        // One partial sum a block, added in the order of the blocks: the same bits on any number of threads.
        let parts: Vec<Sums> = match of_inputs {
            Some(of_inputs) => {
                let drives = of_inputs.nrows();
                let of_inputs = of_inputs.as_mut_slice().par_chunks_mut(LANES * drives);
                let scratch = || Scratch::new(network, false);
                let blocks = blocks.zip(of_inputs).map_init(scratch, |scratch, one| {
                    let ((of, fields), of_inputs) = one;
                    self.pull_back_block(of, fields, Ends::Drives(of_inputs), scratch)
                });
                blocks.collect()
            }
            None => {
                let scratch = || Scratch::new(network, true);
                let waves = network.waves();
                let blocks = blocks.map_init(scratch, |scratch, (of, fields)| {
                    self.pull_back_block(of, fields, Ends::Gaps(&waves), scratch)
                });
                blocks.collect()
            }
        };
        let mut sums = Sums::zeros(network);
        parts.iter().for_each(|part| sums.add(part));
        Sums { sensitivity: of_sensitivity, ..sums }
    }

    fn pull_back_block(
        &self,
        of_readings: &[f32],
        fields: &[Wave],
        ends: Ends<'_>,
        scratch: &mut Scratch,
    ) -> Sums {
        Arch::new().dispatch(PullBack { pass: self, of_readings, fields, ends, scratch })
    }
}

/// A block of shots on its way back.
struct PullBack<'a> {
    pass: &'a Pass,
    of_readings: &'a [f32],
    fields: &'a [Wave],
    ends: Ends<'a>,
    scratch: &'a mut Scratch,
}

impl WithSimd for PullBack<'_> {
    type Output = Sums;

    #[inline(always)]
    fn with_simd<S: Simd>(self, simd: S) -> Sums {
        let Self { pass, of_readings, fields, ends, scratch } = self;
        let Scratch { field, other, lines: [line, of_line] } = scratch;
        let network = &pass.network;
        let (side, pixels, grid) = (network.grid.side, network.pixels(), &network.grid);
        let mut sums = Sums::zeros(network);
        network.detect_back(simd, of_readings, &fields[network.layers * pixels..], field);
        for (plane, gap) in network.gaps.iter().enumerate().rev() {
            for row in field.chunks_exact_mut(side) {
                grid.fourier.forward(simd, row);
            }
            if let Ends::Gaps(waves) = ends {
                other.copy_from_slice(&fields[plane * pixels..][..pixels]);
                for row in other.chunks_exact_mut(side) {
                    grid.fourier.forward(simd, row);
                }
                sums.gaps[plane] = grid.slopes(simd, waves, other, field, [line, of_line]);
            }
            if plane == 0 && matches!(ends, Ends::Gaps(_)) {
                break;
            }
            grid.cross(simd, gap, true, field, line);
            for row in field.chunks_exact_mut(side) {
                grid.fourier.back(simd, row);
            }
            let Some(mask) = plane.checked_sub(1) else { break };
            let place = mask * pixels..(mask + 1) * pixels;
            let turns = pass.masks[place.clone()].iter();
            let of_phases = sums.phases[place.clone()].iter_mut();
            let pixels = field.iter_mut().zip(&fields[place]);
            for ((of, before), (turn, of_phase)) in pixels.zip(turns.zip(of_phases)) {
                of.turn(simd, turn.conj());
                *of_phase = total(&of.across(simd, before));
            }
        }
        if let Ends::Drives(of_inputs) = ends {
            network.launch_back(simd, field, of_inputs);
        }
        sums
    }
}

impl Sums {
    fn zeros(network: &Diffractive) -> Self {
        Self {
            phases: vec![0.0; network.layers * network.pixels()],
            gaps: vec![OfGap::default(); network.gaps.len()],
            sensitivity: Vec::new(),
        }
    }

    fn add(&mut self, other: &Self) {
        self.phases.iter_mut().zip(&other.phases).for_each(|(sum, part)| *sum += part);
        for (sum, part) in self.gaps.iter_mut().zip(&other.gaps) {
            sum.depth += part.depth;
            sum.across += part.across;
            sum.down += part.down;
        }
    }
}

impl LinearisedEquation for Pass {
    fn vjp(
        &self,
        _readings: &DMatrix<f32>,
        cotangents: &DMatrix<f32>,
        input_cotangents: Option<&mut DMatrix<f32>>,
        parameter_cotangents: &mut DVector<f32>,
    ) {
        let sums = self.pull_back(cotangents, input_cotangents);
        self.network.of_parameters(&sums.phases, parameter_cotangents.as_mut_slice());
    }
}
