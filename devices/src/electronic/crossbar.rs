//! A memristive crossbar tile: a matrix of conductances that multiplies by Ohm's and Kirchhoff's laws.
//!
//! ```text
//! y_o = clamp(k Σ_i (M⁺_oi − M⁻_oi) x_i)             k = 1 / (2 g √n_in)
//! M = G (1 − D)                                      G± = (m ± g w) ε± (1 + t/t_0)^−ν
//! D_oi = r [Σ_p G_pi (min(o, p) + 1) + Σ_q G_oq (n_in − max(i, q))]
//! ```
//!
//! x drives the rows; a pair of columns, G⁺ and G⁻, carries each output; the currents at the columns'
//! feet are subtracted and converted. Trained are the weights w, in the order of the outputs for each
//! input in turn.
//!
//! | symbol | meaning | unit |
//! |---|---|---|
//! | w | weight, −1 to 1 | 1 |
//! | m, g | middle and half range of the conductances, (1 ± G_off/G_on) / 2 | G_on |
//! | ε± | what a cell is off by: its own deviation, and that of its last programming | 1 |
//! | ν, t_0 | drift exponent, and time after programming at which it sets in | 1, s |
//! | r | resistance of a wire from cell to cell | 1/G_on |
//! | D | share of the drive that the wires take, to first order in r | 1 |
//!
//! The nominal tile has ε = 1, no drift and no wires. The fabricated one has its cells' deviations and
//! its wires; measured, it also has programming noise, drawn whenever its weights change, drift
//! since then, and a read noise of relative strength σ_r a cell. Converters and their bits are
//! imperfections, as of any device.
//!
//! Sources: differential pairs and their noises as in Joshi et al., Nature Communications 11, 2473
//! (2020), and the analog hardware kit of Rasch et al. (AICAS 2021); the drift's power law, Karpov et
//! al., Journal of Applied Physics 102, 124503 (2007). Left out: sneak paths and everything of second
//! order in r, so a tile whose wires could take more than a quarter of the drive is refused.

use nalgebra::{DMatrix, DVector};
use rand_distr::{Distribution, StandardNormal};
use schemars::JsonSchema;
use serde::{Deserialize, Serialize};

use crate::layer::measure_runs;
use crate::{
    Channels, Constant, DeviceError, Differentiable, Interface, PhysicalLayer, Programming, Usage,
    random, validate,
};

/// A crossbar tile, as a recipe writes it.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize, JsonSchema)]
#[serde(deny_unknown_fields, default)]
pub struct CrossbarConfig {
    /// Rows: drives from −1 to 1.
    #[serde(deserialize_with = "validate::count")]
    pub inputs: usize,
    /// Pairs of columns: readings.
    #[serde(deserialize_with = "validate::count")]
    pub outputs: usize,
    /// Largest conductance over the smallest.
    #[serde(deserialize_with = "validate::positive")]
    pub on_off_ratio: f64,
    /// Largest reading; beyond, the converter saturates. One is the root of the number of inputs,
    /// all drives and weights at their ends by chance.
    #[serde(deserialize_with = "validate::positive")]
    pub full_scale: f64,
    /// r of the true tile.
    #[serde(deserialize_with = "validate::non_negative")]
    pub wire_resistance: f64,
    /// Relative standard deviation of a cell's conductance about what it was programmed to.
    #[serde(deserialize_with = "validate::non_negative")]
    pub programming_noise: f64,
    /// σ_r: relative standard deviation of a cell's current from shot to shot.
    #[serde(deserialize_with = "validate::non_negative")]
    pub read_noise: f64,
    /// ν of the true tile.
    #[serde(deserialize_with = "validate::non_negative")]
    pub drift_exponent: f64,
    /// t_0 in seconds.
    #[serde(deserialize_with = "validate::positive")]
    pub drift_onset_seconds: f64,
    /// Time one shot takes, in seconds.
    #[serde(deserialize_with = "validate::positive")]
    pub seconds_per_shot: f64,
}

impl Default for CrossbarConfig {
    /// A perfect tile of 64 rows and 64 pairs.
    fn default() -> Self {
        Self {
            inputs: 64,
            outputs: 64,
            on_off_ratio: 20.0,
            full_scale: 1.0,
            wire_resistance: 0.0,
            programming_noise: 0.0,
            read_noise: 0.0,
            drift_exponent: 0.0,
            drift_onset_seconds: 1.0,
            seconds_per_shot: 1e-6,
        }
    }
}

/// Largest share of the drive that the wires may take.
const LARGEST_DROP: f64 = 0.25;

