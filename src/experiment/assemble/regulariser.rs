//! The stages that a regulariser acts on.

use crate::Error;
use crate::experiment::recipe::Recipe;
use crate::network::{Assemblies, Physical, Stage};

/// The optional BEAN regulariser, on the stages that `recipe` names; by default on all mixing stages but the first that have
/// weights from each input to each output.
pub(super) fn assemblies(recipe: &Recipe, stages: &[Stage]) -> Result<Option<Assemblies>, Error> {
    let Some(config) = recipe.training.bean.clone() else { return Ok(None) };
    let has_outgoing = |place: &usize| stages.get(*place).is_some_and(Stage::has_outgoing);
    let places = match &config.stages {
        None => {
            let is_shared =
                |place: &usize| stages[*place].physical().is_some_and(Physical::shares_settings);
            let mixing = (0..stages.len()).filter(|&place| stages[place].mixes());
            let places: Vec<usize> =
                mixing.skip(1).filter(|place| has_outgoing(place) && !is_shared(place)).collect();
            if places.is_empty() {
                return Err(Error::Usage(
                    "key `training.bean`: no stage behind the first layer has weights from each input to each output, which it regularises; add a \"linear\" stage, name stages in `training.bean.stages`, or leave it out".to_owned(),
                ));
            }
            places
        }
        Some(named) => {
            if let Some(place) = named.iter().find(|place| !has_outgoing(place)) {
                let kind = stages.get(*place).map_or("not in the network", Stage::kind);
                return Err(Error::Usage(format!(
                    "key `training.bean.stages`: stage {place} ({kind}) has no weights from each input to each output; give the positions of physical layers and of \"linear\" stages in `network`, from zero"
                )));
            }
            named.clone()
        }
    };
    Ok(Some(Assemblies { config, places }))
}
