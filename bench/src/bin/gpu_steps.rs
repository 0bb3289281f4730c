//! A step of physics-aware training of wide oscillator networks on a GPU, beside PyTorch on the same GPU.
//!
//! `cargo run --release -p twinprop-bench --features twinprop/wgpu --bin gpu_steps -- --python python3`. What the first
//! step takes, compilation of the kernels included, is told apart.

use std::process::ExitCode;
use std::time::Instant;

use clap::Parser;
use twinprop::Backend;
use twinprop_bench::{Outcome, Peer, Step, in_turns, oscillator_layers, run};

/// Steps on a GPU.
#[derive(Parser)]
struct Arguments {
    /// Where twinprop computes.
    #[arg(long, default_value_t = Backend::Wgpu)]
    backend: Backend,
    /// The Python that runs PyTorch.
    #[arg(long, default_value = "python3")]
    python: String,
    /// Where PyTorch computes.
    #[arg(long, default_value = "cuda")]
    torch: String,
    /// Oscillators of the networks.
    #[arg(long, value_delimiter = ',', default_value = "512,1024,2048,4096,8192")]
    counts: Vec<usize>,
    /// Compares with `torch.compile` as well.
    #[arg(long)]
    compiled: bool,
}

#[global_allocator]
static ALLOCATOR: mimalloc::MiMalloc = mimalloc::MiMalloc;

/// Turns of each.
const TURNS: usize = 3;

/// A step that the backend has done.
fn done(step: &mut Step) -> Outcome<()> {
    step.run();
    step.finish()
}

fn measure(arguments: &Arguments) -> Outcome<()> {
    println!("| oscillators | first step, s | ms | PyTorch's first step, s | ms | share |");
    println!("|---|---|---|---|---|---|");
    for &count in &arguments.counts {
        let mut step = oscillator_layers(count, 1, &arguments.backend);
        let start = Instant::now();
        done(&mut step)?;
        let first = start.elapsed().as_secs_f64();
        let kinds: &[&str] = if arguments.compiled { &["eager", "compiled"] } else { &["eager"] };
        for kind in kinds {
            let given = [count.to_string(), arguments.torch.clone(), format!("--{kind}")];
            let mut peer = Peer::start(&arguments.python, "oscillator_layer_step.py", &given)?;
            let peer_first = peer.seconds("step")?;
            let (ours, theirs) = in_turns(TURNS, || done(&mut step), || peer.seconds("step"))?;
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
