//! A step of physics-aware training of wide oscillator networks on a GPU, beside PyTorch on the same GPU.
//!
//! `cargo run --release -p twinprop-bench --features twinprop/wgpu --bin gpu_steps -- --python python3`. The first step
//! includes the compilation of the kernels, and is printed separately.

use std::process::ExitCode;
use std::time::Instant;

use clap::Parser;
use twinprop::Backend;
use twinprop_bench::{Outcome, Peer, Step, in_turns, oscillator_layers, run};

/// Times training steps on a GPU beside PyTorch's.
#[derive(Parser)]
struct Arguments {
    /// twinprop's backend.
    #[arg(long, default_value_t = Backend::Wgpu)]
    backend: Backend,
    /// Python interpreter with PyTorch.
    #[arg(long, default_value = "python3")]
    python: String,
    /// PyTorch's device.
    #[arg(long, default_value = "cuda")]
    torch: String,
    /// Oscillators per layer, comma-separated.
    #[arg(long, value_delimiter = ',', default_value = "512,1024,2048,4096,8192")]
    counts: Vec<usize>,
    /// Also compare with `torch.compile`.
    #[arg(long)]
    compiled: bool,
}

#[global_allocator]
static ALLOCATOR: mimalloc::MiMalloc = mimalloc::MiMalloc;

/// Turns of each side.
const TURNS: usize = 3;

/// Runs a step and waits until the backend has completed it.
fn complete(step: &mut Step) -> Outcome<()> {
    step.run();
    step.finish()
}

fn measure(arguments: &Arguments) -> Outcome<()> {
    println!("| oscillators | first step, s | ms | PyTorch's first step, s | ms | ratio |");
    println!("|---|---|---|---|---|---|");
    for &count in &arguments.counts {
        let mut step = oscillator_layers(count, 1, &arguments.backend);
        let start = Instant::now();
        complete(&mut step)?;
        let first = start.elapsed().as_secs_f64();
        let kinds: &[&str] = if arguments.compiled { &["eager", "compiled"] } else { &["eager"] };
        for kind in kinds {
            let given = [count.to_string(), arguments.torch.clone(), format!("--{kind}")];
            let mut peer = Peer::start(&arguments.python, "oscillator_layer_step.py", &given)?;
            let peer_first = peer.seconds("step")?;
            let (ours, theirs) = in_turns(TURNS, || complete(&mut step), || peer.seconds("step"))?;
            println!(
                "| {count} | {first:.2} | {:.2} | {peer_first:.2} | {:.2} {kind} | {:.3} |",
                1e3 * ours,
                1e3 * theirs,
                ours / theirs
            );
        }
    }
    Ok(())
}

fn main() -> ExitCode {
    run(|| measure(&Arguments::parse()))
}
