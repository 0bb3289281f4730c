//! The shots that a twin learns most from: neural twins by design and number of shots, judged where a network uses
//! them.
//!
//! `cargo run --release -p twinprop-bench --bin twin_designs` prints the table.

use std::error::Error;
use std::process::ExitCode;

use twinprop::Backend;
use twinprop::calibration::design::{ActiveConfig, DesignConfig, TaskDrives, TaskLikeConfig};
use twinprop::calibration::{
    Fidelity, FidelityConfig, FitConfig, NeuralTwin, NeuralTwinConfig, Shots,
};
use twinprop::devices::{Interface, PhysicalLayer};
use twinprop_bench::mismatched_devices;

#[global_allocator]
static ALLOCATOR: mimalloc::MiMalloc = mimalloc::MiMalloc;

const SHOTS: [usize; 3] = [256, 1024, 4096];
/// Test shots.
const TEST_SHOTS: usize = 500;
/// Copies of each device; a cell of the table is their mean.
const COPIES: u64 = 3;

fn main() -> ExitCode {
    twinprop_bench::run(table)
}

/// The drives of a network with parameters in the middle half of their ranges: 22 settings, and inputs around eleven
/// prototypes.
fn task(interface: &Interface) -> Result<TaskDrives, Box<dyn Error>> {
    let (prototypes, settings) = DesignConfig::Uniform.draw(interface, 22, None, 7)?;
    let mut parameters = settings;
    for mut setting in parameters.column_iter_mut() {
        for (value, channel) in setting.iter_mut().zip(interface.parameters.iter()) {
            let middle = 0.5 * (channel.minimum + channel.maximum);
            *value = middle + 0.5 * (*value - middle);
        }
    }
    let about = TaskLikeConfig { input_spread: 0.05, parameter_spread: 0.0, uniform_share: 0.0 };
    let centres = TaskDrives {
        inputs: prototypes.columns(0, 11).into_owned(),
        parameters: parameters.clone(),
    };
    let (inputs, _) = DesignConfig::TaskLike(about).draw(interface, 256, Some(&centres), 8)?;
    Ok(TaskDrives { inputs, parameters })
}

fn table() -> Result<(), Box<dyn Error>> {
    let backend = Backend::Flex.device()?;
    let task_like = || DesignConfig::TaskLike(TaskLikeConfig::default());
    let active = |from: DesignConfig| {
        DesignConfig::Active(ActiveConfig { from: Box::new(from), ..ActiveConfig::default() })
    };
    let designs = [
        ("uniform", DesignConfig::Uniform),
        ("active", active(DesignConfig::Uniform)),
        ("task-like", task_like()),
        ("active from task-like", active(task_like())),
    ];
    let names: Vec<&str> = designs.iter().map(|(name, _)| *name).collect();
    println!("| device | shots | {} |", names.join(" | "));
    println!("|---|---|{}", "---|".repeat(designs.len()));
    for config in mismatched_devices() {
        for shots in SHOTS {
            let mut cells = Vec::new();
            for (_, design) in &designs {
                let (mut r2, mut cosine) = (0.0, 0.0);
                for copy in 1..=COPIES {
                    let mut device = config.fabricate(copy)?.device;
                    let interface = device.interface().clone();
                    let task = task(&interface)?;
                    let mut measure = |inputs, parameters| -> Result<Shots, Box<dyn Error>> {
                        Ok(Shots::measure(&mut device, inputs, parameters, |_| ())?)
                    };
                    // The region of the training: around the task's inputs and the initial parameters.
                    let near = TaskLikeConfig {
                        input_spread: 0.05,
                        parameter_spread: 0.1,
                        uniform_share: 0.0,
                    };
                    let (inputs, parameters) = DesignConfig::TaskLike(near).draw(
                        &interface,
                        TEST_SHOTS,
                        Some(&task),
                        100 + copy,
                    )?;
                    let unseen = measure(inputs, parameters)?;
                    let seen = match design {
                        DesignConfig::Active(active) => active.measure(
                            &interface,
                            shots,
                            Some(&task),
                            copy,
                            &backend,
                            &mut measure,
                        )?,
                        design => {
                            let (inputs, parameters) =
                                design.draw(&interface, shots, Some(&task), copy)?;
                            measure(inputs, parameters)?
                        }
                    };
                    let batch = (shots / 16).clamp(8, 256);
                    let fit = FitConfig { epochs: 60, batch, patience: 20, ..Default::default() };
                    let size = NeuralTwinConfig::default();
                    let (twin, _) =
                        NeuralTwin::fit(&size, &fit, &interface, &seen, copy, &backend, |_, _| ())?;
                    let judged = FidelityConfig::default();
                    let fidelity = Fidelity::measure(
                        &twin,
                        &mut device,
                        &unseen,
                        &judged,
                        copy,
                        &backend,
                        |_| (),
                    )?;
                    r2 += fidelity.readings.r2.value / COPIES as f32;
                    cosine += fidelity.gradient.cosine.value / COPIES as f32;
                }
                cells.push(format!("{r2:.3}, **{cosine:.3}**"));
            }
            let kind = config.fabricate(1)?.nominal.interface().device.clone();
            println!("| `{kind}` | {shots} | {} |", cells.join(" | "));
        }
    }
    Ok(())
}
