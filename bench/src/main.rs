//! Side by side with the peers: devices against NumPy, a training step against PyTorch.
//!
//! `cargo run --release -p twinprop-bench -- --python python3` plays both in turns, so that both
//! see the same machine, and prints medians and their ratio. The Python needs numpy, scipy and torch.

use std::io::{BufRead, BufReader, Write};
use std::path::Path;
use std::process::{Child, ChildStdin, ChildStdout, Command, ExitCode, Stdio};
use std::time::{Duration, Instant};

use clap::Parser;
use nalgebra::{DMatrix, DVector};
use twinprop::devices::electronic::{Transistor, TransistorConfig};
use twinprop::devices::mechanical::{Oscillators, OscillatorsConfig, Plate, PlateConfig};
use twinprop::devices::optical::{SecondHarmonic, SecondHarmonicConfig};
use twinprop::devices::{DeviceError, PhysicalLayer};
use twinprop::rules::PredictiveCodingConfig;
use twinprop::training::Awake;
use twinprop_bench::{Step, median, mnist_oscillators, predictive_coding};

type Outcome<T> = Result<T, Box<dyn std::error::Error>>;

/// twinprop's devices and training step side by side with NumPy's and PyTorch's.
#[derive(Parser)]
struct Arguments {
    /// The Python that runs the peers.
    #[arg(long, default_value = "python3")]
    python: String,
    /// Shots of a device in a measurement.
    #[arg(long, default_value_t = 1024)]
    shots: usize,
    /// Only this device, or `step`, or `predictive-coding`, instead of all.
    #[arg(long)]
    only: Option<String>,
    /// Turns of each side, twenty repetitions each.
    #[arg(long, default_value_t = 5)]
    turns: usize,
}

/// A Python script that answers a line with the seconds that its work took.
struct Peer {
    process: Child,
    requests: ChildStdin,
    answers: BufReader<ChildStdout>,
}

impl Peer {
    fn start(python: &str, script: &str, arguments: &[String]) -> Outcome<Self> {
        let path = Path::new(env!("CARGO_MANIFEST_DIR")).join("peers").join(script);
        let mut process = Command::new(python)
            .arg(path)
            .args(arguments)
            .stdin(Stdio::piped())
            .stdout(Stdio::piped())
            .spawn()?;
        let (Some(requests), Some(answers)) = (process.stdin.take(), process.stdout.take()) else {
            return Err("the peer has no pipes".into());
        };
        Ok(Self { process, requests, answers: BufReader::new(answers) })
    }

    fn seconds(&mut self, work: &str) -> Outcome<f64> {
        writeln!(self.requests, "{work}")?;
        let mut answer = String::new();
        self.answers.read_line(&mut answer)?;
        Ok(answer.trim().parse().map_err(|_| format!("the peer did not answer to `{work}`"))?)
    }
}

impl Drop for Peer {
    fn drop(&mut self) {
        // It may have ended already; then there is nothing to stop.
        let _ = self.process.kill();
        let _ = self.process.wait();
    }
}

/// Repetitions in a turn.
const REPETITIONS: usize = 20;
/// Between two turns: threads that wait for work by spinning have gone to sleep by then.
const PAUSE: Duration = Duration::from_millis(300);

/// Medians of ours and of the peer's over all repetitions, turn by turn; the first repetition of a
/// turn warms up and does not count.
fn in_turns(
    turns: usize,
    mut ours: impl FnMut() -> Outcome<()>,
    mut theirs: impl FnMut() -> Outcome<f64>,
) -> Outcome<(f64, f64)> {
    let mut timed = || -> Outcome<f64> {
        let start = Instant::now();
        ours()?;
        Ok(start.elapsed().as_secs_f64())
    };
    let (mut left, mut right) = (Vec::new(), Vec::new());
    for _ in 0..turns {
        for (seconds, side) in
            [(&mut timed as &mut dyn FnMut() -> Outcome<f64>, &mut left), (&mut theirs, &mut right)]
        {
            std::thread::sleep(PAUSE);
            seconds()?;
            for _ in 0..REPETITIONS {
                side.push(seconds()?);
            }
        }
    }
    Ok((median(left), median(right)))
}

