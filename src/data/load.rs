//! From a recipe's `[data]` to samples in memory.

use super::image::{Images, Labelled};
use super::{
    Augmentation, CsvConfig, DataConfig, Dataset, ImageSize, Locator, Schema, SoundConfig,
    SourceConfig, Split, SplitConfig, ViewConfig, arrays, csv, idx, sequence, shipped, speech,
    split,
};
use crate::Error;

impl DataConfig {
    /// Reads the samples and divides them; `seed` draws a random split.
    ///
    /// ```
    /// use twinprop::data::{DataConfig, Locator};
    ///
    /// # fn main() -> Result<(), Box<dyn std::error::Error>> {
    /// let data: DataConfig = toml::from_str(
    ///     "source = \"digits\"
    ///      split.stratified = { test_fraction = 0.2 }",
    /// )?;
    /// let split = data.load(&Locator::default(), 1)?;
    /// assert_eq!((split.train.features.nrows(), split.classes.len()), (64, 10));
    /// # Ok(())
    /// # }
    /// ```
    ///
    /// # Errors
    /// [`Error::Data`] says what is wrong where in which file; [`Error::Usage`] for a split, or changes to images,
    /// that the source does not go with.
    pub fn load(&self, locator: &Locator, seed: u64) -> Result<Split, Error> {
        let split = self.read(locator, seed)?;
        let split = match &self.view {
            Some(view) => self.viewed(split, view, seed)?,
            None => split,
        };
        self.refuse_silence(&split)?;
        Ok(split)
    }

    /// Refuses rasters without a spike, from which nothing can be learned.
    fn refuse_silence(&self, split: &Split) -> Result<(), Error> {
        let (key, loudness) = match (&self.source, &self.view) {
            (SourceConfig::Speech(config), _) if matches!(config.view, SoundConfig::Cochlea(_)) => {
                ("data.source.speech.view.cochlea", "`threshold` or `difference`")
            }
            (_, Some(ViewConfig::Spikes(_))) => ("data.view.spikes", "`white` or `threshold`"),
            _ => return Ok(()),
        };
        if split.train.features.iter().any(|&cell| cell != 0.0) {
            return Ok(());
        }
        Err(Error::Usage(format!("{key}: no training sample has a spike; lower its {loudness}")))
    }

    /// The samples as the source has them, and images subsampled.
    fn read(&self, locator: &Locator, seed: u64) -> Result<Split, Error> {
        let aside = match &self.split {
            SplitConfig::ByColumn { column, .. } => Some(column.as_str()),
            SplitConfig::Stratified { .. }
            | SplitConfig::Random { .. }
            | SplitConfig::Ordered { .. } => None,
        };
        if let (Some(column), SourceConfig::Arrays(_) | SourceConfig::Sequence(_)) =
            (aside, &self.source)
        {
            return Err(Error::Usage(format!(
                "data.split.by_column: samples of arrays and sequences have no column `{column}`; divide them by random or ordered, or name test samples in data.source"
            )));
        }
        let split = match &self.source {
            SourceConfig::Vowels => split::divide(shipped::vowels(aside)?, &self.split, seed)?,
            SourceConfig::Digits => split::divide(shipped::digits(aside)?, &self.split, seed)?,
            SourceConfig::Diabetes => split::divide(shipped::diabetes(aside)?, &self.split, seed)?,
            SourceConfig::Csv(config) => {
                let table = csv::read(&locator.find(&config.path)?, config, aside)?;
                match &config.test {
                    None => split::divide(table, &self.split, seed)?,
                    Some(test) => {
                        // Without targets, the last column of the training file is the label in both.
                        let config = CsvConfig { label: table.label.clone(), ..config.clone() };
                        split::pair(table, csv::read(&locator.find(test)?, &config, aside)?)?
                    }
                }
            }
            SourceConfig::Arrays(config) => arrays::read(config, locator, &self.split, seed)?,
            SourceConfig::Sequence(config) => sequence::read(config, locator, &self.split, seed)?,
            SourceConfig::Idx(config) => {
                let halves = idx::read(locator, &config.folder)?;
                return Ok(self.of_images(halves, seed));
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
        self.view(split, size, seed)
    }

    /// Images that a pixel's byte stands for, subsampled and, for training, changed.
    fn of_images(&self, idx::Halves { train, test, classes }: idx::Halves, seed: u64) -> Split {
        let Labelled { images, labels } = train;
        let size = images.size;
        let mut schema = Schema::unscaled(size.pixel_names(), classes);
        self.keep_pixels(&mut schema, size);
        Split {
            train: Dataset { features: images.features(self.every), targets: labels.into() },
            test: Dataset {
                features: test.images.features(self.every),
                targets: test.labels.into(),
            },
            classes: schema.classes.clone(),
            schema,
            warnings: Vec::new(),
            image: Some(size.subsampled(self.every)),
            augmentation: self.augmentation(images, seed),
        }
    }

    /// Images that are features already, subsampled and, for training, changed.
    fn view(&self, mut split: Split, size: ImageSize, seed: u64) -> Result<Split, Error> {
        if self.augment.is_some() {
            let images = Images::of_levels(&split.train.features, size).ok_or_else(|| {
                Error::Usage("data.augment changes images of whole numbers from 0 to 255, and the training samples have others; leave it out".to_owned())
            })?;
            split.augmentation = self.augmentation(images, seed);
        }
        let kept = self.keep_pixels(&mut split.schema, size);
        if self.every > 1 {
            for half in [&mut split.train, &mut split.test] {
                half.features = half.features.select_rows(&kept);
            }
        }
        split.image = Some(size.subsampled(self.every));
        Ok(split)
    }

    /// `split` with its images as `view` shows them.
    fn viewed(&self, mut split: Split, view: &ViewConfig, seed: u64) -> Result<Split, Error> {
        let size = split.image.ok_or_else(|| {
            let instead = match self.source {
                SourceConfig::Speech(_) => {
                    ", or set data.source.speech.view, which says what is made of recordings"
                }
                _ => "",
            };
            Error::Usage(format!("the data are no images; leave out data.view{instead}"))
        })?;
        view.check(size).map_err(Error::Usage)?;
        for half in [&mut split.train, &mut split.test] {
            half.features = view.features(&half.features, size, seed);
        }
        split.schema.features = Schema::unscaled(view.feature_names(size), Vec::new()).features;
        split.schema.is_complex = view.is_complex();
        Ok(split)
    }

    fn augmentation(&self, images: Images, seed: u64) -> Option<Augmentation> {
        let config = self.augment.clone()?;
        Some(Augmentation { config, images, every: self.every, view: self.view.clone(), seed })
    }

    /// Leaves the pixels that are kept in `schema`, and says which they are.
    fn keep_pixels(&self, schema: &mut Schema, size: ImageSize) -> Vec<usize> {
        let kept = size.pixels_left(self.every).map(|(row, column)| row * size.columns + column);
        let kept: Vec<usize> = kept.collect();
        schema.features = kept.iter().map(|&pixel| schema.features[pixel].clone()).collect();
        kept
    }
}
