//! Objects of peers: calls, properties, signals.

use std::sync::{Arc, Mutex, MutexGuard, PoisonError};

use nanomsg::qi::bus::Objects;
use nanomsg::qi::client::{CallError, Received, Result};
use nanomsg::qi::client::{CallOptions, Event, PendingCall, Proxy, SubscribeOptions, Subscription, Watch};
use nanomsg::qi::meta::Declared;
use pyo3::gc::{PyTraverseError, PyVisit};
use pyo3::prelude::*;
use pyo3::types::{PyDict, PyTuple};

use super::errors::{raise, raise_as};
use super::future::{RawFuture, SLICE, report};
use super::pool::Held;
use super::session::Connected;
use super::values::{self, Encoder};
use super::{gate, hooks};
use crate::waiting::{deadline, limit};

/// What `millrace.qi.Proxy` is made of.
#[pyclass(subclass, frozen, module = "millrace._native")]
pub struct RawProxy {
    proxy: Option<Proxy>,
    /// Of the proxy of a service: its session, which is there as long as its proxies are.
    session: Option<Arc<Connected>>,
    process: u32,
}

fn options(timeout: Option<f64>) -> PyResult<CallOptions> {
    Ok(CallOptions { timeout: limit(timeout)?, ..CallOptions::default() })
}

/// So many events may wait; if it is not said, as many as there is memory for (`SubscribeOptions::bytes`).
fn listening(queue: Option<usize>, timeout: Option<f64>) -> PyResult<SubscribeOptions> {
    let queue = queue.unwrap_or(usize::MAX).max(1);
    Ok(SubscribeOptions { queue, timeout: limit(timeout)?, ..SubscribeOptions::default() })
}

/// A result as it is handed to Python.
fn into_python(py: Python<'_>, received: Received) -> PyResult<Py<PyAny>> {
    values::received(py, &received).map(Bound::unbind)
}

fn nothing<T>(py: Python<'_>, _: T) -> PyResult<Py<PyAny>> {
    Ok(py.None())
}