/// A crossbar tile: nominal, or as built.
#[derive(Clone)]
pub struct Crossbar {
    interface: Interface,
    config: CrossbarConfig,
    /// What each cell is off by as a factor, G⁺ then G⁻, and r.
    cells: [DMatrix<f32>; 2],
    wire: f32,
    seed: u64,
    programmed: Option<Programmed>,
    programmings: u64,
    shots: u64,
}

/// The tile after its last programming.
#[derive(Clone)]
struct Programmed {
    weights: DVector<f32>,
    /// The cells' factors with this programming's noise.
    cells: [DMatrix<f32>; 2],
    at_shot: u64,
}

/// G⁺ and G⁻, and M⁺ and M⁻, each `[outputs × inputs]`.
struct Tile {
    conductance: [DMatrix<f32>; 2],
    effective: [DMatrix<f32>; 2],
}

impl Crossbar {
    /// The tile as designed.
    ///
    /// # Errors
    /// [`DeviceError::Config`] where the wires could take more than a quarter of the drive.
    pub fn nominal(config: &CrossbarConfig) -> Result<Self, DeviceError> {
        let perfect = CrossbarConfig {
            wire_resistance: 0.0,
            programming_noise: 0.0,
            read_noise: 0.0,
            drift_exponent: 0.0,
            ..config.clone()
        };
        Self::fabricated(&perfect, 0.0, 0)
    }

    /// A copy whose every cell is off by a relative normal deviate of standard deviation `mismatch`,
    /// drawn from `seed`, which also draws its noises.
    ///
    /// # Errors
    /// As [`nominal`](Self::nominal).
    pub fn fabricated(
        config: &CrossbarConfig,
        mismatch: f64,
        seed: u64,
    ) -> Result<Self, DeviceError> {
        let (inputs, outputs) = (config.inputs, config.outputs);
        let worst =
            config.wire_resistance * 0.5 * (outputs * (outputs + 1) + inputs * (inputs + 1)) as f64;
        if worst > LARGEST_DROP {
            return Err(DeviceError::Config {
                device: "crossbar".to_owned(),
                problem: format!(
                    "with wire_resistance = {} the wires of {outputs} × {inputs} cells can take {:.0} % of the drive, beyond the model's {:.0} %; make the tile smaller or its wires better",
                    config.wire_resistance,
                    100.0 * worst,
                    100.0 * LARGEST_DROP
                ),
            });
        }
        let mut random = random::stream(seed, "fabrication");
        let mut cells = || {
            DMatrix::from_fn(outputs, inputs, |_, _| {
                (1.0 + mismatch * random::deviate(&mut random)).max(0.0) as f32
            })
        };
        let full_scale = config.full_scale as f32;
        Ok(Self {
            interface: Interface {
                device: "crossbar".to_owned(),
                inputs: Channels::bank("row", inputs, "read voltage", -1.0, 1.0),
                parameters: Channels::bank("weight", inputs * outputs, "1", -1.0, 1.0)
                    .with_matrix_gain((inputs as f32).sqrt().recip()),
                outputs: Channels::bank("column", outputs, "1", -full_scale, full_scale),
                seconds_per_shot: config.seconds_per_shot,
            },
            cells: [cells(), cells()],
            wire: config.wire_resistance as f32,
            config: config.clone(),
            seed,
            programmed: None,
            programmings: 0,
            shots: 0,
        })
    }

    /// Programs the cells to `weights` when `at_shot` shots have been played, with noise of its own.
    fn program(&mut self, weights: DVector<f32>, at_shot: u64) {
        let mut random = random::stream(self.seed, &format!("programming {}", self.programmings));
        let noise = self.config.programming_noise as f32;
        let cells = self.cells.clone().map(|cells| {
            cells.map(|factor| {
                let normal: f32 = StandardNormal.sample(&mut random);
                factor * (1.0 + noise * normal).max(0.0)
            })
        });
        self.programmings += 1;
        self.programmed = Some(Programmed { weights, cells, at_shot });
    }

    /// m and g.
    fn range(&self) -> (f32, f32) {
        let off = 1.0 / self.config.on_off_ratio as f32;
        (0.5 * (1.0 + off), 0.5 * (1.0 - off))
    }

    /// k.
    fn gain(&self) -> f32 {
        0.5 / (self.range().1 * (self.config.inputs as f32).sqrt())
    }

