//! The share of time that a remote device is kept busy, and a chart of ten steps.
//!
//! `cargo run --release -p twinprop-bench --bin device_busy -- --figure bench/device-busy.svg` trains the network
//! of `experiments/vowels-optical.toml`, with its neural twin, and the MNIST oscillators, with their physics
//! twins, on devices that take 20 ms per layer and batch.

use std::ops::ControlFlow;
use std::path::{Path, PathBuf};
use std::process::ExitCode;
use std::time::{Duration, Instant};

use clap::Parser;
use plotters::prelude::*;
use twinprop::Backend;
use twinprop::devices::write_whole;
use twinprop::experiment::Experiment;
use twinprop::training::{Event, StepDone, TrainingConfig};
use twinprop_bench::{DeviceClock, Outcome, mnist_oscillators, run, train, vowels_optical};

/// Measures the share of a training step's time that the device is busy.
#[derive(Parser)]
struct Arguments {
    /// Milliseconds that the device takes per layer and batch.
    #[arg(long, default_value_t = 20)]
    milliseconds: u32,
    /// Parts of a batch, as in `training.parts`.
    #[arg(long, default_value_t = 1)]
    parts: usize,
    /// Draw ten steps into this SVG file.
    #[arg(long, value_name = "FILE")]
    figure: Option<PathBuf>,
}

#[global_allocator]
static ALLOCATOR: mimalloc::MiMalloc = mimalloc::MiMalloc;

/// Samples of a step.
const BATCH: usize = 32;
/// Timed steps, which follow the untimed first epoch.
const STEPS: usize = 60;
/// Steps in the figure.
const SHOWN: usize = 10;

/// The times of one training.
struct Timeline {
    name: &'static str,
    /// End of each step.
    steps: Vec<Instant>,
    /// Start and end of each measurement of the device.
    played: Vec<(Instant, Instant)>,
}

impl Timeline {
    /// Trains `experiment` on devices with `shots` shots per layer and sample.
    fn of(
        name: &'static str,
        mut experiment: Experiment,
        shots: u32,
        arguments: &Arguments,
    ) -> Outcome<Self> {
        let takes = Duration::from_millis(arguments.milliseconds.into());
        let clock = DeviceClock::default();
        clock.install(&mut experiment.laboratory, Some(takes / (BATCH as u32 * shots)));
        let batches = experiment.split.train.len().div_ceil(BATCH);
        let training = TrainingConfig {
            epochs: 1 + STEPS.div_ceil(batches),
            batch: BATCH,
            parts: arguments.parts,
            ..TrainingConfig::default()
        };
        let mut steps = Vec::new();
        let mut observer = |event: &Event| {
            if let Event::Step(StepDone { done, .. }) = event
                && *done >= batches
            {
                steps.push(Instant::now());
            }
            Ok(ControlFlow::Continue(()))
        };
        train(&mut experiment, &training, None, &mut observer)?;
        Ok(Self { name, steps, played: clock.played() })
    }

    /// Mean milliseconds of a step, and the device's share of the time from the first to the last.
    fn step(&self) -> (f64, f64) {
        let (start, end) = (self.steps[0], self.steps[STEPS]);
        let within = self.played.iter().filter(|(from, _)| (start..end).contains(from));
        let busy: Duration = within.map(|(from, to)| *to - *from).sum();
        let all = (end - start).as_secs_f64();
        (1e3 * all / STEPS as f64, busy.as_secs_f64() / all)
    }
}

/// Draws ten steps of each training: the device's measurements, and the ends of the steps.
fn draw(timelines: &[Timeline], path: &Path) -> Outcome<()> {
    let mut svg = String::new();
    {
        let height = 70 * timelines.len() as u32 + 60;
        let area = SVGBackend::with_string(&mut svg, (800, height)).into_drawing_area();
        area.fill(&WHITE)?;
        let origin = |timeline: &Timeline| timeline.steps[0];
        let after = |timeline: &Timeline, time: Instant| {
            1e3 * time.saturating_duration_since(origin(timeline)).as_secs_f64()
        };
        let longest = timelines.iter().map(|t| after(t, t.steps[SHOWN])).fold(0.0, f64::max);
        let rows = timelines.len() as f64;
        let mut chart = ChartBuilder::on(&area)
            .margin(12)
            .x_label_area_size(36)
            .build_cartesian_2d(0.0..longest, 0.0..rows)?;
        chart
            .configure_mesh()
            .disable_mesh()
            .disable_y_axis()
            .x_desc("ms; blue: the device plays; a line: a step ends")
            .draw()?;
        for (row, timeline) in timelines.iter().rev().enumerate() {
            let bottom = row as f64;
            let end = timeline.steps[SHOWN];
            let shown =
                timeline.played.iter().filter(|(from, _)| (origin(timeline)..end).contains(from));
            chart.draw_series(shown.map(|&(from, to)| {
                let corners =
                    [(after(timeline, from), bottom + 0.15), (after(timeline, to), bottom + 0.6)];
                Rectangle::new(corners, RGBColor(31, 119, 180).filled())
            }))?;
            chart.draw_series(timeline.steps[..=SHOWN].iter().map(|&step| {
                let x = after(timeline, step);
                PathElement::new([(x, bottom + 0.08), (x, bottom + 0.67)], BLACK)
            }))?;
            let label = ("sans-serif", 14).into_text_style(&area);
            chart.draw_series([Text::new(timeline.name, (0.0, bottom + 0.9), label)])?;
        }
        area.present()?;
    }
    Ok(write_whole(path, svg.as_bytes())?)
}

fn compare(arguments: &Arguments) -> Outcome<()> {
    let timelines = [
        Timeline::of(
            "vowels-optical, neural twin",
            vowels_optical(Backend::Flex).1,
            22,
            arguments,
        )?,
        Timeline::of(
            "MNIST oscillators, physics twins",
            mnist_oscillators().experiment,
            1,
            arguments,
        )?,
    ];
    println!("| training | device, ms a layer | ms a step | device idle, ms | device busy |");
    println!("|---|---|---|---|---|");
    for timeline in &timelines {
        let (ms, busy) = timeline.step();
        let (name, idle) = (timeline.name, ms * (1.0 - busy));
        let takes = arguments.milliseconds;
        println!("| {name} | {takes} | {ms:.2} | {idle:.2} | {:.1} % |", 100.0 * busy);
    }
    arguments.figure.as_deref().map_or(Ok(()), |path| draw(&timelines, path))
}

fn main() -> ExitCode {
    run(|| compare(&Arguments::parse()))
}
