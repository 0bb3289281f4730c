//! Seeds of a comparison's runs, and swept values as overrides.

use super::sweep::SweptValues;
use crate::Error;
use crate::experiment::recipe::LARGEST_SEED;

/// Advice for a folder that cannot be read.
pub(super) const ADVICE: &str = "name the folder of a comparison that has begun";

/// Swept values as overrides of the recipe, each `key=value`.
pub(super) fn overrides(settings: &SweptValues) -> Vec<String> {
    settings.iter().map(|(key, value)| format!("{key}={value}")).collect()
}

/// Most seeds of a comparison or a meta-training.
const MOST_SEEDS: u64 = 10_000;

/// `count` seeds, counted up from `first`.
///
/// # Errors
/// [`Error::Usage`] for too many seeds, or a last one above [`LARGEST_SEED`].
pub(in crate::experiment) fn seeds_from(first: u64, count: u64) -> Result<Vec<u64>, Error> {
    if count > MOST_SEEDS {
        return Err(Error::Usage(format!(
            "option `seeds` {count}: too many; give at most {MOST_SEEDS}"
        )));
    }
    let last = first.checked_add(count.saturating_sub(1)).filter(|last| *last <= LARGEST_SEED);
    let last = last.ok_or_else(|| {
        Error::Usage(format!(
            "{count} seeds counted up from {first}: the largest seed is {LARGEST_SEED}; start lower with option `seed`"
        ))
    })?;
    Ok((first..=last).collect())
}
