//! A chain of coupled pendula.
//!
//! ```text
//! θ̈_n = −w_n sin θ_n + c_n (θ_{n+1} − θ_n) + c_{n−1} (θ_{n−1} − θ_n)      w_n = (f_n ω_n)²
//! ```
//!
//! A shot starts at rest at the angles θ(0), its data, and reads the angles θ(t). Trained are each
//! pendulum's frequency ω_n and each spring's stiffness; the ends of the chain are free.
//!
//! | symbol | meaning | unit |
//! |---|---|---|
//! | θ | angle of a pendulum | rad |
//! | ω_n | its frequency at small angles | in units of the mean frequency |
//! | c_n | g_n times the set stiffness between pendula n and n + 1, over the moment of inertia | 1 |
//! | f_n, g_n | the true device's frequencies and springs over the nominal ones | 1 |
//! | t | evolution time, in units of the inverse mean frequency | 1 |
//!
//! Source: the discrete sine-Gordon chain (Braun & Kivshar, Physics Reports 306, 1, 1998, eq. 1.3)
//! with free frequencies and couplings. Left out: damping. The energy
//! Σ ½ θ̇² + w (1 − cos θ) + ½ c (Δθ)² is conserved.
//!
//! Time is discretised as [`nystrom`](super::nystrom) says; the adjoint differentiates that exactly.

use schemars::JsonSchema;
use serde::{Deserialize, Serialize};

use super::nystrom::{STAGE, STEP, is_computed, is_used, slot, slots};
use crate::elementary::{MULTIPLY_ADDS, sin, sin_cos};
use crate::lanes::{Cotangents, Equation, LANES, Lane, Simulation, ZERO, add_scaled, dot};
use crate::{Channels, Constant, Interface, random, validate};

/// A chain of pendula, as a recipe describes it.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize, JsonSchema)]
#[serde(deny_unknown_fields, default)]
pub struct PendulaConfig {
    /// Number of pendula N: inputs N, parameters 2 N − 1, outputs N.
    #[serde(deserialize_with = "validate::count")]
    pub count: usize,
    /// Evolution time, in units of the inverse mean frequency.
    #[serde(deserialize_with = "validate::positive")]
    pub time: f64,
    /// Integration steps over that time; a tenth of the fastest mode's period each is enough.
    #[serde(deserialize_with = "validate::count")]
    pub steps: usize,
    /// Initial angles reach from minus to plus this, in rad.
    #[serde(deserialize_with = "validate::positive")]
    pub largest_angle: f64,
    /// Frequencies reach from one minus to one plus this, below one.
    #[serde(deserialize_with = "validate::open_fraction")]
    pub tuning: f64,
    /// Couplings reach from zero to this.
    #[serde(deserialize_with = "validate::positive")]
    pub largest_coupling: f64,
    /// Time one shot takes, in seconds.
    #[serde(deserialize_with = "validate::positive")]
    pub seconds_per_shot: f64,
}

impl Default for PendulaConfig {
    /// Thirty pendula that swing for half a period, wide enough to be anharmonic.
    fn default() -> Self {
        Self {
            count: 30,
            time: 4.0,
            steps: 20,
            largest_angle: 2.0,
            tuning: 0.5,
            largest_coupling: 2.0,
            seconds_per_shot: 1.0,
        }
    }
}

/// A chain of pendula: nominal, or as built.
pub type Pendula = Simulation<PendulaEquation>;

/// One copy's equation.
#[derive(Clone, Debug)]
pub struct PendulaEquation {
    interface: Interface,
    steps: usize,
    step: f32,
    /// f_n, N, and g_n, N − 1.
    frequency: Vec<f32>,
    spring: Vec<f32>,
}

/// The constants of the equation of one copy.
#[derive(Clone, Copy, Debug, PartialEq)]
pub struct PendulaConstants<'a> {
    /// Runge-Kutta-Nyström steps.
    pub steps: usize,
    /// h, the time of a step, in units of the inverse mean frequency.
    pub step: f32,
    /// f_n of each pendulum.
    pub frequency: &'a [f32],
    /// g_n of each spring, one fewer.
    pub spring: &'a [f32],
}

/// Largest angle that is a reading, in rad: a pendulum may turn over.
const LARGEST_READING: f32 = 1000.0;

