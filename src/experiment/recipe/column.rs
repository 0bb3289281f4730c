//! `[[compare]]`: what a comparison sets side by side.

use schemars::JsonSchema;
use serde::{Deserialize, Serialize};

use super::Recipe;
use crate::{Error, Rule};

/// One column of a comparison: a training rule with settings of its own.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize, JsonSchema)]
#[serde(deny_unknown_fields)]
pub struct Column {
    /// Its name in tables and reports.
    pub name: String,
    /// The training rule.
    pub rule: Rule,
    /// Values instead of the recipe's, each `key=value`.
    #[serde(default, skip_serializing_if = "Vec::is_empty")]
    pub set: Vec<String>,
}

impl From<Rule> for Column {
    /// The rule on the recipe as it is.
    fn from(rule: Rule) -> Self {
        Self { name: rule.to_string(), rule, set: Vec::new() }
    }
}

impl Column {
    /// `recipe` with this column's rule and settings.
    ///
    /// # Errors
    /// [`Error::Recipe`] names the column, the setting and what was expected.
    pub fn apply(&self, recipe: &Recipe) -> Result<Recipe, Error> {
        let mut changed = recipe.with(&self.set).map_err(|error| match error {
            Error::Recipe { path, problem } => Error::Recipe {
                path,
                problem: format!("key `compare`, column `{}`: {problem}", self.name),
            },
            other => other,
        })?;
        changed.training.rule = self.rule;
        Ok(changed)
    }

    /// Refuses columns without a name of their own.
    pub(super) fn check(columns: &[Self]) -> Result<(), String> {
        for (place, Self { name, .. }) in columns.iter().enumerate() {
            if name.trim().is_empty() {
                return Err(format!("key `compare`: column {} has no name", place + 1));
            }
            if columns[..place].iter().any(|before| before.name == *name) {
                return Err(format!(
                    "key `compare`: two columns are called `{name}`; rename one of them"
                ));
            }
        }
        Ok(())
    }
}
