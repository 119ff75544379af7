//! Objects of ours, made of Python functions.

use std::sync::{Arc, Mutex, PoisonError};

use nanomsg::qi::bus::Objects;
use nanomsg::qi::client::CallError;
use nanomsg::qi::convert::{ConvertError, convert_sequences};
use nanomsg::qi::meta::{Declared, MetaMethod};
use nanomsg::qi::server::{Answer, Call, Object, ObjectBuilder, WeakObject};
use nanomsg::qi::signature::Signature;
use nanomsg::qi::value::Value;
use pyo3::prelude::*;
use pyo3::types::PyTuple;

use super::errors::{describe, raise_as};
use super::future::{RawFuture, report};
use super::pool::Held;
use super::values::{self, Encoder};
use super::{gate, hooks, pool};

/// An object that peers can call.
#[pyclass(frozen, module = "millrace._native")]
pub struct RawObject {
    object: Object,
}

/// The same, without keeping it.
#[pyclass(frozen, module = "millrace._native")]
pub struct RawWeakObject {
    object: WeakObject,
}

impl RawObject {
    pub fn object(&self) -> &Object {
        &self.object
    }
}

/// A method: name, types of parameters and result, description, code, and whether the code is given the call to answer it.
type MethodSpec = (String, String, String, String, Py<PyAny>, bool);
/// A signal: name, type of the arguments.
type SignalSpec = (String, String);
/// A property: name, type, first value (None: that of the type), and what is told when a peer sets it.
type PropertySpec = (String, String, Option<Py<PyAny>>, Py<PyAny>);

#[pymethods]
impl RawObject {
    #[new]
    fn new(
        py: Python<'_>,
        description: &str,
        methods: Vec<MethodSpec>,
        signals: Vec<SignalSpec>,
        properties: Vec<PropertySpec>,
    ) -> PyResult<RawObject> {
        let refused = |text: String| raise_as(py, "Error", &text);
        let mut builder = ObjectBuilder::new();
        builder.description(description).tuples_as_lists();
        for (name, parameters, result, description, code, takes_call) in methods {
            let method = MetaMethod {
                name: name.into(),
                parameters_signature: Declared(parameters.into()),
                return_signature: Declared(result.into()),
                description: description.into(),
                ..MetaMethod::default()
            };
            let code = Held::new(code);
            builder.method_as(method, move |call| {
                // Without Python the call is dropped, which answers it.
                gate::with_python(|py| match takes_call {
                    true => hand_over(py, &code, call),
                    false => answer(py, &code, call),
                });
            });
        }
        for (name, signature) in signals {
            builder.signal(&name, &signature);
        }
        for (name, signature, value, told) in properties {
            let ty = Signature::parse(&signature).map_err(|error| refused(format!("property {name}: {error}")))?;
            let value = match value {
                Some(value) => Encoder::default().typed(value.bind(py), &ty)?,
                None => values::default(&ty),
            };
            let told = Held::new(told);
            builder.property_told(&name, &signature, value, move |value| tell(&told, value));
        }
        Ok(RawObject { object: builder.build().map_err(refused)? })
    }

    fn weak(&self) -> RawWeakObject {
        RawWeakObject { object: self.object.downgrade() }
    }
}

/// A peer sets a property: it is refused if that raises something.
fn tell(told: &Held, value: &Value) -> Result<(), String> {
    let told = gate::with_python(|py| {
        let value = values::to_python(py, value, &Objects::None)?;
        told.get()?.call1(py, (value,)).map(drop)
    });
    match told {
        Some(Ok(())) => Ok(()),
        Some(Err(error)) => Err(gate::with_python(|py| describe(py, &error).to_string()).unwrap_or_default()),
        None => Err("the program ends".to_owned()),
    }
}

fn arguments_of<'py>(py: Python<'py>, call: &Call) -> PyResult<Bound<'py, PyTuple>> {
    values::arguments(py, &call.arguments, &Objects::Call(call))
}

/// Code that gives the result, or a future of it.
fn answer(py: Python<'_>, code: &Held, call: Call) {
    let result = arguments_of(py, &call).and_then(|arguments| code.get()?.call1(py, arguments));
    match result {
        Ok(result) => reply_with(py, call, result.into_bound(py)),
        Err(error) => fail(py, call, &error),
    }
}

fn reply_with(py: Python<'_>, call: Call, result: Bound<'_, PyAny>) {
    if let Ok(future) = result.cast::<RawFuture>() {
        return reply_later(future.get(), call);
    }
    let mut encoder = Encoder::default();
    // libqi's words, though the rest is refused by the engine.
    let bad_result = |error: ConvertError| raise_as(py, "Error", &format!("bad result: {error}"));
    let value = encoder.value(&result);
    match value.and_then(|value| convert_sequences(value, call.result_type()).map_err(bad_result)) {
        Ok(value) => {
            let answer = encoder.objects.iter().fold(Answer::from(value), Answer::carrying);
            py.detach(|| call.reply(Ok(answer)));
        }
        Err(error) => fail(py, call, &error),
    }
}

