//! Comparison with peers: devices with NumPy, training steps with PyTorch.
//!
//! `cargo run --release -p twinprop-bench -- --python python3` times both in turns, so that both run on the machine in
//! the same state, and prints medians and their ratio. The Python needs numpy, scipy and torch, which `bench/run.sh`
//! installs.

mod results;

use std::path::PathBuf;
use std::process::ExitCode;

use clap::Parser;
use twinprop::rules::PredictiveCodingConfig;
use twinprop::training::Awake;
use twinprop_bench::{
    DevicePlay, Machine, Outcome, PAT_STEPS, PatStep, Peer, Work, in_turns, predictive_coding, run,
    steps_in_turns, vjps_in_turns,
};

use results::{Results, Row};

/// Compares twinprop's devices with NumPy's, and its training steps with PyTorch's.
#[derive(Parser)]
struct Arguments {
    /// Python interpreter that runs the peers.
    #[arg(long, default_value = "python3")]
    python: String,
    /// Shots of a device per measurement.
    #[arg(long, default_value_t = 1024)]
    shots: usize,
    /// Compare only this device, or `step`, `vowels-step`, `plate-step`, `hybrid-step` or `predictive-coding`.
    #[arg(long)]
    only: Option<String>,
    /// Turns of each side, of twenty repetitions each.
    #[arg(long, default_value_t = 5)]
    turns: usize,
    /// Also write the results to this JSON file.
    #[arg(long, value_name = "FILE")]
    json: Option<PathBuf>,
    /// Also write the table into this Markdown file, in the place of the one that it has.
    #[arg(long, value_name = "FILE")]
    table: Option<PathBuf>,
}

impl Arguments {
    fn wants(&self, name: &str) -> bool {
        self.only.as_deref().is_none_or(|only| only == name)
    }
}

#[global_allocator]
static ALLOCATOR: mimalloc::MiMalloc = mimalloc::MiMalloc;

fn main() -> ExitCode {
    run(|| compare(&Arguments::parse()))
}

fn compare(arguments: &Arguments) -> Outcome<()> {
    let machine = Machine::measure();
    let mut results = Results::new(machine);
    results.begin();
    for play in DevicePlay::of_each(arguments.shots)? {
        if arguments.wants(play.name()) {
            compare_device(play, arguments, &mut results)?;
        }
    }
    for pat in &PAT_STEPS {
        if arguments.wants(pat.name) {
            compare_step(pat, arguments, &mut results)?;
        }
    }
    if arguments.wants("predictive-coding") {
        for (eta, steps) in [(1.0, 4), (0.1, 20)] {
            let config = PredictiveCodingConfig { eta, steps: Some(steps), ..Default::default() };
            let options = [eta.to_string(), steps.to_string()];
            let mut torch = Peer::start(&arguments.python, "predictive_coding_step.py", &options)?;
            let mut step = predictive_coding(config);
            let times = steps_in_turns(arguments.turns, &mut step, &mut torch)?;
            let subject =
                format!("fixed prediction, η = {eta}, {steps} sweeps, 784-256-128-64-10, batch 32");
            results.add(Row::of_step(subject, TORCH, times), None);
        }
    }
    arguments.table.as_deref().map_or(Ok(()), |path| results.write_table(path))?;
    arguments.json.as_deref().map_or(Ok(()), |path| results.write(path))
}

fn compare_device(
    mut play: DevicePlay,
    arguments: &Arguments,
    results: &mut Results,
) -> Outcome<()> {
    let shots = arguments.shots;
    let work = Work { multiply_adds: play.multiply_adds(), bytes: play.bytes(), product: None };
    let name = play.name().to_owned();
    // twinprop computes with 32 bits; NumPy's default is 64.
    for real in ["float32", "float64"] {
        let sizes = [shots.to_string(), real.to_owned()];
        let mut numpy = Peer::start(&arguments.python, "devices.py", &sizes)?;
        let times = in_turns(
            arguments.turns,
            || {
                // As in a training step.
                let _awake = Awake::keep();
                Ok(play.run()?)
            },
            || numpy.seconds(&name),
        )?;
        let row = Row::of_device(name.clone(), &format!("NumPy, {real}"), times, shots);
        results.add(row, Some(work));
    }
    Ok(())
}

/// Name of PyTorch without compilation.
const TORCH: &str = "PyTorch";

/// Turns of long subjects, such as an epoch.
const LONG_TURNS: usize = 3;

/// Compares a training step, the vector-Jacobian product of its first layer's twin, an epoch and a pass of the twin's
/// calibration with PyTorch: eager and, if `compiles`, compiled.
fn compare_step(pat: &PatStep, arguments: &Arguments, results: &mut Results) -> Outcome<()> {
    let PatStep { subject, peer, compiles, product, .. } = *pat;
    let mut step = (pat.step)();
    let multiply_adds = pat.multiply_adds.unwrap_or_else(|| step.multiply_adds());
    let work = Work { multiply_adds, bytes: 0, product };
    let mut fit = pat.fit.map(|fit| fit()).transpose()?;
    let samples = step.samples();
    let options = [samples.to_string(), "--compiled".to_owned()];
    for (name, options) in [(TORCH, &options[..1]), ("PyTorch, compiled", &options)] {
        if !(compiles || name == TORCH) {
            continue;
        }
        let mut add = |of: &str, times, work| {
            let row = Row::of_step(format!("{of}, {subject}"), name, times);
            results.add(row, work);
        };
        let mut torch = Peer::start(&arguments.python, peer, options)?;
        let times = steps_in_turns(arguments.turns, &mut step, &mut torch)?;
        add("PAT step, batch 32", times, Some(work));
        let times = vjps_in_turns(arguments.turns, &mut step, &mut torch)?;
        add("a layer's twin's VJP", times, None);
        let times = in_turns(LONG_TURNS, || step.epoch(), || torch.seconds("epoch"))?;
        add(&format!("an epoch of {samples} samples"), times, None);
        if let Some(fit) = &mut fit {
            let times = in_turns(LONG_TURNS, || fit.pass(), || torch.seconds("fit"))?;
            let work = fit.multiply_adds().map(|multiply_adds| Work {
                multiply_adds,
                bytes: 0,
                product: None,
            });
            add(&format!("a calibration's pass over {} shots", fit.shots()), times, work);
        }
    }
    Ok(())
}
