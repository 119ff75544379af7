//! Sessions, and what offers services: a directory of our own, or a provider for somebody else's.

use std::sync::mpsc::{self, RecvTimeoutError};
use std::sync::{Arc, Mutex, PoisonError, Weak};
use std::time::{Duration, Instant};

use nanomsg::qi::bus::Provider;
use nanomsg::qi::client::{Backoff, Session, SessionOptions, shared_reactor};
use nanomsg::qi::client::{CallError, Proxy, Result};
use nanomsg::qi::meta::ServiceInfo;
use nanomsg::qi::server::{Options, Server, Verdict};
use pyo3::prelude::*;
use pyo3::types::PyDict;

use super::errors::raise_as;
use super::future::{RawFuture, SLICE, report};
use super::object::RawObject;
use super::proxy::RawProxy;
use super::{gate, pool};
use crate::waiting::{deadline, limit};

/// Threads that call methods of services, at most. They are started when they are wanted; a method that waits for another
/// service holds one.
const WORKERS: usize = 128;

/// What is to be closed before the interpreter ends.
trait Closing: Send + Sync {
    fn close(&self);
}

static OPEN: Mutex<Vec<Weak<dyn Closing>>> = Mutex::new(Vec::new());

fn enlist(closing: Weak<dyn Closing>) {
    let mut open = OPEN.lock().unwrap_or_else(PoisonError::into_inner);
    open.retain(|closing| closing.strong_count() > 0);
    open.push(closing);
}

/// At the end of the interpreter: ends everything that could still run Python code. Methods that do not return are not waited for for ever.
#[pyfunction]
pub fn qi_close_all(py: Python<'_>) -> PyResult<()> {
    let open = std::mem::take(&mut *OPEN.lock().unwrap_or_else(PoisonError::into_inner));
    let end = Instant::now() + gate::PATIENCE;
    let closed = close_elsewhere(py, open.iter().filter_map(Weak::upgrade), Some(end));
    gate::close();
    // Who is impatient does not wait twice.
    closed?;
    while !py.detach(|| gate::empties_until(end.min(Instant::now() + SLICE))) && Instant::now() < end {
        py.check_signals()?;
    }
    Ok(())
}

/// Closes all of them, which waits for methods under way, on other threads; waits for that until then (`None`: for ever). What a signal's handler
/// raises ends the wait, not the closing.
fn close_elsewhere(
    py: Python<'_>,
    closings: impl Iterator<Item = Arc<dyn Closing>>,
    end: Option<Instant>,
) -> PyResult<()> {
    let (over, mut all_over) = mpsc::channel::<()>();
    for closing in closings {
        let over = over.clone();
        pool::run(move || {
            closing.close();
            drop(over);
        });
    }
    drop(over);
    loop {
        let left = end.map_or(SLICE, |end| end.saturating_duration_since(Instant::now()).min(SLICE));
        let waiting = &mut all_over;
        match py.detach(move || waiting.recv_timeout(left)) {
            Err(RecvTimeoutError::Timeout) if !left.is_zero() => py.check_signals()?,
            _ => return Ok(()),
        }
    }
}

/// In the child of a fork: what is open is the parent's.
#[pyfunction]
#[expect(clippy::mem_forget, reason = "the last reference must not be dropped here: it is the parent's")]
pub fn qi_after_fork() {
    gate::after_fork();
    std::mem::forget(std::mem::take(&mut *OPEN.lock().unwrap_or_else(PoisonError::into_inner)));
}

/// Calls this on another thread, in so many seconds.
#[pyfunction]
pub fn qi_run(callback: Py<PyAny>, seconds: f64) -> PyResult<()> {
    let at = deadline(Some(seconds))?.unwrap_or_else(Instant::now);
    pool::run_at(at, move || {
        let _ = gate::with_python(|py| report(py, callback.call0(py)));
    });
    Ok(())
}

/// User, token, and whether to connect again.
type ConnectSettings = (Option<String>, Option<String>, bool);

fn session_options((user, token, reconnect): ConnectSettings, timeout: Option<Duration>) -> SessionOptions {
    let mut options = SessionOptions::default();
    options.dial.credentials.user = user;
    options.dial.credentials.token = token;
    options.reconnect = reconnect.then(Backoff::default);
    if timeout.is_some() {
        options.dial.timeout = timeout;
    }
    options
}

/// A session, as long as it or a proxy of its services is there.
pub struct Connected {
    /// Until it is dropped.
    session: Option<Session>,
    process: u32,
}

impl Closing for Connected {
    fn close(&self) {
        if let (Some(session), true) = (&self.session, self.process == std::process::id()) {
            session.close();
        }
    }
}

impl Drop for Connected {
    /// Its connections end, but for those that hold objects which came as values. Whoever drops this holds the interpreter, which
    /// threads of the connections may want.
    #[expect(clippy::mem_forget, reason = "in the child of a fork the connections are the parent's")]
    fn drop(&mut self) {
        let session = self.session.take();
        match self.process == std::process::id() {
            true => pool::run(move || drop(session)),
            false => std::mem::forget(session),
        }
    }
}