    fn tile(&self, weights: &DVector<f32>, cells: &[DMatrix<f32>; 2], fade: f32) -> Tile {
        let (middle, half) = self.range();
        let conductance = [half, -half].map(|half| {
            DMatrix::from_iterator(
                self.config.outputs,
                self.config.inputs,
                weights.iter().map(|weight| (middle + half * weight) * fade),
            )
        });
        let conductance =
            [conductance[0].component_mul(&cells[0]), conductance[1].component_mul(&cells[1])];
        let effective = conductance.clone().map(|g| {
            if self.wire == 0.0 {
                g
            } else {
                g.component_mul(&drop(&g).map(|d| 1.0 - self.wire * d))
            }
        });
        Tile { conductance, effective }
    }

    fn read(&self, tile: &Tile, inputs: &DMatrix<f32>, outputs: &mut DMatrix<f32>) {
        let matrix = &tile.effective[0] - &tile.effective[1];
        outputs.gemm(self.gain(), &matrix, inputs, 0.0);
    }

    fn saturate(&self, outputs: &mut DMatrix<f32>) {
        let full_scale = self.config.full_scale as f32;
        outputs.apply(|reading| *reading = reading.clamp(-full_scale, full_scale));
    }

    fn differentiate(
        &self,
        inputs: &DMatrix<f32>,
        parameters: &DVector<f32>,
        cotangents: &DMatrix<f32>,
    ) -> Result<Adjoint, DeviceError> {
        self.interface.check_shapes(inputs, parameters, cotangents)?;
        let tile = self.tile(parameters, &self.cells, 1.0);
        let mut readings = DMatrix::zeros(cotangents.nrows(), cotangents.ncols());
        self.read(&tile, inputs, &mut readings);
        // A saturated reading no longer moves.
        let full_scale = self.config.full_scale as f32;
        let open = cotangents.zip_map(&readings, |cotangent, reading| {
            if reading.abs() > full_scale { 0.0 } else { self.gain() * cotangent }
        });
        let of_inputs = (&tile.effective[0] - &tile.effective[1]).tr_mul(&open);
        let of_matrix = &open * inputs.transpose();
        let mut of_wire = 0.0;
        let of_conductance = [1.0f32, -1.0].map(|sign| {
            let g = &tile.conductance[usize::from(sign < 0.0)];
            let of_effective = &of_matrix * sign;
            if self.wire == 0.0 {
                of_wire -= of_effective.component_mul(g).dot(&drop(g));
                return of_effective;
            }
            let taken = drop(g);
            let of_drop = of_effective.component_mul(g) * -1.0;
            of_wire += of_drop.dot(&taken);
            // The wires' kernel is symmetric, so its adjoint is itself.
            of_effective.component_mul(&taken.map(|d| 1.0 - self.wire * d))
                + drop(&of_drop) * self.wire
        });
        Ok(Adjoint { of_inputs, of_conductance, of_wire })
    }
}

/// Cotangents of the drives, of G⁺ and G⁻, and of r.
struct Adjoint {
    of_inputs: DMatrix<f32>,
    of_conductance: [DMatrix<f32>; 2],
    of_wire: f32,
}

/// D / r of the module's equation for conductances `[outputs × inputs]`.
fn drop(conductance: &DMatrix<f32>) -> DMatrix<f32> {
    let (outputs, inputs) = conductance.shape();
    let mut drop = DMatrix::zeros(outputs, inputs);
    for i in 0..inputs {
        // Along the row's wire: Σ_p G_p (min(o, p) + 1) grows from o − 1 to o by Σ_{p ≥ o} G_p.
        let mut behind: f32 = conductance.column(i).sum();
        let mut sum = 0.0;
        for o in 0..outputs {
            sum += behind;
            behind -= conductance[(o, i)];
            drop[(o, i)] += sum;
        }
    }
    for o in 0..outputs {
        // Along the column's wire to its foot, likewise from the last row up.
        let mut above: f32 = conductance.row(o).sum();
        let mut sum = 0.0;
        for i in (0..inputs).rev() {
            sum += above;
            above -= conductance[(o, i)];
            drop[(o, i)] += sum;
        }
    }
    drop
}

impl PhysicalLayer for Crossbar {
    fn interface(&self) -> &Interface {
        &self.interface
    }

