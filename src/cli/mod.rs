//! The command line: the commands, one file each.

mod calibrate;
mod compare;
mod completions;
mod device;
mod ending;
mod evaluate;
mod meta_train;
mod new;
#[cfg(feature = "nir")]
mod nir;
mod observer;
mod predict;
mod recalibrate;
mod report;
mod schema;
#[cfg(feature = "remote")]
mod serve;
mod train;
mod transfer;
mod watch;

use std::ffi::OsString;
use std::panic::{AssertUnwindSafe, catch_unwind};
use std::path::PathBuf;

use clap::builder::{PossibleValuesParser, TypedValueParser};
use clap::{Args, Parser, Subcommand};

use self::observer::CommandObserver;
use crate::experiment::provenance::{command_line, note_command_line};
use crate::experiment::{Reopening, RunOptions};
use crate::report::for_command_line;
use crate::view::terminal;
use crate::{Backend, Error, Rule, errln};

/// Runs the command line `arguments`, of which the first is the program's name, and returns the exit status. Ends the
/// process after a wrong argument, `--help` and `--version`.
///
/// Installs handlers of Ctrl-C and of panics: for a program that does nothing else.
pub fn main_from<T: Into<OsString> + Clone>(arguments: impl IntoIterator<Item = T>) -> u8 {
    let arguments: Vec<OsString> = arguments.into_iter().map(Into::into).collect();
    note_command_line(&arguments);
    let arguments = Cli::parse_from(arguments);
    let only_prints = arguments.only_prints();
    ending::make_safe_before_abort();
    // On a thread of the pool, so that parallel work starts without waking one up.
    let work = AssertUnwindSafe(|| rayon::scope(|_| run(arguments)));
    match catch_unwind(work) {
        Ok(Ok(())) => ending::end(status_of_output(only_prints), None),
        Ok(Err(error)) => {
            errln!("error: {}", for_command_line(&error.to_string()));
            ending::end(ending::status_of(&error), Some(&error))
        }
        // The panic hook has reported it.
        Err(_) => ending::end(PANICKED, None),
    }
}

/// Exit status after a panic, as Rust sets it.
const PANICKED: u8 = 101;

/// Exit status of a command that succeeded, by whether its lines could be written.
fn status_of_output(only_prints: bool) -> u8 {
    match terminal::lost_output() {
        None => 0,
        Some(error) if only_prints => {
            errln!("error: standard output: {error}");
            1
        }
        Some(error) => {
            errln!("standard output lost lines ({error}); the files are complete");
            0
        }
    }
}

/// Train physical systems as neural networks: forward pass on the device, backward pass through its digital twin.
#[derive(Parser)]
#[command(name = "twinprop", version)]
struct Cli {
    #[command(subcommand)]
    command: Command,
}

#[derive(Subcommand)]
enum Command {
    /// Train the network of a recipe on its devices.
    Train(train::Train),
    /// Fit the digital twins of a recipe's devices, and report how far to trust them.
    Calibrate(calibrate::Calibrate),
    /// Train one recipe with several rules and seeds, and compare the results.
    Compare(compare::Compare),
    /// Test a trained network on its devices again, or watch the devices for drift.
    Evaluate(evaluate::Evaluate),
    /// With a trained network, predict the classes of new samples and their probabilities, or their values.
    Predict(predict::Predict),
    /// Recalibrate and fine-tune a trained network on drifted devices, with few shots.
    Recalibrate(recalibrate::Recalibrate),
    /// Deploy a trained network on another copy of its devices.
    Transfer(transfer::Transfer),
    /// Learn a plasticity rule over many small tasks, and compare it with backpropagation.
    MetaTrain(meta_train::MetaTrain),
    /// Show runs on a page in the browser while they train, and stop them from there.
    Watch(watch::Watch),
    /// Exchange spiking networks with other programs in NIR, the Neuromorphic Intermediate Representation.
    #[cfg(feature = "nir")]
    #[command(subcommand)]
    Nir(nir::Nir),
    /// Rewrite the report page of a results folder from its files.
    Report(report::Report),
    /// Create a starter folder: recipes, a rig in Python, and a README that explains them.
    New(new::New),
    /// Print the recipes' JSON Schema, with which editors complete and check them.
    Schema,
    /// Print a shell's completion script.
    Completions(completions::Completions),
    /// Serve this machine's backend to trainings on other machines.
    #[cfg(feature = "remote")]
    Serve(serve::Serve),
    /// List, inspect, probe or serve devices.
    #[command(subcommand)]
    Device(device::Device),
}

