//! The object bus: the native half of `millrace.qi`.
//!
//! | file | what |
//! |---|---|
//! | `session` | sessions, directories, providers |
//! | `proxy` | objects of peers: calls, properties, signals |
//! | `object` | objects of ours, made of Python functions |
//! | `values`, `errors` | values and failures, there and back |
//! | `future`, `pool` | what is not there yet, and the threads that bring it |
//! | `gate` | how threads that are not Python's come to run Python code, and how that ends |
//! | `hooks` | classes of the package that the native half makes instances of |

mod errors;
mod future;
mod gate;
mod hooks;
mod object;
mod pool;
mod proxy;
mod session;
mod values;

use pyo3::prelude::*;

pub fn register(module: &Bound<'_, PyModule>) -> PyResult<()> {
    module.add_class::<future::RawFuture>()?;
    module.add_class::<future::LoopQueue>()?;
    module.add_class::<proxy::RawProxy>()?;
    module.add_class::<proxy::RawWatch>()?;
    module.add_class::<proxy::RawSubscription>()?;
    module.add_class::<object::RawObject>()?;
    module.add_class::<object::RawWeakObject>()?;
    module.add_class::<object::RawCall>()?;
    module.add_class::<session::RawSession>()?;
    module.add_class::<session::RawServer>()?;
    module.add_function(wrap_pyfunction!(hooks::qi_set_hooks, module)?)?;
    module.add_function(wrap_pyfunction!(object::qi_convert, module)?)?;
    module.add_function(wrap_pyfunction!(object::qi_default, module)?)?;
    module.add_function(wrap_pyfunction!(session::qi_run, module)?)?;
    module.add_function(wrap_pyfunction!(session::qi_close_all, module)?)?;
    module.add_function(wrap_pyfunction!(session::qi_after_fork, module)?)?;
    Ok(())
}
