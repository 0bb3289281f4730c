//! A step of physics-aware training of the coherent stack, 64 modes and batch 500, beside PyTorch: a vectorised version of
//! it, and the public code of its authors.
//!
//! `cargo run --release -p twinprop-bench --bin stack_step -- --python python3 --public CHECKOUT` times them in turns.
//! `CHECKOUT` is a copy of github.com/THPCILab/DAT_MPNN; without it the public code is left out. PyTorch runs on as many
//! threads as there are cores.

use std::path::PathBuf;
use std::process::ExitCode;

use clap::Parser;
use twinprop::devices::Differentiable;
use twinprop::devices::optical::{CoherentStack, CoherentStackConfig};
use twinprop_bench::{Machine, Outcome, Peer, Times, Work, mnist_stack, run, steps_in_turns};

/// Compares a step of the coherent stack with PyTorch's.
#[derive(Parser)]
struct Arguments {
    /// Python interpreter that runs the peers; it needs numpy and torch.
    #[arg(long, default_value = "python3")]
    python: String,
    /// Copy of the authors' code.
    #[arg(long, value_name = "FOLDER")]
    public: Option<PathBuf>,
    /// Turns of each side, of twenty repetitions each.
    #[arg(long, default_value_t = 5)]
    turns: usize,
}

#[global_allocator]
static ALLOCATOR: mimalloc::MiMalloc = mimalloc::MiMalloc;

fn main() -> ExitCode {
    run(|| compare(&Arguments::parse()))
}

fn compare(arguments: &Arguments) -> Outcome<()> {
    const SHOTS: u64 = 500;
    let machine = Machine::measure();
    println!("{}\n", machine.in_words());
    let config = CoherentStackConfig { modes: 64, ..Default::default() };
    let stack = CoherentStack::nominal(&config)?;
    let multiply_adds = SHOTS * 4 * stack.multiply_adds() + 4 * stack.multiply_adds_a_setting();
    let limit = machine.limit(Work { multiply_adds, bytes: 0, product: None });
    let mut step = mnist_stack();
    println!("peer | ms | peer, ms | peer / ours | limit, ms | ours / limit");
    let public = arguments.public.as_ref().map(|folder| folder.display().to_string());
    let peers = [("PyTorch, vectorised", "stack_vectorised_step.py", Some(Vec::new()))]
        .into_iter()
        .chain([("public code", "stack_public_step.py", public.map(|folder| vec![folder]))]);
    for (name, script, options) in peers {
        let Some(options) = options else { continue };
        let mut peer = Peer::start(&arguments.python, script, &options)?;
        let Times { ours: seconds, theirs: of_peer, .. } =
            steps_in_turns(arguments.turns, &mut step, &mut peer)?;
        println!(
            "{name} | {:.2} | {:.2} | {:.1} | {:.2} | {:.2}",
            1e3 * seconds,
            1e3 * of_peer,
            of_peer / seconds,
            1e3 * limit,
            seconds / limit
        );
    }
    Ok(())
}
