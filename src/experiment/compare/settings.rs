//! Seeds and swept values of a comparison's runs.

use super::sweep::Settings;
use crate::Error;
use crate::experiment::recipe::LARGEST_SEED;

/// What to do where a comparison's folder cannot be read.
pub(super) const ADVICE: &str = "name the folder of a comparison that has begun";

/// The recipe's values as the command line gives them.
pub(super) fn overrides(settings: &Settings) -> Vec<String> {
    settings.iter().map(|(key, value)| format!("{key}={value}")).collect()
}

/// Most seeds of a comparison or a meta-training.
const MOST_SEEDS: u64 = 10_000;

/// `count` seeds from `first` on.
///
/// # Errors
/// [`Error::Usage`] where they are too many, or the last is beyond what a recipe can hold.
pub(in crate::experiment) fn seeds_from(first: u64, count: u64) -> Result<Vec<u64>, Error> {
    if count > MOST_SEEDS {
        return Err(Error::Usage(format!("option `seeds` {count}: {MOST_SEEDS} at most")));
    }
    let last = first.checked_add(count.saturating_sub(1)).filter(|last| *last <= LARGEST_SEED);
    let last = last.ok_or_else(|| {
        Error::Usage(format!(
            "{count} seeds from {first} on: the largest seed is {LARGEST_SEED}; begin lower with option `seed`"
        ))
    })?;
    Ok((first..=last).collect())
}
