//! A simulated device of an equation: blocks of shots on all cores.

use nalgebra::{DMatrix, DVector};
use rayon::prelude::*;

use super::{Cotangents, Equation, LANES, ZERO, from_lanes, to_lanes};
use crate::elementary::vectorised;
use crate::shots_of_settings::ShotsOfSettings;
use crate::{Constant, DeviceError, Differentiable, Interface, PhysicalLayer};

/// Fewest multiply-adds of a task for another core: some microseconds.
const WORTH_A_TASK: u64 = 1 << 18;

/// Whose cotangents a caller uses.
#[derive(Clone, Copy)]
enum Wanted {
    /// Those of drives and parameters.
    Drives,
    /// Those of constants.
    Constants,
}

/// A simulated device of an [`Equation`].
#[derive(Clone, Debug)]
pub struct Simulation<E> {
    equation: E,
    /// Number of constants: naming them takes longer than a small batch.
    constants: usize,
}

impl<E: Equation> Simulation<E> {
    /// The device that obeys `equation`.
    pub fn new(equation: E) -> Self {
        let constants = equation.constants().len();
        Self { equation, constants }
    }

    /// The equation that the device obeys.
    pub(crate) fn equation(&self) -> &E {
        &self.equation
    }

    /// The fewest blocks of a task for another core.
    fn blocks_a_task(&self) -> usize {
        (WORTH_A_TASK / (LANES as u64 * self.equation.multiply_adds()).max(1)).max(1) as usize
    }

    /// The readings `outputs` of the drives `inputs`, both shot by shot.
    fn respond_to(&self, inputs: &[f32], setting: &E::Setting, outputs: &mut [f32]) {
        let Interface { inputs: drives, outputs: readings, .. } = self.equation.interface();
        let (width, bins) = (drives.len(), readings.len());
        inputs
            .par_chunks(LANES * width)
            .zip(outputs.par_chunks_mut(LANES * bins))
            .with_min_len(self.blocks_a_task())
            .for_each(|(inputs, outputs)| {
                let (x, mut y) = (to_lanes(inputs, width), vec![ZERO; bins]);
                vectorised(
                    #[inline(always)]
                    || self.equation.respond(setting, &x, &mut y),
                );
                from_lanes(&y, outputs);
            });
    }

    /// The sums over the shots of one setting `parameters`; all shots are slices, shot by shot.
    fn differentiate(
        &self,
        inputs: &[f32],
        parameters: &[f32],
        cotangents: &[f32],
        input_cotangents: &mut [f32],
        wanted: Wanted,
    ) -> Cotangents {
        let setting = self.equation.prepare(parameters);
        let zeros = Cotangents::zeros(parameters.len(), self.constants);
        let Interface { inputs: drives, outputs: readings, .. } = self.equation.interface();
        let (width, bins) = (drives.len(), readings.len());
        // One partial sum a block, added in the order of the blocks: the same bits on any number of
        // threads.
        let partial: Vec<Cotangents> = inputs
            .par_chunks(LANES * width)
            .zip(cotangents.par_chunks(LANES * bins))
            .zip(input_cotangents.par_chunks_mut(LANES * width))
            .with_min_len(self.blocks_a_task())
            .map(|((inputs, cotangents), input_cotangents)| {
                let mut sums = zeros.clone();
                let (x, dy) = (to_lanes(inputs, width), to_lanes(cotangents, bins));
                let mut dx = vec![ZERO; width];
                match wanted {
                    Wanted::Constants => vectorised(
                        #[inline(always)]
                        || self.equation.vjp(&setting, &x, &dy, &mut dx, &mut sums),
                    ),
                    Wanted::Drives => vectorised(
                        #[inline(always)]
                        || {
                            let equation = &self.equation;
                            equation.vjp_without_constants(&setting, &x, &dy, &mut dx, &mut sums);
                        },
                    ),
                }
                from_lanes(&dx, input_cotangents);
                sums
            })
            .collect();
        Cotangents::sum(zeros, partial)
    }
}

impl<E: Equation> PhysicalLayer for Simulation<E> {
    fn interface(&self) -> &Interface {
        self.equation.interface()
    }

    fn measure(
        &mut self,
        inputs: &DMatrix<f32>,
        parameters: &DVector<f32>,
        outputs: &mut DMatrix<f32>,
    ) -> Result<(), DeviceError> {
        self.respond(inputs, parameters, outputs)
    }

