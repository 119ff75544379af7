//! Sockets and their contexts.

use std::mem::ManuallyDrop;
use std::sync::atomic::{AtomicBool, AtomicI32, Ordering};
use std::sync::{Arc, OnceLock};
use std::time::{Duration, Instant};

use nanomsg::internals::{Body, Closing, Context, EngineSocket, Header, Message, Probe, Readiness, Wait, process};
use nanomsg::{Error, OptionValue, Result};
use pyo3::exceptions::PyValueError;
use pyo3::prelude::*;
use pyo3::types::{PyBytes, PyList};

use crate::buffers::{self, Outgoing};
use crate::closing::{self, RawClosing};
use crate::errors::{raise, raise_other};
use crate::monitor::RawMonitor;
use crate::peers::{RawPeerSender, Told, told};
use crate::waiting::{breathe, until_done};

/// NN_SNDTIMEO and NN_RCVTIMEO.
const TIMEOUTS: [i32; 2] = [4, 5];

/// Sends above this size let other threads of Python run meanwhile: copying takes time.
const LARGE: usize = 64 * 1024;

/// Messages of up to this size need no memory of their own on their way to Python.
const SMALL: usize = 512;

/// What `millrace.Socket` and `millrace.Context` are made of.
#[pyclass(subclass, frozen, module = "millrace._native")]
pub struct RawSocket {
    /// Which it is, once it is opened.
    context: OnceLock<Context>,
    closed: AtomicBool,
    generation: u64,
    /// NN_SNDTIMEO and NN_RCVTIMEO as they were set, in milliseconds: a wait that a signal interrupts goes on with the rest.
    timeouts: [AtomicI32; 2],
}

#[derive(Clone, Copy)]
enum Side {
    Send,
    Recv,
}

#[pymethods]
impl RawSocket {
    /// Subclasses have arguments of their own, so it is opened by `_open`.
    #[new]
    #[pyo3(signature = (*_arguments, **_options))]
    fn new(_arguments: &Bound<'_, PyAny>, _options: Option<&Bound<'_, PyAny>>) -> RawSocket {
        RawSocket {
            context: OnceLock::new(),
            closed: AtomicBool::new(false),
            generation: process::generation(),
            timeouts: [-1, -1].map(AtomicI32::new),
        }
    }

    /// Opens a socket of this protocol.
    fn _open(&self, py: Python<'_>, protocol: i32, raw: bool) -> PyResult<()> {
        let opened = process::session().and_then(|session| session.socket(raw, protocol, "python"));
        let socket = opened.map_err(|error| raise(py, error, "Socket"))?;
        closing::remember(&socket);
        self.opened(py, Context::of(socket))
    }

    /// Opens a context of this socket.
    fn _open_context(&self, py: Python<'_>, of: PyRef<'_, RawSocket>) -> PyResult<()> {
        let context = Context::open(of.socket(py)?).map_err(|error| raise(py, error, "context"))?;
        for (ours, theirs) in self.timeouts.iter().zip(&of.timeouts) {
            ours.store(theirs.load(Ordering::Relaxed), Ordering::Relaxed);
        }
        self.opened(py, context)
    }

    fn _bind(&self, py: Python<'_>, url: &str) -> PyResult<i32> {
        let socket = self.socket(py)?;
        py.detach(|| socket.bind(url.as_bytes())).map_err(|error| self.unreached(py, error, "bind", url))
    }

    fn _connect(&self, py: Python<'_>, url: &str) -> PyResult<i32> {
        let socket = self.socket(py)?;
        py.detach(|| socket.connect(url.as_bytes())).map_err(|error| self.unreached(py, error, "connect", url))
    }

    fn _shutdown(&self, py: Python<'_>, endpoint: i32) -> PyResult<()> {
        let socket = self.socket(py)?;
        py.detach(|| socket.shutdown(endpoint)).map_err(|error| raise(py, error, "endpoint"))
    }

    /// The address of an endpoint, with the port that the system has chosen.
    fn _address(&self, py: Python<'_>, endpoint: i32) -> PyResult<String> {
        let address = self.socket(py)?.endpoint_address(endpoint).map_err(|error| raise(py, error, "endpoint"))?;
        Ok(String::from_utf8_lossy(&address).into_owned())
    }

    fn _wait_peers(&self, py: Python<'_>, count: u64, timeout: Option<f64>) -> PyResult<()> {
        let socket = self.socket(py)?;
        until_done(py, timeout, "wait_peers", |left| socket.wait_peers(count, left))
    }

