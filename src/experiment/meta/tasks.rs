//! Tasks drawn from data sets whose classes stand side by side.

use std::path::Path;

use rand::seq::SliceRandom;
use rand_chacha::ChaCha8Rng;
use twinprop_devices::random;

use super::recipe::{MetaRecipe, TasksConfig};
use crate::Error;
use crate::data::{DataConfig, Dataset, Locator};
use crate::rules::plasticity::Task;

/// The data sets of a meta-training.
pub(super) struct Sources {
    parts: Vec<Part>,
    /// Values of a sample.
    pub width: usize,
    /// Classes of all data sets together.
    pub classes: usize,
}

/// One data set.
struct Part {
    /// Number of its first class.
    first: usize,
    training: Pool,
    test: Pool,
}

/// Samples, found by their class.
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

/// Classes that tasks are drawn from.
pub(super) struct Classes<'a> {
    /// A data set and one of its classes.
    pools: Vec<(&'a Pool, usize, usize)>,
}

impl Sources {
    /// Reads the data of `recipe`, whose paths are absolute.
    pub fn load(recipe: &MetaRecipe) -> Result<Self, Error> {
        let locator = Locator::new(Path::new("."), None);
        let (mut parts, mut classes, mut width) = (Vec::new(), 0, None);
        for data in &recipe.data {
            let split = data.load(&locator, recipe.seed)?;
            let features = split.train.features.nrows();
            if *width.get_or_insert(features) != features {
                return Err(Error::Usage(format!(
                    "the data sets of a meta-training have samples of one width, but {} has {features} values where the first has {}; change [[data]]",
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

    /// The classes of the episodes, and those that are held out, from `seed`; the former's samples are the
    /// data sets' training samples, the latter's those of the tests.
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
            let label = |class: usize| part.first + class;
            held_out
                .extend(classes[..count].iter().map(|&class| (&part.test, class, label(class))));
            known.extend(
                classes[count..].iter().map(|&class| (&part.training, class, label(class))),
            );
        }
        let wanted = tasks.training + tasks.queries;
        for (pools, which) in [(&known, "left for the episodes"), (&held_out, "held out")] {
            if pools.len() < tasks.classes {
                return Err(Error::Usage(format!(
                    "{} classes are {which}, and a task has {}; change tasks.held_out or tasks.classes",
                    pools.len(),
                    tasks.classes
                )));
            }
            if let Some(&(pool, class, label)) =
                pools.iter().find(|(pool, class, _)| pool.members[*class].len() < wanted)
            {
                return Err(Error::Usage(format!(
                    "class {label} has {} samples, and a task takes {wanted}; lower tasks.training or tasks.queries",
                    pool.members[class].len()
                )));
            }
        }
        Ok((Classes { pools: known }, Classes { pools: held_out }))
    }
}

fn name(data: &DataConfig) -> String {
    serde_json::to_string(&data.source).unwrap_or_default()
}

impl Classes<'_> {
    /// A task of some of the classes, drawn from `random`.
    pub fn draw(&self, tasks: &TasksConfig, random: &mut ChaCha8Rng) -> Task<f32> {
        let mut pools: Vec<usize> = (0..self.pools.len()).collect();
        let (chosen, _) = pools.partial_shuffle(random, tasks.classes);
        let mut task = Task::default();
        for &mut place in chosen {
            let (pool, class, label) = self.pools[place];
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
