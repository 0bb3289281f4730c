//! `twinprop predict`.

use std::path::PathBuf;

use clap::{Args, ValueEnum};

use super::{CommandObserver, Reopen};
use crate::Error;
use crate::counted::counted;
use crate::errln;
use crate::experiment::predict::{
    Answers, ClassAnswers, PredictOptions, ValueAnswers, predict_samples,
};
use crate::experiment::score_words::score_in_words;
use crate::network::Source;
use crate::view::terminal;

/// Arguments of `predict`.
#[derive(Args)]
pub struct Predict {
    /// Folder of a training run.
    run: PathBuf,
    /// New samples: a CSV file with the training's feature columns, in any order, with or without labels or targets.
    /// After a training on recordings also a WAV file or a folder of them; on images, a file in MNIST's format; on
    /// arrays, an NPY or NPZ file; on a time series, another series.
    data: PathBuf,
    /// Write the answers to this file instead of standard output; it is never left incomplete.
    #[arg(long, value_name = "FILE")]
    out: Option<PathBuf>,
    /// Source of the answers.
    #[arg(long, default_value = "measured")]
    source: AnswerSource,
    /// Ignore labels and targets, in columns, arrays or recordings' names.
    #[arg(long)]
    ignore_labels: bool,
    /// Layout of the file where it differs from the training's, such as data.source.csv.delimiter=';'; repeatable.
    #[arg(long, value_name = "KEY=VALUE")]
    set: Vec<String>,
    #[command(flatten)]
    reopen: Reopen,
}

/// Source of the answers.
#[derive(Clone, Copy, PartialEq, Eq, ValueEnum)]
enum AnswerSource {
    /// The device.
    Measured,
    /// The digital twin; no device is opened.
    Predicted,
}

impl Predict {
    /// Whether the command's only result is its standard output.
    pub fn only_prints(&self) -> bool {
        self.out.is_none()
    }
}

/// Predicts, writes a table and, for samples with labels or targets, prints the score.
pub fn run(command: &Predict) -> Result<(), Error> {
    let mut observer = CommandObserver::ending_on_interrupt()?;
    let options = PredictOptions {
        reopening: command.reopen.reopening(),
        source: match command.source {
            AnswerSource::Measured => Source::Measured,
            AnswerSource::Predicted => Source::Predicted,
        },
        set: command.set.clone(),
        ignore_labels: command.ignore_labels,
        out: command.out.clone(),
    };
    let prediction = predict_samples(&command.run, &command.data, &options, &mut observer)?;
    match &command.out {
        None => terminal::out(prediction.to_csv().as_bytes()),
        Some(out) => errln!("{}: {}", counted(prediction.samples(), "sample"), out.display()),
    }
    match &prediction.answers {
        Answers::Classes(classes) => print_accuracy(classes),
        Answers::Values(values) => print_score(values),
    }
    Ok(())
}

/// Pairs of confused classes that are listed.
const LISTED_PAIRS: usize = 6;

fn print_score(values: &ValueAnswers) {
    let Some(score) = values.score else { return };
    let samples = values.predicted.ncols();
    errln!("{} ({})", score_in_words(score, &values.targets), counted(samples, "sample"));
}

fn print_accuracy(classes: &ClassAnswers) {
    let Some((right, all)) = classes.right() else { return };
    let share = 100.0 * right as f64 / all as f64;
    errln!("accuracy {share:.1} % ({right} of {})", counted(all, "sample"));
    let confused = classes.confused();
    if confused.is_empty() {
        return;
    }
    let mut pairs: Vec<String> = confused
        .iter()
        .take(LISTED_PAIRS)
        .map(|one| format!("{} × `{}` for `{}`", one.samples, one.predicted, one.label))
        .collect();
    if confused.len() > LISTED_PAIRS {
        pairs.push(format!("{} other pairs", confused.len() - LISTED_PAIRS));
    }
    errln!("confused: {}", pairs.join(", "));
}