fn reply_later(future: &RawFuture, call: Call) {
    let core = Arc::clone(future.core());
    let canceling = Arc::clone(&core);
    call.on_cancel(move || canceling.request_cancel());
    let settled = Arc::clone(&core);
    core.when_done(move || {
        pool::run_python(move |py| match settled.outcome(py) {
            Ok(result) => reply_with(py, call, result.into_bound(py)),
            Err(error) => fail(py, call, &error),
        });
    });
}

/// Its author wants to see more of it than the caller.
fn fail(py: Python<'_>, call: Call, error: &PyErr) {
    let described = describe(py, error);
    if !matches!(described, CallError::Canceled) {
        let told = hooks::get(py, "method_failed").and_then(|told| told.call1((error.value(py),)));
        report(py, told.map(Bound::unbind));
    }
    py.detach(|| call.reply(Err(described)));
}

/// Code that answers when it likes.
fn hand_over(py: Python<'_>, code: &Held, call: Call) {
    match arguments_of(py, &call) {
        Ok(arguments) => {
            let call = RawCall { call: Mutex::new(Some(call)) };
            let begun = Bound::new(py, call).and_then(|call| code.get()?.call1(py, (call, arguments)));
            report(py, begun);
        }
        Err(error) => fail(py, call, &error),
    }
}

/// A call that waits for its answer. Dropped without, it is answered with an error.
#[pyclass(frozen, module = "millrace._native")]
pub struct RawCall {
    call: Mutex<Option<Call>>,
}

impl RawCall {
    fn take(&self) -> Option<Call> {
        self.call.lock().unwrap_or_else(PoisonError::into_inner).take()
    }
}

#[pymethods]
impl RawCall {
    fn reply(&self, py: Python<'_>, result: Bound<'_, PyAny>) {
        if let Some(call) = self.take() {
            reply_with(py, call, result);
        }
    }

    fn fail(&self, py: Python<'_>, exception: Bound<'_, PyAny>) {
        if let Some(call) = self.take() {
            fail(py, call, &PyErr::from_value(exception));
        }
    }

    /// Calls this, on another thread, when the caller wants the answer no more.
    fn on_cancel(&self, callback: Py<PyAny>) {
        if let Some(call) = &*self.call.lock().unwrap_or_else(PoisonError::into_inner) {
            call.on_cancel(move || pool::run_python(move |py| report(py, callback.call0(py))));
        }
    }
}

#[pymethods]
impl RawWeakObject {
    /// The object, if there is still somebody who can reach it.
    fn object(&self) -> Option<RawObject> {
        self.object.upgrade().map(|object| RawObject { object })
    }

    /// Emits a signal.
    fn emit(&self, py: Python<'_>, signal: &str, arguments: &Bound<'_, PyTuple>) -> PyResult<()> {
        let Some(object) = self.object.upgrade() else { return Ok(()) };
        let mut encoder = Encoder::default();
        let arguments = encoder.arguments(arguments)?;
        let emitted = py.detach(|| object.emit_with(signal, arguments, &encoder.objects));
        emitted.map(drop).map_err(|error| raise_as(py, "ConversionError", &error.to_string()))
    }

    /// Sets a property and tells its subscribers.
    fn set(&self, py: Python<'_>, property: &str, value: &Bound<'_, PyAny>) -> PyResult<()> {
        let Some(object) = self.object.upgrade() else { return Ok(()) };
        let value = Encoder::default().value(value)?;
        let set = py.detach(|| object.set(property, value));
        set.map(drop).map_err(|error| raise_as(py, "ConversionError", &error.to_string()))
    }

    /// How many peers listen to a signal.
    fn subscribers(&self, signal: &str) -> usize {
        self.object.upgrade().map_or(0, |object| object.subscribers(signal))
    }
}

/// A value as one of this type, as a property of it would hold it.
#[pyfunction]
pub fn qi_convert<'py>(py: Python<'py>, value: &Bound<'py, PyAny>, signature: &str) -> PyResult<Bound<'py, PyAny>> {
    let ty = Signature::parse(signature).map_err(|error| raise_as(py, "ConversionError", &error.to_string()))?;
    values::to_python(py, &Encoder::default().typed(value, &ty)?, &Objects::None)
}

/// What a property of this type holds before anybody has set it.
#[pyfunction]
pub fn qi_default<'py>(py: Python<'py>, signature: &str) -> PyResult<Bound<'py, PyAny>> {
    let ty = Signature::parse(signature).map_err(|error| raise_as(py, "ConversionError", &error.to_string()))?;
    values::to_python(py, &values::default(&ty), &Objects::None)
}
