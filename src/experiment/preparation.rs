//! Applies a run's options to its recipe, and opens its experiment.

use std::path::Path;

use burn::tensor::Device;

use super::build::{Experiment, Given, Setup, open};
use super::feasible;
use super::options::RunOptions;
use super::recipe::{LARGEST_SEED, Recipe};
use super::run_folder::RunFolder;
use super::trained_on::TrainedOn;
use crate::Error;
use crate::data::Locator;
use crate::training::Observer;

impl RunOptions {
    /// Reads the recipe at `path` and applies these options; file paths become absolute. Writes and drives nothing.
    ///
    /// # Errors
    /// Any error of the recipe or its files, and [`Error::Usage`] if the run's folder has results already.
    pub(super) fn recipe(&self, path: &Path) -> Result<Recipe, Error> {
        let folder = path.parent().unwrap_or(Path::new("."));
        self.prepared(Recipe::read(path, &self.set)?, folder)
    }

    /// The same for a `recipe` in memory with file paths relative to `folder`.
    pub(super) fn prepared(&self, mut recipe: Recipe, folder: &Path) -> Result<Recipe, Error> {
        recipe.seed = self.seed.unwrap_or(recipe.seed);
        recipe.training.rule = self.rule.unwrap_or(recipe.training.rule);
        if recipe.seed > LARGEST_SEED {
            let seed = recipe.seed;
            return Err(Error::Usage(format!(
                "option `seed` {seed}: too large; the largest seed is {LARGEST_SEED}"
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
        let locator = Locator::new(folder, self.data_dir.as_deref());
        recipe.devices.values_mut().try_for_each(|device| device.make_absolute(&locator))?;
        recipe.initial_parameters.as_mut().map_or(Ok(()), |path| locator.make_absolute(path))?;
        recipe.calibration.make_absolute()?;
        Ok(recipe)
    }

    /// Opens the experiment of `recipe`, with file paths relative to `folder`. A resumed run passes the data and
    /// devices that it was `trained_on`. Plays no shot.
    pub(super) fn open(
        &self,
        recipe: &Recipe,
        folder: &Path,
        trained_on: Option<&TrainedOn>,
        given: Given,
        backend: &Device,
        observer: &mut dyn Observer,
    ) -> Result<Experiment, Error> {
        let setup = Setup {
            trained_on,
            allow_changed_data: self.allow_changed_data,
            data_dir: self.data_dir.as_deref(),
            record: self.record.as_deref(),
            ..Setup::new(folder, backend)
        };
        let mut experiment = open(recipe, &setup, given, observer)?;
        experiment.load_initial(recipe, &setup)?;
        Ok(experiment)
    }

    /// The same, then checks the calibration or, for a rule without calibration, sets the exact twins.
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