    fn _monitor(&self, py: Python<'_>) -> PyResult<RawMonitor> {
        self.socket(py)?.monitor().map(RawMonitor::of).map_err(|error| raise(py, error, "monitor"))
    }

    /// All that is known of the socket now, as JSON.
    fn _describe(&self, py: Python<'_>) -> PyResult<String> {
        self.socket(py)?.describe().map_err(|error| raise(py, error, "describe"))
    }

    /// Gives up the request or the survey that was sent last, or the request that was received last, as if it had not been:
    /// whoever waits for an answer gets :class:`millrace.WrongState`. :class:`millrace.NotSupported` of raw sockets, and of other
    /// types than Req, Rep, Surveyor and Respondent.
    fn cancel(&self, py: Python<'_>) -> PyResult<()> {
        self.present(py)?.cancel().map_err(|error| raise(py, error, "cancel"))
    }

    /// Sends a message: bytes, or anything else with the buffer protocol, which is copied.
    ///
    /// Waits for a peer that takes it, for at most ``send_timeout`` seconds; with ``block=False`` raises
    /// :class:`millrace.WouldBlock` instead. When it returns, the message is accepted: closing the socket sends it.
    #[pyo3(signature = (data, *, block = true))]
    fn send(&self, py: Python<'_>, data: &Bound<'_, PyAny>, block: bool) -> PyResult<()> {
        self.send_bytes(py, Outgoing::of(data)?.bytes(), block)
    }

    /// Sends a message of a raw socket with the protocol's header, as :meth:`recv_raw` gives it.
    #[pyo3(signature = (header, body, *, block = true))]
    fn send_raw(&self, py: Python<'_>, header: &[u8], body: &Bound<'_, PyAny>, block: bool) -> PyResult<()> {
        let outgoing = Outgoing::of(body)?;
        let mut message = Message::new(Body::Borrowed(outgoing.bytes()));
        message.header = Header::from_slice(header);
        self.send_by(py, message.len(), block, |context, wait| context.send(&mut message, wait))
    }

    /// Sends all messages of an iterable, several times faster than one by one; returns how many.
    ///
    /// With ``block=False`` it ends where it would have to wait, and raises :class:`millrace.WouldBlock` if that was the first. An
    /// exception that ends it, also one of the iterable's own, has the attribute ``sent``: how many messages were sent before.
    #[pyo3(signature = (messages, *, block = true))]
    fn send_many(&self, py: Python<'_>, messages: &Bound<'_, PyAny>, block: bool) -> PyResult<usize> {
        let mut sent = 0;
        let outcome = self.send_all(py, messages, block, &mut sent);
        // One that takes no attributes says the rest all the same.
        outcome.map(|()| sent).inspect_err(|error| drop(error.value(py).setattr("sent", sent)))
    }