impl Pendula {
    /// The constants of this copy's equation, for code that integrates it by other means.
    #[must_use]
    pub fn as_built(&self) -> PendulaConstants<'_> {
        let PendulaEquation { steps, step, frequency, spring, .. } = self.equation();
        PendulaConstants { steps: *steps, step: *step, frequency, spring }
    }

    /// The chain as designed.
    #[must_use]
    pub fn nominal(config: &PendulaConfig) -> Self {
        Self::fabricated(config, 0.0, 0)
    }

    /// A copy with relative normal deviates of standard deviation `mismatch` in every frequency and spring, drawn
    /// from `seed`.
    #[must_use]
    pub fn fabricated(config: &PendulaConfig, mismatch: f64, seed: u64) -> Self {
        let mut random = random::stream(seed, "fabrication");
        let mut factor = |_| (1.0 + mismatch * random::deviate(&mut random)).max(0.1) as f32;
        let (count, angle) = (config.count, config.largest_angle as f32);
        let (slow, fast) = (1.0 - config.tuning as f32, 1.0 + config.tuning as f32);
        let stiff = config.largest_coupling as f32;
        Self::new(PendulaEquation {
            interface: Interface {
                device: "pendula".to_owned(),
                inputs: Channels::bank("initial angle", count, "rad", -angle, angle),
                parameters: Channels::bank("frequency", count, "mean frequency", slow, fast)
                    .and(Channels::bank("coupling", count - 1, "1", 0.0, stiff)),
                outputs: Channels::bank("angle", count, "rad", -LARGEST_READING, LARGEST_READING),
                seconds_per_shot: config.seconds_per_shot,
            },
            steps: config.steps,
            step: (config.time / config.steps as f64) as f32,
            frequency: (0..count).map(&mut factor).collect(),
            spring: (1..count).map(&mut factor).collect(),
        })
    }
}

/// w_n and c_n of a batch, with the parameters that they come from.
#[derive(Clone, Debug)]
pub struct Stiffness {
    parameters: Vec<f32>,
    restoring: Vec<f32>,
    coupling: Vec<f32>,
}

impl PendulaEquation {
    fn count(&self) -> usize {
        self.frequency.len()
    }

    /// Integrates from the angles `angle` at rest; `visit` gets the angles of every stage.
    #[inline(always)]
    fn integrate(
        &self,
        stiffness: &Stiffness,
        angle: &mut [Lane],
        mut visit: impl FnMut(usize, &[Lane]),
    ) {
        let (h, count) = (self.step, self.count());
        let mut velocity = vec![ZERO; count];
        let mut staged = vec![ZERO; count];
        let mut accelerations: [Vec<Lane>; 4] = std::array::from_fn(|_| vec![ZERO; count]);
        for step in 0..self.steps {
            for (stage, (of_velocity, of_acceleration)) in STAGE.into_iter().enumerate() {
                if (step, stage) == (0, 1) {
                    let (first, others) = accelerations.split_at_mut(1);
                    others[0].copy_from_slice(&first[0]);
                } else if is_computed(step, stage, self.steps) {
                    let before = &accelerations[stage.saturating_sub(2)];
                    for n in 0..count {
                        staged[n] = angle[n];
                        add_scaled(&mut staged[n], of_velocity * h, &velocity[n]);
                        add_scaled(&mut staged[n], of_acceleration * h * h, &before[n]);
                    }
                    accelerate(stiffness, &staged, &mut accelerations[stage]);
                    visit(slot(step, stage), &staged);
                }
            }
            for n in 0..count {
                add_scaled(&mut angle[n], h, &velocity[n]);
                for (acceleration, (of_angle, of_velocity)) in accelerations.iter().zip(STEP) {
                    add_scaled(&mut angle[n], of_angle * h * h, &acceleration[n]);
                    add_scaled(&mut velocity[n], of_velocity * h, &acceleration[n]);
                }
            }
        }
    }
}

/// The accelerations at the angles `angle`.
#[inline(always)]
fn accelerate(stiffness: &Stiffness, angle: &[Lane], acceleration: &mut [Lane]) {
    for n in 0..angle.len() {
        for lane in 0..LANES {
            acceleration[n][lane] = -stiffness.restoring[n] * sin(angle[n][lane]);
        }
    }
    for (n, &coupling) in stiffness.coupling.iter().enumerate() {
        for lane in 0..LANES {
            let torque = coupling * (angle[n + 1][lane] - angle[n][lane]);
            acceleration[n][lane] += torque;
            acceleration[n + 1][lane] -= torque;
        }
    }
}

impl Equation for PendulaEquation {
    type Setting = Stiffness;

    fn interface(&self) -> &Interface {
        &self.interface
    }

    fn prepare(&self, parameters: &[f32]) -> Stiffness {
        let (frequency, coupling) = parameters.split_at(self.count());
        let restoring = |(set, factor): (&f32, &f32)| (set * factor).powi(2);
        Stiffness {
            parameters: parameters.to_vec(),
            restoring: frequency.iter().zip(&self.frequency).map(restoring).collect(),
            coupling: coupling.iter().zip(&self.spring).map(|(set, factor)| set * factor).collect(),
        }
    }

