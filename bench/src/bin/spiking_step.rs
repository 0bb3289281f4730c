//! A training step of a recurrent spiking network beside PyTorch: 700 lines, 700 recurrent neurons, 100 steps, batch 64.
//!
//! `cargo run --release -p twinprop-bench --bin spiking_step -- --python python3` times our step by the surrogate gradient
//! in turns with a lean loop in PyTorch and with the libraries of `bench/peers/spiking_step.py` that are installed, each on
//! as many threads as there are cores. Then it times our step by ST-RSBP, and both over other numbers of steps.
//!
//! A step plays the chip, differentiates the cross-entropy of a linear readout of the counts, pulls it back through the
//! chip at the spikes that it gave, and lets Adam change all weights.

use std::process::ExitCode;

use clap::Parser;
use nalgebra::{DMatrix, DVector};
use rand::RngExt;
use twinprop::burn::tensor::Device;
use twinprop::calibration::Adam;
use twinprop::calibration::bridge::{from_vec, to_vec};
use twinprop::devices::neuromorphic::{Jacobian, LifChip, LifChipConfig, SpikeGradient};
use twinprop::devices::{Differentiable, PhysicalLayer, random};
use twinprop::training::Awake;
use twinprop_bench::{Machine, Outcome, Peer, Times, Work, in_turns, median, run};

/// Compares a step of a recurrent spiking network with PyTorch's.
#[derive(Parser)]
struct Arguments {
    /// Python interpreter that runs the peers; it needs torch, and the libraries that are compared.
    #[arg(long, default_value = "python3")]
    python: String,
    /// Libraries to compare with, of `lean`, `lean-compiled`, `snntorch`, `norse` and `spikingjelly`.
    #[arg(
        long,
        value_delimiter = ',',
        default_value = "lean,lean-compiled,snntorch,norse,spikingjelly"
    )]
    peers: Vec<String>,
    /// Turns of each side.
    #[arg(long, default_value_t = 3)]
    turns: usize,
}

#[global_allocator]
static ALLOCATOR: mimalloc::MiMalloc = mimalloc::MiMalloc;

const LINES: usize = 700;
const NEURONS: usize = 700;
const CLASSES: usize = 20;
const BATCH: usize = 64;
const STEPS: usize = 100;
/// Share of the cells that are spikes.
const DENSITY: f32 = 0.05;
/// Initial weights are uniform up to this, so that the neurons fire about as often as the lines.
const START: f32 = 0.105;

fn main() -> ExitCode {
    run(|| compare(&Arguments::parse()))
}

/// The network, its batch, and what a step keeps.
struct Training {
    chip: LifChip,
    inputs: DMatrix<f32>,
    labels: Vec<usize>,
    weights: DVector<f32>,
    readout: DMatrix<f32>,
    outputs: DMatrix<f32>,
    of_weights: DVector<f32>,
    adam: Adam,
    device: Device,
}

impl Training {
    fn new(steps: usize, gradient: SpikeGradient) -> Outcome<Self> {
        let config = LifChipConfig {
            lines: LINES,
            neurons: NEURONS,
            steps,
            refractory: 0,
            largest_weight: 1.0,
            ..Default::default()
        };
        let chip = LifChip::nominal(&config)?.with_gradient(gradient);
        let mut random = random::stream(1, "spiking step");
        let count = chip.interface().parameters.len();
        Ok(Self {
            inputs: DMatrix::from_fn(LINES * steps, BATCH, |_, _| {
                f32::from(random.random::<f32>() < DENSITY)
            }),
            labels: (0..BATCH).map(|_| random.random_range(0..CLASSES)).collect(),
            weights: DVector::from_fn(count, |_, _| random.random_range(-START..START)),
            readout: DMatrix::from_fn(CLASSES, NEURONS, |_, _| random.random_range(-0.04..0.04)),
            outputs: DMatrix::zeros(NEURONS * steps, BATCH),
            of_weights: DVector::zeros(count),
            adam: Adam::default(),
            device: Device::flex(),
            chip,
        })
    }

