//! What a run leaves in its folder when the training is over.

use burn::tensor::Device;

use super::accounting::Accounting;
use super::assemblies::StageAssemblies;
use super::baseline::{DigitalPeer, digital_peer};
use super::build::Experiment;
use super::calibrate::Calibrated;
use super::checkpoint;
use super::run::{Course, Run};
use super::run_folder::RunFolder;
use super::summary::{LinkSummary, Summary, TwinScore};
use super::twins::save_twins;
use super::watch::save_reference;
use crate::Error;
use crate::report::{Progress, RunReport, TwinSection};
use crate::training::evaluate;

impl Run<'_> {
    /// Writes what came of it, last the summary, which says that the run is complete.
    pub(super) fn finish(
        self,
        calibrated: &[Calibrated],
        course: Course,
    ) -> Result<(Summary, RunFolder), Error> {
        let Self { recipe, options, backend, folder, mut experiment, .. } = self;
        let Course { history, twins_at_start, refinement_seconds, seconds } = course;
        let (network, laboratory) = (&experiment.network, &mut experiment.laboratory);
        folder.save_network(network)?;
        if refinement_seconds.is_some() {
            save_twins(laboratory, folder.path())?;
        }
        let judgement = evaluate(network, laboratory, &experiment.split.test, &backend)?;
        let watch = &recipe.calibration.watch;
        let split = &experiment.split;
        save_reference(network, laboratory, split, watch, recipe.seed, &folder, &backend)?;
        let mut assemblies = folder.assemblies()?;
        if !assemblies.is_empty() {
            let test = &experiment.split.test;
            StageAssemblies::complete(&mut assemblies, network, laboratory, test, &backend)?;
            folder.write_json(RunFolder::ASSEMBLIES, &assemblies)?;
        }
        folder.save_usages(laboratory)?;
        for recording in &experiment.recordings {
            recording.finish()?;
        }
        let begun = folder.begun()?;
        let peer = recipe
            .accounting
            .digital_peer
            .then(|| find_peer(&experiment, judgement.accuracy, recipe.seed, &backend))
            .flatten();
        let accounting = Accounting::of(&experiment, &recipe, peer);
        let Experiment { network, laboratory, split, .. } = &experiment;
        let summary = Summary {
            recipe: begun.recipe.clone(),
            rule: recipe.training.rule,
            seed: recipe.seed,
            backend: options.backend.clone(),
            test_accuracy: history.last().map_or(0.0, |last| last.test_accuracy),
            best_test_accuracy: history.iter().map(|m| m.test_accuracy).fold(0.0, f32::max),
            epochs: history.len(),
            seconds,
            device_shots: laboratory.shots(),
            device_seconds: laboratory.device_seconds(),
            clamped: laboratory.clamped(),
            links: experiment.links.iter().map(LinkSummary::of).collect(),
            twins_at_start,
            refinement_seconds,
            twin: calibrated.first().map(|twin| TwinScore::of(&twin.summary.fidelity)),
            accounting: Some(accounting),
            only_pseudo_gradient: recipe.training.only_pseudo_gradient(network),
            classes: split.classes.clone(),
            confusion: confusion(&split.test.labels, &judgement.predicted, split.classes.len()),
        };
        let twins: Vec<TwinSection> = calibrated.iter().map(Calibrated::section).collect();
        let report = RunReport {
            title: begun.name(),
            summary: &summary,
            history: &history,
            twins: &twins,
            assemblies: &assemblies,
            recipe: &recipe.to_toml(),
        };
        folder.write(RunFolder::REPORT, &report.to_html())?;
        folder.write_json(RunFolder::SUMMARY, &summary)?;
        checkpoint::remove(&folder)?;
        Ok((summary, folder))
    }
}

/// The smallest digital network that is as accurate.
fn find_peer(
    experiment: &Experiment,
    accuracy: f32,
    seed: u64,
    backend: &Device,
) -> Option<DigitalPeer> {
    let progress = Progress::new("find a digital network of the same accuracy", 1);
    let peer = digital_peer(&experiment.split, accuracy, seed, backend);
    progress.finish(peer.as_ref().map_or_else(
        || "none of those tried".to_owned(),
        |peer| match peer.hidden_units {
            0 => "a linear softmax".to_owned(),
            units => format!("{units} hidden units"),
        },
    ));
    peer
}

/// Samples by true class and answer.
fn confusion(labels: &[usize], predicted: &[usize], classes: usize) -> Vec<Vec<usize>> {
    let mut counts = vec![vec![0; classes]; classes];
    for (&label, &answer) in labels.iter().zip(predicted) {
        counts[label][answer] += 1;
    }
    counts
}
