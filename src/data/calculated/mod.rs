//! Time series that are calculated: the usual tasks of the field.

mod channel;
mod mackey_glass;

use super::SeriesConfig;
use crate::Error;

/// The columns of a series that is calculated, with their names.
pub(super) type NamedColumns = Vec<(&'static str, Vec<f64>)>;

impl SeriesConfig {
    /// What the series is called in messages.
    pub(super) fn name(&self) -> &'static str {
        match self {
            Self::Channel(_) => "channel",
            Self::MackeyGlass(_) => "mackey_glass",
        }
    }

    /// Calculates the columns; `seed` draws what is random.
    ///
    /// # Errors
    /// [`Error::Usage`] for a value that the equation cannot take.
    pub(super) fn columns(&self, seed: u64) -> Result<NamedColumns, Error> {
        match self {
            Self::Channel(config) => Ok(channel::columns(config, seed)),
            Self::MackeyGlass(config) => Ok(vec![("x", mackey_glass::series(config)?)]),
        }
    }
}