    fn step(&mut self) -> Outcome<()> {
        let _awake = Awake::keep();
        let linearised = self.chip.linearise(&self.inputs, &self.weights);
        let linearised = linearised.ok_or("the chip has no linearised equation")?;
        self.chip.measure(&self.inputs, &self.weights, &mut self.outputs)?;
        let interface = self.chip.interface();
        let counts = interface.outputs.count(&self.outputs);
        let mut of_logits = &self.readout * &counts;
        for (mut logits, &label) in of_logits.column_iter_mut().zip(&self.labels) {
            let largest = logits.max();
            logits.apply(|logit| *logit = (*logit - largest).exp());
            logits /= logits.sum() * BATCH as f32;
            logits[label] -= 1.0 / BATCH as f32;
        }
        let of_counts = self.readout.tr_mul(&of_logits);
        let of_readout = &of_logits * counts.transpose();
        let of_cells = interface.outputs.spread(&of_counts);
        linearised.vjp(&self.outputs, &of_cells, None, &mut self.of_weights);
        let tensor = |values: &[f32]| from_vec(values.to_vec(), [1, values.len()], &self.device);
        let mut weights = tensor(self.weights.as_slice());
        let mut readout = tensor(self.readout.as_slice());
        let gradients = vec![tensor(self.of_weights.as_slice()), tensor(of_readout.as_slice())];
        // Changes that are too small to alter how much work a step is.
        self.adam.step([1e-6, 1e-6], vec![&mut weights, &mut readout], gradients);
        self.weights = DVector::from_vec(to_vec(weights));
        self.readout = DMatrix::from_vec(CLASSES, NEURONS, to_vec(readout));
        Ok(())
    }

    /// Mean share of the cells of the neurons that are spikes.
    fn rate(&mut self) -> Outcome<f32> {
        self.step()?;
        Ok(self.outputs.mean())
    }

    /// Median seconds of a step.
    fn seconds(&mut self, repetitions: usize) -> Outcome<f64> {
        self.step()?;
        let timed = (0..repetitions).map(|_| {
            let start = std::time::Instant::now();
            self.step()?;
            Ok(start.elapsed().as_secs_f64())
        });
        Ok(median(timed.collect::<Outcome<Vec<f64>>>()?))
    }
}

fn surrogate() -> SpikeGradient {
    SpikeGradient::Surrogate { slope: 10.0 }
}

fn compare(arguments: &Arguments) -> Outcome<()> {
    let machine = Machine::measure();
    println!("{}\n", machine.in_words());
    let mut ours = Training::new(STEPS, surrogate())?;
    let rate = ours.rate()?;
    println!(
        "lines fire in {:.1} % of the steps, neurons in {:.1} %\n",
        100.0 * DENSITY,
        100.0 * rate
    );
    // Event-driven: each spike adds the weights of its source, and their gradient; dense: back through recurrent weights.
    let cells = (BATCH * STEPS) as f32;
    let events = cells * (LINES as f32 * DENSITY + NEURONS as f32 * rate) * NEURONS as f32;
    let dense = (BATCH * STEPS * NEURONS * NEURONS) as u64;
    let limit =
        machine.limit(Work { multiply_adds: 2 * events as u64 + dense, bytes: 0, product: None });
    println!("peer | ms | peer, ms | ours / peer | limit, ms | ours / limit");
    for name in &arguments.peers {
        let (library, is_compiled) = match name.strip_suffix("-compiled") {
            Some(library) => (library, true),
            None => (name.as_str(), false),
        };
        let mut options = vec![library.to_owned()];
        options.extend(is_compiled.then(|| "--compiled".to_owned()));
        let mut peer = Peer::start(&arguments.python, "spiking_step.py", &options)?;
        let theirs = peer.seconds("step").map(|_| ());
        if let Err(error) = theirs {
            println!("{name} | not compared: {error}");
            continue;
        }
        let Times { ours: seconds, theirs: of_peer, .. } =
            in_turns(arguments.turns, || ours.step(), || peer.seconds("step"))?;
        println!(
            "{name} | {:.1} | {:.1} | {:.3} | {:.1} | {:.2}",
            1e3 * seconds,
            1e3 * of_peer,
            seconds / of_peer,
            1e3 * limit,
            seconds / limit
        );
    }
    println!("\nsteps | surrogate, ms | ST-RSBP, ms | ratio");
    for steps in [50, 100, 200, 400] {
        let spike_train = SpikeGradient::SpikeTrain { jacobian: Jacobian::Diagonal, floor: 0.3 };
        let of_surrogate = Training::new(steps, surrogate())?.seconds(5)?;
        let of_trains = Training::new(steps, spike_train)?.seconds(5)?;
        println!(
            "{steps} | {:.1} | {:.1} | {:.2}",
            1e3 * of_surrogate,
            1e3 * of_trains,
            of_trains / of_surrogate
        );
    }
    Ok(())
}
