//! Objects of peers: calls, properties, signals.

use std::sync::Arc;
use std::time::Duration;

use nanomsg::qi::bus::Objects;
use nanomsg::qi::client::{CallError, Received, Result};
use nanomsg::qi::client::{CallOptions, Event, PendingCall, Proxy, SubscribeOptions, Subscription, Watch};
use nanomsg::qi::meta::Declared;
use pyo3::prelude::*;
use pyo3::types::{PyDict, PyTuple};

use super::errors::{raise, raise_as};
use super::future::{RawFuture, SLICE, deadline, report};
use super::pool::Held;
use super::values::{self, Encoder};
use super::{gate, hooks};

/// Events that may wait for a subscriber, unless it says otherwise.
const QUEUE: usize = 1000;

/// What `millrace.qi.Proxy` is made of.
#[pyclass(subclass, frozen, module = "millrace._native")]
pub struct RawProxy {
    proxy: Option<Proxy>,
    process: u32,
}

fn seconds(timeout: Option<f64>) -> Option<Duration> {
    timeout.and_then(|seconds| Duration::try_from_secs_f64(seconds.max(0.0)).ok())
}

fn options(timeout: Option<f64>) -> CallOptions {
    CallOptions { timeout: seconds(timeout), ..CallOptions::default() }
}

/// A result as it is handed to Python.
fn into_python(py: Python<'_>, received: Received) -> PyResult<Py<PyAny>> {
    values::received(py, &received).map(Bound::unbind)
}

fn nothing<T>(py: Python<'_>, _: T) -> PyResult<Py<PyAny>> {
    Ok(py.None())
}

impl RawProxy {
    /// A `millrace.qi.Proxy` of this.
    pub fn wrap<'py>(py: Python<'py>, proxy: Proxy) -> PyResult<Bound<'py, PyAny>> {
        let raw = Bound::new(py, RawProxy { proxy: Some(proxy), process: std::process::id() })?;
        hooks::get(py, "Proxy")?.call1((raw,))
    }

    pub fn proxy(&self, py: Python<'_>) -> PyResult<&Proxy> {
        match &self.proxy {
            Some(proxy) if self.process == std::process::id() => Ok(proxy),
            Some(_) => Err(raise_as(py, "NotConnected", "this proxy was made before a fork and belongs to the parent")),
            None => Err(raise_as(py, "NotConnected", "a proxy is made by a session")),
        }
    }

    fn begin(
        &self,
        py: Python<'_>,
        name: &str,
        arguments: &Bound<'_, PyTuple>,
        limit: Option<f64>,
    ) -> PyResult<PendingCall> {
        let proxy = self.proxy(py)?;
        let mut encoder = Encoder::default();
        let arguments = encoder.arguments(arguments)?;
        let options = options(limit);
        let begun = match encoder.objects.is_empty() {
            true => proxy.start_call(name, &arguments, &options),
            false => py.detach(|| {
                proxy.passing(arguments, &encoder.objects, |arguments| proxy.start_call(name, arguments, &options))
            }),
        };
        begun.map_err(|error| raise(py, &error))
    }
}

#[pymethods]
impl RawProxy {
    /// Takes over what another one is.
    #[new]
    fn new(py: Python<'_>, other: &RawProxy) -> PyResult<RawProxy> {
        Ok(RawProxy { proxy: Some(other.proxy(py)?.clone()), process: other.process })
    }

