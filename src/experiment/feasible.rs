//! What cannot work is refused before anything is opened, made or driven.

use burn::tensor::Device;
use twinprop_devices::PhysicalLayer;

use super::build::Experiment;
use super::compare::Sweep;
use super::recipe::Recipe;
use super::run::RunOptions;
use super::run_folder::RunFolder;
use super::trained_on::check_loaded;
use super::twins::Subject;
use crate::{Error, Rule};

/// Why `rule` cannot train on the devices of `recipe`, if it cannot: `ideal` training needs the equation that
/// a device obeys, which nobody knows of a real one.
#[must_use]
pub fn why_not(rule: Rule, recipe: &Recipe) -> Option<String> {
    let real = recipe.devices.iter().find(|(_, device)| device.rig.is_some());
    let (name, _) = real.filter(|_| rule == Rule::Ideal)?;
    Some(format!(
        "`{name}` is a real device, and ideal training needs the equation that it obeys; train by pat or in-silico"
    ))
}

/// Refuses a rule that cannot train on the devices of `recipe`.
///
/// # Errors
/// [`Error::Usage`] says why, and what to do instead.
pub(super) fn check_rule(recipe: &Recipe) -> Result<(), Error> {
    why_not(recipe.training.rule, recipe).map_or(Ok(()), |why| Err(Error::Usage(why)))
}

/// Refuses what `options` ask of the devices of `recipe`, which they have changed.
///
/// # Errors
/// As [`check_rule`].
pub(super) fn check(recipe: &Recipe, options: &RunOptions) -> Result<(), Error> {
    for setting in &options.set {
        let key = setting.split_once('=').map_or(setting.as_str(), |(key, _)| key);
        if let Some(why) = why_not_set(key, recipe) {
            return Err(Error::Usage(format!("--set {setting}: {why}")));
        }
    }
    Ok(())
}

/// Refuses sweeps that would change nothing.
///
/// # Errors
/// As [`check`].
pub(super) fn check_sweeps(sweeps: &[Sweep], recipe: &Recipe) -> Result<(), Error> {
    let keys: Vec<String> = sweeps.iter().map(|sweep| sweep.key.clone()).collect();
    refuse_repeated("--sweep", &keys)?;
    for Sweep { key, values } in sweeps {
        refuse_repeated(&format!("--sweep {key}"), values)?;
        let why = match key.as_str() {
            "seed" => Some("the seeds are counted by --seeds, from --seed".to_owned()),
            "training.rule" => Some("the rules are named by --rules".to_owned()),
            key => why_not_set(key, recipe),
        };
        if let Some(why) = why {
            return Err(Error::Usage(format!("--sweep {key}: {why}")));
        }
    }
    Ok(())
}

/// Refuses `values` of `option` that are the same; numbers are by their value, however they are written.
///
/// # Errors
/// [`Error::Usage`] with the two.
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
            return Err(Error::Usage(format!("{option}: {both}; its runs would be made twice")));
        }
    }
    Ok(())
}

/// Why setting `key` changes nothing, if a real device is what it is about.
fn why_not_set(key: &str, recipe: &Recipe) -> Option<String> {
    let path: Vec<&str> = key.trim().split('.').collect();
    let is_real = |name: &str| {
        let mut devices = recipe.devices.iter();
        devices
            .find(|(known, device)| (name == "*" || name == known.as_str()) && device.rig.is_some())
    };
    let (what, device) = match path.as_slice() {
        ["imperfections", ..] => ("imperfections", is_real("*")?),
        ["devices", name, "imperfections", ..] => ("imperfections", is_real(name)?),
        ["device_seed"] if recipe.devices.values().all(|device| device.rig.is_some()) => {
            ("a seed of its fabrication", is_real("*")?)
        }
        _ => return None,
    };
    Some(format!(
        "`{}` is a real device, and {what} can only be given to a simulated one; leave it out",
        device.0
    ))
}

/// Refuses to make a copy of a real device of the run of `recipe`, where `devices` put no other in its place.
///
/// # Errors
/// As [`check_rule`].
pub(super) fn check_copy(recipe: &Recipe, devices: &[String]) -> Result<(), Error> {
    let is_replaced = |name: &str| match recipe.devices.len() {
        1 => !devices.is_empty(),
        _ => devices.iter().any(|device| device.split_once('=').is_some_and(|(of, _)| of == name)),
    };
    let mut real = recipe.devices.iter().filter(|(_, device)| device.rig.is_some());
    let Some((name, _)) = real.find(|(name, _)| !is_replaced(name)) else { return Ok(()) };
    Err(Error::Usage(format!(
        "`{name}` is a real device, of which no seed makes a copy; name the other one with --device, or bring the network back to this one with `twinprop recalibrate`"
    )))
}

/// Refuses what needs the twins of the run of `recipe` in `run`, where it kept none.
///
/// # Errors
/// As [`check_rule`].
pub(super) fn check_twins(recipe: &Recipe, run: &RunFolder) -> Result<(), Error> {
    let rule = recipe.training.rule;
    if rule.needs_calibration() {
        return Ok(());
    }
    Err(Error::Usage(format!(
        "{}: it was trained by {rule}, which fits no twins, and a network is brought back through them; train it by pat",
        run.path().display()
    )))
}

/// Refuses, once the devices of `experiment` are known and before a shot is played, a calibration that their
/// shots or the files at hand do not allow.
///
/// # Errors
/// [`Error::Usage`] and [`Error::Calibration`] say what, and what to do instead.
pub(super) fn check_calibration(
    experiment: &Experiment,
    recipe: &Recipe,
    allow_changed_data: bool,
    backend: &Device,
) -> Result<(), Error> {
    let config = &recipe.calibration;
    if let Some(folder) = &config.load {
        check_loaded(&RunFolder::at(folder), &experiment.trained_on, allow_changed_data)?;
    }
    let instruments = experiment.laboratory.instruments.iter();
    for (instrument, nominal) in instruments.zip(&experiment.nominal) {
        let (name, interface) = (&instrument.name, instrument.device.interface());
        if config.twin.is_fitted() {
            config.shots_on(interface)?;
        }
        if let Some(folder) = &config.load {
            let nominal = nominal.clone();
            Subject { name, interface, nominal, seed: recipe.seed, backend }
                .load(config, folder)?;
        }
    }
    Ok(())
}
