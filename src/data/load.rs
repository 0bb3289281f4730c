//! From a recipe's `[data]` to samples in memory.

use super::image::{Images, Labelled};
use super::{
    Augmentation, CsvConfig, DataConfig, Dataset, Locator, Schema, SourceConfig, Split,
    SplitConfig, csv, idx, shipped, speech, split,
};
use crate::Error;

impl DataConfig {
    /// Reads the samples and divides them; `seed` draws a random split.
    ///
    /// # Errors
    /// [`Error::Data`] says what is wrong where in which file.
    pub fn load(&self, locator: &Locator, seed: u64) -> Result<Split, Error> {
        let aside = match &self.split {
            SplitConfig::ByColumn { column, .. } => Some(column.as_str()),
            SplitConfig::Stratified { .. } => None,
        };
        let split = match &self.source {
            SourceConfig::Vowels => split::divide(shipped::vowels(aside)?, &self.split, seed)?,
            SourceConfig::Digits => split::divide(shipped::digits(aside)?, &self.split, seed)?,
            SourceConfig::Csv(config) => {
                let table = csv::read(&locator.find(&config.path)?, config, aside)?;
                match &config.test {
                    None => split::divide(table, &self.split, seed)?,
                    Some(test) => {
                        // The last column of the training file is the label in both.
                        let config = CsvConfig { label: table.label.clone(), ..config.clone() };
                        split::pair(table, csv::read(&locator.find(test)?, &config, aside)?)?
                    }
                }
            }
            SourceConfig::Idx(config) => {
                let idx::Halves { train, test, classes } = idx::read(locator, &config.folder)?;
                let size = train.images.size;
                let names = (0..size.rows * size.columns).map(|pixel| {
                    format!("row {}, column {}", pixel / size.columns, pixel % size.columns)
                });
                let schema = Schema::unscaled(names.collect(), classes);
                return Ok(self.view(train, test, schema, seed));
            }
            SourceConfig::Given => {
                return Err(Error::Usage(
                    "key `data.source`: the samples are given by the program that trains, and none were; pass them in `Given::data`".to_owned(),
                ));
            }
            SourceConfig::Speech(config) => {
                let table = speech::read(&locator.find(&config.folder)?, config, aside)?;
                split::divide(table, &self.split, seed)?
            }
        };
        if self.every == 1 && self.augment.is_none() {
            return Ok(split);
        }
        let size = split.image.ok_or_else(|| {
            Error::Usage("the data are no images; leave out data.every and data.augment".to_owned())
        })?;
        let Split { train, test, schema, .. } = split;
        let [train, test] = [train, test].map(|half| Labelled::of_levels(half, size));
        Ok(self.view(train, test, schema, seed))
    }

    /// Labelled images subsampled and, for training, changed.
    fn view(&self, train: Labelled, test: Labelled, mut schema: Schema, seed: u64) -> Split {
        let seen = |images: &Images| images.features(self.every);
        let Labelled { images, labels } = train;
        schema.features = images
            .size
            .pixels_left(self.every)
            .map(|(row, column)| schema.features[row * images.size.columns + column].clone())
            .collect();
        Split {
            train: Dataset { features: seen(&images), targets: labels.into() },
            test: Dataset { features: seen(&test.images), targets: test.labels.into() },
            classes: schema.classes.clone(),
            schema,
            warnings: Vec::new(),
            image: Some(images.size.subsampled(self.every)),
            augmentation: self.augment.clone().map(|config| Augmentation {
                config,
                images,
                every: self.every,
                seed,
            }),
        }
    }
}