impl RawProxy {
    /// A `millrace.qi.Proxy` of an object that came as a value.
    pub fn wrap<'py>(py: Python<'py>, proxy: Proxy) -> PyResult<Bound<'py, PyAny>> {
        RawProxy::wrap_as(py, proxy, None)
    }

    /// A `millrace.qi.Proxy` of a service. `watches` is where its session keeps the callbacks of signals.
    pub fn of_service(
        py: Python<'_>,
        proxy: Proxy,
        session: Arc<Connected>,
        watches: Py<PyDict>,
    ) -> PyResult<Py<PyAny>> {
        let proxy = RawProxy::wrap_as(py, proxy, Some(session))?;
        proxy.setattr("_kept", watches)?;
        Ok(proxy.unbind())
    }

    fn wrap_as(py: Python<'_>, proxy: Proxy, session: Option<Arc<Connected>>) -> PyResult<Bound<'_, PyAny>> {
        let raw = Bound::new(py, RawProxy { proxy: Some(proxy), session, process: std::process::id() })?;
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
        timeout: Option<f64>,
    ) -> PyResult<PendingCall> {
        let proxy = self.proxy(py)?;
        let mut encoder = Encoder::default();
        let arguments = encoder.arguments(arguments)?;
        let options = options(timeout)?;
        let begun = match encoder.objects.is_empty() {
            true => proxy.start_awaited(name, &arguments, &options),
            false => py.detach(|| {
                proxy.passing(arguments, &encoder.objects, |arguments| proxy.start_awaited(name, arguments, &options))
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
        Ok(RawProxy { proxy: Some(other.proxy(py)?.clone()), session: other.session.clone(), process: other.process })
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
        let (options, settling) = (options(timeout)?, Arc::clone(&core));
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
    #[pyo3(signature = (name, timeout = None))]
    fn _property<'py>(&self, py: Python<'py>, name: String, timeout: Option<f64>) -> PyResult<Bound<'py, PyAny>> {
        let (proxy, options) = (self.proxy(py)?.clone(), options(timeout)?);
        RawFuture::of(py, move || proxy.property_with(&name, &options), into_python)
    }

    /// A future of its being set.
    #[pyo3(signature = (name, value, timeout = None))]
    fn _set_property<'py>(
        &self,
        py: Python<'py>,
        name: String,
        value: &Bound<'py, PyAny>,
        timeout: Option<f64>,
    ) -> PyResult<Bound<'py, PyAny>> {
        let (proxy, options) = (self.proxy(py)?.clone(), options(timeout)?);
        let value = Encoder::default().value(value)?;
        RawFuture::of(py, move || proxy.set_property_with(&name, value, &options), nothing)
    }

    /// Has a function called with each event; gives a future of the watch, which keeps the function.
    #[pyo3(signature = (name, callback, queue = None, timeout = None))]
    fn _watch<'py>(
        &self,
        py: Python<'py>,
        name: String,
        callback: Py<PyAny>,
        queue: Option<usize>,
        timeout: Option<f64>,
    ) -> PyResult<Bound<'py, PyAny>> {
        let (proxy, options) = (self.proxy(py)?.clone(), listening(queue, timeout)?);
        let callback = Arc::new(Held::new(callback));
        let (told, signal) = (Arc::downgrade(&callback), name.clone());
        let tell = move |event: Result<Event>| {
            // What cannot be decoded, and the end, a callback is not told.
            let (Ok(event), Some(callback)) = (event, told.upgrade()) else { return };
            gate::with_python(|py| report(py, call_with_event(py, &signal, &callback, &event)));
        };
        RawFuture::of(
            py,
            move || proxy.watch(&name, options, tell),
            |py, watch| {
                let watch = RawWatch(Mutex::new(Some((watch, callback))));
                Ok(Bound::new(py, watch)?.into_any().unbind())
            },
        )
    }

    /// Subscribes; gives a future of the subscription.
    #[pyo3(signature = (name, queue = None, timeout = None))]
    fn _subscribe<'py>(
        &self,
        py: Python<'py>,
        name: String,
        queue: Option<usize>,
        timeout: Option<f64>,
    ) -> PyResult<Bound<'py, PyAny>> {
        let (proxy, options) = (self.proxy(py)?.clone(), listening(queue, timeout)?);
        let signal = name.clone();
        RawFuture::of(
            py,
            move || proxy.subscribe_with(&name, options),
            |py, subscription| Ok(Bound::new(py, RawSubscription { subscription, signal })?.into_any().unbind()),
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

/// Events are dropped only if their bytes are too many, or more than the program has said; it is told.
fn tell_missed(py: Python<'_>, signal: &str, event: &Event) -> PyResult<()> {
    match event.missed {
        0 => Ok(()),
        missed => hooks::get(py, "events_missed")?.call1((signal, missed)).map(drop),
    }
}

fn call_with_event(py: Python<'_>, signal: &str, callback: &Held, event: &Event) -> PyResult<Py<PyAny>> {
    tell_missed(py, signal, event)?;
    callback.get()?.call1(py, event_arguments(py, event)?)
}

/// A callback that listens, until this is closed or collected.
#[pyclass(frozen, module = "millrace._native")]
pub struct RawWatch(Mutex<Option<(Watch, Arc<Held>)>>);

impl RawWatch {
    fn lock(&self) -> MutexGuard<'_, Option<(Watch, Arc<Held>)>> {
        self.0.lock().unwrap_or_else(PoisonError::into_inner)
    }
}

#[pymethods]
impl RawWatch {
    fn close(&self, py: Python<'_>) {
        let watch = self.lock().take();
        py.detach(|| drop(watch));
    }

    /// Events dropped so far.
    fn missed(&self) -> u64 {
        self.lock().as_ref().map_or(0, |(watch, _)| watch.missed())
    }

    /// While the callback runs, its thread holds it, too.
    fn __traverse__(&self, visit: PyVisit<'_>) -> std::result::Result<(), PyTraverseError> {
        let Ok(watch) = self.0.try_lock() else { return Ok(()) };
        match &*watch {
            Some((_, callback)) if Arc::strong_count(callback) == 1 => visit.call(callback.function()),
            _ => Ok(()),
        }
    }

    fn __clear__(&self) {
        let watch = self.lock().take();
        drop(watch);
    }
}

/// Events that are taken one by one.
#[pyclass(frozen, module = "millrace._native")]
pub struct RawSubscription {
    subscription: Subscription,
    signal: String,
}

#[pymethods]
impl RawSubscription {
    /// The next event's arguments; None if there is none in so many seconds. Raises `NotConnected` after the last one.
    #[pyo3(signature = (timeout = None))]
    fn next<'py>(&self, py: Python<'py>, timeout: Option<f64>) -> PyResult<Option<Bound<'py, PyTuple>>> {
        let deadline = deadline(timeout)?;
        loop {
            let left = deadline.map(|deadline| deadline.saturating_duration_since(std::time::Instant::now()));
            let slice = left.map_or(SLICE, |left| left.min(SLICE));
            let next = match self.subscription.try_next() {
                Some(next) => next,
                None if slice.is_zero() => return Ok(None),
                None => py.detach(|| self.subscription.next(Some(slice))),
            };
            match next {
                Ok(event) => {
                    tell_missed(py, &self.signal, &event)?;
                    return event_arguments(py, &event).map(Some);
                }
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
