//! Writes the pages of results from the files in their folder.

use std::ops::ControlFlow;
use std::path::Path;

use super::{
    CalibrationReport, CompareReport, Figure, MetaReport, RegressionSection, RunReport,
    TransferReport, TwinSection,
};
use crate::Error;
use crate::data::{SequenceTarget, SourceConfig, SplitConfig};
use crate::experiment::calibration::CalibrationSummary;
use crate::experiment::compare::Comparison;
use crate::experiment::judged::JudgedShots;
use crate::experiment::meta::{MetaRecipe, MetaTraining};
use crate::experiment::score_words::error_unit;
use crate::experiment::trained_on::TrainedOn;
use crate::experiment::{Recipe, RunFolder};
use crate::training::{Event, Observer, Results, Unobserved};

/// An observer that writes the pages of results as soon as the results are complete.
#[derive(Clone, Copy, Debug, Default)]
pub struct Pages;

impl Observer for Pages {
    fn observe(&mut self, event: &Event) -> Result<ControlFlow<()>, Error> {
        match event {
            Event::Finished { results, folder } => write_pages(*results, folder)?,
            // Each run of a comparison has its own page.
            Event::Job { event, .. } => return self.observe(event),
            _ => {}
        }
        Ok(ControlFlow::Continue(()))
    }
}

/// Writes the pages and figures of the `results` in `folder` from the files there.
///
/// # Errors
/// [`Error::File`] and [`Error::Data`] for a file that cannot be read or written, or is damaged.
pub fn write_pages(results: Results, folder: &Path) -> Result<(), Error> {
    let folder = RunFolder::at(folder);
    match results {
        Results::Run => write_run(&folder),
        Results::Calibration => write_calibration(&folder),
        Results::Comparison => write_comparison(&folder),
        Results::MetaTraining => write_meta_training(&folder),
        Results::Transfer => {
            let transfer = folder.transfer()?;
            let report = TransferReport { transfer: &transfer };
            folder.write(RunFolder::TRANSFER_REPORT, &report.to_html())
        }
    }
}

/// Devices with the shots that judged their twins, as far as these shots are known.
fn judged(
    folder: &RunFolder,
    calibration: &CalibrationSummary,
) -> Result<Vec<(String, JudgedShots)>, Error> {
    let mut judged = Vec::new();
    for device in calibration.twins.keys() {
        if let Some(shots) = folder.judged_shots(device, calibration)? {
            judged.push((device.clone(), shots));
        }
    }
    Ok(judged)
}

fn sections<'a>(
    calibration: &'a CalibrationSummary,
    judged: &'a [(String, JudgedShots)],
) -> Vec<TwinSection<'a>> {
    let sections = judged.iter().map(|(device, shots)| TwinSection {
        device,
        fidelity: &calibration.twins[device].fidelity,
        measured: &shots.measured,
        predicted: &shots.predicted,
        outputs: &shots.outputs,
        inside: &calibration.twins[device].inside,
        slopes: &calibration.twins[device].slopes,
    });
    sections.collect()
}

fn write_run(folder: &RunFolder) -> Result<(), Error> {
    let calibration = folder.calibration()?;
    let judged = match &calibration {
        Some(calibration) => judged(folder, calibration)?,
        None => Vec::new(),
    };
    let twins = calibration.as_ref().map_or_else(Vec::new, |found| sections(found, &judged));
    let summary = folder.summary()?;
    let answers = folder.test_answers()?;
    let values = match &answers {
        None => None,
        Some(answers) => Some(RegressionSection { answers, stride: stride_of(folder)? }),
    };
    let known = TrainedOn::of_run(folder, &mut Unobserved)?;
    let targets = known.map_or_else(Vec::new, |known| known.targets);
    let report = RunReport {
        title: summary.recipe.trim_end_matches(".toml"),
        summary: &summary,
        history: &folder.read_metrics()?,
        twins: &twins,
        assemblies: &folder.assemblies()?,
        values,
        error_unit: &error_unit(&targets),
        recipe: &folder.recipe()?,
    };
    folder.write(RunFolder::REPORT, &report.to_html())
}

/// Times from one test sample of the run in `folder` to the next, where they are windows of a time series in their
/// order that are answered at one time each.
fn stride_of(folder: &RunFolder) -> Result<Option<usize>, Error> {
    let data = Recipe::read(&folder.path().join(RunFolder::RECIPE), &[])?.data;
    let SourceConfig::Sequence(config) = &data.source else { return Ok(None) };
    let is_ordered = config.test.is_some() || matches!(data.split, SplitConfig::Ordered { .. });
    Ok((is_ordered && config.target == SequenceTarget::End).then_some(config.stride))
}

fn write_calibration(folder: &RunFolder) -> Result<(), Error> {
    let Some(calibration) = folder.calibration()? else { return Ok(()) };
    let judged = judged(folder, &calibration)?;
    let report = CalibrationReport {
        summary: &calibration,
        twins: &sections(&calibration, &judged),
        verdicts: &calibration.verdicts,
        recipe: &folder.recipe()?,
    };
    folder.write(RunFolder::CALIBRATION_REPORT, &report.to_html())
}

fn write_comparison(folder: &RunFolder) -> Result<(), Error> {
    let comparison = Comparison::read(folder)?;
    let report = CompareReport { comparison: &comparison, folder: folder.path() };
    write_figures(folder, &report.figures())?;
    folder.write(RunFolder::COMPARISON_REPORT, &report.to_html())
}

fn write_meta_training(folder: &RunFolder) -> Result<(), Error> {
    let training = MetaTraining::read(folder)?;
    let recipe = MetaRecipe::read(&folder.path().join(&training.plan.recipe), &[])?;
    let report = MetaReport { training: &training, recipe: &recipe };
    write_figures(folder, &report.figures())?;
    folder.write(RunFolder::META_REPORT, &report.to_html())
}

/// Writes each figure as SVG and, with the feature `png`, as PNG.
fn write_figures(folder: &RunFolder, figures: &[Figure]) -> Result<(), Error> {
    for figure in figures {
        folder.write(&format!("{}.svg", figure.name), &figure.svg)?;
        #[cfg(feature = "png")]
        {
            let name = format!("{}.png", figure.name);
            let picture = figure
                .to_png()
                .map_err(|problem| Error::Data { path: folder.path().join(&name), problem })?;
            folder.write_bytes(&name, &picture)?;
        }
    }
    Ok(())
}