    /// Calls a method and waits. A signal ends the wait if its handler raises something; the call is given up then.
    #[pyo3(signature = (name, arguments, timeout = None))]
    fn _call<'py>(
        &self,
        py: Python<'py>,
        name: &str,
        arguments: &Bound<'py, PyTuple>,
        timeout: Option<f64>,
    ) -> PyResult<Bound<'py, PyAny>> {
        let call = self.begin(py, name, arguments, timeout)?;
        let received = loop {
            match py.detach(|| call.wait_for(SLICE)) {
                Some(outcome) => break outcome.map_err(|error| raise(py, &error))?,
                None => {
                    if let Err(error) = py.check_signals() {
                        call.abandon();
                        return Err(error);
                    }
                }
            }
        };
        values::received(py, &received)
    }

    /// Calls a method; gives a future.
    #[pyo3(signature = (name, arguments, timeout = None))]
    fn _start<'py>(
        &self,
        py: Python<'py>,
        name: &str,
        arguments: &Bound<'py, PyTuple>,
        timeout: Option<f64>,
    ) -> PyResult<Bound<'py, PyAny>> {
        let proxy = self.proxy(py)?;
        let mut encoder = Encoder::default();
        let arguments = encoder.arguments(arguments)?;
        let (future, core) = RawFuture::pair(py)?;
        let (options, settling) = (options(timeout), Arc::clone(&core));
        let done = Box::new(move |outcome: Result<Received>| settling.finish(outcome, into_python));
        let begun = py.detach(|| match encoder.objects.is_empty() {
            true => proxy.call_then(name, &arguments, &options, done),
            false => {
                proxy.passing(arguments, &encoder.objects, |arguments| proxy.call_then(name, arguments, &options, done))
            }
        });
        let canceler = begun.map_err(|error| raise(py, &error))?;
        core.set_canceler(move || canceler.cancel());
        Ok(future)
    }

    /// Calls a method whose answer nobody wants.
    fn _post(&self, py: Python<'_>, name: &str, arguments: &Bound<'_, PyTuple>) -> PyResult<()> {
        let proxy = self.proxy(py)?;
        let mut encoder = Encoder::default();
        let arguments = encoder.arguments(arguments)?;
        let posted = py.detach(|| proxy.passing(arguments, &encoder.objects, |arguments| proxy.post(name, arguments)));
        posted.map_err(|error| raise(py, &error))
    }

    /// A future of a property's value.
    fn _property<'py>(&self, py: Python<'py>, name: String) -> PyResult<Bound<'py, PyAny>> {
        let proxy = self.proxy(py)?.clone();
        RawFuture::of(py, move || proxy.property(&name), into_python)
    }

    /// A future of its being set.
    fn _set_property<'py>(
        &self,
        py: Python<'py>,
        name: String,
        value: &Bound<'py, PyAny>,
    ) -> PyResult<Bound<'py, PyAny>> {
        let proxy = self.proxy(py)?.clone();
        let value = Encoder::default().value(value)?;
        RawFuture::of(py, move || proxy.set_property(&name, value), nothing)
    }

    /// Has a function called with each event; gives a future of the watch.
    fn _watch<'py>(&self, py: Python<'py>, name: String, callback: Py<PyAny>) -> PyResult<Bound<'py, PyAny>> {
        let proxy = self.proxy(py)?.clone();
        let callback = Held::new(callback);
        let tell = move |event: Result<Event>| {
            // What cannot be decoded, and the end, a callback is not told.
            let Ok(event) = event else { return };
            gate::with_python(|py| report(py, call_with_event(py, &callback, &event)));
        };
        let options = SubscribeOptions { queue: QUEUE, ..SubscribeOptions::default() };
        RawFuture::of(
            py,
            move || proxy.watch(&name, options, tell),
            |py, watch| {
                let watch = RawWatch { watch: std::sync::Mutex::new(Some(watch)) };
                Ok(Bound::new(py, watch)?.into_any().unbind())
            },
        )
    }

    /// Subscribes; gives a future of the subscription.
    #[pyo3(signature = (name, queue = None))]
    fn _subscribe<'py>(&self, py: Python<'py>, name: String, queue: Option<usize>) -> PyResult<Bound<'py, PyAny>> {
        let proxy = self.proxy(py)?.clone();
        let options = SubscribeOptions { queue: queue.unwrap_or(QUEUE).max(1), ..SubscribeOptions::default() };
        RawFuture::of(
            py,
            move || proxy.subscribe_with(&name, options),
            |py, subscription| Ok(Bound::new(py, RawSubscription { subscription })?.into_any().unbind()),
        )
    }

    /// `{"methods": {id: {…}}, "signals": …, "properties": …, "description": …}`.
    fn _meta<'py>(&self, py: Python<'py>) -> PyResult<Bound<'py, PyDict>> {
        let meta = self.proxy(py)?.meta();
        let text = |declared: &Declared| declared.0.lossy().into_owned();
        let (methods, signals, properties) = (PyDict::new(py), PyDict::new(py), PyDict::new(py));
        for (uid, method) in &meta.methods {
            let entry = PyDict::new(py);
            entry.set_item("uid", uid)?;
            entry.set_item("returnSignature", text(&method.return_signature))?;
            entry.set_item("name", method.name.lossy())?;
            entry.set_item("parametersSignature", text(&method.parameters_signature))?;
            entry.set_item("description", method.description.lossy())?;
            let parameters = method.parameters.iter().map(|parameter| {
                let entry = PyDict::new(py);
                entry.set_item("name", parameter.name.lossy())?;
                entry.set_item("description", parameter.description.lossy())?;
                Ok(entry)
            });
            entry.set_item("parameters", parameters.collect::<PyResult<Vec<_>>>()?)?;
            entry.set_item("returnDescription", method.return_description.lossy())?;
            methods.set_item(uid, entry)?;
        }
        let members = |into: &Bound<'py, PyDict>, uid: u32, name: &str, signature: String| {
            let entry = PyDict::new(py);
            entry.set_item("uid", uid)?;
            entry.set_item("name", name)?;
            entry.set_item("signature", signature)?;
            into.set_item(uid, entry)
        };
        for (uid, signal) in &meta.signals {
            members(&signals, *uid, &signal.name.lossy(), text(&signal.signature))?;
        }
        for (uid, property) in &meta.properties {
            members(&properties, *uid, &property.name.lossy(), text(&property.signature))?;
        }
        let all = PyDict::new(py);
        all.set_item("methods", methods)?;
        all.set_item("signals", signals)?;
        all.set_item("properties", properties)?;
        all.set_item("description", meta.description.lossy())?;
        Ok(all)
    }

    /// The service's name, or the object's ids.
    fn _name(&self, py: Python<'_>) -> PyResult<String> {
        Ok(self.proxy(py)?.name().to_owned())
    }

    /// The connection is there.
    fn _is_open(&self, py: Python<'_>) -> bool {
        self.proxy(py).is_ok_and(|proxy| proxy.connection().is_open())
    }
}

