//! The number of shots that a twin needs: R², error over the noise floor and gradient cosine against the number of
//! shots, for neural, temporal, physics and hybrid twins.
//!
//! `cargo run --release -p twinprop-bench --bin twin_fidelity` prints the table.

use std::error::Error;
use std::process::ExitCode;
use std::time::Instant;

use clap::Parser;
use twinprop::Backend;
use twinprop::calibration::design::{DesignConfig, share_settings};
use twinprop::calibration::identify::identify;
use twinprop::calibration::{
    DigitalTwin, EquationTwin, Fidelity, FidelityConfig, FitConfig, HybridConfig, HybridTwin,
    IdentifyConfig, NeuralTwin, NeuralTwinConfig, Shots, TemporalTwin, TemporalTwinConfig,
};
use twinprop::devices::PhysicalLayer;
use twinprop_bench::mismatched_devices;

/// Measures the fidelity of twins of four devices, each fabricated with constants 10 % off, by number of shots.
#[derive(Parser)]
struct Arguments {
    /// Numbers of shots, comma-separated.
    #[arg(long, value_delimiter = ',', default_value = "64,256,1024,4096,16384")]
    shots: Vec<usize>,
    /// The design: uniform, latin_hypercube or sobol.
    #[arg(long, default_value = "sobol")]
    design: String,
    /// Only the device of this kind.
    #[arg(long)]
    device: Option<String>,
}

/// Test shots.
const TEST_SHOTS: usize = 1000;

#[global_allocator]
static ALLOCATOR: mimalloc::MiMalloc = mimalloc::MiMalloc;

fn main() -> ExitCode {
    twinprop_bench::run(|| table(&Arguments::parse()))
}

fn table(arguments: &Arguments) -> Result<(), Box<dyn Error>> {
    let design = match arguments.design.as_str() {
        "uniform" => DesignConfig::Uniform,
        "latin_hypercube" => DesignConfig::LatinHypercube,
        "sobol" => DesignConfig::Sobol,
        other => {
            return Err(format!(
                "--design {other}: unknown design, expected uniform, latin_hypercube or sobol"
            )
            .into());
        }
    };
    println!("device | shots | twin | R² | NRMSE over the noise floor | gradient cosine | fit (s)");
    for config in mismatched_devices() {
        for &shots in &arguments.shots {
            let simulated = config.fabricate(1)?;
            let mut device = simulated.device;
            let interface = device.interface().clone();
            if arguments.device.as_ref().is_some_and(|only| *only != interface.device) {
                continue;
            }
            let constants = IdentifyConfig { epochs: 100, ..Default::default() };
            let mut measure = |shots, shared: bool, seed| -> Result<Shots, Box<dyn Error>> {
                let (inputs, mut parameters) = design.draw(&interface, shots, None, seed)?;
                if shared {
                    share_settings(&mut parameters, constants.shots_per_setting);
                }
                Ok(Shots::measure(&mut device, inputs, parameters, |_| ())?)
            };
            // An equation learns from series of shots at one setting, a network from a new setting for each shot.
            let (single, runs) = (measure(shots, false, 1)?, measure(shots, true, 1)?);
            let unseen = measure(TEST_SHOTS, false, 2)?;
            let backend = Backend::Flex.device()?;
            // Few shots get small batches.
            let batch = (shots / 16).clamp(8, 256);
            let fit = FitConfig { epochs: 60, batch, patience: 20, ..Default::default() };

            let start = Instant::now();
            let size = NeuralTwinConfig::default();
            let (neural, _) =
                NeuralTwin::fit(&size, &fit, &interface, &single, 1, &backend, |_, _| ())?;
            let mut twins: Vec<(&str, Box<dyn DigitalTwin>, f64)> =
                vec![("neural", Box::new(neural), start.elapsed().as_secs_f64())];

            if matches!(interface.device.as_str(), "plate" | "transistor") {
                let start = Instant::now();
                let size = TemporalTwinConfig::default();
                let (temporal, _) =
                    TemporalTwin::fit(&size, &fit, &interface, &single, 1, &backend, |_, _| ())?;
                twins.push(("temporal", Box::new(temporal), start.elapsed().as_secs_f64()));
            }

            let start = Instant::now();
            let mut equation = simulated.nominal;
            identify(&mut *equation, &constants, &runs, 1, &backend, |_, _| ())?;
            let physics = EquationTwin::new(equation);
            twins.push(("physics", Box::new(physics), start.elapsed().as_secs_f64()));

            let start = Instant::now();
            let nominal = config.fabricate(1)?.nominal;
            let parts = HybridConfig { constants: constants.clone(), ..Default::default() };
            let hybrid = HybridTwin::fit(nominal, &parts, &fit, &runs, 1, &backend, |_, _| ())?;
            twins.push(("hybrid", Box::new(hybrid), start.elapsed().as_secs_f64()));

            for (name, twin, seconds) in twins {
                let judged = FidelityConfig::default();
                let fidelity =
                    Fidelity::measure(&*twin, &mut device, &unseen, &judged, 1, &backend, |_| ())?;
                let readings = &fidelity.readings;
                println!(
                    "{} | {shots} | {name} | {:.4} | {:.2} | {:.3} | {seconds:.1}",
                    interface.device,
                    readings.r2.value,
                    readings.over_the_floor().unwrap_or(f32::NAN),
                    fidelity.gradient.cosine
                );
            }
        }
    }
    Ok(())
}