fn devices() -> Result<Vec<Box<dyn PhysicalLayer>>, DeviceError> {
    Ok(vec![
        Box::new(SecondHarmonic::nominal(&SecondHarmonicConfig::default())?),
        Box::new(Oscillators::nominal(&OscillatorsConfig::default())?),
        Box::new(Plate::nominal(&PlateConfig::default())?),
        Box::new(Transistor::nominal(&TransistorConfig::default())?),
    ])
}

#[global_allocator]
static ALLOCATOR: mimalloc::MiMalloc = mimalloc::MiMalloc;

fn main() -> ExitCode {
    // As the program does: the work runs on a worker, so that no call waits for one to wake.
    let outcome = rayon::scope(|_| compare(&Arguments::parse()).map_err(|error| error.to_string()));
    match outcome {
        Ok(()) => ExitCode::SUCCESS,
        Err(error) => {
            eprintln!("error: {error}");
            ExitCode::FAILURE
        }
    }
}

fn compare(arguments: &Arguments) -> Outcome<()> {
    let shots = arguments.shots;
    println!("device, {shots} shots a turn | NumPy in | shots a second | NumPy's | ratio");
    let wanted = |name: &str| arguments.only.as_deref().is_none_or(|only| only == name);
    for mut device in devices()? {
        let interface = device.interface().clone();
        if !wanted(&interface.device) {
            continue;
        }
        let middle = |channels: &twinprop::devices::Channels| -> Vec<f32> {
            channels.iter().map(|c| c.minimum + 0.6 * c.span()).collect()
        };
        let drive = middle(&interface.inputs);
        let wave = |row: usize, shot: usize| {
            drive[row] * (1.0 + 0.3 * ((row * 7 + shot * 3) as f32).sin())
        };
        let inputs = DMatrix::from_fn(drive.len(), shots, wave);
        let parameters = DVector::from_vec(middle(&interface.parameters)) * 0.1;
        let mut outputs = DMatrix::zeros(interface.outputs.len(), shots);
        // Ours computes in 32 bits; NumPy's own default is 64.
        for real in ["float32", "float64"] {
            let sizes = [shots.to_string(), real.to_owned()];
            let mut numpy = Peer::start(&arguments.python, "devices.py", &sizes)?;
            let (ours, theirs) = in_turns(
                arguments.turns,
                || {
                    // As in a training step.
                    let _awake = Awake::keep();
                    Ok(device.measure(&inputs, &parameters, &mut outputs)?)
                },
                || numpy.seconds(&interface.device),
            )?;
            let rate = |seconds: f64| shots as f64 / seconds;
            println!(
                "{} | {real} | {:.0} | {:.0} | {:.1}",
                interface.device,
                rate(ours),
                rate(theirs),
                theirs / ours
            );
        }
    }

    if wanted("step") {
        let mut torch = Peer::start(&arguments.python, "oscillator_step.py", &[])?;
        let times = steps_in_turns(arguments.turns, mnist_oscillators(), &mut torch)?;
        println!("\nPAT step of the MNIST oscillators, batch 32 | ms | PyTorch's | share");
        println!("196 and 206 oscillators | {}", in_words(times));
    }
    if wanted("predictive-coding") {
        println!("\nfixed-prediction step, 784-256-128-64-10, batch 32 | ms | PyTorch's | share");
        for (eta, steps) in [(1.0, 4), (0.1, 20)] {
            let config = PredictiveCodingConfig { eta, steps: Some(steps), ..Default::default() };
            let options = [eta.to_string(), steps.to_string()];
            let mut torch = Peer::start(&arguments.python, "predictive_coding_step.py", &options)?;
            let times = steps_in_turns(arguments.turns, predictive_coding(config), &mut torch)?;
            println!("η = {eta}, {steps} sweeps | {}", in_words(times));
        }
    }
    Ok(())
}

/// Medians of a training step of ours and of the peer's.
fn steps_in_turns(turns: usize, mut step: Step, torch: &mut Peer) -> Outcome<(f64, f64)> {
    in_turns(
        2 * turns,
        || {
            step.run();
            Ok(())
        },
        || torch.seconds("step"),
    )
}

fn in_words((ours, theirs): (f64, f64)) -> String {
    format!("{:.2} | {:.2} | {:.2}", 1e3 * ours, 1e3 * theirs, ours / theirs)
}
