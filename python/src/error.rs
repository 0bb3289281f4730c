//! Errors of the library as the package's exceptions, which are Python classes in `twinprop/errors.py`.

use pyo3::prelude::*;
use twinprop::Error;
use twinprop::calibration::CalibrationError;
use twinprop::devices::DeviceError;

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

/// The exception of a device's failure.
pub fn of_device(py: Python, error: &DeviceError) -> PyErr {
    let class = match error {
        DeviceError::Shape { .. } => "ShapeError",
        DeviceError::NonFiniteDrive { .. } => "DataError",
        DeviceError::BadMeasurement { .. } | DeviceError::Host { .. } => "MeasurementError",
        DeviceError::Rig { .. } => "RigError",
        _ => "DeviceError",
    };
    exception(py, class, error.to_string())
}

/// The exception of a failed calibration.
pub fn of_calibration(py: Python, error: &CalibrationError) -> PyErr {
    match error {
        CalibrationError::Device(error) => of_device(py, error),
        CalibrationError::Diverged { .. } | CalibrationError::RefinementDiverged { .. } => {
            exception(py, "DivergedError", error.to_string())
        }
        _ => exception(py, "CalibrationError", error.to_string()),
    }
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
        Error::Device(DeviceError::Rig { .. }) => "RigError",
        Error::Device(DeviceError::BadMeasurement { .. } | DeviceError::Host { .. }) => {
            "MeasurementError"
        }
        Error::Device(_) => "DeviceError",
        Error::Calibration(_) => "CalibrationError",
        Error::Diverged { .. } => "DivergedError",
        _ => "TwinpropError",
    };
    exception(py, class, error.to_string())
}
