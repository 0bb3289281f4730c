//! How many shots a coherent stack's twin needs: for stacks of 8 to 64 modes and 1 to 5 meshes, the shots from which
//! the learned twin's gradient has a cosine of 0.99 with the device's.
//!
//! Only the powers behind the last mesh are read. The splitters' and the phases' errors have a standard deviation of 0.06;
//! a setting of random phases is held for 64 shots of complex Gaussian drives, and the constants are learned in ten passes.
//! The gradient is that of a batch of 64 shots by the phases, for a random cotangent of the readings; the cosine is the
//! mean over 16 settings.
//!
//! `cargo run --release -p twinprop-bench --bin stack_shots [MODES …]`

use std::error::Error;
use std::f64::consts::PI;
use std::time::Instant;

use nalgebra::{DMatrix, DVector};
use rand::RngExt;
use rayon::prelude::*;
use twinprop::Backend;
use twinprop::calibration::design::{DesignConfig, GaussianConfig, share_settings};
use twinprop::calibration::identify::identify;
use twinprop::calibration::{IdentifyConfig, Shots};
use twinprop::devices::optical::CoherentStackConfig;
use twinprop::devices::{
    DeviceConfig, DeviceKind, Differentiable, ImperfectionsConfig, Interface, SimulatedDevice,
    random,
};

/// Shots on a setting, and in the batch of a gradient.
const SHOTS_A_SETTING: usize = 64;
/// Settings at which gradients are compared.
const TEST_SETTINGS: usize = 16;
/// The cosine that is asked for.
const GOAL: f64 = 0.99;
/// Most settings that are tried.
const MOST_SETTINGS: usize = 3200;

/// A bias φ_b of the activations, and the most meshes that light passes with it.
struct Activation {
    bias: f64,
    most_meshes: usize,
}

/// With the published bias an activation is cubic in weak light, and after three of them little is left of it; with half
/// of it, it is linear in weak light.
const ACTIVATIONS: [Activation; 2] =
    [Activation { bias: PI, most_meshes: 3 }, Activation { bias: PI / 2.0, most_meshes: 5 }];

fn main() -> Result<(), Box<dyn Error>> {
    let asked: Vec<usize> =
        std::env::args().skip(1).map(|modes| modes.parse()).collect::<Result<_, _>>()?;
    let modes = if asked.is_empty() { vec![8, 16, 32, 64] } else { asked };
    println!("bias | modes | meshes | constants | cosine by shots | shots to {GOAL} | seconds");
    for Activation { bias, most_meshes } in ACTIVATIONS {
        for &modes in &modes {
            for meshes in 1..=most_meshes {
                row(bias, modes, meshes)?;
            }
        }
    }
    Ok(())
}

fn row(bias: f64, modes: usize, meshes: usize) -> Result<(), Box<dyn Error>> {
    let start = Instant::now();
    let model = CoherentStackConfig {
        modes,
        meshes,
        splitter_error: 0.06,
        phase_error: 0.06,
        bias,
        ..Default::default()
    };
    let simulated = || {
        let model = DeviceKind::CoherentStack(model.clone());
        DeviceConfig { model, imperfections: ImperfectionsConfig::default() }.fabricate(1)
    };
    let exact = simulated()?.exact;
    let mut found: Vec<(f64, f64)> = Vec::new();
    let mut settings = 3;
    while settings <= MOST_SETTINGS {
        let cosine = learned(simulated()?, &*exact, settings)?;
        found.push(((settings * SHOTS_A_SETTING) as f64, cosine));
        if cosine >= GOAL {
            break;
        }
        settings = (settings as f64 * 2f64.sqrt()).ceil() as usize;
    }
    let curve: Vec<String> =
        found.iter().map(|(shots, cosine)| format!("{shots}: {cosine:.4}")).collect();
    let needed = crossing(&found).map_or("not reached".to_owned(), |shots| format!("{shots:.0}"));
    println!(
        "{bias:.2} | {modes} | {meshes} | {} | {} | {needed} | {:.0}",
        exact.constants().len() - modes,
        curve.join(", "),
        start.elapsed().as_secs_f64()
    );
    Ok(())
}