/// A connection to a directory.
#[pyclass(frozen, module = "millrace._native")]
pub struct RawSession {
    connected: Arc<Connected>,
}

/// A service as the directory lists it.
fn info(py: Python<'_>, info: &ServiceInfo) -> PyResult<Py<PyAny>> {
    let entry = PyDict::new(py);
    entry.set_item("name", info.name.lossy())?;
    entry.set_item("serviceId", info.service_id)?;
    entry.set_item("machineId", info.machine_id.lossy())?;
    entry.set_item("processId", info.process_id)?;
    let endpoints: Vec<_> = info.endpoints.iter().map(|endpoint| endpoint.lossy().into_owned()).collect();
    entry.set_item("endpoints", endpoints)?;
    entry.set_item("sessionId", info.session_id.lossy())?;
    entry.set_item("objectUid", info.object_uid.map_or_else(Vec::new, |uid| uid.to_vec()).as_slice())?;
    Ok(entry.into_any().unbind())
}

impl RawSession {
    fn session(&self, py: Python<'_>) -> PyResult<Session> {
        match &self.connected.session {
            Some(session) if self.connected.process == std::process::id() => Ok(session.clone()),
            _ => {
                let text = "this session was connected before a fork and belongs to the parent";
                Err(raise_as(py, "NotConnected", text))
            }
        }
    }

    /// A future of a proxy that this finds; `watches` is where the session keeps callbacks of signals.
    fn find<'py>(
        &self,
        py: Python<'py>,
        watches: Py<PyDict>,
        find: impl FnOnce(Session) -> Result<Proxy> + Send + 'static,
    ) -> PyResult<Bound<'py, PyAny>> {
        let (session, connected) = (self.session(py)?, Arc::clone(&self.connected));
        RawFuture::of(py, move || find(session), |py, proxy| RawProxy::of_service(py, proxy, connected, watches))
    }
}

#[pymethods]
impl RawSession {
    /// Connects to a directory; a future of the session.
    #[staticmethod]
    #[pyo3(signature = (url, settings, timeout = None))]
    fn connect<'py>(
        py: Python<'py>,
        url: String,
        settings: ConnectSettings,
        timeout: Option<f64>,
    ) -> PyResult<Bound<'py, PyAny>> {
        let options = session_options(settings, limit(timeout)?);
        let connect = move || Session::connect(&url, options);
        RawFuture::of(py, connect, |py, session| {
            let connected = Arc::new(Connected { session: Some(session), process: std::process::id() });
            enlist(Arc::downgrade(&connected) as Weak<dyn Closing>);
            Ok(Bound::new(py, RawSession { connected })?.into_any().unbind())
        })
    }

    /// A future of the proxy of a service.
    fn service<'py>(&self, py: Python<'py>, name: String, watches: Py<PyDict>) -> PyResult<Bound<'py, PyAny>> {
        self.find(py, watches, move |session| session.service(&name))
    }

    /// The same, when it is there.
    #[pyo3(signature = (name, watches, timeout = None))]
    fn wait_for_service<'py>(
        &self,
        py: Python<'py>,
        name: String,
        watches: Py<PyDict>,
        timeout: Option<f64>,
    ) -> PyResult<Bound<'py, PyAny>> {
        let timeout = limit(timeout)?;
        self.find(py, watches, move |session| session.wait_for_service(&name, timeout))
    }

    /// A future of what the directory lists.
    fn services<'py>(&self, py: Python<'py>) -> PyResult<Bound<'py, PyAny>> {
        let session = self.session(py)?;
        RawFuture::of(
            py,
            move || session.services(),
            |py, services| {
                let list = services.iter().map(|service| info(py, service)).collect::<PyResult<Vec<_>>>()?;
                Ok(list.into_pyobject(py)?.into_any().unbind())
            },
        )
    }

    fn is_connected(&self, py: Python<'_>) -> bool {
        self.session(py).is_ok_and(|session| session.is_connected())
    }

    /// The address of ours on the directory's connection.
    fn local_address(&self, py: Python<'_>) -> Option<String> {
        let connection = self.session(py).ok()?.connection().ok()?;
        connection.local().map(str::to_owned)
    }

    /// Calls this on another thread, once, with the reason, when the directory's connection ends.
    fn on_end(&self, py: Python<'_>, callback: Py<PyAny>) -> PyResult<()> {
        let failed = |error: &CallError| super::errors::raise(py, error);
        let connection = self.session(py)?.connection().map_err(|error| failed(&error))?;
        let closer = move |reason: &nanomsg::qi::client::Reason| {
            let reason = reason.to_string();
            pool::run_python(move |py| report(py, callback.call1(py, (reason,))));
        };
        connection.on_close(closer).map_err(|error| failed(&error))
    }

    fn close(&self, py: Python<'_>) -> PyResult<()> {
        close_elsewhere(py, std::iter::once(Arc::clone(&self.connected) as Arc<dyn Closing>), None)
    }
}

