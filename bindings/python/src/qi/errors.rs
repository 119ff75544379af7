//! From [`CallError`] to the exceptions of `millrace.qi`.

use nanomsg::qi::client::CallError;
use pyo3::exceptions::PyRuntimeError;
use pyo3::prelude::*;

use super::hooks;

/// The name of the class in `millrace.qi` that stands for this.
fn class_of(error: &CallError) -> &'static str {
    match error {
        CallError::TimedOut => "Timeout",
        CallError::Canceled => "Canceled",
        CallError::Remote(_) => "RemoteError",
        CallError::NoService { .. } | CallError::Unreachable { .. } => "ServiceNotFound",
        CallError::Rejected { .. } | CallError::Authentication { .. } => "AuthenticationError",
        CallError::Address { .. } | CallError::Resolve(_) | CallError::Payload { .. } | CallError::Result(_) => {
            "ConversionError"
        }
        error if error.is_disconnection() => "NotConnected",
        _ => "Error",
    }
}

/// The exception of an error.
pub fn raise(py: Python<'_>, error: &CallError) -> PyErr {
    let text = match error {
        CallError::Canceled => "Future canceled.".to_owned(),
        error => error.to_string(),
    };
    raise_as(py, class_of(error), &text)
}

/// An exception of this class of `millrace.qi`.
pub fn raise_as(py: Python<'_>, class: &str, text: &str) -> PyErr {
    match hooks::get(py, class).and_then(|class| class.call1((text,))) {
        Ok(exception) => PyErr::from_value(exception),
        Err(_) => PyRuntimeError::new_err(text.to_owned()),
    }
}

/// What a peer is told of an exception: its type, unless it is of ours, and its text.
pub fn describe(py: Python<'_>, error: &PyErr) -> CallError {
    if hooks::get(py, "Canceled").is_ok_and(|class| error.matches(py, class).unwrap_or(false)) {
        return CallError::Canceled;
    }
    if hooks::get(py, "RemoteError").is_ok_and(|class| error.matches(py, class).unwrap_or(false)) {
        return CallError::Remote(error.value(py).to_string());
    }
    // What a text alone was made of, as by `Promise.setError`: the class is ours.
    if hooks::get(py, "Error").is_ok_and(|class| error.get_type(py).is(&class)) {
        return CallError::Remote(error.value(py).to_string());
    }
    let name = error.get_type(py).name().map_or_else(|_| "Error".to_owned(), |name| name.to_string());
    CallError::Remote(match error.value(py).to_string() {
        text if text.is_empty() => name,
        text => format!("{name}: {text}"),
    })
}
