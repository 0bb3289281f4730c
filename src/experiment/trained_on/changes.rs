//! Differences between a training's data and devices and those at hand, in words.

use std::collections::HashSet;

use twinprop_devices::{Bank, Channels, Interface, Part};

use super::record::{TrainedFeature, TrainedOn};
use crate::data::{self, FeatureScaling, Schema};

/// Names or sentences that are listed one by one.
const SHOWN: usize = 5;

/// `names` in one line, the first of them.
pub(in super::super) fn listed(names: &[&str]) -> String {
    data::listed(names, SHOWN)
}

/// Those of `from` that `among` does not have.
pub(super) fn absent<'a>(
    from: impl Iterator<Item = &'a str>,
    among: impl Iterator<Item = &'a str>,
) -> Vec<&'a str> {
    let among: HashSet<&str> = among.collect();
    from.filter(|name| !among.contains(name)).collect()
}

fn texts(names: &[String]) -> impl Iterator<Item = &str> {
    names.iter().map(String::as_str)
}

/// Features, classes and targets that one of the two has and the other has not.
pub(super) fn name_changes(before: &Schema, now: &Schema) -> Vec<String> {
    let mut found = Vec::new();
    let mut say = |names: Vec<&str>, noun: (&str, &str), verb: (&str, &str), what: &str| {
        if !names.is_empty() {
            let is_one = names.len() == 1;
            let (noun, verb) = if is_one { (noun.0, verb.0) } else { (noun.1, verb.1) };
            found.push(format!("the {noun} {} {verb} {what}", listed(&names)));
        }
    };
    let (feature, class) = (("feature", "features"), ("class", "classes"));
    let target = ("target", "targets");
    let verb = ("is", "are");
    let (had, has) = (&before.classes, &now.classes);
    say(absent(before.feature_names(), now.feature_names()), feature, verb, "missing");
    say(absent(now.feature_names(), before.feature_names()), feature, verb, "new");
    say(absent(texts(had), texts(has)), class, verb, "missing");
    say(absent(texts(has), texts(had)), class, verb, "new");
    say(absent(before.target_names(), now.target_names()), target, verb, "missing");
    say(absent(now.target_names(), before.target_names()), target, verb, "new");
    found
}

/// Targets that both have, with another scaling.
pub(super) fn scaling_changes(before: &Schema, now: &Schema) -> Vec<String> {
    let changed = before.targets.iter().filter_map(|target| {
        let now = now.targets.iter().find(|now| now.name == target.name)?;
        let (FeatureScaling { offset, unit }, now) = (target.scaling, now.scaling);
        (target.scaling != now).then(|| {
            format!(
                "the target `{}` was scaled by the offset {offset} and the unit {unit}, and is by the offset {} and the unit {} now",
                target.name, now.offset, now.unit
            )
        })
    });
    let mut changed: Vec<String> = changed.collect();
    let more = changed.len().saturating_sub(SHOWN);
    changed.truncate(SHOWN);
    if more > 0 {
        changed.push(format!("the scaling of {more} more targets"));
    }
    changed
}

/// What differs between the samples of `before` and of `now`, which have the same features, and classes or targets.
pub(super) fn data_changes(before: &TrainedOn, now: &TrainedOn) -> Vec<String> {
    let mut found = Vec::new();
    for (what, before, now) in
        [("training", &before.train, &now.train), ("test", &before.test, &now.test)]
    {
        if before.samples != now.samples {
            let (before, now) = (before.samples, now.samples);
            found.push(format!("the {what} samples were {before} and are {now}"));
        }
    }
    if before.train == now.train && before.test == now.test {
        return found;
    }
    let both: Vec<(&TrainedFeature, &TrainedFeature)> = before
        .features
        .iter()
        .filter_map(|feature| {
            Some((feature, now.features.iter().find(|n| n.name == feature.name)?))
        })
        .collect();
    let moved: Vec<String> = both.iter().filter_map(|(before, now)| moved(before, now)).collect();
    let more = moved.len().saturating_sub(SHOWN);
    found.extend(moved.into_iter().take(SHOWN));
    if more > 0 {
        found.push(format!("the ranges of {more} more features"));
    }
    if found.is_empty() {
        let other = both.iter().filter(|(before, now)| before.hash != now.hash);
        let other: Vec<&str> = other.map(|(before, _)| before.name.as_str()).collect();
        let computed = both.iter().all(|(before, _)| before.hash.is_empty());
        found.push(match other.len() {
            0 if computed => "the recordings or their labels differ".to_owned(),
            0 if before.targets.is_empty() => "the labels of samples differ".to_owned(),
            0 => "the targets of samples differ".to_owned(),
            count if count == both.len() => {
                "the samples, or their order, differ in all features".to_owned()
            }
            _ => format!("the values of {} differ", listed(&other)),
        });
    }
    found
}

