//! Values of the recipe that a comparison sweeps.

use std::str::FromStr;

use serde::{Deserialize, Serialize};

/// A key of the recipe and its values, `KEY=VALUE,VALUE,…`.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
pub struct Sweep {
    /// The dotted key, such as `imperfections.mismatch`.
    pub key: String,
    /// Its values.
    pub values: Vec<String>,
}

/// Values of swept keys, in the order of the sweeps.
pub type SweptValues = Vec<(String, String)>;

impl FromStr for Sweep {
    type Err = String;

    fn from_str(text: &str) -> Result<Self, String> {
        let (key, values) = text
            .split_once('=')
            .ok_or("expected KEY=VALUE,VALUE, such as imperfections.mismatch=0,0.1,0.2")?;
        let values: Vec<String> = values
            .split(',')
            .map(str::trim)
            .filter(|value| !value.is_empty())
            .map(str::to_owned)
            .collect();
        if key.trim().is_empty() || values.is_empty() {
            return Err("expected KEY=VALUE,VALUE with a key and at least one value".to_owned());
        }
        Ok(Self { key: key.trim().to_owned(), values })
    }
}

/// Every combination of the sweeps' values; one empty combination without sweeps.
pub(super) fn combinations(sweeps: &[Sweep]) -> Vec<SweptValues> {
    sweeps.iter().fold(vec![SweptValues::new()], |combinations, Sweep { key, values }| {
        combinations
            .iter()
            .flat_map(|before| {
                values.iter().map(|value| {
                    let mut settings = before.clone();
                    settings.push((key.clone(), value.clone()));
                    settings
                })
            })
            .collect()
    })
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn sweeps_are_combined() {
        let sweeps: Vec<Sweep> = ["a.b=0, 0.1", "c=x,y,z"]
            .into_iter()
            .map(|text| text.parse().expect("it is well formed"))
            .collect();
        let all = combinations(&sweeps);
        assert_eq!(all.len(), 6);
        let pair = |key: &str, value: &str| (key.to_owned(), value.to_owned());
        assert_eq!(all[4], [pair("a.b", "0.1"), pair("c", "y")]);
        assert_eq!(combinations(&[]), [SweptValues::new()]);
        assert!("a=".parse::<Sweep>().is_err());
    }
}
