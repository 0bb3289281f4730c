//! Light through the network, and the adjoint of its readings, sixteen shots at a time.

use nalgebra::{DMatrix, DVector};
use rayon::prelude::*;
use rustfft::num_complex::Complex32;

use super::fourier::Wave;
use super::gap::OfGap;
use super::stack::{Diffractive, Sums};
use crate::LinearisedEquation;
use crate::elementary::vectorised;
use crate::lanes::LANES;
use crate::optical::rows::total;

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
    let blocks = inputs.as_slice().par_chunks(LANES * drives);
    blocks.zip(outputs.as_mut_slice().par_chunks_mut(LANES * bins)).for_each_init(
        || Scratch::new(network, false),
        |Scratch { field, lines, .. }, (inputs, outputs)| {
            vectorised(
                #[inline(always)]
                || {
                    network.launch(inputs, field);
                    network.travel(&masks, field, &mut lines[0], |_, _, _| ());
                    network.detect(field, outputs);
                },
            );
        },
    );
    network.saturate(outputs);
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
    fn travel(
        &self,
        masks: &[Complex32],
        field: &mut [Wave],
        line: &mut [Wave],
        mut arrive: impl FnMut(usize, usize, &[Wave]),
    ) {
        let (side, grid) = (self.grid.side, &self.grid);
        for row in field.chunks_exact_mut(side) {
            grid.fourier.forward(row);
        }
        for (plane, gap) in self.gaps.iter().enumerate() {
            grid.cross(gap, false, field, line);
            for (number, row) in field.chunks_exact_mut(side).enumerate() {
                grid.fourier.back(row);
                arrive(plane, number, row);
                if plane < self.layers {
                    let mask = &masks[plane * side * side + number * side..][..side];
                    for (wave, turn) in row.iter_mut().zip(mask) {
                        wave.turn(*turn);
                    }
                    grid.fourier.forward(row);
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
        let (side, pixels, planes) = (network.grid.side, network.pixels(), network.gaps.len());
        let (drives, bins) = (inputs.nrows(), network.sensitivity().len());
        let mut powers = DMatrix::zeros(bins, inputs.ncols());
        let blocks = inputs.ncols().div_ceil(LANES);
        let mut fields = vec![Wave::ZERO; blocks * planes * pixels];
        let blocks = inputs.as_slice().par_chunks(LANES * drives);
        let blocks = blocks.zip(powers.as_mut_slice().par_chunks_mut(LANES * bins));
        blocks.zip(fields.par_chunks_mut(planes * pixels)).for_each_init(
            || Scratch::new(network, false),
            |Scratch { field, lines, .. }, ((inputs, powers), fields)| {
                vectorised(
                    #[inline(always)]
                    || {
                        network.launch(inputs, field);
                        network.travel(
                            &masks,
                            field,
                            &mut lines[0],
                            #[inline(always)]
                            |plane, number, row| {
                                fields[plane * pixels + number * side..][..side]
                                    .copy_from_slice(row);
                            },
                        );
                        network.detect(field, powers);
                    },
                );
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
        Scratch { field, other, lines: [line, of_line] }: &mut Scratch,
    ) -> Sums {
        let network = &self.network;
        let mut sums = Sums::zeros(network);
        vectorised(
            #[inline(always)]
            || {
                let (side, pixels, grid) = (network.grid.side, network.pixels(), &network.grid);
                network.detect_back(of_readings, &fields[network.layers * pixels..], field);
                for (plane, gap) in network.gaps.iter().enumerate().rev() {
                    for row in field.chunks_exact_mut(side) {
                        grid.fourier.forward(row);
                    }
                    if let Ends::Gaps(waves) = ends {
                        other.copy_from_slice(&fields[plane * pixels..][..pixels]);
                        for row in other.chunks_exact_mut(side) {
                            grid.fourier.forward(row);
                        }
                        sums.gaps[plane] = grid.slopes(waves, other, field, [line, of_line]);
                    }
                    if plane == 0 && matches!(ends, Ends::Gaps(_)) {
                        break;
                    }
                    grid.cross(gap, true, field, line);
                    for row in field.chunks_exact_mut(side) {
                        grid.fourier.back(row);
                    }
                    let Some(mask) = plane.checked_sub(1) else { break };
                    let place = mask * pixels..(mask + 1) * pixels;
                    let turns = self.masks[place.clone()].iter();
                    let of_phases = sums.phases[place.clone()].iter_mut();
                    let pixels = field.iter_mut().zip(&fields[place]);
                    for ((of, before), (turn, of_phase)) in pixels.zip(turns.zip(of_phases)) {
                        of.turn(turn.conj());
                        *of_phase = total(std::array::from_fn(|lane| {
                            of.im[lane] * before.re[lane] - of.re[lane] * before.im[lane]
                        }));
                    }
                }
                if let Ends::Drives(of_inputs) = ends {
                    network.launch_back(field, of_inputs);
                }
            },
        );
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
