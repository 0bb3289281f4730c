//! Commands, a file each.

mod calibrate;
mod compare;
mod completions;
mod device;
pub mod ending;
mod evaluate;
mod meta_train;
mod new;
mod observer;
mod predict;
mod recalibrate;
mod report;
mod schema;
#[cfg(feature = "remote")]
mod serve;
mod train;
mod transfer;

use std::path::PathBuf;

use self::observer::CommandObserver;
use clap::{Args, Parser, Subcommand};
use twinprop::experiment::{Reopening, RunOptions};
use twinprop::{Backend, Error};

/// Train physical systems as neural networks: forward on the device, backward through its twin.
#[derive(Parser)]
#[command(version)]
pub struct Cli {
    #[command(subcommand)]
    command: Command,
}

#[derive(Subcommand)]
enum Command {
    /// Train one recipe.
    Train(train::Train),
    /// Make the twins of a recipe's devices, and say how far to trust them.
    Calibrate(calibrate::Calibrate),
    /// Train one recipe by several rules on several seeds, and compare.
    Compare(compare::Compare),
    /// Measure a trained network on its device again.
    Evaluate(evaluate::Evaluate),
    /// Say the classes of new samples by a trained network, with their probabilities.
    Predict(predict::Predict),
    /// Bring a trained network back to devices that have drifted, with few shots.
    Recalibrate(recalibrate::Recalibrate),
    /// Deploy a trained network on another copy of its devices.
    Transfer(transfer::Transfer),
    /// Learn a plasticity rule over many small tasks, and compare it with backpropagation.
    MetaTrain(meta_train::MetaTrain),
    /// Write the page of results again, from the files in their folder.
    Report(report::Report),
    /// Make a folder to start from: a recipe, a rig in Python, and a page that explains them.
    New(new::New),
    /// Print the recipe's JSON Schema, for editors that complete and check by it.
    Schema,
    /// Print the completions of a shell.
    Completions(completions::Completions),
    /// Serve this machine's backend to trainings on other machines.
    #[cfg(feature = "remote")]
    Serve(serve::Serve),
    /// Ask about devices.
    #[command(subcommand)]
    Device(device::Device),
}

impl Cli {
    /// Whether the lines on standard output are all that the command makes.
    pub fn only_prints(&self) -> bool {
        match &self.command {
            Command::Schema | Command::Completions(_) => true,
            Command::Predict(command) => command.only_prints(),
            Command::Device(command) => command.only_prints(),
            _ => false,
        }
    }
}

/// Runs the command.
pub fn run(cli: Cli) -> Result<(), Error> {
    match cli.command {
        Command::Train(command) => train::run(&command),
        Command::Calibrate(command) => calibrate::run(&command),
        Command::Compare(command) => compare::run(&command),
        Command::Evaluate(command) => evaluate::run(&command),
        Command::Predict(command) => predict::run(&command),
        Command::Recalibrate(command) => recalibrate::run(&command),
        Command::Transfer(command) => transfer::run(&command),
        Command::MetaTrain(command) => meta_train::run(&command),
        Command::Report(command) => report::run(&command),
        Command::New(command) => new::run(&command),
        Command::Schema => schema::run(),
        Command::Completions(command) => completions::run(&command),
        #[cfg(feature = "remote")]
        Command::Serve(command) => serve::run(&command),
        Command::Device(command) => device::run(&command),
    }
}

/// What every command takes that makes a folder from a recipe.
#[derive(Args)]
struct Settings {
    /// Seed of everything random, instead of the recipe's.
    #[arg(long)]
    seed: Option<u64>,
    /// Where the twins are computed: flex, ndarray, wgpu or remote:ws://HOST:PORT.
    #[arg(long, default_value = "flex")]
    backend: Backend,
    /// Folder of the results; without it the next free one under runs/.
    #[arg(long)]
    out: Option<PathBuf>,
    /// Replace a value of the recipe, such as training.epochs=20; may be given again.
    #[arg(long, value_name = "KEY=VALUE")]
    set: Vec<String>,
    /// A folder in which data files are looked for.
    #[arg(long)]
    data_dir: Option<PathBuf>,
    /// Take data and devices that are not those of the resumed run, or of the twins that are loaded; the results
    /// say so.
    #[arg(long)]
    allow_changed_data: bool,
}

impl Settings {
    fn options(&self) -> RunOptions {
        RunOptions {
            seed: self.seed,
            backend: self.backend.clone(),
            out: self.out.clone(),
            data_dir: self.data_dir.clone(),
            set: self.set.clone(),
            command: twinprop::experiment::command_line(),
            allow_changed_data: self.allow_changed_data,
            ..RunOptions::default()
        }
    }
}

/// What every command takes that opens a run again.
#[derive(Args)]
struct Reopen {
    /// Where the host computes: flex, ndarray, wgpu or remote:ws://HOST:PORT.
    #[arg(long, default_value = "flex")]
    backend: Backend,
    /// A real device instead of the run's: TARGET or NAME=TARGET; may be given again.
    #[arg(long, value_name = "TARGET")]
    device: Vec<String>,
    /// Record the shots of each device in this new folder.
    #[arg(long, value_name = "FOLDER")]
    record: Option<PathBuf>,
    /// A folder in which data files are looked for, those that have moved since the training among them.
    #[arg(long)]
    data_dir: Option<PathBuf>,
    /// Take data and devices that are not what the run was trained on; the results say so.
    #[arg(long)]
    allow_changed_data: bool,
}

impl Reopen {
    fn reopening(&self) -> Reopening {
        Reopening {
            backend: self.backend.clone(),
            devices: self.device.clone(),
            data_dir: self.data_dir.clone(),
            record: self.record.clone(),
            copy: None,
            allow_changed_data: self.allow_changed_data,
        }
    }
}

/// How many pieces of work are done at a time: `jobs`, or as many as there are cores.
fn jobs_or_cores(jobs: Option<u64>) -> usize {
    let cores = || std::thread::available_parallelism().map_or(1, std::num::NonZero::get);
    jobs.map_or_else(cores, |jobs| jobs as usize)
}
