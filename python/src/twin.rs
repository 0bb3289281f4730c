//! Digital twins.

use std::path::PathBuf;
use std::sync::Arc;

use pyo3::prelude::*;
use serde::{Deserialize, Serialize};
use twinprop::burn::tensor::Device as Backend;
use twinprop::calibration::bridge::{to_matrix, to_tensor};
use twinprop::calibration::{DigitalTwin, Fidelity, TwinConfig};
use twinprop::devices::nalgebra::DMatrix;
use twinprop::devices::{DeviceConfig, Interface, write_whole};

use crate::arrays::{self, Array};
use crate::device::check_settings;
use crate::error::{exception, of_calibration};
use crate::pool;

/// A differentiable model of a device.
#[pyclass(frozen, module = "twinprop._native")]
pub struct Twin {
    pub twin: Arc<dyn DigitalTwin>,
    pub notes: Notes,
}

/// What is saved beside a twin's numbers.
#[derive(Clone, Serialize, Deserialize)]
pub struct Notes {
    pub config: TwinConfig,
    pub interface: Interface,
    pub fidelity: Fidelity,
    /// The simulated device and its seed, for a twin that is made of its equation.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub simulated: Option<(DeviceConfig, u64)>,
}

/// Names of the files of a saved twin.
pub const NAME: &str = "twin";
pub const NOTES: &str = "calibration.json";

#[pymethods]
impl Twin {
    /// Predicted readings `(S, O)` of the drives `x` `(S, I)` with the parameters `theta` `(P,)` or `(G, P)`.
    fn predict<'py>(
        &self,
        py: Python<'py>,
        x: &Bound<'py, PyAny>,
        theta: &Bound<'py, PyAny>,
    ) -> PyResult<Array<'py>> {
        let (x, theta) = self.point(x, theta)?;
        let pool = pool::of_this_process(py)?;
        let predicted = py.detach(|| pool.install(|| self.predicted(&x, &theta)));
        self.check(py)?;
        arrays::array(py, predicted)
    }

    /// Cotangents of `x` `(S, I)` and of `theta` `(G, P)`, from those of the readings `dy` `(S, O)`; `y` are the
    /// readings there, by default the predicted ones.
    #[pyo3(signature = (x, theta, dy, y = None))]
    fn vjp<'py>(
        &self,
        py: Python<'py>,
        x: &Bound<'py, PyAny>,
        theta: &Bound<'py, PyAny>,
        dy: &Bound<'py, PyAny>,
        y: Option<&Bound<'py, PyAny>>,
    ) -> PyResult<(Array<'py>, Array<'py>)> {
        let (x, theta) = self.point(x, theta)?;
        let outputs = self.notes.interface.outputs.len();
        let of_readings = |value, name: &str| {
            let matrix = arrays::matrix(value, name, outputs)?;
            if matrix.ncols() == x.ncols() {
                return Ok(matrix);
            }
            let message =
                format!("`{name}` has {} shots, and `x` has {}", matrix.ncols(), x.ncols());
            Err(exception(py, "ShapeError", message))
        };
        let dy = of_readings(dy, "dy")?;
        let y = y.map(|y| of_readings(y, "y")).transpose()?;
        let pool = pool::of_this_process(py)?;
        let (dx, dtheta) = py.detach(|| {
            pool.install(|| {
                let y = y.unwrap_or_else(|| self.predicted(&x, &theta));
                let [x, theta, y, dy] =
                    [x, theta, y, dy].map(|value| to_tensor(&value, &Backend::flex()));
                let (dx, dtheta) = self.twin.vjp(x, theta, y, dy);
                (to_matrix(dx), to_matrix(dtheta))
            })
        });
        self.check(py)?;
        Ok((arrays::array(py, dx)?, arrays::array(py, dtheta)?))
    }

    /// How far to trust it, as JSON.
    #[getter]
    fn fidelity(&self, py: Python) -> PyResult<String> {
        json(py, &self.notes.fidelity)
    }

    /// The verdict on its gradient: `fit`, `usable` or `unfit`.
    #[getter]
    fn verdict(&self) -> String {
        verdict(&self.notes.fidelity)
    }

    /// The kind of twin with its options, as JSON.
    #[getter]
    fn config(&self, py: Python) -> PyResult<String> {
        json(py, &self.notes.config)
    }

    /// The device's channels as JSON.
    #[getter]
    fn interface(&self, py: Python) -> PyResult<String> {
        json(py, &self.notes.interface)
    }

    /// Saves it in `folder`, which is made.
    fn save(&self, py: Python, folder: PathBuf) -> PyResult<()> {
        if self.notes.config.is_elsewhere() {
            let message =
                "the rig that serves this twin keeps it; calibrate with twin=\"served\" again";
            return Err(exception(py, "CalibrationError", message));
        }
        let failed = |error: std::io::Error| {
            exception(py, "CalibrationError", format!("{}: {error}", folder.display()))
        };
        std::fs::create_dir_all(&folder).map_err(failed)?;
        self.twin.save(&folder, NAME).map_err(|error| of_calibration(py, &error))?;
        let notes = json(py, &self.notes)?;
        write_whole(&folder.join(NOTES), notes.as_bytes()).map_err(failed)
    }
}

impl Twin {
    /// Raises why the last call failed, of a twin that a rig serves.
    fn check(&self, py: Python) -> PyResult<()> {
        self.twin.failure().map_or(Ok(()), |error| Err(of_calibration(py, &error)))
    }

    fn point(
        &self,
        x: &Bound<PyAny>,
        theta: &Bound<PyAny>,
    ) -> PyResult<(DMatrix<f32>, DMatrix<f32>)> {
        let Interface { inputs, parameters, .. } = &self.notes.interface;
        let x_matrix = arrays::matrix(x, "x", inputs.len())?;
        let theta = arrays::settings(theta, "theta", parameters.len())?;
        check_settings(x.py(), x_matrix.ncols(), theta.ncols())?;
        Ok((x_matrix, theta))
    }

    fn predicted(&self, x: &DMatrix<f32>, theta: &DMatrix<f32>) -> DMatrix<f32> {
        let [x, theta] = [x, theta].map(|value| to_tensor(value, &Backend::flex()));
        to_matrix(self.twin.predict(x, theta))
    }
}

/// The verdict in a word: `fit`, `usable` or `unfit`.
pub fn verdict(fidelity: &Fidelity) -> String {
    format!("{:?}", fidelity.verdict()).to_lowercase()
}

/// `value` as JSON.
pub fn json(py: Python, value: &impl Serialize) -> PyResult<String> {
    serde_json::to_string(value).map_err(|error| exception(py, "InternalError", error.to_string()))
}
