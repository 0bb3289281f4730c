//! The cost of refining the twins per training step, and whether a device waits for it.
//!
//! `cargo run --release -p twinprop-bench --bin refinement_cost` trains the network of
//! `experiments/vowels-optical.toml` on its simulated device, and on one that takes 5 ms per layer, with and without
//! refinement in turns.

use std::ops::ControlFlow;
use std::time::{Duration, Instant};

use twinprop::Backend;
use twinprop::training::{Event, Refinement, RefinementConfig, StepDone, TrainingConfig};
use twinprop_bench::{DeviceClock, median, train, vowels_optical};

#[global_allocator]
static ALLOCATOR: mimalloc::MiMalloc = mimalloc::MiMalloc;

/// Turns of each kind.
const TURNS: usize = 5;
/// Epochs of a turn.
const EPOCHS: usize = 4;
/// Shots of a layer of the network, per sample.
const SHOTS_A_LAYER: u32 = 22;

/// The mean times of a turn's steps.
struct Turn {
    /// Seconds from one step to the next.
    step: f64,
    /// Share of the time that the device was busy.
    busy: f64,
    /// Seconds per step that the twins' lessons took, on their own thread.
    lessons: f64,
}

fn turn(layer_takes: Option<Duration>, refined: bool) -> Result<Turn, twinprop::Error> {
    let (recipe, mut experiment) = vowels_optical(Backend::Flex);
    let backend = Backend::Flex.device()?;
    let clock = DeviceClock::default();
    let takes = layer_takes.map(|takes| takes / (32 * SHOTS_A_LAYER));
    clock.install(&mut experiment.laboratory, takes);
    // No recalibration, although the twin is untrained: only the steps are timed.
    let config = RefinementConfig { recalibration_shots: 0, ..RefinementConfig::default() };
    let training = TrainingConfig { epochs: EPOCHS, ..recipe.training.clone() };
    let (network, laboratory) = (&experiment.network, &experiment.laboratory);
    let mut refinement = refined
        .then(|| Refinement::new(config, &[true], network, laboratory, recipe.seed, &backend));
    let mut steps = 0;
    // Timed from the first step on: the first check of the twins comes before it.
    let mut start = None;
    let mut observer = |event: &Event| {
        if let Event::Step(StepDone { done, .. }) = event {
            start.get_or_insert_with(Instant::now);
            steps = *done;
        }
        Ok(ControlFlow::Continue(()))
    };
    train(&mut experiment, &training, refinement.as_mut(), &mut observer)?;
    let start = start.unwrap_or_else(Instant::now);
    let seconds = start.elapsed().as_secs_f64();
    let busy = clock.busy_since(start).as_secs_f64();
    let lessons = refinement.map_or(0.0, |refinement| refinement.seconds());
    let steps = (steps - 1) as f64;
    Ok(Turn { step: seconds / steps, busy: busy / seconds, lessons: lessons / steps })
}

fn main() -> Result<(), twinprop::Error> {
    println!(
        "| device | refined | ms a step | device idle, ms | device busy | lessons, ms a step |"
    );
    println!("|---|---|---|---|---|---|");
    for (name, takes) in [("simulated", None), ("5 ms a layer", Some(Duration::from_millis(5)))] {
        let (mut without, mut with) = (Vec::new(), Vec::new());
        for _ in 0..TURNS {
            without.push(turn(takes, false)?);
            with.push(turn(takes, true)?);
        }
        for (refined, turns) in [("no", without), ("yes", with)] {
            let median_of = |of: fn(&Turn) -> f64| median(turns.iter().map(of).collect());
            let (ms, busy) = (1e3 * median_of(|turn| turn.step), median_of(|turn| turn.busy));
            let (idle, lessons) = (ms * (1.0 - busy), 1e3 * median_of(|turn| turn.lessons));
            let busy = 100.0 * busy;
            println!("| {name} | {refined} | {ms:.2} | {idle:.2} | {busy:.1} % | {lessons:.2} |");
        }
    }
    Ok(())
}