impl Cli {
    /// Whether the command's only result is its standard output.
    fn only_prints(&self) -> bool {
        match &self.command {
            Command::Schema | Command::Completions(_) => true,
            Command::Predict(command) => command.only_prints(),
            Command::Device(command) => command.only_prints(),
            _ => false,
        }
    }
}

/// Runs the command.
fn run(cli: Cli) -> Result<(), Error> {
    match cli.command {
        Command::Train(command) => train::run(&command),
        Command::Calibrate(command) => calibrate::run(&command),
        Command::Compare(command) => compare::run(&command),
        Command::Evaluate(command) => evaluate::run(&command),
        Command::Predict(command) => predict::run(&command),
        Command::Recalibrate(command) => recalibrate::run(&command),
        Command::Transfer(command) => transfer::run(&command),
        Command::MetaTrain(command) => meta_train::run(&command),
        Command::Watch(command) => watch::run(&command),
        #[cfg(feature = "nir")]
        Command::Nir(command) => nir::run(&command),
        Command::Report(command) => report::run(&command),
        Command::New(command) => new::run(&command),
        Command::Schema => schema::run(),
        Command::Completions(command) => completions::run(&command),
        #[cfg(feature = "remote")]
        Command::Serve(command) => serve::run(&command),
        Command::Device(command) => device::run(&command),
    }
}

/// Parses the name of a training rule; help and completions list the names.
fn rule_parser() -> impl TypedValueParser<Value = Rule> {
    PossibleValuesParser::new(Rule::names()).try_map(|name| name.parse::<Rule>())
}

/// Options of the commands that make a results folder from a recipe.
#[derive(Args)]
struct Settings {
    /// Seed of all random numbers, instead of the recipe's.
    #[arg(long)]
    seed: Option<u64>,
    /// Compute backend of the twins: flex, ndarray, wgpu, cuda or remote:ws://HOST:PORT.
    #[arg(long, default_value = "flex")]
    backend: Backend,
    /// Folder for the results; by default the next free one under runs/.
    #[arg(long)]
    out: Option<PathBuf>,
    /// Replace a value of the recipe, such as training.epochs=20; repeatable.
    #[arg(long, value_name = "KEY=VALUE")]
    set: Vec<String>,
    /// Folder to search for data files.
    #[arg(long)]
    data_dir: Option<PathBuf>,
    /// Accept data and devices that differ from the resumed run's or the loaded twins'; the results list the changes.
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
            command: command_line(),
            allow_changed_data: self.allow_changed_data,
            ..RunOptions::default()
        }
    }
}

/// Options of the commands that reopen a run.
#[derive(Args)]
struct Reopen {
    /// Compute backend of the twins: flex, ndarray, wgpu, cuda or remote:ws://HOST:PORT.
    #[arg(long, default_value = "flex")]
    backend: Backend,
    /// Real device instead of the run's: TARGET, such as tcp://127.0.0.1:7777, or NAME=TARGET; repeatable.
    #[arg(long, value_name = "TARGET")]
    device: Vec<String>,
    /// Record each device's shots in this new folder.
    #[arg(long, value_name = "FOLDER")]
    record: Option<PathBuf>,
    /// Folder to search for data files, such as those moved since the training.
    #[arg(long)]
    data_dir: Option<PathBuf>,
    /// Accept data and devices that differ from the training's; the results list the changes.
    #[arg(long)]
    allow_changed_data: bool,
}

impl Reopen {
    fn reopening(&self) -> Reopening {
        Reopening {
            other_devices: false,
            backend: self.backend.clone(),
            devices: self.device.clone(),
            data_dir: self.data_dir.clone(),
            record: self.record.clone(),
            copy: None,
            allow_changed_data: self.allow_changed_data,
        }
    }
}

/// Number of jobs at a time: `jobs`, or the number of CPU cores.
fn jobs_or_cores(jobs: Option<u64>) -> usize {
    let cores = || std::thread::available_parallelism().map_or(1, std::num::NonZero::get);
    jobs.map_or_else(cores, |jobs| jobs as usize)
}
