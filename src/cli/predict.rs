//! `twinprop predict`.

use std::path::PathBuf;

use clap::{Args, ValueEnum};
use twinprop::Error;
use twinprop::errln;
use twinprop::experiment::{PredictOptions, Prediction, predict_samples};
use twinprop::network::Source;
use twinprop::view::terminal;

use super::{CommandObserver, Reopen};

/// Arguments of `predict`.
#[derive(Args)]
pub struct Predict {
    /// Folder of a run.
    run: PathBuf,
    /// The new samples: a CSV file with the columns of the training's features, in any order, with or without
    /// its label; for a training on recordings also a WAV file, or a folder of them, and for one on images a file of
    /// images in MNIST's format.
    data: PathBuf,
    /// Write the answers to this file, whole or not at all, instead of standard output.
    #[arg(long, value_name = "FILE")]
    out: Option<PathBuf>,
    /// Where the answers come from: the device, or its twin, for which no device is opened.
    #[arg(long, default_value = "measured")]
    source: From,
    /// Take no column, and no name of a recording, as the label.
    #[arg(long)]
    ignore_labels: bool,
    /// How the file is laid out where that is not as in the training, such as data.source.csv.delimiter=';';
    /// may be given again.
    #[arg(long, value_name = "KEY=VALUE")]
    set: Vec<String>,
    #[command(flatten)]
    reopen: Reopen,
}

/// Where answers come from.
#[derive(Clone, Copy, PartialEq, Eq, ValueEnum)]
enum From {
    /// The device.
    Measured,
    /// Its twin.
    Predicted,
}

impl Predict {
    /// Whether the lines on standard output are all that the command makes.
    pub fn only_prints(&self) -> bool {
        self.out.is_none()
    }
}

/// Predicts, writes a table, and says how right it was where the samples have labels.
pub fn run(command: &Predict) -> Result<(), Error> {
    let mut observer = CommandObserver::ending_on_interrupt()?;
    let options = PredictOptions {
        reopening: command.reopen.reopening(),
        source: match command.source {
            From::Measured => Source::Measured,
            From::Predicted => Source::Predicted,
        },
        set: command.set.clone(),
        ignore_labels: command.ignore_labels,
        out: command.out.clone(),
    };
    let prediction = predict_samples(&command.run, &command.data, &options, &mut observer)?;
    match &command.out {
        None => terminal::out(prediction.to_csv().as_bytes()),
        Some(out) => errln!("{} samples: {}", prediction.predicted.len(), out.display()),
    }
    tell(&prediction);
    Ok(())
}

/// Wrong answers that are told of one by one.
const TOLD: usize = 6;

fn tell(prediction: &Prediction) {
    let Some((right, all)) = prediction.right() else { return };
    errln!("accuracy {:.1} % ({right} of {all} samples)", 100.0 * right as f64 / all as f64);
    let confused = prediction.confused();
    if confused.is_empty() {
        return;
    }
    let mut said: Vec<String> = confused
        .iter()
        .take(TOLD)
        .map(|one| format!("{} × `{}` for `{}`", one.samples, one.predicted, one.label))
        .collect();
    if confused.len() > TOLD {
        said.push(format!("{} other pairs", confused.len() - TOLD));
    }
    errln!("confused: {}", said.join(", "));
}
