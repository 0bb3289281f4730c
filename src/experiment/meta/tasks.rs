//! Tasks drawn from the classes of several data sets.

use std::path::Path;

use rand::seq::SliceRandom;
use rand_chacha::ChaCha8Rng;
use twinprop_devices::random;

use super::recipe::{MetaRecipe, TasksConfig};
use crate::Error;
use crate::data::{DataConfig, Dataset, Locator};
use crate::rules::plasticity::LearningTask;

/// The data sets of a meta-training.
pub(super) struct Sources {
    parts: Vec<Part>,
    /// Features per sample.
    pub width: usize,
    /// Classes of all data sets together.
    pub classes: usize,
}

/// One data set.
struct Part {
    /// Label of its first class.
    first: usize,
    training: Pool,
    test: Pool,
}

/// Samples of each class.
struct Pool {
    samples: Dataset,
    members: Vec<Vec<usize>>,
}

impl Pool {
    fn new(samples: Dataset, classes: usize) -> Self {
        let mut members = vec![Vec::new(); classes];
        for (sample, &label) in samples.targets.classes().iter().enumerate() {
            members[label].push(sample);
        }
        Self { samples, members }
    }
}

/// One class of a pool.
#[derive(Clone, Copy)]
struct PoolClass<'a> {
    pool: &'a Pool,
    /// Number in its data set.
    class: usize,
    /// Number among the classes of all data sets.
    label: usize,
}

/// Classes that tasks are drawn from.
pub(super) struct Classes<'a>(Vec<PoolClass<'a>>);

impl Sources {
    /// Reads the data of `recipe`, which has absolute paths.
    pub fn load(recipe: &MetaRecipe) -> Result<Self, Error> {
        let locator = Locator::new(Path::new("."), None);
        let (mut parts, mut classes, mut width) = (Vec::new(), 0, None);
        for data in &recipe.data {
            let split = data.load(&locator, recipe.seed)?;
            if split.classes.is_empty() {
                return Err(Error::Usage(format!(
                    "the tasks of a meta-training are made of classes, and the targets of {} are values; name data with labels in [[data]]",
                    name(data)
                )));
            }
            let features = split.train.features.nrows();
            if *width.get_or_insert(features) != features {
                return Err(Error::Usage(format!(
                    "the data sets of a meta-training must have equally many features, but {} has {features} and the first has {}; change [[data]]",
                    name(data),
                    width.unwrap_or_default()
                )));
            }
            let count = split.classes.len();
            let (training, test) = (Pool::new(split.train, count), Pool::new(split.test, count));
            parts.push(Part { first: classes, training, test });
            classes += count;
        }
        Ok(Self { parts, width: width.unwrap_or_default(), classes })
    }

    /// Divides the classes by `seed` into classes of the episodes, with the data sets' training samples, and held-out
    /// classes, with the test samples.
    pub fn divide(
        &self,
        tasks: &TasksConfig,
        seed: u64,
    ) -> Result<(Classes<'_>, Classes<'_>), Error> {
        let (mut known, mut held_out) = (Vec::new(), Vec::new());
        for (place, part) in self.parts.iter().enumerate() {
            let mut classes: Vec<usize> = (0..part.training.members.len()).collect();
            classes
                .shuffle(&mut random::stream(seed, &format!("held-out classes of data {place}")));
            let count = (classes.len() as f64 * tasks.held_out).round() as usize;
            let of = |pool, class: usize| PoolClass { pool, class, label: part.first + class };
            held_out.extend(classes[..count].iter().map(|&class| of(&part.test, class)));
            known.extend(classes[count..].iter().map(|&class| of(&part.training, class)));
        }
        let wanted = tasks.training + tasks.queries;
        for (classes, which) in [(&known, "left for the episodes"), (&held_out, "held out")] {
            if classes.len() < tasks.classes {
                return Err(Error::Usage(format!(
                    "{} classes are {which}, but a task has {}; change tasks.held_out or tasks.classes",
                    classes.len(),
                    tasks.classes
                )));
            }
            let is_small = |one: &&PoolClass| one.pool.members[one.class].len() < wanted;
            if let Some(&PoolClass { pool, class, label }) = classes.iter().find(is_small) {
                return Err(Error::Usage(format!(
                    "class {label} has {} samples, but a task takes {wanted}; lower tasks.training or tasks.queries",
                    pool.members[class].len()
                )));
            }
        }
        Ok((Classes(known), Classes(held_out)))
    }
}

fn name(data: &DataConfig) -> String {
    serde_json::to_string(&data.source).unwrap_or_default()
}

impl Classes<'_> {
    /// Draws a task from some of the classes.
    pub fn draw(&self, tasks: &TasksConfig, random: &mut ChaCha8Rng) -> LearningTask<f32> {
        let mut pools: Vec<usize> = (0..self.0.len()).collect();
        let (chosen, _) = pools.partial_shuffle(random, tasks.classes);
        let mut task = LearningTask::default();
        for &mut place in chosen {
            let PoolClass { pool, class, label } = self.0[place];
            let mut members = pool.members[class].clone();
            let (members, _) = members.partial_shuffle(random, tasks.training + tasks.queries);
            let sample = |&mut sample: &mut usize| {
                (pool.samples.features.column(sample).iter().copied().collect(), label)
            };
            let (training, queries) = members.split_at_mut(tasks.training);
            task.training.extend(training.iter_mut().map(sample));
            task.queries.extend(queries.iter_mut().map(sample));
        }
        task.training.shuffle(random);
        task
    }
}
