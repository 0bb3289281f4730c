//! What a run leaves in its folder when the training is over.

use std::time::Instant;

use twinprop_devices::rig;

use super::accounting::Accounting;
use super::assemblies::StageAssemblies;
use super::baseline::counted;
use super::build::Experiment;
use super::calibrated::Calibrated;
use super::checkpoint;
use super::digital_peer::digital_peer;
use super::provenance;
use super::reference::ReferenceSet;
use super::run::{Run, TrainingCourse};
use super::run_folder::RunFolder;
use super::summary::{BestScore, LinkSummary, Summary, TwinScore};
use super::twins::save_twins;

use crate::Error;
use crate::data::Targets;
use crate::training::{Event, Observer, Results, Task, TestScore, evaluate};

impl Run<'_> {
    /// Writes what came of it, last the summary, which says that the run is complete.
    pub(super) fn finish(
        self,
        calibrated: &[Calibrated],
        course: TrainingCourse,
        observer: &mut dyn Observer,
    ) -> Result<(Summary, RunFolder), Error> {
        let Self { start, recipe, options, backend, folder, mut experiment, .. } = self;
        let (verdicts, mut spent) = (self.verdicts, self.spent);
        let TrainingCourse { mut history, twins_at_start, refinement_seconds, seconds_before } =
            course;
        let (network, laboratory) = (&experiment.network, &mut experiment.laboratory);
        folder.save_network(network)?;
        if refinement_seconds.is_some() {
            save_twins(laboratory, folder.path())?;
        }
        let is_classes = matches!(experiment.split.test.targets, Targets::Classes(_));
        // Runs of earlier versions kept no confusion matrix: they are judged once more, and by that alone.
        if let Some(last) =
            history.last_mut().filter(|last| is_classes && last.confusion.is_empty())
        {
            let test = &experiment.split.test;
            let evaluation = evaluate(network, laboratory, test, &*experiment.loss, &backend)?;
            last.test = TestScore::of(evaluation.score, &experiment.split.schema.targets);
            last.confusion = evaluation.confusion(test, experiment.split.classes.len());
        }
        let last = history.last().cloned();
        let test = last.as_ref().map_or_else(TestScore::default, |last| last.test);
        let split = &experiment.split;
        let since = Instant::now();
        let config = &recipe.calibration.watch;
        ReferenceSet { config, seed: recipe.seed, backend: &backend }
            .save(network, laboratory, split, &folder, observer)?;
        let mut assemblies = folder.assemblies()?;
        if !assemblies.is_empty() {
            let test = &experiment.split.test;
            StageAssemblies::complete(&mut assemblies, network, laboratory, test, &backend)?;
            folder.write_json(RunFolder::ASSEMBLIES, &assemblies)?;
        }
        spent.reference += since.elapsed().as_secs_f64();
        folder.save_usages(laboratory)?;
        for recording in &experiment.recordings {
            recording.finish()?;
        }
        experiment.laboratory.make_safe();
        let begun = folder.begun()?;
        let mut accounting = Accounting::of(&experiment, &recipe);
        if recipe.accounting.digital_peer {
            let since = Instant::now();
            let budget = recipe.accounting.peer_share * accounting.reckoned_seconds;
            let task = Task::of_steps(observer, "find a digital network that does as well", 1)?;
            let Experiment { split, loss, .. } = &experiment;
            let counted = counted(split, recipe.data.raster_steps());
            let split = counted.as_ref().unwrap_or(split);
            let search = digital_peer(split, &**loss, test.value(), budget, recipe.seed, &backend);
            task.end(&search.in_words())?;
            accounting.compare_with(search, &recipe.accounting);
            spent.digital_peer += since.elapsed().as_secs_f64();
        }
        spent.total = seconds_before + start.elapsed().as_secs_f64();
        let Experiment { network, laboratory, split, .. } = &experiment;
        let summary = Summary {
            recipe: begun.recipe.clone(),
            rule: recipe.training.rule,
            seed: recipe.seed,
            backend: options.backend.clone(),
            test,
            best: BestScore::of(&history),
            epochs: history.len(),
            seconds: spent.total,
            spent,
            device_shots: laboratory.shots(),
            device_seconds: laboratory.device_seconds(),
            clamped: laboratory.clamped(),
            values: laboratory.values(),
            links: laboratory.links().map(LinkSummary::of).collect(),
            twins_at_start,
            refinement_seconds,
            twin: calibrated.first().map(|twin| TwinScore::of(&twin.summary.fidelity)),
            accounting: Some(accounting),
            only_pseudo_gradient: recipe.training.only_pseudo_gradient(network),
            classes: split.classes.clone(),
            confusion: last.map(|last| last.confusion).unwrap_or_default(),
            twins: verdicts,
            provenance: begun.provenance(provenance::devices_in_words(&recipe, laboratory)),
            may_be_driven: rig::may_be_driven(),
            changed_data: experiment.trained_on.changed.clone(),
        };
        folder.write_json(RunFolder::SUMMARY, &summary)?;
        checkpoint::remove(&folder)?;
        let finished = Event::Finished { results: Results::Run, folder: folder.path() };
        let _ = observer.observe(&finished)?;
        Ok((summary, folder))
    }
}
