//! The native half of the Python package `millrace`: sockets over the safe Rust API, with nothing in it that Python can say as
//! well. What users see, and its documentation, is in `python/millrace`.

mod buffers;
mod closing;
mod errors;
mod monitor;
mod peers;
mod poller;
mod qi;
mod socket;
mod waiting;

use pyo3::prelude::*;

#[pymodule]
fn _native(module: &Bound<'_, PyModule>) -> PyResult<()> {
    module.add_class::<socket::RawSocket>()?;
    module.add_class::<closing::RawClosing>()?;
    module.add_class::<waiting::RawDescriptor>()?;
    module.add_class::<monitor::RawMonitor>()?;
    module.add_class::<peers::RawPeerSender>()?;
    module.add_function(wrap_pyfunction!(poller::poll, module)?)?;
    module.add_function(wrap_pyfunction!(poller::device, module)?)?;
    module.add_function(wrap_pyfunction!(closing::close_all, module)?)?;
    module.add_function(wrap_pyfunction!(errors::set_exceptions, module)?)?;
    qi::register(module)
}