    fn measure_settings(
        &mut self,
        inputs: &DMatrix<f32>,
        settings: &DMatrix<f32>,
        outputs: &mut DMatrix<f32>,
    ) -> Result<(), DeviceError> {
        self.interface().check_shapes_of_settings(inputs, settings, outputs)?;
        let shots = ShotsOfSettings {
            count: settings.ncols(),
            inputs: inputs.as_slice(),
            parameters: settings.as_slice(),
        };
        self.respond_settings(shots, outputs.as_mut_slice())
    }

    fn plays_settings_at_once(&self) -> bool {
        true
    }
}

impl<E: Equation> Differentiable for Simulation<E> {
    fn respond(
        &self,
        inputs: &DMatrix<f32>,
        parameters: &DVector<f32>,
        outputs: &mut DMatrix<f32>,
    ) -> Result<(), DeviceError> {
        self.interface().check_shapes(inputs, parameters, outputs)?;
        let setting = self.equation.prepare(parameters.as_slice());
        self.respond_to(inputs.as_slice(), &setting, outputs.as_mut_slice());
        Ok(())
    }

    fn vjp(
        &self,
        inputs: &DMatrix<f32>,
        parameters: &DVector<f32>,
        cotangents: &DMatrix<f32>,
        input_cotangents: &mut DMatrix<f32>,
        parameter_cotangents: &mut DVector<f32>,
    ) -> Result<(), DeviceError> {
        self.interface().check_shapes(inputs, parameters, cotangents)?;
        let sums = self.differentiate(
            inputs.as_slice(),
            parameters.as_slice(),
            cotangents.as_slice(),
            input_cotangents.as_mut_slice(),
            Wanted::Drives,
        );
        parameter_cotangents.as_mut_slice().copy_from_slice(&sums.parameters);
        Ok(())
    }

    fn respond_settings(
        &self,
        shots: ShotsOfSettings,
        outputs: &mut [f32],
    ) -> Result<(), DeviceError> {
        let run = shots.check_response(self.interface(), outputs)?;
        let Interface { inputs: drives, outputs: readings, .. } = self.equation.interface();
        let (width, bins) = (drives.len() * run, readings.len() * run);
        let each = shots.inputs.par_chunks(width.max(1)).zip(outputs.par_chunks_mut(bins.max(1)));
        each.enumerate().for_each(|(place, (inputs, outputs))| {
            let setting = self.equation.prepare(shots.setting(place));
            self.respond_to(inputs, &setting, outputs);
        });
        Ok(())
    }

    fn vjp_settings(
        &self,
        shots: ShotsOfSettings,
        _readings: &[f32],
        cotangents: &[f32],
        input_cotangents: &mut [f32],
        parameter_cotangents: &mut [f32],
    ) -> Result<(), DeviceError> {
        let (of_inputs, of_parameters) = (&*input_cotangents, &*parameter_cotangents);
        let run = shots.check_vjp(self.interface(), cotangents, of_inputs, of_parameters)?;
        if run == 0 {
            parameter_cotangents.fill(0.0);
            return Ok(());
        }
        let Interface { inputs: drives, outputs: readings, .. } = self.equation.interface();
        let (width, bins) = (drives.len() * run, readings.len() * run);
        let each = shots
            .inputs
            .par_chunks(width)
            .zip(cotangents.par_chunks(bins))
            .zip(input_cotangents.par_chunks_mut(width));
        let of_settings = each.enumerate().map(|(place, ((inputs, dy), dx))| {
            self.differentiate(inputs, shots.setting(place), dy, dx, Wanted::Drives).parameters
        });
        let of_settings: Vec<Vec<f32>> = of_settings.collect();
        parameter_cotangents.copy_from_slice(&of_settings.concat());
        Ok(())
    }

    fn multiply_adds(&self) -> u64 {
        self.equation.multiply_adds()
    }

    fn constants(&self) -> Vec<Constant> {
        self.equation.constants()
    }

    fn set_constants(&mut self, values: &[f32]) {
        self.equation.set_constants(values);
    }

    fn constant_cotangents(
        &self,
        inputs: &DMatrix<f32>,
        parameters: &DVector<f32>,
        cotangents: &DMatrix<f32>,
    ) -> Result<Vec<f32>, DeviceError> {
        self.interface().check_shapes(inputs, parameters, cotangents)?;
        let sums = self.differentiate(
            inputs.as_slice(),
            parameters.as_slice(),
            cotangents.as_slice(),
            &mut vec![0.0; inputs.len()],
            Wanted::Constants,
        );
        Ok(sums.constants)
    }
}
