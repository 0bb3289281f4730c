//! A twin's fidelity in sentences.

use twinprop_calibration::Fidelity;
use twinprop_calibration::fidelity::Verdict;

/// The verdict on a twin in a sentence, with its fidelity in numbers.
#[must_use]
pub fn in_a_sentence(fidelity: &Fidelity) -> String {
    let gradient = &fidelity.gradient;
    let judgement = match fidelity.verdict() {
        Verdict::Fit => "fit for training",
        Verdict::Usable => {
            "usable: its gradient points the right way; with more shots or another twin, training would be faster"
        }
        Verdict::Unfit if gradient.cosine.low > 0.0 => {
            "not fit for training: its gradient points the right way only roughly"
        }
        Verdict::Unfit if gradient.cosine.high < 0.0 => {
            "not fit for training: its gradient points the wrong way"
        }
        Verdict::Unfit => "not fit for training: its gradient is not known to point the right way",
    };
    format!("{judgement}. {}", in_numbers(fidelity))
}

/// A twin's fidelity in numbers: gradient cosine and length, R², NRMSE.
#[must_use]
pub fn in_numbers(Fidelity { readings, gradient, .. }: &Fidelity) -> String {
    let floor = readings.over_the_floor().map_or_else(String::new, |times| {
        format!(", {times:.1} times what the device's noise allows")
    });
    format!(
        "Gradient cosine {:.3}, length {:.2} of the device's; R² {:.4}, NRMSE {:.4}{floor}.",
        gradient.cosine, gradient.length, readings.r2, readings.nrmse
    )
}
