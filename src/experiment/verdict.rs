//! Verdict on a twin, and what to do about a poor one. It is reported at once, kept in the summary and acted on.

use serde::{Deserialize, Serialize};
use twinprop_calibration::fidelity::{Readings, Verdict};
use twinprop_calibration::{Estimate, Fidelity};

use super::fidelity_words::{in_a_sentence, in_numbers};
use super::recipe::{CalibrationConfig, Recipe, Requirement, TwinConfig, as_option};
use crate::Error;
use crate::training::RefinementChoice;

/// The page on what to do with a poor twin.
pub const PAGE: &str = "docs/src/twin-is-bad.md";

/// Quality of a twin.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum Grade {
    /// Its gradient is close to the device's.
    Fit,
    /// Its gradient points the right way.
    Usable,
    /// Its gradient points the right way only roughly.
    Weak,
    /// Its gradient is not known to point the right way.
    Unknown,
    /// The device's readings do not depend on its drives: no twin can help.
    NoSignal,
}

/// Verdict on a twin.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
pub struct TwinVerdict {
    /// Name of the device in the recipe.
    pub device: String,
    /// Quality of the twin.
    pub grade: Grade,
    /// Cosine between its gradient and the device's.
    pub gradient_cosine: Estimate,
    /// The verdict in a sentence or two.
    pub words: String,
    /// What to try next, the most promising first; empty for a fit twin.
    #[serde(default, skip_serializing_if = "Vec::is_empty")]
    pub next: Vec<Remedy>,
}

/// A remedy for a poor twin.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
pub struct Remedy {
    /// Value to set in the recipe, `KEY=VALUE`; `None` if the remedy is something else.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub set: Option<String>,
    /// Effect of the remedy.
    pub does: String,
}

/// Ratio of noise to spread of the readings below which they contain a signal: over all channels, and for a single
/// channel, which has fewer readings.
const ALL_NOISE: f32 = 0.9;
const CHANNEL_NOISE: f32 = 0.6;
/// Width of the cosine's confidence interval above which noise hides the gradient.
const WIDE: f32 = 0.4;
/// Number of shots above which the remedy is a larger network instead of more shots.
const MANY_SHOTS: usize = 200_000;

impl Remedy {
    fn set(setting: String, does: &str) -> Self {
        Self { set: Some(setting), does: does.to_owned() }
    }

    fn advice(does: String) -> Self {
        Self { set: None, does }
    }

    /// The remedy in a line: the option to set, and its effect.
    #[must_use]
    pub fn in_words(&self) -> String {
        match &self.set {
            Some(setting) => format!("{}   {}", as_option(setting), self.does),
            None => self.does.clone(),
        }
    }
}

/// Whether the readings depend on the drives.
fn depends_on_drives(Fidelity { readings, by_channel, .. }: &Fidelity) -> bool {
    let is_signal = |of: &Readings, noise: f32| of.r2.is_known() && of.noise_floor < noise;
    is_signal(readings, ALL_NOISE) || by_channel.iter().any(|one| is_signal(one, CHANNEL_NOISE))
}

impl Grade {
    /// Grade of a twin with this fidelity.
    #[must_use]
    pub fn of(fidelity: &Fidelity) -> Self {
        // A cosine that is known not to be 0 shows a signal.
        let cosine = fidelity.gradient.cosine;
        let is_known = cosine.low > 0.0 || cosine.high < 0.0;
        if !is_known && !depends_on_drives(fidelity) {
            return Self::NoSignal;
        }
        match fidelity.verdict() {
            Verdict::Fit => Self::Fit,
            Verdict::Usable => Self::Usable,
            Verdict::Unfit if fidelity.gradient.cosine.low > 0.0 => Self::Weak,
            Verdict::Unfit => Self::Unknown,
        }
    }

    /// Whether a twin of this grade meets `required`.
    #[must_use]
    pub fn meets(self, required: Requirement) -> bool {
        match required {
            Requirement::Fit => self <= Self::Fit,
            Requirement::Usable => self <= Self::Usable,
            Requirement::Possible => self <= Self::Weak,
            Requirement::None => true,
        }
    }
}

