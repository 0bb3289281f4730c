//! The circuit of one copy: the transistor's current, and one implicit stage of the integration.

use super::config::TransistorConfig;
use crate::elementary::soft_plus;
use crate::lanes::{LANES, Lane, ZERO};

/// U_T at 300 K, in V.
pub(super) const THERMAL_VOLTS: f32 = 0.025_85;
/// γ of Alexander's method.
pub(super) const GAMMA: f32 = 1.0 - std::f32::consts::FRAC_1_SQRT_2;
/// Newton's iterations a stage: more than the monotone equation needs from the last voltage to converge to
/// rounding errors.
pub(super) const ITERATIONS: usize = 6;

/// The constants of a copy over those of its design.
#[derive(Clone, Copy, Debug)]
pub(super) struct Factors {
    pub resistance: f32,
    pub inductance: f32,
    pub capacitance: f32,
    pub transconductance: f32,
    pub threshold: f32,
    pub slope_factor: f32,
    pub modulation: f32,
    pub gate_share: f32,
}

impl Factors {
    /// Number of factors.
    pub const COUNT: usize = 8;
    /// Their names, in the order of [`to_array`](Self::to_array).
    pub const NAMES: [&'static str; Self::COUNT] = [
        "resistance",
        "inductance",
        "capacitance",
        "transconductance",
        "threshold",
        "slope factor",
        "channel-length modulation",
        "gate share",
    ];

    /// The factors in the order of [`NAMES`](Self::NAMES).
    pub fn from_array(values: [f32; Self::COUNT]) -> Self {
        let [
            resistance,
            inductance,
            capacitance,
            transconductance,
            threshold,
            slope_factor,
            modulation,
            gate_share,
        ] = values;
        Self {
            resistance,
            inductance,
            capacitance,
            transconductance,
            threshold,
            slope_factor,
            modulation,
            gate_share,
        }
    }

    /// The factors in the order of [`NAMES`](Self::NAMES).
    pub fn to_array(self) -> [f32; Self::COUNT] {
        [
            self.resistance,
            self.inductance,
            self.capacitance,
            self.transconductance,
            self.threshold,
            self.slope_factor,
            self.modulation,
            self.gate_share,
        ]
    }
}

/// The numbers of one copy, in units of V, mA and steps.
#[derive(Clone, Copy, Debug)]
pub(super) struct Circuit {
    /// h/L, h/C and R.
    pub per_inductance: f32,
    pub per_capacitance: f32,
    pub resistance: f32,
    /// 2 n β U_T².
    pub specific: f32,
    pub threshold: f32,
    pub slope_factor: f32,
    pub modulation: f32,
    pub gate_share: f32,
    pub gate_bias: f32,
}

/// I_D and its derivatives.
#[derive(Clone, Copy)]
pub(super) struct Drain {
    pub current: f32,
    pub by_drain: f32,
    pub by_gate: f32,
    /// ∂I_D/∂n at constant 2 n β U_T², and I_D / (1 + λ √…) times the modulation's argument.
    pub by_slope: f32,
    pub by_modulation: f32,
}

impl Circuit {
    /// The circuit of `config` with its constants multiplied by `factors`.
    pub fn new(config: &TransistorConfig, factors: &Factors) -> Self {
        let by = |constant: f64, factor: f32| constant * f64::from(factor);
        // mA instead of A: resistances in kΩ, and so on.
        let step = config.sample_seconds / config.steps_per_sample as f64;
        let slope_factor = by(config.slope_factor, factors.slope_factor);
        let thermal = f64::from(THERMAL_VOLTS);
        Self {
            per_inductance: (step / by(config.henries, factors.inductance) * 1e3) as f32,
            per_capacitance: (step / by(config.farads, factors.capacitance) * 1e-3) as f32,
            resistance: (by(config.ohms, factors.resistance) * 1e-3) as f32,
            specific: (2.0
                * slope_factor
                * config.transconductance
                * f64::from(factors.transconductance)
                * thermal
                * thermal
                * 1e3) as f32,
            threshold: by(config.threshold_volts, factors.threshold) as f32,
            slope_factor: slope_factor as f32,
            modulation: by(config.channel_length_modulation, factors.modulation) as f32,
            gate_share: by(config.gate_share, factors.gate_share) as f32,
            gate_bias: config.gate_bias_volts as f32,
        }
    }

    /// (u_G − V_T) / n at gate voltage `gate`.
    #[inline(always)]
    fn pinch_off(&self, gate: f32) -> f32 {
        (gate - self.threshold) / self.slope_factor
    }

    /// I_D and its derivatives at gate voltage `gate` and drain voltage `drain`.
    ///
    /// [`solve`](Self::solve) evaluates the same current with the terms in another order, because its iterations
    /// share the source's.
    #[inline(always)]
    pub fn drain(&self, gate: f32, drain: f32) -> Drain {
        let pinch = self.pinch_off(gate);
        let (f, df) = inversion(pinch);
        let (r, dr) = inversion(pinch - drain);
        let size = smooth_size(drain);
        let factor = 1.0 + self.modulation * size;
        let difference = self.specific * (f - r);
        let by_pinch = self.specific * (df - dr) * factor;
        Drain {
            current: difference * factor,
            by_drain: self.specific * dr * factor + difference * self.modulation * drain / size,
            by_gate: by_pinch / self.slope_factor,
            by_slope: -by_pinch * pinch / self.slope_factor,
            by_modulation: difference * size,
        }
    }

    /// The stage (i, v) = base + γ h f(i, v) under the drive `drive`; `stage` holds the guess of v.
    #[inline(always)]
    pub fn solve(&self, base: &[Lane; 2], drive: &Lane, stage: &mut [Lane; 2]) {
        let (g_l, g_c) = (GAMMA * self.per_inductance, GAMMA * self.per_capacitance);
        let damped = 1.0 / (1.0 + g_l * self.resistance);
        let [current, voltage] = stage;
        // The source's side of the channel does not depend on v.
        let (mut pinch, mut source) = (ZERO, ZERO);
        for lane in 0..LANES {
            let gate = self.gate_share * drive[lane] + self.gate_bias;
            pinch[lane] = self.pinch_off(gate);
            source[lane] = inversion(pinch[lane]).0;
        }
        for _ in 0..ITERATIONS {
            for lane in 0..LANES {
                let v = voltage[lane];
                let (r, dr) = inversion(pinch[lane] - v);
                let size = smooth_size(v);
                let factor = self.specific * (1.0 + self.modulation * size);
                let difference = source[lane] - r;
                let drain = difference * factor;
                let by_drain =
                    dr * factor + self.specific * difference * self.modulation * v / size;
                let through = (base[0][lane] + g_l * (drive[lane] - v)) * damped;
                let rest = v - base[1][lane] - g_c * (through - drain);
                voltage[lane] = v - rest / (1.0 + g_c * (g_l * damped + by_drain.max(0.0)));
            }
        }
        for lane in 0..LANES {
            current[lane] = (base[0][lane] + g_l * (drive[lane] - voltage[lane])) * damped;
        }
    }
}

/// F(x) = ln²(1 + exp(x / 2U_T)) and its slope.
#[inline(always)]
fn inversion(x: f32) -> (f32, f32) {
    let half = 0.5 / THERMAL_VOLTS;
    let (log, slope) = soft_plus(x * half);
    (log * log, 2.0 * half * log * slope)
}

/// |v| smoothed over a thermal voltage, so that the current keeps its slope through zero.
#[inline(always)]
fn smooth_size(v: f32) -> f32 {
    (v * v + THERMAL_VOLTS * THERMAL_VOLTS).sqrt()
}
