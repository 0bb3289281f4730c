//! Side by side with the peers: devices against NumPy, a training step against PyTorch.
//!
//! `cargo run --release -p twinprop-bench -- --python python3` plays both in turns, so that both
//! see the same machine, and prints medians and their ratio. The Python needs numpy, scipy and torch;
//! `bench/run.sh` sees to that.

mod limit;
mod results;

use std::path::PathBuf;
use std::process::ExitCode;

use clap::Parser;
use twinprop::rules::PredictiveCodingConfig;
use twinprop::training::Awake;
use twinprop_bench::{
    DevicePlay, Outcome, PAT_STEPS, PatStep, Peer, in_turns, predictive_coding, run,
    steps_in_turns, vjps_in_turns,
};

use limit::{Machine, Work};
use results::{Results, Row};

/// twinprop's devices and training step side by side with NumPy's and PyTorch's.
#[derive(Parser)]
struct Arguments {
    /// The Python that runs the peers.
    #[arg(long, default_value = "python3")]
    python: String,
    /// Shots of a device in a measurement.
    #[arg(long, default_value_t = 1024)]
    shots: usize,
    /// Only this device, or `step`, `vowels-step`, `plate-step`, `hybrid-step` or `predictive-coding`.
    #[arg(long)]
    only: Option<String>,
    /// Turns of each side, twenty repetitions each.
    #[arg(long, default_value_t = 5)]
    turns: usize,
    /// Also writes the results to this JSON file.
    #[arg(long, value_name = "FILE")]
    json: Option<PathBuf>,
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
    println!("{}\n", machine.in_words());
    let mut results = Results::new(machine);
    Results::begin();
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
    // Ours computes in 32 bits; NumPy's own default is 64.
    for real in ["float32", "float64"] {
        let sizes = [shots.to_string(), real.to_owned()];
        let mut numpy = Peer::start(&arguments.python, "devices.py", &sizes)?;
        let (seconds, peer_seconds) = in_turns(
            arguments.turns,
            || {
                // As in a training step.
                let _awake = Awake::keep();
                Ok(play.run()?)
            },
            || numpy.seconds(&name),
        )?;
        let (subject, peer) = (name.clone(), format!("NumPy, {real}"));
        let row = Row { subject, peer, seconds, peer_seconds, limit: None, shots: Some(shots) };
        results.add(row, Some(work));
    }
    Ok(())
}

/// What the rows call PyTorch as it is.
const TORCH: &str = "PyTorch";

/// Turns of what takes long, such as an epoch.
const LONG_TURNS: usize = 3;

/// A training step, the vector-Jacobian product of its first layer's twin, an epoch and a pass of the twin's
/// calibration, beside PyTorch eager and, where it compiles that, compiled.
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
            results.add(Row::of_step(format!("{of}, {subject}"), name, times), work);
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
            add(&format!("a calibration's pass over {} shots", fit.shots()), times, None);
        }
    }
    Ok(())
}