/// Share of a feature's range by which computed extremes may differ between machines.
const ROUNDING: f64 = 1e-4;

/// The range of a feature, if it is another: in the file's unit.
fn moved(before: &TrainedFeature, now: &TrainedFeature) -> Option<String> {
    let ends = |feature: &TrainedFeature| {
        [feature.minimum, feature.maximum]
            .map(|end| f64::from(end) * feature.scaling.unit + feature.scaling.offset)
    };
    let ([low, high], [low_now, high_now]) = (ends(before), ends(now));
    let rounding = if before.hash.is_empty() { ROUNDING * (high - low).abs() } else { 0.0 };
    let is_same = (low - low_now).abs() <= rounding && (high - high_now).abs() <= rounding;
    (!is_same).then(|| {
        let name = &before.name;
        format!("the feature `{name}` ranged from {low} to {high} and ranges from {low_now} to {high_now}")
    })
}

/// What differs between the channels of the device `name` as they were `before` and are `now`. How quickly it
/// measures, and how far a drive may step from shot to shot, changes no reading and is no difference.
pub(super) fn interface_changes(name: &str, before: &Interface, now: &Interface) -> Vec<String> {
    let mut found = Vec::new();
    let mut say = |what: String| found.push(format!("device `{name}`: {what}"));
    if before.device != now.device {
        say(format!(
            "it was a `{}` and is a `{}` (a Python rig is called by its script and function, or by `name` in @rig)",
            before.device, now.device
        ));
    }
    for (side, before, now) in [
        ("inputs", &before.inputs, &now.inputs),
        ("parameters", &before.parameters, &now.parameters),
        ("outputs", &before.outputs, &now.outputs),
    ] {
        if before.banks().len() != now.banks().len() {
            say(format!("its {side} were {} and are {}", in_words(before), in_words(now)));
            continue;
        }
        for (before, now) in before.banks().iter().zip(now.banks()) {
            bank_changes(side, before, now).into_iter().for_each(&mut say);
        }
    }
    found
}

fn in_words(channels: &Channels) -> String {
    if channels.is_empty() { "none".to_owned() } else { channels.to_string() }
}

fn bank_changes(side: &str, before: &Bank, now: &Bank) -> Vec<String> {
    let mut found = Vec::new();
    let name = &before.name;
    if before.name != now.name {
        found.push(format!("its {side} `{name}` are called `{}` now", now.name));
    }
    if before.count != now.count {
        found.push(format!("its {side} `{name}` were {} and are {}", before.count, now.count));
    }
    let range = |bank: &Bank| (bank.minimum, bank.maximum, bank.unit.clone());
    if range(before) != range(now) {
        let in_words = |bank: &Bank| format!("{} to {} {}", bank.minimum, bank.maximum, bank.unit);
        let (before, now) = (in_words(before), in_words(now));
        found.push(format!("the range of its {side} `{name}` was {before} and is {now}"));
    }
    if before.matrix_gain != now.matrix_gain {
        let gain =
            |bank: &Bank| bank.matrix_gain.map_or("none".to_owned(), |gain| gain.to_string());
        let (before, now) = (gain(before), gain(now));
        found.push(format!("the matrix gain of its {side} `{name}` was {before} and is {now}"));
    }
    if before.steps != now.steps {
        let steps = |bank: &Bank| bank.steps.map_or("none".to_owned(), |steps| steps.to_string());
        let (before, now) = (steps(before), steps(now));
        found.push(format!("the steps of its {side} `{name}` were {before} and are {now}"));
    }
    if before.part != now.part {
        let part = |bank: &Bank| bank.part.map_or("none", Part::name);
        let (before, now) = (part(before), part(now));
        found.push(format!(
            "the part of complex amplitudes of its {side} `{name}` was {before} and is {now}"
        ));
    }
    found
}

impl TrainedOn {
    /// What differs between the samples of this training and those of `now`, which were
    /// adopted, a sentence each.
    pub(in crate::experiment) fn data_changes(&self, now: &Self) -> Vec<String> {
        data_changes(self, now)
    }

    /// What differs between its devices and those of `now`, a sentence each.
    pub(in crate::experiment) fn device_changes(&self, now: &Self) -> Vec<String> {
        let both = self.devices.iter().filter_map(|(name, before)| {
            now.devices.get(name).map(|now| interface_changes(name, before, now))
        });
        both.flatten().collect()
    }
}