    /// Receives a message as bytes.
    ///
    /// Waits for at most ``recv_timeout`` seconds (:class:`millrace.Timeout`); with ``block=False`` raises
    /// :class:`millrace.WouldBlock` if there is none. With ``copy=False`` the message is not copied: a read-only memoryview of
    /// the memory it came in, which is freed with the last view of it.
    #[pyo3(signature = (*, block = true, copy = true))]
    fn recv<'py>(&self, py: Python<'py>, block: bool, copy: bool) -> PyResult<Bound<'py, PyAny>> {
        if copy && let Some(small) = self.take_small(py)? {
            return Ok(small);
        }
        into_python(py, self.receive(py, block)?, copy)
    }

    /// Receives a message of a raw socket: the protocol's header and the body.
    #[pyo3(signature = (*, block = true))]
    fn recv_raw<'py>(&self, py: Python<'py>, block: bool) -> PyResult<(Bound<'py, PyBytes>, Bound<'py, PyBytes>)> {
        let message = self.receive(py, block)?;
        Ok((PyBytes::new(py, &message.header), PyBytes::new(py, message.body.bytes())))
    }

    /// Body, header, and who sent it: what `millrace.Message` consists of.
    fn _recv_message<'py>(&self, py: Python<'py>, block: bool) -> PyResult<Told<'py>> {
        Ok(told(py, &self.receive(py, block)?))
    }

    /// The same if there is one, else None.
    fn _try_recv_message<'py>(&self, py: Python<'py>) -> PyResult<Option<Told<'py>>> {
        match self.present(py)?.recv(Wait::No) {
            Ok(message) => Ok(Some(told(py, &message))),
            Err(Error::AGAIN) => Ok(None),
            Err(error) => Err(raise(py, error, "recv_message")),
        }
    }

    /// Sends to one peer alone, by the number of its connection.
    fn _send_to(
        &self,
        py: Python<'_>,
        connection: u64,
        data: &Bound<'_, PyAny>,
        header: &[u8],
        block: bool,
    ) -> PyResult<()> {
        let socket = self.socket(py)?;
        let outgoing = Outgoing::of(data)?;
        let mut message = Message::new(Body::Borrowed(outgoing.bytes()));
        message.header = Header::from_slice(header);
        match socket.send_to(connection, &mut message, Wait::No) {
            Ok(_) => Ok(()),
            Err(Error::AGAIN) if block => {
                let limit = self.timeouts[Side::Send as usize].load(Ordering::Relaxed);
                let limit = u32::try_from(limit).ok().map(|milliseconds| f64::from(milliseconds) / 1000.0);
                RawPeerSender::new(py, socket, connection)?.wait(py, message, limit)
            }
            Err(error) => Err(raise(py, error, "send_to")),
        }
    }

    /// Receives a message into a writable buffer. Returns the message's size; if that is more than fits, the rest is lost.
    #[pyo3(signature = (buffer, *, block = true))]
    fn recv_into(&self, py: Python<'_>, buffer: &Bound<'_, PyAny>, block: bool) -> PyResult<usize> {
        // A buffer that cannot be written to must not cost a message.
        buffers::copy_into(buffer, &[])?;
        let message = self.receive(py, block)?;
        buffers::copy_into(buffer, message.body.bytes())?;
        Ok(message.body.len())
    }

    /// A message if one is there, else None; with ``copy=False`` as :meth:`recv` gives it.
    #[pyo3(signature = (*, copy = true))]
    fn try_recv<'py>(&self, py: Python<'py>, copy: bool) -> PyResult<Option<Bound<'py, PyAny>>> {
        if copy && let Some(small) = self.take_small(py)? {
            return Ok(Some(small));
        }
        match self.present(py)?.recv(Wait::No) {
            Ok(message) => into_python(py, message, copy).map(Some),
            Err(Error::AGAIN) => Ok(None),
            Err(error) => Err(raise(py, error, "recv")),
        }
    }

    /// Receives what is there, at most so many messages, as a list; several times faster than one by one.
    ///
    /// Waits for the first as :meth:`recv` does; with ``block=False`` the list may be empty. With ``copy=False`` its items are what
    /// :meth:`recv` gives then. What a signal handler raises meanwhile, as Ctrl-C does, has the messages that were received already as
    /// its attribute ``received``.
    #[pyo3(signature = (maximum = 1000, *, block = true, copy = true))]
    fn recv_many<'py>(&self, py: Python<'py>, maximum: isize, block: bool, copy: bool) -> PyResult<Bound<'py, PyList>> {
        let maximum = usize::try_from(maximum)
            .map_err(|_| PyValueError::new_err(format!("maximum is a number of messages, at least 0: {maximum}")))?;
        let list = PyList::empty(py);
        let socket = self.present(py)?;
        while list.len() < maximum {
            breathe(py, list.len()).inspect_err(|error| drop(error.value(py).setattr("received", &list)))?;
            if copy && let Some(small) = self.take_small(py)? {
                list.append(small)?;
                continue;
            }
            match socket.recv(Wait::No) {
                Ok(message) => list.append(into_python(py, message, copy)?)?,
                Err(Error::AGAIN) if list.is_empty() && block => {
                    list.append(into_python(py, self.receive(py, true)?, copy)?)?;
                }
                Err(Error::AGAIN) => break,
                // What was received must not be lost; the error comes again with the next call.
                Err(_) if !list.is_empty() => break,
                Err(error) => return Err(raise(py, error, "recv_many")),
            }
        }
        Ok(list)
    }

    /// Sets an option by its numbers in the C interface, for those that have no attribute: an int, or bytes.
    fn set_option(&self, py: Python<'_>, level: i32, option: i32, value: OptionInput) -> PyResult<()> {
        let socket = self.present(py)?;
        let bytes = match &value {
            OptionInput::Int(number) => number.to_ne_bytes().to_vec(),
            OptionInput::Bytes(bytes) => bytes.clone(),
        };
        socket.set_option(level, option, &bytes).map_err(|error| raise(py, error, "set_option"))?;
        if let (0, OptionInput::Int(number)) = (level, value)
            && let Some(side) = TIMEOUTS.iter().position(|timeout| *timeout == option)
        {
            self.timeouts[side].store(number, Ordering::Relaxed);
        }
        Ok(())
    }

    /// Reads an option by its numbers in the C interface.
    fn get_option<'py>(&self, py: Python<'py>, level: i32, option: i32) -> PyResult<Bound<'py, PyAny>> {
        match self.present(py)?.option(level, option).map_err(|error| raise(py, error, "get_option"))? {
            OptionValue::Int(number) => Ok(number.into_pyobject(py)?.into_any()),
            OptionValue::Text(text) => Ok(PyBytes::new(py, &text).into_any()),
            OptionValue::Pointer(_) => Err(PyValueError::new_err("this option is a pointer of C")),
        }
    }

    fn _statistic(&self, py: Python<'_>, number: i32) -> PyResult<u64> {
        self.socket(py)?.statistic(number).map_err(|error| raise(py, error, "statistics"))
    }

    /// The number of the protocol, as NN_PAIR.
    #[getter]
    fn _protocol(&self, py: Python<'_>) -> PyResult<i32> {
        Ok(i32::from(self.context(py)?.kind().id))
    }

    /// Whether the protocol's state and headers are left to the program.
    #[getter]
    fn raw(&self, py: Python<'_>) -> PyResult<bool> {
        Ok(self.context(py)?.socket().is_raw())
    }

    /// Whether the socket is closed, or was opened in a parent process.
    #[getter]
    fn closed(&self) -> bool {
        self.closed.load(Ordering::Relaxed) || self.generation != process::generation()
    }

    fn close(&self, py: Python<'_>) -> PyResult<()> {
        match self.start_closing(py) {
            Some(closing) => closing::finish(py, closing),
            None => Ok(()),
        }
    }

    /// Begins to close, for an event loop; gives what is waited for, if there is something to wait for.
    fn _start_closing(&self, py: Python<'_>) -> PyResult<Option<RawClosing>> {
        self.start_closing(py).map_or(Ok(None), |closing| RawClosing::of(py, closing))
    }
}

