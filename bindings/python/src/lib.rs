//! The native half of the Python package `millrace`: sockets over the safe Rust API, with nothing in it that Python can say as
//! well. What users see, and its documentation, is in `python/millrace`.

mod buffers;
mod closing;
mod errors;
mod event_loop;
mod monitor;
mod peers;
mod poller;
mod qi;
mod socket;
mod waiting;

use std::sync::atomic::{AtomicI64, Ordering};

use pyo3::exceptions::PyImportError;
use pyo3::ffi;
use pyo3::prelude::*;

/// Where the package is. Exceptions, hooks and what is closed at the end are that interpreter's. From Python 3.12 on only isolated
/// interpreters are kept from us.
static HOME: AtomicI64 = AtomicI64::new(-1);

fn refuse_subinterpreters() -> PyResult<()> {
    // SAFETY: we are called by an interpreter, on its thread.
    let here = unsafe { ffi::PyInterpreterState_GetID(ffi::PyInterpreterState_Get()) };
    match HOME.compare_exchange(-1, here, Ordering::Relaxed, Ordering::Relaxed) {
        Err(home) if home != here => Err(PyImportError::new_err("millrace does not support subinterpreters")),
        _ => Ok(()),
    }
}

#[pymodule]
fn _native(module: &Bound<'_, PyModule>) -> PyResult<()> {
    refuse_subinterpreters()?;
    module.add_class::<socket::RawSocket>()?;
    module.add_class::<closing::RawClosing>()?;
    module.add_class::<waiting::RawDescriptor>()?;
    module.add_class::<event_loop::RawLoop>()?;
    module.add_class::<event_loop::RawAwaited>()?;
    module.add_class::<monitor::RawMonitor>()?;
    module.add_class::<peers::RawPeerSender>()?;
    module.add_function(wrap_pyfunction!(poller::poll, module)?)?;
    module.add_function(wrap_pyfunction!(poller::device, module)?)?;
    module.add_function(wrap_pyfunction!(closing::close_all, module)?)?;
    module.add_function(wrap_pyfunction!(errors::set_exceptions, module)?)?;
    qi::register(module)
}
