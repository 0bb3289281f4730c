//! Growth of time and memory: a training step against the numbers of oscillators, samples and layers, and the memory
//! of a whole epoch beside PyTorch's.
//!
//! `cargo run --release -p twinprop-bench --bin scaling -- --mnist FOLDER --python python3`, where FOLDER/mnist holds
//! MNIST's files; without `--mnist`, the epoch is left out. Memory is the peak resident set of a separate process, as
//! Linux reports it.

use std::path::{Path, PathBuf};
use std::process::{Command, ExitCode};
use std::time::Instant;

use clap::Parser;
use twinprop::Backend;
use twinprop::experiment::{RunOptions, train};
use twinprop::training::Unobserved;
use twinprop_bench::{Layers, Outcome, Step, median, run};

/// Measures the growth of time and memory.
#[derive(Parser)]
struct Arguments {
    /// Folder with MNIST's four files in `mnist`.
    #[arg(long)]
    mnist: Option<PathBuf>,
    /// Python interpreter with PyTorch.
    #[arg(long, default_value = "python3")]
    python: String,
    /// Only print the memory of some steps with this batch size, in this process.
    #[arg(long, hide = true)]
    memory_of_batch: Option<usize>,
    /// Only print the memory of an epoch, in this process.
    #[arg(long, hide = true)]
    memory_of_epoch: bool,
}

#[global_allocator]
static ALLOCATOR: mimalloc::MiMalloc = mimalloc::MiMalloc;

/// Oscillators, unless they vary.
const COUNT: usize = 256;
/// Samples of a batch, unless they vary.
const BATCH: usize = 32;
/// Layers, unless they vary.
const LAYERS: usize = 1;
/// Shortest time for which a step is repeated, in seconds.
const SECONDS: f64 = 1.0;
/// Fewest repetitions of a step.
const REPETITIONS: usize = 7;

/// Median seconds of a step.
fn seconds(mut step: Step) -> f64 {
    let start = Instant::now();
    step.run();
    let mut times = Vec::new();
    while times.len() < REPETITIONS || start.elapsed().as_secs_f64() < SECONDS {
        let start = Instant::now();
        step.run();
        times.push(start.elapsed().as_secs_f64());
    }
    median(times)
}

/// Fits y = a + b xᵖ by least squares of the relative errors; returns a, b and p, none of them below zero.
fn power_law(points: &[(f64, f64)]) -> (f64, f64, f64) {
    let fit = |exponent: f64| {
        // With u = 1 / y and v = xᵖ / y, 1 = a u + b v.
        let rows = points.iter().map(|&(x, y)| (1.0 / y, x.powf(exponent) / y));
        let (mut uu, mut uv, mut vv, mut u1, mut v1) = (0.0, 0.0, 0.0, 0.0, 0.0);
        for (u, v) in rows {
            (uu, uv, vv, u1, v1) = (uu + u * u, uv + u * v, vv + v * v, u1 + u, v1 + v);
        }
        let determinant = uu * vv - uv * uv;
        let (a, b) = ((u1 * vv - v1 * uv) / determinant, (uu * v1 - uv * u1) / determinant);
        let (a, b) = if a < 0.0 { (0.0, v1 / vv) } else { (a, b) };
        let error: f64 =
            points.iter().map(|&(x, y)| (1.0 - (a + b * x.powf(exponent)) / y).powi(2)).sum();
        (error, (a, b, exponent))
    };
    let tried = (10..=300).map(|hundredths| fit(f64::from(hundredths) / 100.0));
    let best = tried.min_by(|one, other| one.0.total_cmp(&other.0));
    best.map_or((0.0, 0.0, 0.0), |(_, found)| found)
}

/// Times steps of growing `sizes`, and prints the exponents of their time and their arithmetic.
fn grow(what: &str, sizes: &[usize], step: impl Fn(usize) -> Step) {
    let (mut times, mut work) = (Vec::new(), Vec::new());
    for &size in sizes {
        let step = step(size);
        let multiply_adds = step.multiply_adds() as f64;
        let seconds = seconds(step);
        println!(
            "| {size} {what} | {:.3} | {:.1} | {:.0} |",
            1e3 * seconds,
            1e-6 * multiply_adds,
            2e-9 * multiply_adds / seconds
        );
        times.push((size as f64, seconds));
        work.push((size as f64, multiply_adds));
    }
    let (start, _, exponent) = power_law(&times);
    let (_, _, arithmetic) = power_law(&work);
    println!(
        "| fitted exponent, after {:.2} ms | {exponent:.2} | {arithmetic:.2} | |",
        1e3 * start
    );
}

/// Peak resident memory of this process so far, in bytes.
fn peak_memory() -> Outcome<f64> {
    let status = std::fs::read_to_string("/proc/self/status")
        .map_err(|error| format!("/proc/self/status: {error}; memory is measured only on Linux"))?;
    let line = status.lines().find_map(|line| line.strip_prefix("VmHWM:"));
    let kilobytes = line.and_then(|line| line.trim().strip_suffix(" kB"));
    Ok(1024.0 * kilobytes.ok_or("/proc/self/status has no VmHWM")?.trim().parse::<f64>()?)
}

