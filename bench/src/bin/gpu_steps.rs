//! Steps of physics-aware training of noisy devices on a GPU, beside PyTorch on the same GPU.
//!
//! `cargo run --release -p twinprop-bench --features twinprop/wgpu --bin gpu_steps -- --python python3`. The first step
//! includes the compilation of the kernels, and is printed separately. The ratio is to the fastest of PyTorch's modes.

use std::process::ExitCode;
use std::time::Instant;

use clap::{Parser, ValueEnum};
use twinprop::Backend;
use twinprop_bench::{KINDS, Layers, Outcome, Peer, Step, Times, in_turns, median, run};

/// Times training steps on a GPU beside PyTorch's.
#[derive(Parser)]
struct Arguments {
    /// twinprop's backend: wgpu or cuda.
    #[arg(long, default_value_t = Backend::Wgpu)]
    backend: Backend,
    /// Python interpreter with PyTorch.
    #[arg(long, default_value = "python3")]
    python: String,
    /// PyTorch's device.
    #[arg(long, default_value = "cuda")]
    torch: String,
    /// Kinds of devices, comma-separated; all by default.
    #[arg(long, value_delimiter = ',')]
    kinds: Vec<String>,
    /// Oscillators in a layer, comma-separated.
    #[arg(long, value_delimiter = ',', default_value = "512,1024,2048,4096,8192")]
    counts: Vec<usize>,
    /// Samples in a batch, comma-separated.
    #[arg(long, value_delimiter = ',', default_value = "32,512")]
    batches: Vec<usize>,
    /// How PyTorch makes its steps, comma-separated; a device's ratio is to the fastest.
    #[arg(long, value_delimiter = ',', value_enum, default_value = "eager,compiled,graph")]
    modes: Vec<PeerMode>,
    /// Turns of each side.
    #[arg(long, default_value_t = 3)]
    turns: usize,
}

/// How PyTorch makes a step.
#[derive(Clone, Copy, ValueEnum)]
enum PeerMode {
    /// Operation by operation.
    Eager,
    /// Device and twin by `torch.compile`.
    Compiled,
    /// The whole step as a CUDA graph.
    Graph,
}

impl PeerMode {
    fn name(self) -> &'static str {
        match self {
            Self::Eager => "eager",
            Self::Compiled => "compiled",
            Self::Graph => "graph",
        }
    }
}

#[global_allocator]
static ALLOCATOR: mimalloc::MiMalloc = mimalloc::MiMalloc;

/// Runs a step and waits until the backend has completed it.
fn complete(step: &mut Step) -> Outcome<()> {
    step.run();
    step.finish()
}

/// Median seconds of a step of twinprop.
fn alone(turns: usize, step: &mut Step) -> Outcome<f64> {
    let mut seconds = Vec::new();
    for _ in 0..turns {
        let start = Instant::now();
        complete(step)?;
        seconds.push(start.elapsed().as_secs_f64());
    }
    Ok(median(seconds))
}

/// A row of the table: `kind` of `count`, with `batch` samples.
fn compare(arguments: &Arguments, kind: &str, count: usize, batch: usize) -> Outcome<()> {
    let mut step = Layers { kind, count, layers: 1 }.step(&arguments.backend).on_batch(batch);
    let start = Instant::now();
    complete(&mut step)?;
    let first = start.elapsed().as_secs_f64();
    let (mut cells, mut best) = (String::new(), None);
    for mode in &arguments.modes {
        let mut given =
            vec![kind.to_owned(), count.to_string(), batch.to_string(), arguments.torch.clone()];
        given.extend((mode.name() != "eager").then(|| format!("--{}", mode.name())));
        let mut peer = Peer::start(&arguments.python, "gpu_step.py", &given)?;
        let timed = peer.seconds("step").and_then(|_| {
            in_turns(arguments.turns, || complete(&mut step), || peer.seconds("step"))
        });
        // A mode that fails, for lack of memory or of CUDA, is left out.
        let Ok(Times { ours, theirs, .. }) = timed else {
            cells += " fails |";
            continue;
        };
        cells += &format!(" {:.2} |", 1e3 * theirs);
        if best.is_none_or(|(_, fastest)| theirs < fastest) {
            best = Some((ours, theirs));
        }
    }
    let (ours, ratio) = match best {
        Some((ours, theirs)) => (ours, format!("{:.3}", ours / theirs)),
        None => (alone(arguments.turns, &mut step)?, "none".to_owned()),
    };
    println!("| {kind} | {count} | {batch} | {first:.2} | {:.2} |{cells} {ratio} |", 1e3 * ours);
    Ok(())
}

fn measure(arguments: &Arguments) -> Outcome<()> {
    if let Some(other) =
        arguments.kinds.iter().find(|one| KINDS.iter().all(|(kind, _)| kind != one))
    {
        let kinds = KINDS.map(|(kind, _)| kind).join(", ");
        return Err(format!("no device `{other}` among {kinds}").into());
    }
    let names = arguments.modes.iter().map(|mode| format!(" PyTorch {}, ms |", mode.name()));
    println!(
        "| device | size | batch | first step, s | twinprop, ms |{} ratio |",
        names.collect::<String>()
    );
    println!("|---|---|---|---|---|{}---|", "---|".repeat(arguments.modes.len()));
    for (kind, count) in KINDS {
        if !arguments.kinds.is_empty() && !arguments.kinds.iter().any(|one| one == kind) {
            continue;
        }
        let counts = if kind == "oscillators" { &arguments.counts[..] } else { &[count] };
        for &count in counts {
            for &batch in &arguments.batches {
                compare(arguments, kind, count, batch)?;
            }
        }
    }
    Ok(())
}

fn main() -> ExitCode {
    run(|| measure(&Arguments::parse()))
}
