//! Refuses what cannot work, before anything is opened, written or driven.

use burn::tensor::Device;
use twinprop_calibration::CalibrationError;
use twinprop_devices::{DeviceKind, PhysicalLayer};

use super::build::Experiment;
use super::compare::Sweep;
use super::options::RunOptions;
use super::recipe::{DeviceEntry, Recipe, StageConfig, as_option};
use super::run_folder::RunFolder;
use super::trained_on::check_loaded;
use super::twins::TwinnedDevice;
use crate::training::Observer;
use crate::{Error, Rule};

/// Why `rule` cannot train on the devices of `recipe`; `None` if it can.
///
/// `ideal` training needs the exact equation of every device, which is unknown for a real one. The regulariser
/// `training.bean` needs a twin of each device that it acts on, or the exact equation if the rule fits no twins. `emstdp`
/// needs a chip with error neurons.
#[must_use]
pub fn why_not(rule: Rule, recipe: &Recipe) -> Option<String> {
    if rule.needs_calibration() {
        return None;
    }
    let is_real = |name: &str| recipe.devices.get(name).is_some_and(DeviceEntry::is_real);
    if rule == Rule::Ideal {
        let name = recipe.devices.keys().find(|name| is_real(name))?;
        return Some(format!(
            "`{name}` is a real device, but ideal training needs the exact equation of the device; train by pat or in-silico"
        ));
    }
    if let Some(name) = other_than_chip(recipe).filter(|_| rule == Rule::Emstdp) {
        return Some(format!(
            "`{name}` has no error neurons by its model, and emstdp needs a `learning_chip`; train by pat"
        ));
    }
    let (place, name) = regularised(recipe).into_iter().find(|(_, name)| is_real(name))?;
    Some(format!(
        "key `training.bean`: it regularises stage {place}, which plays on `{name}`, a real device; this needs the weights of a twin, and {rule} fits none; train by pat, name only digital layers in training.bean.stages, or leave out training.bean"
    ))
}

/// The first device of `recipe` with a model that is no chip with error neurons.
fn other_than_chip(recipe: &Recipe) -> Option<&str> {
    let mut modelled = recipe.devices.iter().filter(|(_, device)| device.model.is_some());
    let other =
        modelled.find(|(_, device)| !matches!(device.model, Some(DeviceKind::LearningChip(_))));
    other.map(|(name, _)| name.as_str())
}

/// Places (from zero) and devices of the physical stages that `training.bean` regularises.
fn regularised(recipe: &Recipe) -> Vec<(usize, &str)> {
    let Some(bean) = &recipe.training.bean else { return Vec::new() };
    // A skip is not a stage of the built network.
    let stages = recipe.network.iter().filter(|stage| !matches!(stage, StageConfig::Skip(_)));
    let mixing = stages.enumerate().filter_map(|(place, stage)| match stage {
        StageConfig::Physical(config) => {
            let is_shared = config.shared && config.shots > 1;
            Some((place, Some(config.device.get_ref().as_str()), is_shared))
        }
        StageConfig::Linear(_) => Some((place, None, false)),
        StageConfig::Convolution(_) => Some((place, None, true)),
        _ => None,
    });
    // By default as an assembly chooses them: not the first, and none that plays or sums window by window.
    let is_meant = |number: usize, place: &usize, is_shared: bool| match &bean.stages {
        None => number > 0 && !is_shared,
        Some(named) => named.contains(place),
    };
    mixing
        .enumerate()
        .filter(|(number, (place, _, is_shared))| is_meant(*number, place, *is_shared))
        .filter_map(|(_, (place, device, _))| Some((place, device?)))
        .collect()
}

/// Refuses a rule that cannot train on the devices of `recipe`.
///
/// # Errors
/// [`Error::Usage`] with the reason and what to do instead.
pub(super) fn check_rule(recipe: &Recipe) -> Result<(), Error> {
    why_not(recipe.training.rule, recipe).map_or(Ok(()), |why| Err(Error::Usage(why)))
}

/// Refuses a rule that cannot train the network of `experiment` on its targets, before a shot.
///
/// # Errors
/// [`Error::Usage`] says why.
pub(super) fn check_targets(recipe: &Recipe, experiment: &Experiment) -> Result<(), Error> {
    let training = &recipe.training;
    let rule = training.rules.start(training.rule, recipe.seed, training.parts);
    let targets = &experiment.split.train.targets;
    rule.check(&experiment.network, targets).map_err(Error::Usage)
}

