//! What the native half needs of the package: classes by name, set once when it is imported.

use pyo3::exceptions::PyRuntimeError;
use pyo3::prelude::*;
use pyo3::sync::PyOnceLock;
use pyo3::types::PyDict;

static HOOKS: PyOnceLock<Py<PyDict>> = PyOnceLock::new();

/// Called once by the package.
#[pyfunction]
pub fn qi_set_hooks(py: Python<'_>, hooks: Py<PyDict>) {
    // A second import brings the same.
    let _ = HOOKS.set(py, hooks);
}

pub fn get<'py>(py: Python<'py>, name: &str) -> PyResult<Bound<'py, PyAny>> {
    let hooks = HOOKS.get(py).ok_or_else(|| PyRuntimeError::new_err("millrace.qi is not imported"))?;
    let found = hooks.bind(py).get_item(name)?;
    found.ok_or_else(|| PyRuntimeError::new_err(format!("millrace.qi lacks {name}")))
}