/// A value of an option.
#[derive(FromPyObject)]
enum OptionInput {
    Int(i32),
    Bytes(Vec<u8>),
}

impl RawSocket {
    /// The context, unless it belongs to a parent process.
    pub fn present(&self, py: Python<'_>) -> PyResult<&Context> {
        if self.generation != process::generation() {
            return Err(raise(py, Error::BAD_FD, "this socket was opened before a fork and belongs to the parent"));
        }
        self.context(py)
    }

    /// The same, if it is a socket.
    pub fn socket(&self, py: Python<'_>) -> PyResult<&Arc<EngineSocket>> {
        let socket = self.present(py)?.as_socket();
        socket.ok_or_else(|| raise(py, Error::NOT_SUPPORTED, "this is done with the socket, not with a context"))
    }

    /// A descriptor in an address that is none must not look as if the socket were closed.
    fn unreached(&self, py: Python<'_>, error: Error, what: &str, url: &str) -> PyErr {
        if error == Error::BAD_FD && !self.closed() {
            return raise_other(py, error, &format!("{what} {url}: there is no such descriptor"));
        }
        raise(py, error, &format!("{what} {url}"))
    }

    fn opened(&self, py: Python<'_>, context: Context) -> PyResult<()> {
        self.context.set(context).map_err(|_| raise(py, Error::INVALID, "it is opened already"))
    }

    fn context(&self, py: Python<'_>) -> PyResult<&Context> {
        self.context
            .get()
            .ok_or_else(|| raise(py, Error::BAD_FD, "it was never opened: a subclass calls super().__init__()"))
    }

    /// `None`: it is closed, or of a parent process, or a context, of which nothing lingers.
    fn start_closing(&self, py: Python<'_>) -> Option<Closing> {
        if self.closed.swap(true, Ordering::Relaxed) || self.generation != process::generation() {
            return None;
        }
        // Another thread may have closed it at the interpreter's end: then there is nothing to do.
        let context = self.context.get()?;
        py.detach(|| context.start_closing()).ok().flatten()
    }

    /// Sends them all; counts in `sent`.
    fn send_all(&self, py: Python<'_>, messages: &Bound<'_, PyAny>, block: bool, sent: &mut usize) -> PyResult<()> {
        for data in messages.try_iter()? {
            let data = data?;
            breathe(py, *sent)?;
            let outgoing = Outgoing::of(&data)?;
            match self.send_bytes(py, outgoing.bytes(), block && *sent == 0) {
                Ok(()) => {}
                Err(error) if *sent > 0 && is_would_block(py, &error) => match block {
                    true => self.send_bytes(py, outgoing.bytes(), true)?,
                    false => break,
                },
                Err(error) => return Err(error),
            }
            *sent += 1;
        }
        Ok(())
    }