fn event_arguments<'py>(py: Python<'py>, event: &Event) -> PyResult<Bound<'py, PyTuple>> {
    let objects = Objects::Received(event.arguments.objects());
    match event.arguments.members() {
        Some(members) => values::arguments(py, members, &objects),
        None => values::arguments(py, &[event.arguments.value().clone()], &objects),
    }
}

fn call_with_event(py: Python<'_>, callback: &Held, event: &Event) -> PyResult<Py<PyAny>> {
    callback.get()?.call1(py, event_arguments(py, event)?)
}

/// A callback that listens, until it is closed.
#[pyclass(frozen, module = "millrace._native")]
pub struct RawWatch {
    watch: std::sync::Mutex<Option<Watch>>,
}

#[pymethods]
impl RawWatch {
    fn close(&self, py: Python<'_>) {
        let watch = self.watch.lock().unwrap_or_else(std::sync::PoisonError::into_inner).take();
        py.detach(|| drop(watch));
    }
}

/// Events that are taken one by one.
#[pyclass(frozen, module = "millrace._native")]
pub struct RawSubscription {
    subscription: Subscription,
}

#[pymethods]
impl RawSubscription {
    /// The next event's arguments; None if there is none in so many seconds. Raises `NotConnected` after the last one.
    #[pyo3(signature = (timeout = None))]
    fn next<'py>(&self, py: Python<'py>, timeout: Option<f64>) -> PyResult<Option<Bound<'py, PyTuple>>> {
        let deadline = deadline(timeout);
        loop {
            let left = deadline.map(|deadline| deadline.saturating_duration_since(std::time::Instant::now()));
            let slice = left.map_or(SLICE, |left| left.min(SLICE));
            let next = match self.subscription.try_next() {
                Some(next) => next,
                None if slice.is_zero() => return Ok(None),
                None => py.detach(|| self.subscription.next(Some(slice))),
            };
            match next {
                Ok(event) => return event_arguments(py, &event).map(Some),
                Err(CallError::TimedOut) => py.check_signals()?,
                Err(error) => return Err(raise(py, &error)),
            }
        }
    }

    /// Readable while there is an event.
    fn fileno(&self, py: Python<'_>) -> PyResult<i32> {
        self.subscription.descriptor().map_err(|error| raise(py, &error))
    }

    fn missed(&self) -> u64 {
        self.subscription.missed()
    }

    fn close(&self) {
        self.subscription.close();
    }
}
