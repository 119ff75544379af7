//! From errno to the exceptions of `millrace.errors`.

use nanomsg::Error;
use pyo3::exceptions::PyOSError;
use pyo3::prelude::*;
use pyo3::sync::PyOnceLock;
use pyo3::types::PyDict;

/// `{errno: class}` and the class of everything else; set when the package is imported.
static CLASSES: PyOnceLock<(Py<PyDict>, Py<PyAny>)> = PyOnceLock::new();

/// Called once by the package: which class stands for which errno, and which for all others.
#[pyfunction]
pub fn set_exceptions(py: Python<'_>, classes: Py<PyDict>, other: Py<PyAny>) {
    // A second import of the package brings the same classes.
    let _ = CLASSES.set(py, (classes, other));
}

/// The exception of an error. `what` says what was tried, as "bind tcp://…"; empty if that is plain.
pub fn raise(py: Python<'_>, error: Error, what: &str) -> PyErr {
    let text = match what {
        "" => error.text(),
        what => format!("{what}: {}", error.text()),
    };
    let Some((classes, other)) = CLASSES.get(py) else { return PyOSError::new_err((error.errno(), text)) };
    let class = match classes.bind(py).get_item(error.errno()) {
        Ok(Some(class)) => class,
        _ => other.bind(py).clone(),
    };
    made(&class, error, text)
}

/// The same of no class in particular, with these words.
pub fn raise_other(py: Python<'_>, error: Error, text: &str) -> PyErr {
    match CLASSES.get(py) {
        Some((_, other)) => made(other.bind(py), error, text.to_owned()),
        None => PyOSError::new_err((error.errno(), text.to_owned())),
    }
}

fn made(class: &Bound<'_, PyAny>, error: Error, text: String) -> PyErr {
    match class.call1((error.errno(), text)) {
        Ok(exception) => PyErr::from_value(exception),
        Err(failure) => failure,
    }
}