    fn send_bytes(&self, py: Python<'_>, body: &[u8], block: bool) -> PyResult<()> {
        self.send_by(py, body.len(), block, |context, wait| context.send_bytes(body, wait))
    }

    fn send_by(
        &self,
        py: Python<'_>,
        size: usize,
        block: bool,
        mut send: impl FnMut(&Context, Wait) -> Result<usize> + Send,
    ) -> PyResult<()> {
        let context = self.present(py)?;
        // Tried at once: letting go of the interpreter costs as much as sending.
        if !block || size <= LARGE {
            match send(context, Wait::No) {
                Ok(_) => return Ok(()),
                Err(Error::AGAIN) if block => {}
                Err(error) => return Err(raise(py, error, "send")),
            }
        }
        self.wait_for(py, Side::Send, "send", || send(context, Wait::Option).map(drop))
    }

    /// In the midst of a stream: the next message as bytes, if it is small. It need not wait, so the interpreter is kept.
    fn take_small<'py>(&self, py: Python<'py>) -> PyResult<Option<Bound<'py, PyAny>>> {
        let mut room = [0; SMALL];
        let taken = self.present(py)?.take_bytes(&mut room);
        Ok(taken.map(|length| PyBytes::new(py, &room[..length]).into_any()))
    }

    fn receive(&self, py: Python<'_>, block: bool) -> PyResult<Message<'static>> {
        let socket = self.present(py)?;
        let mut message = Message::default();
        if !block {
            socket.recv_into(&mut message, Wait::No).map_err(|error| raise(py, error, "recv"))?;
            return Ok(message);
        }
        self.wait_for(py, Side::Recv, "recv", || socket.recv_into(&mut message, Wait::Option))?;
        Ok(message)
    }

    /// Does what may wait, without holding up other threads of Python. When a signal has come, its handlers run, and unless
    /// they raise something the wait goes on for the rest of its time.
    fn wait_for(
        &self,
        py: Python<'_>,
        side: Side,
        what: &str,
        mut attempt: impl FnMut() -> Result<()> + Send,
    ) -> PyResult<()> {
        let limit = self.timeouts[side as usize].load(Ordering::Relaxed);
        let started = (limit > 0).then(Instant::now);
        let mut outcome = py.detach(&mut attempt);
        loop {
            match outcome {
                Ok(()) => return Ok(()),
                Err(Error::INTERRUPTED) => py.check_signals()?,
                Err(error) => return Err(raise(py, error, what)),
            }
            outcome = match started.map(|at| Duration::from_millis(limit as u64).saturating_sub(at.elapsed())) {
                Some(left) if left.is_zero() => Err(Error::TIMED_OUT),
                Some(left) => py.detach(|| self.wait_until_ready(side, left)).and_then(|()| py.detach(&mut attempt)),
                None => py.detach(&mut attempt),
            };
        }
    }

    fn wait_until_ready(&self, side: Side, left: Duration) -> Result<()> {
        let want = Readiness { send: matches!(side, Side::Send), recv: matches!(side, Side::Recv) };
        let mut probes = [Probe::of(self.context.get().ok_or(Error::BAD_FD)?, want)?];
        match nanomsg::internals::poll(&mut probes, Some(left))? {
            0 => Err(Error::TIMED_OUT),
            _ => Ok(()),
        }
    }
}

impl Drop for RawSocket {
    /// A socket that was forgotten. The collector runs at any moment and in any thread, so nothing here waits: what lingers
    /// does so in a thread of its own.
    fn drop(&mut self) {
        if self.generation != process::generation() {
            // It is the parent's, whose threads may have held its locks when this process was forked.
            let _kept = ManuallyDrop::new(self.context.take());
            return;
        }
        if self.closed.swap(true, Ordering::Relaxed) {
            return;
        }
        let Some(socket) = self.context.get().and_then(Context::as_socket) else { return };
        if let Ok(closing) = socket.start_closing() {
            closing.wait_elsewhere(|| {});
        }
    }
}

/// A message as bytes, or as a view of the memory it came in.
fn into_python<'py>(py: Python<'py>, message: Message<'static>, copy: bool) -> PyResult<Bound<'py, PyAny>> {
    match copy {
        true => Ok(PyBytes::new(py, message.body.bytes()).into_any()),
        false => buffers::into_view(py, message),
    }
}

fn is_would_block(py: Python<'_>, error: &PyErr) -> bool {
    error.is_instance_of::<pyo3::exceptions::PyBlockingIOError>(py)
}
