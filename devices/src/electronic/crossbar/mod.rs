//! A memristive crossbar tile: a matrix of conductances that multiplies by Ohm's and Kirchhoff's laws.
//!
//! ```text
//! y_o = clamp(k Σ_i (M⁺_oi − M⁻_oi) x_i)             k = 1 / (2 g √n_in)
//! M = G (1 − D)                                      G± = (m ± g w) ε± (1 + t/t_0)^−ν
//! D_oi = r [Σ_p G_pi (min(o, p) + 1) + Σ_q G_oq (n_in − max(i, q))]
//! ```
//!
//! x drives the rows; a pair of columns, G⁺ and G⁻, carries each output; the currents at the columns'
//! feet are subtracted and converted. Trained are the weights w, ordered by input, then by output.
//!
//! | symbol | meaning | unit |
//! |---|---|---|
//! | w | weight, −1 to 1 | 1 |
//! | m, g | middle and half range of the conductances, (1 ± G_off/G_on) / 2 | G_on |
//! | ε± | relative conductance of a cell: its fabrication error times that of its last programming | 1 |
//! | ν, t_0 | drift exponent, and time after programming at which it sets in | 1, s |
//! | r | resistance of a wire from cell to cell | 1/G_on |
//! | D | share of the drive that the wires take, to first order in r | 1 |
//!
//! The nominal tile has ε = 1, no drift and no wires. The fabricated one has deviating cells and wires. When it
//! is measured, it also has programming noise, drawn whenever its weights change, drift since then, and read
//! noise of relative strength σ_r a cell. The bits of its converters are imperfections, as for any device.
//!
//! Sources: differential pairs and their noises as in Joshi et al., Nature Communications 11, 2473
//! (2020), and the analog hardware kit of Rasch et al. (AICAS 2021); the drift's power law, Karpov et
//! al., Journal of Applied Physics 102, 124503 (2007). Left out: sneak paths and everything of second
//! order in r. So a tile is refused if its wires could take more than a quarter of the drive.

mod adjoint;
mod config;
mod wires;

pub use config::CrossbarConfig;

use nalgebra::{DMatrix, DVector};
use rand_distr::{Distribution, StandardNormal};

use self::wires::taken;

use crate::layer::measure_runs;
use crate::random::ShotStream;
use crate::saturation::Saturation;
use crate::{
    Channels, DeviceError, Interface, PhysicalLayer, Programming, Usage, matrix_shots, random,
};

/// Largest share of the drive that the wires may take.
const LARGEST_DROP: f64 = 0.25;

/// A crossbar tile: nominal, or as built.
#[derive(Clone)]
pub struct Crossbar {
    interface: Interface,
    config: CrossbarConfig,
    /// ε of each cell without programming noise, G⁺ then G⁻, and r.
    cells: [DMatrix<f32>; 2],
    wire: f32,
    seed: u64,
    programmed: Option<Programmed>,
    programmings: u64,
    shots: u64,
}

/// What a tile's equation has beside its weights.
pub struct CrossbarConstants<'a> {
    /// ε of each cell of G⁺ and of G⁻ without programming noise, `[outputs × inputs]`.
    pub cells: &'a [DMatrix<f32>; 2],
    /// r.
    pub wire: f32,
    /// m and g.
    pub range: (f32, f32),
    /// k.
    pub gain: f32,
    /// The rest as it is configured.
    pub config: &'a CrossbarConfig,
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

    /// A copy with a relative normal deviate of standard deviation `mismatch` in every cell, drawn from `seed`,
    /// which also draws its noise.
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

    /// What its equation has beside its weights.
    #[must_use]
    pub fn as_built(&self) -> CrossbarConstants<'_> {
        CrossbarConstants {
            cells: &self.cells,
            wire: self.wire,
            range: self.range(),
            gain: self.gain(),
            config: &self.config,
        }
    }

    /// Programs the cells to `weights`, with new programming noise, after `at_shot` shots.
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
                g.component_mul(&taken(&g).map(|d| 1.0 - self.wire * d))
            }
        });
        Tile { conductance, effective }
    }

    /// k (M⁺ − M⁻).
    fn matrix(&self, tile: &Tile) -> DMatrix<f32> {
        (&tile.effective[0] - &tile.effective[1]) * self.gain()
    }

    /// The converters behind the columns.
    fn saturation(&self) -> Saturation {
        Saturation::at(self.config.full_scale as f32)
    }
}

impl PhysicalLayer for Crossbar {
    fn interface(&self) -> &Interface {
        &self.interface
    }

    /// Programs the cells if the weights are new, and reads them.
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
        let saturation = self.saturation();
        let matrix = self.matrix(&tile);
        if self.config.read_noise == 0.0 {
            matrix_shots::read(&matrix, inputs, outputs, |readings| saturation.clamp(readings));
        } else {
            matrix_shots::read(&matrix, inputs, outputs, |_| ());
            // The variances of independent cells add up.
            let [plus, minus] = tile.effective.map(|m| m.component_mul(&m));
            let mut variance = DMatrix::zeros(outputs.nrows(), outputs.ncols());
            matrix_shots::read(
                &(plus + minus),
                &inputs.component_mul(inputs),
                &mut variance,
                |_| (),
            );
            let strength = self.config.read_noise as f32 * self.gain();
            let random = ShotStream::new(self.seed, "cell noise");
            let (width, readings) = (self.config.outputs, outputs.as_mut_slice());
            random.each_shot(self.shots, width, readings, |shot, normals, readings| {
                let variances = variance.column(shot);
                for ((reading, variance), normal) in
                    readings.iter_mut().zip(&variances).zip(normals)
                {
                    *reading += strength * variance.sqrt() * normal;
                }
                saturation.clamp(readings);
            });
        }
        self.shots += inputs.ncols() as u64;
        Ok(())
    }

    /// One shot at a time: conductances drift between shots, and within a batch they do not.
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
