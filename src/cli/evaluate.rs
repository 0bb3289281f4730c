//! `twinprop evaluate`.

use std::path::PathBuf;
use std::thread;
use std::time::Duration;

use clap::Args;

use super::{CommandObserver, Reopen};
use crate::Error;
use crate::counted::counted;
use crate::experiment::Given;
use crate::experiment::evaluate::{Reevaluation, evaluate_run};
use crate::experiment::score_words::score_in_words;
use crate::experiment::watch::Watch;
use crate::outln;

/// Arguments of `evaluate`.
#[derive(Args)]
pub struct Evaluate {
    /// Folder of a training run.
    run: PathBuf,
    #[command(flatten)]
    reopen: Reopen,
    /// Watch the run's devices for drift instead: look at them repeatedly until one has drifted (exit status 3)
    /// or until Ctrl-C.
    #[arg(long)]
    watch: bool,
    /// Seconds between two looks at the devices.
    #[arg(long, requires = "watch", default_value_t = 60.0, value_parser = seconds)]
    every: f64,
    /// Stop after this many looks.
    #[arg(long, requires = "watch", value_name = "N")]
    looks: Option<u64>,
}

fn seconds(text: &str) -> Result<f64, String> {
    match text.parse() {
        Ok(seconds) if (0.0..=1e9).contains(&seconds) => Ok(seconds),
        _ => Err("expected seconds, zero or more".to_owned()),
    }
}

/// Measures and prints the test score, or watches for drift.
pub fn run(command: &Evaluate) -> Result<(), Error> {
    if command.watch {
        return watch(command);
    }
    let mut observer = CommandObserver::ending_on_interrupt()?;
    let Reevaluation { evaluation, test, targets, changed_data } =
        evaluate_run(&command.run, &command.reopen.reopening(), Given::default(), &mut observer)?;
    outln!(
        "test {} on the device, loss {:.3} ({})",
        score_in_words(test, &targets),
        evaluation.loss,
        counted(evaluation.outputs.ncols(), "sample")
    );
    for change in changed_data {
        outln!("changed since the training, as allowed: {change}");
    }
    Ok(())
}

fn watch(command: &Evaluate) -> Result<(), Error> {
    let mut observer = CommandObserver::ending_on_interrupt()?;
    let mut watch =
        Watch::open(&command.run, &command.reopen.reopening(), Given::default(), &mut observer)?;
    outln!(
        "false-alarm rate: {:.1} % of the checks of an unchanged device",
        100.0 * watch.false_alarm_rate()
    );
    let mut looks = 0;
    loop {
        let found = watch.look()?;
        for look in &found {
            outln!("{look}");
        }
        if let Some(drifted) = found.iter().find(|look| look.drift.alarm) {
            return Err(Error::Drifted {
                device: drifted.device.clone(),
                run: command.run.clone(),
            });
        }
        looks += 1;
        if command.looks.is_some_and(|most| looks >= most) {
            return Ok(());
        }
        thread::sleep(Duration::from_secs_f64(command.every));
    }
}