/// Refuses `options` that cannot apply to the devices of `recipe`. The options are already applied to `recipe`.
///
/// # Errors
/// As [`check_rule`].
pub(super) fn check(recipe: &Recipe, options: &RunOptions) -> Result<(), Error> {
    for setting in &options.set {
        let key = setting.split_once('=').map_or(setting.as_str(), |(key, _)| key);
        if let Some(why) = why_not_set(key, recipe) {
            return Err(Error::Usage(format!("{}: {why}", as_option(setting))));
        }
    }
    Ok(())
}

/// Refuses sweeps that change nothing or repeat a value.
///
/// # Errors
/// As [`check`].
pub(super) fn check_sweeps(sweeps: &[Sweep], recipe: &Recipe) -> Result<(), Error> {
    let keys: Vec<String> = sweeps.iter().map(|sweep| sweep.key.clone()).collect();
    refuse_repeated("option `sweeps`", &keys)?;
    for Sweep { key, values } in sweeps {
        refuse_repeated(&format!("option `sweeps` {key}"), values)?;
        let why = match key.as_str() {
            "seed" => Some("set the seeds with option `seeds` and option `seed`".to_owned()),
            "training.rule" => Some("name the rules with option `rules`".to_owned()),
            key => why_not_set(key, recipe),
        };
        if let Some(why) = why {
            return Err(Error::Usage(format!("option `sweeps` {key}: {why}")));
        }
    }
    Ok(())
}

/// Refuses equal `values` of `option`. Numbers are compared by value, not by notation.
///
/// # Errors
/// [`Error::Usage`] with the two equal values.
pub(super) fn refuse_repeated(option: &str, values: &[String]) -> Result<(), Error> {
    let number = |text: &str| text.replace('_', "").parse::<f64>().ok();
    for (place, value) in values.iter().enumerate() {
        let is_same = |before: &&String| match (number(before), number(value)) {
            (Some(before), Some(value)) => before == value,
            _ => *before == value,
        };
        if let Some(before) = values[..place].iter().find(is_same) {
            let both = if before == value {
                format!("`{value}` is given twice")
            } else {
                format!("`{before}` and `{value}` are the same")
            };
            return Err(Error::Usage(format!("{option}: {both}; leave one out")));
        }
    }
    Ok(())
}

/// Why `key` cannot be set, if it concerns a real device.
fn why_not_set(key: &str, recipe: &Recipe) -> Option<String> {
    let path: Vec<&str> = key.trim().split('.').collect();
    let is_real = |name: &str| {
        let mut devices = recipe.devices.iter();
        devices.find(|(known, device)| (name == "*" || name == known.as_str()) && device.is_real())
    };
    let (what, device) = match path.as_slice() {
        ["imperfections", ..] => ("imperfections", is_real("*")?),
        ["devices", name, "imperfections", ..] => ("imperfections", is_real(name)?),
        ["device_seed"] if recipe.devices.values().all(DeviceEntry::is_real) => {
            ("a fabrication seed", is_real("*")?)
        }
        _ => return None,
    };
    Some(format!(
        "`{}` is a real device, but {what} can only be given to a simulated one; leave it out",
        device.0
    ))
}

/// Refuses to fabricate a copy of a real device of `recipe` that `devices` does not replace.
///
/// # Errors
/// As [`check_rule`].
pub(super) fn check_copy(recipe: &Recipe, devices: &[String]) -> Result<(), Error> {
    let is_replaced = |name: &str| match recipe.devices.len() {
        1 => !devices.is_empty(),
        _ => devices.iter().any(|device| device.split_once('=').is_some_and(|(of, _)| of == name)),
    };
    let mut real = recipe.devices.iter().filter(|(_, device)| device.is_real());
    let Some((name, _)) = real.find(|(name, _)| !is_replaced(name)) else { return Ok(()) };
    Err(Error::Usage(format!(
        "`{name}` is a real device; no seed makes a copy of it; name the other device with option `devices`, or adapt the network to this one with `experiment::recalibrate_run`"
    )))
}

/// Refuses a run without twins, where twins are needed.
///
/// # Errors
/// As [`check_rule`].
pub(super) fn check_twins(recipe: &Recipe, run: &RunFolder) -> Result<(), Error> {
    let rule = recipe.training.rule;
    if rule.needs_calibration() {
        return Ok(());
    }
    Err(Error::Usage(format!(
        "{}: it was trained by {rule}, which fits no twins, but an adaptation needs them; train it by pat",
        run.path().display()
    )))
}