    /// Programs the cells where the weights are new, and reads them.
    fn measure(
        &mut self,
        inputs: &DMatrix<f32>,
        parameters: &DVector<f32>,
        outputs: &mut DMatrix<f32>,
    ) -> Result<(), DeviceError> {
        self.interface.check_shapes(inputs, parameters, outputs)?;
        if self.programmed.as_ref().is_none_or(|last| last.weights != *parameters) {
            self.program(parameters.clone(), self.shots);
        }
        let Some(programmed) = &self.programmed else { return Ok(()) };
        let age = (self.shots - programmed.at_shot) as f64 * self.config.seconds_per_shot;
        let fade = (1.0 + age / self.config.drift_onset_seconds).powf(-self.config.drift_exponent);
        let tile = self.tile(parameters, &programmed.cells, fade as f32);
        self.read(&tile, inputs, outputs);
        if self.config.read_noise > 0.0 {
            // Independent cells add in variance.
            let [plus, minus] = tile.effective.map(|m| m.component_mul(&m));
            let variance = (plus + minus) * inputs.component_mul(inputs);
            let strength = self.config.read_noise as f32 * self.gain();
            let random = random::stream(self.seed, "cell noise");
            let (width, readings) = (self.config.outputs, outputs.as_mut_slice());
            random::each_shot(&random, self.shots, width, readings, |random, shot, readings| {
                for (reading, variance) in readings.iter_mut().zip(&variance.column(shot)) {
                    let normal: f32 = StandardNormal.sample(random);
                    *reading += strength * variance.sqrt() * normal;
                }
            });
        }
        self.shots += inputs.ncols() as u64;
        self.saturate(outputs);
        Ok(())
    }

    /// One shot at a time: cells fade between the shots, which a batch reads at one moment.
    fn measure_each(
        &mut self,
        inputs: &DMatrix<f32>,
        parameters: &DMatrix<f32>,
        outputs: &mut DMatrix<f32>,
    ) -> Result<(), DeviceError> {
        measure_runs(self, inputs, parameters, outputs, 1)
    }

    fn usage(&self) -> Usage {
        let programming = self.programmed.as_ref().map(|programmed| Programming {
            number: self.programmings - 1,
            at_shot: programmed.at_shot,
            parameters: programmed.weights.as_slice().to_vec(),
        });
        Usage { shots: self.shots, programming }
    }

    fn resume(&mut self, usage: &Usage) {
        self.shots = usage.shots;
        if let Some(Programming { number, at_shot, parameters }) = &usage.programming {
            self.programmings = *number;
            self.program(DVector::from_column_slice(parameters), *at_shot);
        }
    }
}

impl Differentiable for Crossbar {
    fn respond(
        &self,
        inputs: &DMatrix<f32>,
        parameters: &DVector<f32>,
        outputs: &mut DMatrix<f32>,
    ) -> Result<(), DeviceError> {
        self.interface.check_shapes(inputs, parameters, outputs)?;
        self.read(&self.tile(parameters, &self.cells, 1.0), inputs, outputs);
        self.saturate(outputs);
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
        let adjoint = self.differentiate(inputs, parameters, cotangents)?;
        input_cotangents.copy_from(&adjoint.of_inputs);
        let half = self.range().1;
        let [plus, minus] = &adjoint.of_conductance;
        let of_weights = plus.component_mul(&self.cells[0]) - minus.component_mul(&self.cells[1]);
        for (cotangent, of_weight) in parameter_cotangents.iter_mut().zip(&of_weights) {
            *cotangent = half * of_weight;
        }
        Ok(())
    }

    fn constants(&self) -> Vec<Constant> {
        let [plus, minus] = &self.cells;
        Constant::bank("cell of G+", plus.as_slice())
            .chain(Constant::bank("cell of G-", minus.as_slice()))
            .chain([Constant { name: "wire resistance".to_owned(), value: self.wire }])
            .collect()
    }

    fn set_constants(&mut self, values: &[f32]) {
        let count = self.cells[0].len();
        let (plus, rest) = values.split_at(count);
        let (minus, wire) = rest.split_at(count);
        self.cells[0].as_mut_slice().copy_from_slice(plus);
        self.cells[1].as_mut_slice().copy_from_slice(minus);
        self.wire = wire[0];
    }

    fn constant_cotangents(
        &self,
        inputs: &DMatrix<f32>,
        parameters: &DVector<f32>,
        cotangents: &DMatrix<f32>,
    ) -> Result<Vec<f32>, DeviceError> {
        let adjoint = self.differentiate(inputs, parameters, cotangents)?;
        let (middle, half) = self.range();
        let [plus, minus] = adjoint.of_conductance;
        let of_cell = |half: f32, of_conductance: DMatrix<f32>| -> Vec<f32> {
            let programmed = parameters.iter().map(|weight| middle + half * weight);
            of_conductance.iter().zip(programmed).map(|(of, g)| of * g).collect()
        };
        let mut constants = of_cell(half, plus);
        constants.extend(of_cell(-half, minus));
        constants.push(adjoint.of_wire);
        Ok(constants)
    }

    fn multiply_adds(&self) -> u64 {
        self.interface.inputs.len() as u64 * self.interface.outputs.len() as u64
    }
}