/// Runs `command` and returns the memory that it prints.
fn memory_of(command: &mut Command) -> Outcome<f64> {
    let output = command.output()?;
    let printed = String::from_utf8_lossy(&output.stdout);
    let last = printed.lines().last().and_then(|line| line.trim().parse().ok());
    last.ok_or_else(|| String::from_utf8_lossy(&output.stderr).into_owned().into())
}

/// A command that runs this program in a separate process.
fn this_program() -> Outcome<Command> {
    Ok(Command::new(std::env::current_exe()?))
}

fn memory_by_batch() -> Outcome<()> {
    println!("\n| batch | peak memory, MB |");
    println!("|---|---|");
    let mut points = Vec::new();
    for batch in [1usize, 128, 256, 512, 1024, 2048] {
        let bytes = memory_of(this_program()?.args(["--memory-of-batch", &batch.to_string()]))?;
        println!("| {batch} | {:.1} |", 1e-6 * bytes);
        points.push((batch as f64, bytes));
    }
    let count = points.len() as f64;
    let mean = |of: fn(&(f64, f64)) -> f64| points.iter().map(of).sum::<f64>() / count;
    let (x, y) = (mean(|point| point.0), mean(|point| point.1));
    let products = |of: fn((f64, f64)) -> f64| -> f64 {
        points.iter().map(|point| of((point.0 - x, point.1 - y))).sum()
    };
    let (xx, xy, yy) = (products(|d| d.0 * d.0), products(|d| d.0 * d.1), products(|d| d.1 * d.1));
    println!("| per sample | {:.4}; R² {:.4} |", 1e-6 * xy / xx, xy * xy / (xx * yy));
    Ok(())
}

/// The root folder of the repository.
fn root() -> PathBuf {
    Path::new(env!("CARGO_MANIFEST_DIR")).join("..")
}

/// Trains the MNIST oscillators for an epoch, from the files to the report.
fn epoch(data: &Path) -> Outcome<()> {
    let out = std::env::temp_dir().join(format!("twinprop-epoch-{}", std::process::id()));
    let options = RunOptions {
        data_dir: Some(data.to_owned()),
        out: Some(out.clone()),
        set: vec!["training.epochs=1".to_owned(), "accounting.digital_peer=false".to_owned()],
        ..RunOptions::default()
    };
    let recipe = root().join("experiments/mnist-oscillators.toml");
    let outcome = train(&recipe, &options, &mut Unobserved);
    // If it cannot be removed, the folder only takes space.
    let _ = std::fs::remove_dir_all(out);
    outcome?;
    Ok(())
}

fn memory_of_epochs(data: &Path, python: &str) -> Outcome<()> {
    let ours = memory_of(this_program()?.arg("--memory-of-epoch").arg("--mnist").arg(data))?;
    let script = root().join("bench/peers/mnist_epoch.py");
    let theirs = memory_of(Command::new(python).arg(script).arg(data.join("mnist")))?;
    println!("\n| an epoch of `mnist-oscillators` | PyTorch | ratio |");
    println!("|---|---|---|");
    println!("| {:.0} MB | {:.0} MB | {:.2} |", 1e-6 * ours, 1e-6 * theirs, ours / theirs);
    Ok(())
}

/// A step of layers of oscillators.
fn oscillators(count: usize, layers: usize) -> Step {
    Layers { kind: "oscillators", count, layers }.step(&Backend::Flex)
}

fn measure(arguments: &Arguments) -> Outcome<()> {
    if let Some(batch) = arguments.memory_of_batch {
        let mut step = oscillators(COUNT, LAYERS).on_batch(batch);
        for _ in 0..REPETITIONS {
            step.run();
        }
        println!("{}", peak_memory()?);
        return Ok(());
    }
    if let (true, Some(data)) = (arguments.memory_of_epoch, &arguments.mnist) {
        epoch(data)?;
        println!("{}", peak_memory()?);
        return Ok(());
    }
    println!("{COUNT} oscillators, batch {BATCH}, {LAYERS} layer, unless they vary\n");
    println!("| PAT step | ms | million multiply-adds | GFLOP/s |");
    println!("|---|---|---|---|");
    grow("oscillators", &[64, 128, 256, 512, 1024, 2048], |count| {
        oscillators(count, LAYERS).on_batch(BATCH)
    });
    grow("samples a batch", &[1, 4, 16, 64, 256, 1024], |batch| {
        oscillators(COUNT, LAYERS).on_batch(batch)
    });
    grow("layers", &[1, 2, 4, 8, 16], |layers| oscillators(COUNT, layers).on_batch(BATCH));
    memory_by_batch()?;
    match &arguments.mnist {
        Some(data) => memory_of_epochs(data, &arguments.python),
        None => Ok(()),
    }
}

fn main() -> ExitCode {
    run(|| measure(&Arguments::parse()))
}