#[expect(clippy::large_enum_variant, reason = "there is one for each session, and it stays where it is")]
enum Served {
    Directory(Server),
    Provider(Provider),
}

struct Serving {
    served: Served,
    process: u32,
}

impl Closing for Serving {
    fn close(&self) {
        if self.process == std::process::id() {
            match &self.served {
                Served::Directory(server) => server.close(),
                Served::Provider(provider) => provider.close(),
            }
        }
    }
}

impl Serving {
    fn register(&self, name: &str, object: &nanomsg::qi::server::Object) -> Result<u32> {
        match &self.served {
            Served::Directory(server) => {
                server.add_service(name, object).map_err(|error| CallError::Remote(error.to_string()))
            }
            Served::Provider(provider) => provider.register(name, object),
        }
    }

    fn unregister(&self, name: &str, id: u32) -> Result<()> {
        match &self.served {
            Served::Directory(server) => {
                server.remove_service(id).map_err(|error| CallError::Remote(error.to_string()))
            }
            Served::Provider(provider) => provider.unregister(name),
        }
    }
}

/// What offers services.
#[pyclass(frozen, module = "millrace._native")]
pub struct RawServer {
    serving: Arc<Serving>,
}

fn wrap_server(py: Python<'_>, served: Served) -> PyResult<Py<PyAny>> {
    let serving = Arc::new(Serving { served, process: std::process::id() });
    enlist(Arc::downgrade(&serving) as Weak<dyn Closing>);
    Ok(Bound::new(py, RawServer { serving })?.into_any().unbind())
}

fn server_options() -> Options {
    Options { workers: WORKERS, ..Options::default() }
}

/// Asks Python who is let in.
fn let_in(judge: &Py<PyAny>, user: Option<&[u8]>, token: Option<&[u8]>) -> Verdict {
    let text = |bytes: Option<&[u8]>| bytes.map(|bytes| String::from_utf8_lossy(bytes).into_owned());
    let verdict = gate::with_python(|py| judge.call1(py, (text(user), text(token)))?.is_truthy(py));
    match verdict {
        Some(Ok(true)) => Verdict::Accept(Vec::new()),
        _ => Verdict::Reject("wrong user or token".to_owned()),
    }
}

#[pymethods]
impl RawServer {
    /// A future of a directory that listens at these addresses. `judge(user, token)` says who is let in; None: everybody.
    #[staticmethod]
    fn standalone<'py>(py: Python<'py>, urls: Vec<String>, judge: Option<Py<PyAny>>) -> PyResult<Bound<'py, PyAny>> {
        let start = move || {
            let mut options = server_options();
            if let Some(judge) = judge {
                options = options.authenticator(move |shown| let_in(&judge, shown.user, shown.token));
            }
            let urls: Vec<_> = urls.iter().map(String::as_str).collect();
            let server = Server::standalone(&shared_reactor()?, &urls, options);
            server.map(Served::Directory).map_err(CallError::from)
        };
        RawFuture::of(py, start, wrap_server)
    }

    /// A future of a provider for the directory at `url`, which listens at these addresses.
    #[staticmethod]
    fn provider<'py>(
        py: Python<'py>,
        url: String,
        urls: Vec<String>,
        settings: ConnectSettings,
    ) -> PyResult<Bound<'py, PyAny>> {
        let start = move || {
            let urls: Vec<_> = urls.iter().map(String::as_str).collect();
            Provider::start(&url, &urls, session_options(settings, None), server_options()).map(Served::Provider)
        };
        RawFuture::of(py, start, wrap_server)
    }

    /// A future of the id.
    fn register<'py>(&self, py: Python<'py>, name: String, object: &RawObject) -> PyResult<Bound<'py, PyAny>> {
        let (serving, object) = (Arc::clone(&self.serving), object.object().clone());
        RawFuture::of(
            py,
            move || serving.register(&name, &object),
            |py, id| Ok(id.into_pyobject(py)?.into_any().unbind()),
        )
    }

    /// A future of its being gone.
    fn unregister<'py>(&self, py: Python<'py>, name: String, id: u32) -> PyResult<Bound<'py, PyAny>> {
        let serving = Arc::clone(&self.serving);
        RawFuture::of(py, move || serving.unregister(&name, id), |py, ()| Ok(py.None()))
    }

    fn addresses(&self) -> Vec<String> {
        match &self.serving.served {
            Served::Directory(server) => server.addresses(),
            Served::Provider(provider) => provider.addresses(),
        }
    }

    /// Waits for methods that are under way.
    fn close(&self, py: Python<'_>) -> PyResult<()> {
        close_elsewhere(py, std::iter::once(Arc::clone(&self.serving) as Arc<dyn Closing>), None)
    }
}

impl Drop for RawServer {
    /// Methods that are under way need the interpreter, which whoever drops this holds.
    fn drop(&mut self) {
        let serving = Arc::clone(&self.serving);
        pool::run(move || serving.close());
    }
}
