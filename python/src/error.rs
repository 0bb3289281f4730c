//! Errors of the library as the package's exceptions, which are Python classes in `twinprop/errors.py`.

use pyo3::prelude::*;
use twinprop::Error;
use twinprop::calibration::CalibrationError;
use twinprop::devices::DeviceError;
use twinprop::report::wording::{with_calls, with_options};

/// Functions of the library in its messages, and what Python calls instead, before and after a run's path.
const FUNCTIONS: [(&str, &str, &str); 3] = [
    ("experiment::resume", "twinprop.resume(", ", …)"),
    ("experiment::evaluate_run", "twinprop.load(", ", …).evaluate()"),
    ("experiment::recalibrate_run", "twinprop.load(", ", …).recalibrate(shots=…)"),
];

/// What a program passes, by the names of the library, and the package's argument.
const PASSED: [(&str, &str); 4] = [
    ("`Given::data`", "`data=`"),
    ("`Given::devices`", "`devices=`"),
    ("`Given::twins`", "`twins=`"),
    ("`Given::loss`", "`loss=`"),
];

/// A message with ``option `set` KEY=VALUE`` or `'KEY=VALUE'` as `set={"KEY": VALUE}`.
fn with_settings(text: &str) -> String {
    let mut parts = text.split("option `set` ");
    let mut found = parts.next().unwrap_or_default().to_owned();
    for part in parts {
        let quoted = part.strip_prefix('\'').and_then(|part| part.split_once('\''));
        // What is not quoted has none of the characters that end it.
        let end = part.find([':', ' ', '\n', ')', ';']).unwrap_or(part.len());
        let (setting, after) = quoted.unwrap_or_else(|| part.split_at(end));
        let (key, value) = setting.split_once('=').unwrap_or((setting, ""));
        let key = key.trim_matches('"');
        found += &format!("`set={{\"{key}\": {}}}`{after}", as_python(value));
    }
    found
}

/// A TOML value in one line as Python writes it: keys are strings, truth values have capitals.
fn as_python(value: &str) -> String {
    let mut parts: Vec<String> = value.split(" = ").map(str::to_owned).collect();
    let last = parts.len() - 1;
    for part in &mut parts[..last] {
        let start = part.rfind([' ', '{']).map_or(0, |place| place + 1);
        *part = format!("{}\"{}\"", &part[..start], part[start..].trim_matches('"'));
    }
    for part in &mut parts {
        for (toml, python) in [("true", "True"), ("false", "False")] {
            if let Some(rest) = part.strip_prefix(toml)
                && !rest.starts_with(char::is_alphanumeric)
            {
                *part = format!("{python}{rest}");
            }
        }
    }
    parts.join(": ")
}

/// A message of the library with options as arguments, such as `out=`, and functions as those of the package.
pub fn for_python(text: &str) -> String {
    let text = with_options(&with_settings(text), |name| format!("`{name}=`"));
    let text = FUNCTIONS.iter().fold(text, |text, (function, before, after)| {
        with_calls(&text, function, |path| match path {
            Some(path) => format!("{before}{path:?}{after}"),
            None => format!("{before}folder{after}"),
        })
    });
    let text = PASSED.iter().fold(text, |text, (field, argument)| text.replace(field, argument));
    with_calls(&text, "probe::Probe", |_| "Device.probe".to_owned())
}

/// The exception `class` of `twinprop.errors` with `message`.
pub fn exception(py: Python, class: &str, message: impl Into<String>) -> PyErr {
    let made = py
        .import("twinprop.errors")
        .and_then(|errors| errors.getattr(class))
        .and_then(|class| class.call1((message.into(),)));
    match made {
        Ok(exception) => PyErr::from_value(exception),
        Err(error) => error,
    }
}

fn device_class(error: &DeviceError) -> &'static str {
    match error {
        DeviceError::Shape { .. } => "ShapeError",
        DeviceError::NonFiniteDrive { .. } | DeviceError::NotASpike { is_drive: true, .. } => {
            "DataError"
        }
        DeviceError::BadMeasurement { .. }
        | DeviceError::NotASpike { .. }
        | DeviceError::Host { .. } => "MeasurementError",
        DeviceError::Rig { .. } => "RigError",
        _ => "DeviceError",
    }
}

fn calibration_class(error: &CalibrationError) -> &'static str {
    match error {
        CalibrationError::Device(error) => device_class(error),
        CalibrationError::Diverged { .. } | CalibrationError::RefinementDiverged { .. } => {
            "DivergedError"
        }
        _ => "CalibrationError",
    }
}

/// The exception of a device's failure.
pub fn of_device(py: Python, error: &DeviceError) -> PyErr {
    exception(py, device_class(error), for_python(&error.to_string()))
}

/// The exception of a failed calibration.
pub fn of_calibration(py: Python, error: &CalibrationError) -> PyErr {
    exception(py, calibration_class(error), for_python(&error.to_string()))
}

/// The exception of an error of the library.
pub fn of_library(py: Python, error: &Error) -> PyErr {
    let mut source = error;
    while let Error::Cut { source: inner, .. } = source {
        source = inner;
    }
    let class = match source {
        Error::Recipe { .. } | Error::Usage(_) => "RecipeError",
        Error::Data { .. } | Error::File { .. } => "DataError",
        Error::Device(error) => device_class(error),
        Error::Calibration(error) => calibration_class(error),
        Error::Diverged { .. } | Error::DivergedGradient { .. } => "DivergedError",
        _ => "TwinpropError",
    };
    exception(py, class, for_python(&error.to_string()))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn settings_are_arguments_of_python() {
        for (library, python) in [
            (
                "option `set` calibration.shots=80000   calibrates",
                "`set={\"calibration.shots\": 80000}`   calibrates",
            ),
            ("option `set` training.epochs=0: why", "`set={\"training.epochs\": 0}`: why"),
            (
                "with option `set` 'a.b={ c = { width = 64, deep = true } }' option `set` x=false: why",
                "with `set={\"a.b\": { \"c\": { \"width\": 64, \"deep\": True } }}` `set={\"x\": False}`: why",
            ),
            ("option `set` 'a=\"none\"'   trains", "`set={\"a\": \"none\"}`   trains"),
        ] {
            assert_eq!(with_settings(library), python);
        }
    }
}