    #[inline(always)]
    fn respond(&self, setting: &Stiffness, inputs: &[Lane], outputs: &mut [Lane]) {
        outputs.copy_from_slice(inputs);
        self.integrate(setting, outputs, |_, _| ());
    }

    #[inline(always)]
    fn vjp(
        &self,
        setting: &Stiffness,
        inputs: &[Lane],
        cotangents: &[Lane],
        of_inputs: &mut [Lane],
        sums: &mut Cotangents,
    ) {
        let (h, count, steps) = (self.step, self.count(), self.steps);
        let mut stages = vec![ZERO; slots(steps) * count];
        let mut angle = inputs.to_vec();
        self.integrate(setting, &mut angle, |slot, angles| {
            stages[slot * count..(slot + 1) * count].copy_from_slice(angles);
        });
        let of_angle = of_inputs;
        of_angle.copy_from_slice(cotangents);
        let mut of_velocity = vec![ZERO; count];
        // Cotangents of the accelerations of every slot, and of the angles of one acceleration.
        let mut pulls = vec![ZERO; slots(steps) * count];
        let mut pulled = vec![ZERO; count];
        let (mut of_restoring, mut of_coupling) = (vec![ZERO; count], vec![ZERO; count - 1]);
        for step in (0..steps).rev() {
            for (stage, (in_angle, in_velocity)) in STEP.into_iter().enumerate() {
                if is_used(step, stage, steps) {
                    let pull = &mut pulls[slot(step, stage) * count..][..count];
                    for n in 0..count {
                        add_scaled(&mut pull[n], in_angle * h * h, &of_angle[n]);
                        add_scaled(&mut pull[n], in_velocity * h, &of_velocity[n]);
                    }
                }
            }
            for n in 0..count {
                add_scaled(&mut of_velocity[n], h, &of_angle[n]);
            }
            for (stage, (in_velocity, in_acceleration)) in STAGE.into_iter().enumerate().rev() {
                if !is_computed(step, stage, steps) {
                    continue;
                }
                let first = slot(step, stage) * count;
                let angles = &stages[first..first + count];
                let (before, here) = pulls.split_at_mut(first);
                let pull = &here[..count];
                for n in 0..count {
                    for lane in 0..LANES {
                        let (sine, cosine) = sin_cos(angles[n][lane]);
                        pulled[n][lane] = -setting.restoring[n] * cosine * pull[n][lane];
                        of_restoring[n][lane] -= sine * pull[n][lane];
                    }
                }
                for (n, &coupling) in setting.coupling.iter().enumerate() {
                    for lane in 0..LANES {
                        let stretch = angles[n + 1][lane] - angles[n][lane];
                        let difference = pull[n][lane] - pull[n + 1][lane];
                        of_coupling[n][lane] += stretch * difference;
                        pulled[n][lane] -= coupling * difference;
                        pulled[n + 1][lane] += coupling * difference;
                    }
                }
                for n in 0..count {
                    add_scaled(&mut of_angle[n], 1.0, &pulled[n]);
                    add_scaled(&mut of_velocity[n], in_velocity * h, &pulled[n]);
                }
                if stage > 1 {
                    let earlier = &mut before[slot(step, stage - 2) * count..][..count];
                    for n in 0..count {
                        add_scaled(&mut earlier[n], in_acceleration * h * h, &pulled[n]);
                    }
                }
            }
        }
        let ones = [1.0; LANES];
        let (frequency, coupling) = setting.parameters.split_at(count);
        for n in 0..count {
            let slope = 2.0 * frequency[n] * self.frequency[n] * dot(&of_restoring[n], &ones);
            sums.parameters[n] += slope * self.frequency[n];
            sums.constants[n] += slope * frequency[n];
        }
        for n in 0..count - 1 {
            let slope = dot(&of_coupling[n], &ones);
            sums.parameters[count + n] += slope * self.spring[n];
            sums.constants[count + n] += slope * coupling[n];
        }
    }

    fn constants(&self) -> Vec<Constant> {
        let frequencies = Constant::bank("frequency", &self.frequency);
        frequencies.chain(Constant::bank("spring", &self.spring)).collect()
    }

    fn set_constants(&mut self, values: &[f32]) {
        let (frequency, spring) = values.split_at(self.frequency.len());
        self.frequency.copy_from_slice(frequency);
        self.spring.copy_from_slice(spring);
    }

    fn multiply_adds(&self) -> u64 {
        let count = self.frequency.len() as u64;
        slots(self.steps) as u64 * count * (4 + MULTIPLY_ADDS)
    }
}