/// Shots at the goal, by the logarithms of the shots and of one minus the cosine between the last two points.
fn crossing(found: &[(f64, f64)]) -> Option<f64> {
    let &(last, cosine) = found.last().filter(|(_, cosine)| *cosine >= GOAL)?;
    let Some(&(before, lower)) = found.len().checked_sub(2).and_then(|place| found.get(place))
    else {
        return Some(last);
    };
    let [from, to, goal] = [lower, cosine, GOAL].map(|cosine| (1.0 - cosine).max(1e-9).ln());
    let share = (from - goal) / (from - to);
    Some((before.ln() + share * (last / before).ln()).exp())
}

/// Cosine of the gradient of a twin that learned from `settings` settings.
fn learned(
    mut simulated: SimulatedDevice,
    exact: &dyn Differentiable,
    settings: usize,
) -> Result<f64, Box<dyn Error>> {
    let interface = exact.interface().clone();
    let (inputs, parameters) = drawn(&interface, settings, 1)?;
    let shots = Shots::measure(&mut simulated.device, inputs, parameters, |_| ())?;
    let config = IdentifyConfig {
        learn: ["splitter", "theta", "phi"].map(str::to_owned).to_vec(),
        shots_per_setting: SHOTS_A_SETTING,
        settings_per_step: 1,
        epochs: 10,
        learning_rate: 0.002,
    };
    let backend = Backend::Flex.device()?;
    identify(&mut *simulated.nominal, &config, &shots, 1, &backend, |_, _| ())?;
    cosine(exact, &*simulated.nominal, &interface)
}

/// `settings` settings of random phases with their drives, of a mean amplitude of 1.
fn drawn(
    interface: &Interface,
    settings: usize,
    seed: u64,
) -> Result<(DMatrix<f32>, DMatrix<f32>), Box<dyn Error>> {
    // The mean of |x| is √(π/2) standard deviations of each part.
    let half_span = f64::from(interface.inputs.banks()[0].half_span());
    let deviation = (2.0 / PI).sqrt() / (2.0 * half_span);
    let design = DesignConfig::Gaussian(GaussianConfig { deviation, ..Default::default() });
    let (inputs, mut parameters) =
        design.draw(interface, settings * SHOTS_A_SETTING, None, seed)?;
    share_settings(&mut parameters, SHOTS_A_SETTING);
    Ok((inputs, parameters))
}

/// Mean cosine between the gradients of the device `exact` and of `twin` at settings that no twin learned from.
fn cosine(
    exact: &dyn Differentiable,
    twin: &dyn Differentiable,
    interface: &Interface,
) -> Result<f64, Box<dyn Error>> {
    let (inputs, parameters) = drawn(interface, TEST_SETTINGS, 2)?;
    let of_setting = |setting: usize| -> Result<f64, twinprop::devices::DeviceError> {
        let mut random = random::stream(3, &format!("cotangents {setting}"));
        let inputs = inputs.columns(setting * SHOTS_A_SETTING, SHOTS_A_SETTING).into_owned();
        let parameters: DVector<f32> = parameters.column(setting * SHOTS_A_SETTING).into_owned();
        let mut readings = DMatrix::zeros(interface.outputs.len(), SHOTS_A_SETTING);
        exact.respond(&inputs, &parameters, &mut readings)?;
        let cotangents = readings.map(|_| random.random_range(-1.0..1.0f32));
        let gradient = |of: &dyn Differentiable| -> Result<DVector<f32>, _> {
            let mut of_inputs = DMatrix::zeros(inputs.nrows(), inputs.ncols());
            let mut gradient = DVector::zeros(parameters.len());
            of.vjp_at_readings(
                &inputs,
                &parameters,
                &readings,
                &cotangents,
                &mut of_inputs,
                &mut gradient,
            )?;
            Ok::<_, twinprop::devices::DeviceError>(gradient)
        };
        let (true_gradient, of_twin) = (gradient(exact)?, gradient(twin)?);
        let [exact, twin] = [true_gradient, of_twin].map(|gradient| gradient.map(f64::from));
        Ok(exact.dot(&twin) / (exact.norm() * twin.norm()))
    };
    let all: Result<Vec<f64>, _> = (0..TEST_SETTINGS).into_par_iter().map(of_setting).collect();
    Ok(all?.iter().sum::<f64>() / TEST_SETTINGS as f64)
}