impl TwinVerdict {
    /// Verdict on the twin of `device`, made by `recipe`, with this fidelity.
    #[must_use]
    pub fn of(device: &str, fidelity: &Fidelity, recipe: &Recipe) -> Self {
        let grade = Grade::of(fidelity);
        Self {
            device: device.to_owned(),
            grade,
            gradient_cosine: fidelity.gradient.cosine,
            words: if grade == Grade::NoSignal {
                format!("no signal. {}", in_numbers(fidelity))
            } else {
                in_a_sentence(fidelity)
            },
            next: remedies(grade, fidelity, recipe, device),
        }
    }

    /// The verdict and what to try next, one line each.
    #[must_use]
    pub fn lines(&self) -> Vec<String> {
        let mut lines = vec![format!("twin of {}: {}", self.device, self.words)];
        lines.extend(self.next.iter().map(|remedy| format!("  next: {}", remedy.in_words())));
        if !self.next.is_empty() {
            lines.push(format!("  {PAGE} explains how to choose"));
        }
        lines
    }
}

/// Refuses a training if a twin of `verdicts` does not meet `required`; `report` is the file that shows the twins.
///
/// # Errors
/// [`Error::Usage`] names the twin, the reason and what to do.
pub(super) fn require(
    verdicts: &[TwinVerdict],
    required: Requirement,
    report: &str,
) -> Result<(), Error> {
    let Some(refused) = verdicts.iter().find(|twin| !twin.grade.meets(required)) else {
        return Ok(());
    };
    let TwinVerdict { device, grade, gradient_cosine, next, .. } = refused;
    let asked = match required {
        Requirement::Fit => ", but calibration.require = \"fit\" asks for at least 0.8",
        Requirement::Usable => ", but calibration.require = \"usable\" asks for at least 0.5",
        _ if gradient_cosine.high < 0.0 => ": it points the wrong way",
        _ => ", so that it may be 0",
    };
    let why = match grade {
        Grade::NoSignal => format!(
            "the readings of `{device}` do not depend on the drives: they scatter no more between different drives than between repeats of one drive"
        ),
        _ => format!(
            "the cosine of the gradient of `{device}`'s twin with the device's is {gradient_cosine:.2}{asked}"
        ),
    };
    let next: String = next.iter().map(|remedy| format!("\n  {}", remedy.in_words())).collect();
    let anyway = as_option("calibration.require=\"none\"");
    Err(Error::Usage(format!(
        "stopped before the training: {why}. Try{next}\n  {anyway}   trains anyway\n{report} shows the twin, {PAGE} explains how to choose"
    )))
}

/// What to try for a twin of `grade` that is not fit: at most two remedies.
fn remedies(grade: Grade, fidelity: &Fidelity, recipe: &Recipe, device: &str) -> Vec<Remedy> {
    let config = &recipe.calibration_of(device);
    let twin_key = recipe.twin_key(device);
    let device = recipe.devices.get(device);
    let rig = device.and_then(|device| device.rig.as_ref());
    if grade == Grade::Fit {
        return Vec::new();
    }
    if grade == Grade::NoSignal {
        let target = rig.and_then(|rig| rig.target.0.first());
        return vec![Remedy::advice(match target {
            Some(target) => format!(
                "check that the drives arrive (cables, order of the channels, amplitudes) with `probe::Probe` on {target}"
            ),
            None => "check that the model's ranges and noise leave a signal".to_owned(),
        })];
    }
    if config.load.is_some() {
        return vec![Remedy::advice(
            "calibrate this device: leave calibration.load out of the recipe".to_owned(),
        )];
    }
    if matches!(config.twin, TwinConfig::Served(_)) {
        return vec![
            Remedy::advice(
                "correct the twin in the rig's script, or learn its constants from more shots there"
                    .to_owned(),
            ),
            Remedy::set(
                format!("{twin_key}=\"neural\""),
                "fits a network to shots, instead of the twin that the rig serves",
            ),
        ];
    }
    if config.twin.is_elsewhere() {
        return vec![Remedy::advice(
            "learn the constants of this twin from more shots, or pass a twin of another kind"
                .to_owned(),
        )];
    }
    let mut next = Vec::new();
    let cosine = &fidelity.gradient.cosine;
    let is_hidden = cosine.high - cosine.low > WIDE && cosine.high > 0.8;
    if is_hidden {
        let repeats = 4 * config.fidelity.repeats.max(2);
        next.push(Remedy::set(
            format!("calibration.fidelity.repeats={repeats}"),
            "averages the device's noise over four times as many shots",
        ));
    }
    let has_model = device.is_some_and(|device| device.model.is_some());
    match &config.twin {
        TwinConfig::Physics => next.push(Remedy::set(
            format!("{twin_key}={{ learned_physics = {{}} }}"),
            "learns the constants of the equation from shots",
        )),
        TwinConfig::LearnedPhysics(_) => next.push(Remedy::set(
            format!("{twin_key}={{ hybrid = {{}} }}"),
            "adds a network for what the equation does not describe",
        )),
        TwinConfig::Surrogate(_) => next.push(Remedy::set(
            format!("{twin_key}={{ surrogate = {{ constants = {{}} }} }}"),
            "learns the chip's constants from shots",
        )),
        TwinConfig::SpikeTrain(_) => next.push(Remedy::set(
            format!("{twin_key}={{ surrogate = {{}} }}"),
            "takes the surrogate gradient, with the slope that agrees best with the chip",
        )),
        _ if has_model && rig.is_none() => next.push(Remedy::set(
            format!("{twin_key}={{ learned_physics = {{}} }}"),
            "uses the device's equation and learns its constants from the same shots",
        )),
        TwinConfig::Hybrid(_) => {}
        _ if has_model => next.push(Remedy::set(
            format!("{twin_key}={{ hybrid = {{}} }}"),
            "uses the device's equation and a network for what it does not describe",
        )),
        _ => {}
    }
    if config.twin.is_fitted() {
        next.push(more_shots(config, &twin_key));
    }
    if matches!(recipe.training.refinement, RefinementChoice::Off)
        && recipe.training.rule.refines_twins()
    {
        next.push(Remedy::set(
            "training.refinement=\"auto\"".to_owned(),
            "lets the twin learn from the shots of the training",
        ));
    }
    next.truncate(2);
    next
}

