//! From a run's options to its experiment.

use std::path::Path;

use burn::tensor::Device;

use super::build::{Experiment, Given, Place, open};
use super::feasible;
use super::options::RunOptions;
use super::recipe::{LARGEST_SEED, Recipe};
use super::run_folder::RunFolder;
use super::trained_on::TrainedOn;
use crate::Error;
use crate::training::Observer;

impl RunOptions {
    /// The recipe at `path` as these options have it, its files where they are; before anything is
    /// made or driven.
    ///
    /// # Errors
    /// Whatever is wrong with the recipe or its files, and [`Error::Usage`] where the run's folder
    /// holds results already.
    pub(super) fn recipe(&self, path: &Path) -> Result<Recipe, Error> {
        let folder = path.parent().unwrap_or(Path::new("."));
        self.prepared(Recipe::read(path, &self.set)?, folder)
    }

    /// The same of a `recipe` in memory, whose files are relative to `folder`.
    pub(super) fn prepared(&self, mut recipe: Recipe, folder: &Path) -> Result<Recipe, Error> {
        recipe.seed = self.seed.unwrap_or(recipe.seed);
        recipe.training.rule = self.rule.unwrap_or(recipe.training.rule);
        if recipe.seed > LARGEST_SEED {
            let seed = recipe.seed;
            return Err(Error::Usage(format!(
                "option `seed` {seed}: the largest seed is {LARGEST_SEED}"
            )));
        }
        recipe.take_rigs(&self.devices)?;
        feasible::check(&recipe, self)?;
        RunFolder::refuse_taken(self.out.as_deref())?;
        let out = self.out.as_deref().unwrap_or(Path::new("runs"));
        RunFolder::refuse_unwritable(out, "name a folder that can be written with option `out`")?;
        if let Some(record) = &self.record {
            RunFolder::refuse_unwritable(record, "name a new folder that can be written")?;
        }
        recipe.data.source.make_absolute(folder, self.data_dir.as_deref())?;
        recipe.calibration.make_absolute()?;
        Ok(recipe)
    }

    /// The experiment of `recipe`, whose files are relative to `folder`, of a run that was `trained_on` something
    /// if it has begun; no shot is played.
    pub(super) fn open(
        &self,
        recipe: &Recipe,
        folder: &Path,
        trained_on: Option<&TrainedOn>,
        given: Given,
        backend: &Device,
        observer: &mut dyn Observer,
    ) -> Result<Experiment, Error> {
        let place = Place {
            trained_on,
            allow_changed_data: self.allow_changed_data,
            data_dir: self.data_dir.as_deref(),
            record: self.record.as_deref(),
            ..Place::new(folder, backend)
        };
        open(recipe, &place, given, observer)
    }

    /// The same, with the twins of a rule that needs no calibration; where one is needed, it is possible.
    pub(super) fn set_up(
        &self,
        recipe: &Recipe,
        folder: &Path,
        trained_on: Option<&TrainedOn>,
        given: Given,
        backend: &Device,
        observer: &mut dyn Observer,
    ) -> Result<Experiment, Error> {
        let mut experiment = self.open(recipe, folder, trained_on, given, backend, observer)?;
        if recipe.training.rule.needs_calibration() {
            let allowed = self.allow_changed_data;
            feasible::check_calibration(&experiment, recipe, allowed, backend, observer)?;
        } else {
            experiment.laboratory.use_exact_twins();
        }
        Ok(experiment)
    }
}