/// Refuses, before a shot is played, a calibration for which the devices or the files to load do not fit.
///
/// # Errors
/// [`Error::Usage`] and [`Error::Calibration`] with the reason and what to do instead.
pub(super) fn check_calibration(
    experiment: &Experiment,
    recipe: &Recipe,
    allow_changed_data: bool,
    backend: &Device,
    observer: &mut dyn Observer,
) -> Result<(), Error> {
    if let Some(folder) = &recipe.calibration.load {
        let folder = RunFolder::at(folder);
        check_loaded(&folder, &experiment.trained_on, allow_changed_data, observer)?;
    }
    for instrument in &experiment.laboratory.instruments {
        let (name, interface) = (&instrument.name, instrument.device.interface());
        if instrument.twin.is_some() {
            continue;
        }
        let config = &recipe.calibration_of(name);
        if config.twin.is_elsewhere() {
            let device = name.clone();
            return Err(CalibrationError::NotGiven { device }.into());
        }
        if config.twin.is_fitted() {
            config.shots_on(interface)?;
        }
        if let Some(folder) = &config.load {
            let nominal = instrument.nominal.clone();
            TwinnedDevice { name, interface, nominal, seed: recipe.seed, backend }
                .load(config, folder)?;
        }
    }
    Ok(())
}

#[cfg(test)]
mod tests {
    use super::*;

    const RULES: [Rule; 11] = [
        Rule::Pat,
        Rule::InSilico,
        Rule::Ideal,
        Rule::Asymmetric,
        Rule::PredictiveCoding,
        Rule::FeedbackAlignment,
        Rule::DirectFeedbackAlignment,
        Rule::AugmentedDirectFeedbackAlignment,
        Rule::LearnedPlasticity,
        Rule::Spsa,
        Rule::FiniteDifferences,
    ];

    /// Two devices, `one` simulated and `two` as given. The mixing layers of the network have the places
    /// 1 (one), 2 (two) and 3 (digital); the skip has no place.
    fn recipe(two: &str, bean: &str) -> Recipe {
        let text = format!(
            r#"
network = ["encode", {{ physical = {{ device = "one" }} }}, {{ skip = {{ over = 1 }} }},
  {{ physical = {{ device = "two" }} }}, {{ linear = {{ outputs = 8 }} }}, "readout"]
data = {{ source = "vowels" }}
[devices.one.model.second_harmonic]
[devices.two]
{two}
[training]
{bean}
"#
        );
        toml::from_str(&text).unwrap()
    }

    #[test]
    fn emstdp_is_refused_without_error_neurons() {
        let mut recipe = recipe("model = { learning_chip = {} }", "");
        let why = why_not(Rule::Emstdp, &recipe).unwrap();
        assert!(why.contains("`one`") && why.contains("train by pat"), "{why}");
        recipe.devices.remove("one");
        assert_eq!(why_not(Rule::Emstdp, &recipe), None);
    }

    #[test]
    fn a_rule_without_twins_is_refused_if_a_twin_is_needed() {
        let real = r#"rig = { target = "tcp://127.0.0.1:1" }"#;
        let (model, simulated) = ("model = { second_harmonic = {} }", "imperfections = {}");
        let described = format!("{real}\n{model}");
        let recorded = r#"rig = { target = "replay:shots/two" }"#;
        for two in [real, &described, recorded, &format!("{model}\n{simulated}")] {
            let is_real = two.contains("rig");
            for (bean, asks) in [
                ("", false),
                ("bean = { strength = 0.1 }", true),
                ("bean = { strength = 0.1, stages = [2] }", true),
                ("bean = { strength = 0.1, stages = [3, 2] }", true),
                ("bean = { strength = 0.1, stages = [1, 3] }", false),
                ("bean = { strength = 0.1, stages = [3] }", false),
                ("bean = { strength = 0.1, stages = [] }", false),
            ] {
                let recipe = recipe(two, bean);
                for rule in RULES {
                    let refused = is_real
                        && match rule {
                            Rule::Ideal => true,
                            Rule::Spsa | Rule::FiniteDifferences => asks,
                            _ => false,
                        };
                    let why = why_not(rule, &recipe);
                    assert_eq!(why.is_some(), refused, "{two}, {bean}, {rule}: {why:?}");
                    if let Some(why) = why {
                        assert!(why.contains("`two`") && why.contains("train by pat"), "{why}");
                    }
                }
            }
        }
    }
}
