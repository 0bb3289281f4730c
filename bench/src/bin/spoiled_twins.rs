//! The cost of a wrong twin and the gain of refining it: test accuracy against the twin's error at the start.
//!
//! `cargo run --release -p twinprop-bench --bin spoiled_twins -- --out FOLDER` trains vowels-optical, with its data
//! sheet's equation as the twin, on devices that differ more and more from the data sheet: by physics-aware training
//! with and without refinement, in silico, and with the exact gradient. It prints a table and writes
//! `spoiled-twins.svg`. Runs that are already in the folder are reused.

use std::error::Error;
use std::path::{Path, PathBuf};
use std::process::ExitCode;

use clap::Parser;
use twinprop::Rule;
use twinprop::experiment::{RunOptions, Summary, train};
use twinprop::report::{Curve, line_chart};
use twinprop::training::Unobserved;

#[global_allocator]
static ALLOCATOR: mimalloc::MiMalloc = mimalloc::MiMalloc;

/// Measures test accuracy against the twin's error at the start.
#[derive(Parser)]
struct Arguments {
    /// Folder of the runs and the figure.
    #[arg(long)]
    out: PathBuf,
    /// Number of seeds.
    #[arg(long, default_value_t = 3)]
    seeds: u64,
    /// Relative deviations of the device's constants from the data sheet, comma-separated.
    #[arg(long, value_delimiter = ',', default_value = "0.0,0.05,0.1,0.2,0.3")]
    mismatch: Vec<String>,
}

/// A way to train.
#[derive(Clone, Copy)]
struct Way {
    name: &'static str,
    rule: Rule,
    /// The recipe's `training.refinement`.
    refinement: &'static str,
}

const WAYS: [Way; 4] = [
    Way { name: "pat-refined", rule: Rule::Pat, refinement: "{ on = {} }" },
    Way { name: "pat", rule: Rule::Pat, refinement: "\"off\"" },
    Way { name: "in-silico", rule: Rule::InSilico, refinement: "\"off\"" },
    Way { name: "ideal", rule: Rule::Ideal, refinement: "\"off\"" },
];

fn main() -> ExitCode {
    twinprop_bench::run(|| table(&Arguments::parse()))
}

/// Makes or reads the run of a way with `seed`, on a device with `mismatch`.
fn run(
    arguments: &Arguments,
    Way { name, rule, refinement }: Way,
    mismatch: &str,
    seed: u64,
) -> Result<Summary, Box<dyn Error>> {
    let out = arguments.out.join(format!("{name}-{mismatch}-{seed}"));
    if let Ok(text) = std::fs::read_to_string(out.join("summary.json")) {
        return Ok(serde_json::from_str(&text)?);
    }
    let options = RunOptions {
        rule: Some(rule),
        seed: Some(seed),
        out: Some(out),
        set: vec![
            "calibration.twin=\"physics\"".to_owned(),
            format!("devices.shg.imperfections.mismatch={mismatch}"),
            format!("training.refinement={refinement}"),
        ],
        ..RunOptions::default()
    };
    let recipe = Path::new(env!("CARGO_MANIFEST_DIR")).join("../experiments/vowels-optical.toml");
    Ok(train(&recipe, &options, &mut Unobserved)?.0)
}

fn mean(values: &[f64]) -> f64 {
    values.iter().sum::<f64>() / values.len() as f64
}

fn table(arguments: &Arguments) -> Result<(), Box<dyn Error>> {
    let mut curves: Vec<Curve> =
        WAYS.iter().map(|way| Curve { name: way.name, points: Vec::new() }).collect();
    println!(
        "| mismatch | twin's error | gradient cosine | {} |",
        WAYS.map(|way| way.name).join(" | ")
    );
    println!("|---|---|---|{}", "---|".repeat(WAYS.len()));
    for mismatch in &arguments.mismatch {
        let (mut errors, mut cosines) = (Vec::new(), Vec::new());
        let mut accuracies = vec![Vec::new(); WAYS.len()];
        for (way, accuracies) in WAYS.into_iter().zip(&mut accuracies) {
            for seed in 1..=arguments.seeds {
                let summary = run(arguments, way, mismatch, seed)?;
                accuracies.push(100.0 * f64::from(summary.test.value()));
                if let Some(twin) = summary.twin {
                    errors.push(f64::from(twin.nrmse));
                    cosines.push(f64::from(twin.gradient_cosine));
                }
            }
        }
        let error = mean(&errors);
        let cells: Vec<String> =
            accuracies.iter().map(|all| format!("{:.1} %", mean(all))).collect();
        println!("| {mismatch} | {error:.2} | {:.2} | {} |", mean(&cosines), cells.join(" | "));
        for (curve, all) in curves.iter_mut().zip(&accuracies) {
            curve.points.push((error, mean(all)));
        }
    }
    let title = "Test accuracy against the twin's error at the start";
    let label = "error of the readings, in units of their deviation";
    let chart = line_chart(title, label, "accuracy (%)", Some(0.0..100.0), &curves);
    std::fs::write(arguments.out.join("spoiled-twins.svg"), chart)?;
    Ok(())
}
