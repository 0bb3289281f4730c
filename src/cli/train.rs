//! `twinprop train`.

use std::io::IsTerminal;
use std::path::PathBuf;

use clap::Args;

use super::{CommandObserver, Settings, rule_parser};
use crate::counted::counted;
use crate::experiment::verdict::TwinVerdict;
use crate::experiment::{RunFolder, RunOptions, resume, train};
use crate::outln;
use crate::report::for_command_line;
use crate::{Error, Rule};

/// Arguments of `train`.
#[derive(Args)]
pub struct Train {
    /// Recipe to train: a TOML file, such as `twinprop new` creates.
    #[arg(required_unless_present = "resume")]
    recipe: Option<PathBuf>,
    /// Resume the interrupted run in this folder.
    #[arg(long, value_name = "RUN", conflicts_with_all = ["recipe", "rule", "seed", "set", "out"])]
    resume: Option<PathBuf>,
    #[command(flatten)]
    settings: Settings,
    /// Training steps between two checkpoints; by default a checkpoint is written every 30 s.
    #[arg(long, value_name = "STEPS", value_parser = clap::value_parser!(u64).range(1..))]
    checkpoint: Option<u64>,
    /// Also write metrics for TensorBoard, in the run's subfolder tensorboard.
    #[arg(long)]
    tensorboard: bool,
    /// Show the training as a dashboard on the whole terminal.
    #[arg(long)]
    tui: bool,
    /// Training rule, instead of the recipe's.
    #[arg(long, value_parser = rule_parser())]
    rule: Option<Rule>,
    /// Real device instead of the recipe's: TARGET, such as tcp://127.0.0.1:7777, or NAME=TARGET; repeatable.
    #[arg(long, value_name = "TARGET")]
    device: Vec<String>,
    /// Record each device's shots in this new folder; --device replay:FOLDER/NAME plays them back.
    #[arg(long, value_name = "FOLDER")]
    record: Option<PathBuf>,
}

/// Trains, and prints the results and the path of the report.
pub fn run(command: &Train) -> Result<(), Error> {
    if command.tui && !std::io::stdout().is_terminal() {
        return Err(Error::Usage(
            "--tui: standard output is not a terminal; leave --tui out".to_owned(),
        ));
    }
    let mut observer =
        CommandObserver::stopping_on_interrupt()?.with_views(command.tui, command.tensorboard);
    let options = RunOptions {
        rule: command.rule,
        devices: command.device.clone(),
        record: command.record.clone(),
        checkpoint_steps: command.checkpoint,
        ..command.settings.options()
    };
    let (summary, folder) = match (&command.resume, &command.recipe) {
        (Some(run), _) => resume(run, &options, &mut observer)?,
        (None, Some(recipe)) => train(recipe, &options, &mut observer)?,
        (None, None) => unreachable!("clap asks for one of the two"),
    };
    for line in summary.twins.iter().flat_map(TwinVerdict::lines) {
        outln!("{}", for_command_line(&line));
    }
    outln!(
        "{}: {} on the device after {} ({} shots, {:.1} s)",
        summary.rule,
        summary.test,
        counted(summary.epochs, "epoch"),
        summary.device_shots,
        summary.seconds
    );
    if !summary.only_pseudo_gradient.is_empty() {
        outln!(
            "not matrices, so only the pseudo-gradient acts: {}",
            summary.only_pseudo_gradient.join(", ")
        );
    }
    for line in summary.notes(&folder.read_metrics()?) {
        outln!("{line}");
    }
    outln!("report: {}", folder.path().join(RunFolder::REPORT).display());
    Ok(())
}