/// More shots for the fit, or a larger network if there are many already.
fn more_shots(config: &CalibrationConfig, twin_key: &str) -> Remedy {
    if let Some(seconds) = config.device_seconds {
        return Remedy::set(
            format!("calibration.device_seconds={}", 4.0 * seconds),
            "calibrates with four times as many shots",
        );
    }
    if let (true, TwinConfig::Neural(size)) = (config.shots > MANY_SHOTS, &config.twin) {
        return Remedy::set(
            format!("{twin_key}={{ neural = {{ width = {} }} }}", 2 * size.width),
            "makes the twin twice as wide",
        );
    }
    Remedy::set(
        format!("calibration.shots={}", 4 * config.shots),
        "calibrates with four times as many shots",
    )
}

#[cfg(test)]
mod tests {
    use serde_json::{Value, json};

    use super::*;

    /// A fidelity with this cosine and interval, and this ratio of noise to spread.
    fn fidelity([value, low, high]: [f32; 3], noise_floor: f32) -> Fidelity {
        let known = |value: f32| json!({ "value": value, "low": value, "high": value });
        let readings = json!({ "r2": known(0.9), "nrmse": known(0.3), "noise_floor": noise_floor });
        let gradient = json!({
            "cosine": { "value": value, "low": low, "high": high }, "length": known(1.0)
        });
        let sections = vec![0.1; twinprop_calibration::fidelity::SECTIONS];
        let text: Value = json!({
            "readings": readings, "by_channel": [readings], "gradient": gradient, "by_group": [],
            "by_range": { "inputs": sections, "parameters": sections, "weak": [] },
        });
        serde_json::from_value(text).unwrap()
    }

    const RECIPE: &str = r#"
network = ["encode", "scale", { physical = { device = "shg" } }, "readout"]
data = { source = "vowels" }
[devices.shg.model.second_harmonic]
"#;

    #[test]
    fn grades_follow_the_lower_end_of_the_cosine_and_the_signal() {
        for (cosine, noise, grade) in [
            ([0.9, 0.85, 0.95], 0.1, Grade::Fit),
            ([0.9, 0.75, 0.95], 0.1, Grade::Usable),
            ([0.5, 0.2, 0.7], 0.1, Grade::Weak),
            ([0.5, -0.1, 0.8], 0.1, Grade::Unknown),
            ([-0.6, -0.8, -0.4], 0.1, Grade::Unknown),
            ([0.9, 0.85, 0.95], 0.97, Grade::Fit),
            ([0.3, -0.2, 0.7], 0.97, Grade::NoSignal),
        ] {
            assert_eq!(Grade::of(&fidelity(cosine, noise)), grade, "{cosine:?}");
        }
        let order = [Grade::Fit, Grade::Usable, Grade::Weak, Grade::Unknown, Grade::NoSignal];
        for (required, met) in [
            (Requirement::Fit, 1),
            (Requirement::Usable, 2),
            (Requirement::Possible, 3),
            (Requirement::None, 5),
        ] {
            let meets: Vec<bool> = order.iter().map(|grade| grade.meets(required)).collect();
            let expected: Vec<bool> = (0..order.len()).map(|place| place < met).collect();
            assert_eq!(meets, expected, "{required:?}");
        }
        assert_eq!(CalibrationConfig::default().require, Requirement::Possible);
    }

