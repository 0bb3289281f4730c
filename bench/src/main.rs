//! Side by side with the peers: devices against NumPy, a training step against PyTorch.
//!
//! `cargo run --release -p twinprop-bench -- --python python3` plays both in turns, so that both
//! see the same machine, and prints medians and their ratio. The Python needs numpy, scipy and torch;
//! `bench/run.sh` sees to that.

mod limit;
mod peer;
mod results;

use std::path::PathBuf;
use std::process::ExitCode;

use clap::Parser;
use nalgebra::{DMatrix, DVector};
use twinprop::Backend;
use twinprop::devices::electronic::{Transistor, TransistorConfig};
use twinprop::devices::mechanical::{Oscillators, OscillatorsConfig, Plate, PlateConfig};
use twinprop::devices::optical::{MziMesh, MziMeshConfig, SecondHarmonic, SecondHarmonicConfig};
use twinprop::devices::{Channels, DeviceError, Differentiable};
use twinprop::rules::PredictiveCodingConfig;
use twinprop::training::Awake;
use twinprop_bench::{Step, mnist_oscillators, predictive_coding, vowels_optical};

use limit::{Machine, Work};
use peer::{Peer, in_turns, steps_in_turns};
use results::{Results, Row};

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
    /// Only this device, or `step`, `vowels-step` or `predictive-coding`, instead of all.
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

fn devices() -> Result<Vec<Box<dyn Differentiable>>, DeviceError> {
    Ok(vec![
        Box::new(SecondHarmonic::nominal(&SecondHarmonicConfig::default())?),
        Box::new(Oscillators::nominal(&OscillatorsConfig::default())?),
        Box::new(Plate::nominal(&PlateConfig::default())?),
        Box::new(Transistor::nominal(&TransistorConfig::default())?),
        Box::new(MziMesh::nominal(&MziMeshConfig::default())?),
    ])
}

/// Four times eighteen products of matrices a layer: the device's, the twin's, its adjoint's and its
/// couplings' gradient's.
const OSCILLATORS_STEP: Work =
    Work { multiply_adds: 4 * 18 * 32 * (196 * 196 + 206 * 206), bytes: 0 };
/// Forward and back through the twin of 18, 256, 256 and 22 units, for 704 shots a layer.
const VOWELS_STEP: Work =
    Work { multiply_adds: 2 * 2 * 704 * (18 * 256 + 256 * 256 + 256 * 22), bytes: 0 };

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
    let machine = Machine::measure();
    println!("{}\n", machine.in_words());
    let mut results = Results::new(machine);
    Results::begin();
    for device in devices()? {
        if arguments.wants(&device.interface().device) {
            compare_device(device, arguments, &mut results)?;
        }
    }
    if arguments.wants("step") {
        let mut torch = Peer::start(&arguments.python, "oscillator_step.py", &[])?;
        let times = steps_in_turns(arguments.turns, mnist_oscillators(), &mut torch)?;
        let subject = "PAT step, 196 and 206 oscillators, batch 32".to_owned();
        results.add(Row::of_step(subject, times), Some(OSCILLATORS_STEP));
    }
    if arguments.wants("vowels-step") {
        let mut torch = Peer::start(&arguments.python, "vowels_step.py", &[])?;
        let (_, experiment) = vowels_optical(Backend::Flex);
        let times = steps_in_turns(arguments.turns, Step::new(experiment), &mut torch)?;
        let subject = "PAT step, vowels-optical with its neural twin, batch 32".to_owned();
        results.add(Row::of_step(subject, times), Some(VOWELS_STEP));
    }
    if arguments.wants("predictive-coding") {
        for (eta, steps) in [(1.0, 4), (0.1, 20)] {
            let config = PredictiveCodingConfig { eta, steps: Some(steps), ..Default::default() };
            let options = [eta.to_string(), steps.to_string()];
            let mut torch = Peer::start(&arguments.python, "predictive_coding_step.py", &options)?;
            let times = steps_in_turns(arguments.turns, predictive_coding(config), &mut torch)?;
            let subject =
                format!("fixed prediction, η = {eta}, {steps} sweeps, 784-256-128-64-10, batch 32");
            results.add(Row::of_step(subject, times), None);
        }
    }
    arguments.json.as_deref().map_or(Ok(()), |path| results.write(path))
}

fn compare_device(
    mut device: Box<dyn Differentiable>,
    arguments: &Arguments,
    results: &mut Results,
) -> Outcome<()> {
    let shots = arguments.shots;
    let interface = device.interface().clone();
    let middle = |channels: &Channels| -> Vec<f32> {
        channels.iter().map(|c| c.minimum + 0.6 * c.span()).collect()
    };
    let drive = middle(&interface.inputs);
    let wave =
        |row: usize, shot: usize| drive[row] * (1.0 + 0.3 * ((row * 7 + shot * 3) as f32).sin());
    let inputs = DMatrix::from_fn(drive.len(), shots, wave);
    let parameters = DVector::from_vec(middle(&interface.parameters)) * 0.1;
    let mut outputs = DMatrix::zeros(interface.outputs.len(), shots);
    let work = Work {
        multiply_adds: shots as u64 * device.multiply_adds(),
        bytes: 4 * (inputs.len() + outputs.len()) as u64,
    };
    // Ours computes in 32 bits; NumPy's own default is 64.
    for real in ["float32", "float64"] {
        let sizes = [shots.to_string(), real.to_owned()];
        let mut numpy = Peer::start(&arguments.python, "devices.py", &sizes)?;
        let (seconds, peer_seconds) = in_turns(
            arguments.turns,
            || {
                // As in a training step.
                let _awake = Awake::keep();
                Ok(device.measure(&inputs, &parameters, &mut outputs)?)
            },
            || numpy.seconds(&interface.device),
        )?;
        let (subject, peer) = (interface.device.clone(), format!("NumPy, {real}"));
        let row = Row { subject, peer, seconds, peer_seconds, limit: None, shots: Some(shots) };
        results.add(row, Some(work));
    }
    Ok(())
}
