//! Between NumPy arrays of shape `(shots, channels)` and matrices `[channels × shots]`, which are the same bytes.

use nalgebra::DMatrix;
use numpy::{
    PyArray1, PyArray2, PyArrayMethods, PyReadonlyArray1, PyReadonlyArray2, PyUntypedArray,
    PyUntypedArrayMethods,
};
use pyo3::prelude::*;
use twinprop::data::Numbers;

use crate::error::exception;

/// An array `(shots, channels)`.
pub type Array<'py> = Bound<'py, PyArray2<f32>>;

/// The rows of `value`, which has `columns` columns, as a matrix `[columns × rows]`; `name` is for messages.
pub fn matrix(value: &Bound<PyAny>, name: &str, columns: usize) -> PyResult<DMatrix<f32>> {
    let array = float32(value, name)?;
    let expected = |shape: &[usize]| {
        let what_to_do = match shape {
            [width] if *width == columns => format!("; one shot is `{name}[None]`"),
            [_] if columns == 1 => format!("; shots of one channel are `{name}[:, None]`"),
            _ => String::new(),
        };
        let found = in_words(shape);
        let message = format!(
            "`{name}` has the shape {found}, and (shots, {columns}) is expected{what_to_do}"
        );
        exception(value.py(), "ShapeError", message)
    };
    let shape = array.cast::<PyUntypedArray>()?.shape().to_vec();
    let [_, width] = shape[..] else { return Err(expected(&shape)) };
    if width != columns {
        return Err(expected(&shape));
    }
    let array: PyReadonlyArray2<f32> = array.extract()?;
    // Copied while no other thread of Python can write to it.
    let values = array.as_slice()?.to_vec();
    Ok(DMatrix::from_vec(columns, shape[0], values))
}

/// The values of `value`, row after row: in single precision where its dtype has no more than that.
pub fn numbers(value: &Bound<PyAny>, name: &str) -> PyResult<Numbers> {
    let dtype = value.getattr("dtype")?;
    let (kind, bytes): (String, usize) =
        (dtype.getattr("kind")?.extract()?, dtype.getattr("itemsize")?.extract()?);
    let is_single = match kind.as_str() {
        "f" => bytes <= 4,
        "i" | "u" | "b" => bytes <= 2,
        _ => return Err(no_numbers(value.py(), name, &dtype)),
    };
    let precision = if is_single { "float32" } else { "float64" };
    let array =
        value.py().import("numpy")?.call_method1("ascontiguousarray", (value, precision))?;
    let flat = array.call_method1("reshape", (-1,))?;
    // Copied while no other thread of Python can write to it.
    Ok(match is_single {
        true => Numbers::Single(flat.extract::<PyReadonlyArray1<f32>>()?.as_slice()?.to_vec()),
        false => Numbers::Double(flat.extract::<PyReadonlyArray1<f64>>()?.as_slice()?.to_vec()),
    })
}

fn no_numbers(py: Python, name: &str, dtype: &Bound<PyAny>) -> PyErr {
    let message = format!("`{name}` has the dtype {dtype}, and real numbers are expected");
    exception(py, "DataError", message)
}

/// The number of columns of `value`, an array `(rows, columns)`; 1 for one of one axis.
pub fn width(value: &Bound<PyAny>) -> PyResult<usize> {
    let shape: Vec<usize> = value.getattr("shape")?.extract()?;
    Ok(shape.get(1).copied().unwrap_or(1))
}

/// Parameters `(columns,)` or `(settings, columns)` as a matrix `[columns × settings]`.
pub fn settings(value: &Bound<PyAny>, name: &str, columns: usize) -> PyResult<DMatrix<f32>> {
    let array = float32(value, name)?;
    match array.cast::<PyUntypedArray>()?.shape() {
        [width] if *width == columns => {
            matrix(&array.call_method1("reshape", (1, columns))?, name, columns)
        }
        [_, width] if *width == columns => matrix(&array, name, columns),
        shape => {
            let message = format!(
                "`{name}` has the shape {}, and ({columns},) or (settings, {columns}) is expected",
                in_words(shape)
            );
            Err(exception(value.py(), "ShapeError", message))
        }
    }
}

/// The parameters `theta` `[n_parameters × settings]` of each of `shots` shots, a multiple of the settings: each setting
/// for as many neighbours.
pub fn of_each_shot(theta: &DMatrix<f32>, shots: usize) -> DMatrix<f32> {
    let run = shots / theta.ncols();
    DMatrix::from_fn(theta.nrows(), shots, |row, shot| theta[(row, shot / run)])
}

/// A C-contiguous array of float32 of `value`; itself, if it is one.
fn float32<'py>(value: &Bound<'py, PyAny>, name: &str) -> PyResult<Bound<'py, PyAny>> {
    if let Ok(array) = value.cast::<PyArray2<f32>>()
        && array.is_c_contiguous()
    {
        return Ok(value.clone());
    }
    if value.is_none() {
        let message = format!("`{name}` is None; a function that computes it returns it");
        return Err(exception(value.py(), "DataError", message));
    }
    let numpy = value.py().import("numpy")?;
    let array = numpy.call_method1("asarray", (value,))?;
    let kind: String = array.getattr("dtype")?.getattr("kind")?.extract()?;
    if !["b", "i", "u", "f"].contains(&kind.as_str()) {
        return Err(no_numbers(value.py(), name, &array.getattr("dtype")?));
    }
    numpy.call_method1("ascontiguousarray", (array, "float32"))
}

/// A matrix `[channels × shots]` as an array `(shots, channels)`, without a copy.
pub fn array(py: Python, matrix: DMatrix<f32>) -> PyResult<Array> {
    let shape = [matrix.ncols(), matrix.nrows()];
    vector(py, matrix.data.into()).reshape(shape)
}

/// Values as an array of one axis, without a copy.
pub fn vector(py: Python, values: Vec<f32>) -> Bound<PyArray1<f32>> {
    PyArray1::from_vec(py, values)
}

/// A shape as Python prints it.
fn in_words(shape: &[usize]) -> String {
    let lengths: Vec<String> = shape.iter().map(usize::to_string).collect();
    match &lengths[..] {
        [only] => format!("({only},)"),
        _ => format!("({})", lengths.join(", ")),
    }
}