    #[test]
    fn a_recipe_accepts_every_remedy() {
        let folder = tempfile::tempdir().unwrap();
        let path = folder.path().join("recipe.toml");
        let rig = "rig = { target = \"tcp://127.0.0.1:1\" }\n";
        let recipes = [
            RECIPE.to_owned(),
            RECIPE.replace("[devices.shg.model", "[devices.shg]\nRIG[devices.shg.model"),
            RECIPE.replace("[devices.shg.model.second_harmonic]", "[devices.shg]\nRIG"),
        ];
        let settings: [&[&str]; 8] = [
            &[],
            &["calibration.twin=\"physics\""],
            &["calibration.twin={ learned_physics = {} }"],
            &["calibration.twin={ hybrid = {} }"],
            &["calibration.shots=300000"],
            &["calibration.device_seconds=3.5"],
            &["training.refinement=\"off\"", "calibration.twin={ hybrid = {} }"],
            &["calibration.fidelity.repeats=2"],
        ];
        let bad = [[0.5, -0.1, 0.9], [0.3, -0.1, 0.4], [0.6, 0.55, 0.7]];
        let mut tried = 0;
        for text in recipes.map(|text| text.replace("RIG", rig)) {
            std::fs::write(&path, &text).unwrap();
            for settings in settings {
                let settings: Vec<String> = settings.iter().map(ToString::to_string).collect();
                // A real device without a model cannot have a physics twin.
                let Ok(recipe) = Recipe::read(&path, &settings) else { continue };
                for cosine in bad {
                    let verdict = TwinVerdict::of("shg", &fidelity(cosine, 0.1), &recipe);
                    assert!(!verdict.next.is_empty() && verdict.next.len() <= 2, "{verdict:?}");
                    for remedy in &verdict.next {
                        let set = remedy.set.clone().unwrap();
                        let all = [settings.as_slice(), &[set]].concat();
                        let taken = Recipe::read(&path, &all).unwrap();
                        assert_ne!(taken, recipe, "{remedy:?} changes nothing");
                        tried += 1;
                    }
                }
            }
        }
        assert!(tried > 60, "{tried}");
    }

    #[test]
    fn a_remedy_names_the_key_that_sets_the_twin_of_the_device() {
        for (set, key) in [
            ("devices.shg.twin=\"physics\"", "devices.shg.twin={ learned_physics = {} }"),
            ("calibration.twin=\"physics\"", "calibration.twin={ learned_physics = {} }"),
            ("devices.shg.twin=\"served\"", "devices.shg.twin=\"neural\""),
        ] {
            let recipe = Recipe::parse(RECIPE).unwrap().with(&[set.to_owned()]).unwrap();
            let verdict = TwinVerdict::of("shg", &fidelity([0.3, -0.1, 0.4], 0.1), &recipe);
            let named = verdict.next.iter().any(|remedy| remedy.set.as_deref() == Some(key));
            assert!(named, "{set}: {verdict:?}");
        }
    }

    #[test]
    fn a_fit_twin_needs_no_remedy_and_arguments_are_quoted_for_a_shell() {
        let folder = tempfile::tempdir().unwrap();
        let path = folder.path().join("recipe.toml");
        std::fs::write(&path, RECIPE).unwrap();
        let recipe = Recipe::read(&path, &[]).unwrap();
        let verdict = TwinVerdict::of("shg", &fidelity([0.9, 0.85, 0.95], 0.1), &recipe);
        assert_eq!(verdict.lines().len(), 1, "{verdict:?}");
        assert_eq!(as_option("calibration.shots=80000"), "option `set` calibration.shots=80000");
        assert_eq!(as_option("a={ b = {} }"), "option `set` 'a={ b = {} }'");
    }
}
