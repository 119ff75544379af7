//! Sockets and their contexts. Results that are small numbers are numbers: below 0 they are an errno, negated, which `lib` makes an exception of.

use std::cell::{Cell, RefCell};
use std::sync::{Arc, Mutex, PoisonError};
use std::thread;

use nanomsg::internals::{Body, Closing, Context, EngineSocket, Header, Message, PeerSender, Wait, process};
use nanomsg::{Error, OptionValue, internals};
use napi::bindgen_prelude::{Buffer, Either, Env, Null, Result, Unknown};
use napi_derive::napi;

use crate::buffers::{self, Raw};
use crate::hub::{Hub, Post, Task};
use crate::monitor::NativeMonitor;
use crate::peers::{NativeMessage, NativePeerSender};
use crate::watching::Watching;

/// Messages above this size get a Buffer of their own.
const SMALL: usize = 4 * 1024;

/// NN_RCVFD and NN_SNDFD: the sides of a socket are 0, receiving, and 1, sending.
const DESCRIPTORS: [i32; 2] = [11, 10];

/// What the classes of `lib` are made of.
#[napi]
pub struct NativeSocket {
    /// A socket, or a context of one.
    context: Context,
    /// Received, but not handed over: it did not fit into a batch.
    held: RefCell<Option<Message<'static>>>,
    watching: Watching,
    closed: Cell<bool>,
}

pub fn number(outcome: nanomsg::Result<i32>) -> i32 {
    outcome.unwrap_or_else(|error| -error.errno())
}

/// A failure whose errno is in the exception's `code`.
pub fn failure(error: Error) -> napi::Error<String> {
    napi::Error::new(error.errno().to_string(), error.text())
}

#[napi]
impl NativeSocket {
    #[napi(factory)]
    pub fn open(hub: &Hub, protocol: i32, raw: bool) -> std::result::Result<NativeSocket, napi::Error<String>> {
        let socket = process::session().and_then(|session| session.socket(raw, protocol, "node")).map_err(failure)?;
        Ok(NativeSocket::of(hub, Context::of(socket)))
    }

    #[napi(factory)]
    pub fn context(hub: &Hub, of: &NativeSocket) -> std::result::Result<NativeSocket, napi::Error<String>> {
        let context = of.socket().and_then(Context::open).map_err(failure)?;
        Ok(NativeSocket::of(hub, context))
    }

    /// The endpoint's number.
    #[napi]
    pub fn bind(&self, url: String) -> i32 {
        number(self.socket().and_then(|socket| socket.bind(url.as_bytes())))
    }

    #[napi]
    pub fn connect(&self, url: String) -> i32 {
        number(self.socket().and_then(|socket| socket.connect(url.as_bytes())))
    }

    #[napi]
    pub fn shutdown(&self, endpoint: i32) -> i32 {
        number(self.socket().and_then(|socket| socket.shutdown(endpoint)).map(|()| 0))
    }

    /// The address of an endpoint, with the port that the system has chosen.
    #[napi]
    pub fn address(&self, endpoint: i32) -> std::result::Result<String, napi::Error<String>> {
        let address = self.socket().and_then(|socket| socket.endpoint_address(endpoint)).map_err(failure)?;
        Ok(String::from_utf8_lossy(&address).into_owned())
    }

    /// Gives up what was asked last, or was to be answered.
    #[napi]
    pub fn cancel(&self) -> i32 {
        number(self.context.cancel().map(|()| 0))
    }

    #[napi]
    pub fn monitor(&self, hub: &Hub) -> std::result::Result<NativeMonitor, napi::Error<String>> {
        let monitor = self.socket().and_then(|socket| socket.monitor()).map_err(failure)?;
        Ok(NativeMonitor::of(hub, monitor))
    }

    /// All that is known of the socket now, as JSON.
    #[napi]
    pub fn describe(&self) -> std::result::Result<String, napi::Error<String>> {
        self.socket().and_then(|socket| socket.describe()).map_err(failure)
    }

    /// The message's length.
    #[napi]
    pub fn send(&self, env: Env, data: Unknown<'_>) -> Result<i32> {
        Ok(number(self.context.send_bytes(buffers::bytes(&env, &data)?, Wait::No).map(|length| length as i32)))
    }

    /// The same with a copy that was made before; if it fails, the copy is as it was.
    #[napi]
    pub fn send_copy(&self, copy: &NativeCopy) -> i32 {
        number(self.context.send(&mut copy.0.borrow_mut(), Wait::No).map(|length| length as i32))
    }

    /// Sends messages that stand in one block, one behind the other; gives how many were taken, or what happened to the first.
    #[napi]
    pub fn send_batch(&self, env: Env, block: Unknown<'_>, lengths: Unknown<'_>, count: u32) -> Result<i32> {
        let block = buffers::bytes(&env, &block)?;
        let lengths = buffers::bytes(&env, &lengths)?;
        let mut at = 0;
        for (index, word) in lengths.chunks_exact(4).take(count as usize).enumerate() {
            let length = u32::from_ne_bytes([word[0], word[1], word[2], word[3]]) as usize;
            let Some(bytes) = block.get(at..at + length) else { return Ok(-Error::INVALID.errno()) };
            at += length;
            match self.context.send_bytes(bytes, Wait::No) {
                Ok(_) => {}
                Err(error) if index == 0 => return Ok(-error.errno()),
                // What was taken is told of first; the error comes again.
                Err(_) => return Ok(index as i32),
            }
        }
        Ok(count as i32)
    }

    #[napi]
    pub fn send_raw(&self, env: Env, header: Unknown<'_>, body: Unknown<'_>) -> Result<i32> {
        let mut message = Message::new(Body::Borrowed(buffers::bytes(&env, &body)?));
        message.header = Header::from_slice(buffers::bytes(&env, &header)?);
        Ok(number(self.context.send(&mut message, Wait::No).map(|length| length as i32)))
    }

    /// As `send`, to the one peer whose connection has this number.
    #[napi]
    pub fn send_to(&self, env: Env, connection: f64, header: Unknown<'_>, body: Unknown<'_>) -> Result<i32> {
        let mut message = Message::new(Body::Borrowed(buffers::bytes(&env, &body)?));
        message.header = Header::from_slice(buffers::bytes(&env, &header)?);
        let sent = self.socket().and_then(|socket| socket.send_to(connection as u64, &mut message, Wait::No));
        Ok(number(sent.map(|length| length as i32)))
    }

    /// For who must wait until that peer takes more.
    #[napi]
    pub fn peer_sender(&self, connection: f64) -> std::result::Result<NativePeerSender, napi::Error<String>> {
        let sender = self.socket().and_then(|socket| PeerSender::new(socket, connection as u64)).map_err(failure)?;
        Ok(NativePeerSender::of(self.watching.hub(), sender))
    }

    /// A message with its header and its peer, or what happened.
    #[napi(ts_return_type = "NativeMessage | number")]
    pub fn receive_message(&self, env: Env) -> Result<Either<NativeMessage, i32>> {
        match self.take() {
            Ok(message) => NativeMessage::of(&env, message).map(Either::A),
            Err(error) => Ok(Either::B(-error.errno())),
        }
    }

    /// A message, or what happened.
    #[napi(ts_return_type = "Buffer | number")]
    pub fn receive(&self, env: Env) -> Result<Either<Raw, i32>> {
        match self.take() {
            Ok(message) => buffers::hand_over(&env, message).map(Either::A),
            Err(error) => Ok(Either::B(-error.errno())),
        }
    }

    /// Header and body.
    #[napi(ts_return_type = "[Buffer, Buffer] | number")]
    pub fn receive_raw(&self, env: Env) -> Result<Either<Vec<Raw>, i32>> {
        match self.take() {
            Ok(message) => {
                let header = buffers::copy(&env, &message.header)?;
                Ok(Either::A(vec![header, buffers::hand_over(&env, message)?]))
            }
            Err(error) => Ok(Either::B(-error.errno())),
        }
    }

    /// Fills a block with messages, one behind the other, and says how long each is. Gives how many they are; 0 when the next one
    /// must be taken by itself: it is large, or the block is full.
    #[napi]
    pub fn receive_batch(&self, env: Env, mut block: Unknown<'_>, mut lengths: Unknown<'_>) -> Result<i32> {
        let block = buffers::bytes_mut(&env, &mut block)?;
        let lengths = buffers::bytes_mut(&env, &mut lengths)?;
        let (mut at, mut count) = (0, 0);
        for word in lengths.chunks_exact_mut(4) {
            if let Some(length) = self.take_bytes(&mut block[at..]) {
                word.copy_from_slice(&(length as u32).to_ne_bytes());
                at += length;
                count += 1;
                continue;
            }
            let message = match self.take() {
                Ok(message) => message,
                Err(error) if count == 0 => return Ok(-error.errno()),
                // It comes again with the next call.
                Err(_) => break,
            };
            let bytes = message.body.bytes();
            match block.get_mut(at..at + bytes.len()) {
                Some(place) if bytes.len() <= SMALL => place.copy_from_slice(bytes),
                _ => {
                    *self.held.borrow_mut() = Some(message);
                    break;
                }
            }
            word.copy_from_slice(&(bytes.len() as u32).to_ne_bytes());
            at += bytes.len();
            count += 1;
        }
        Ok(count)
    }

    #[napi]
    pub fn set_option(&self, level: i32, option: i32, value: Either<i32, Buffer>) -> i32 {
        let outcome = match value {
            Either::A(number) => self.context.set_option(level, option, &number.to_ne_bytes()),
            Either::B(bytes) => self.context.set_option(level, option, &bytes),
        };
        number(outcome.map(|()| 0))
    }

    #[napi]
    pub fn get_option(&self, level: i32, option: i32) -> std::result::Result<Either<i32, Buffer>, napi::Error<String>> {
        match self.context.option(level, option).map_err(failure)? {
            OptionValue::Int(number) => Ok(Either::A(number)),
            OptionValue::Text(text) => Ok(Either::B(Vec::from(&text[..]).into())),
            OptionValue::Pointer(_) => Err(failure(Error::NO_PROTO_OPT)),
        }
    }

    #[napi]
    pub fn statistic(&self, number: i32) -> std::result::Result<f64, napi::Error<String>> {
        self.socket().and_then(|socket| socket.statistic(number)).map(|count| count as f64).map_err(failure)
    }

    /// Starts watching one side; `slot` is the socket's number in `lib`. It is told `2 * slot + side` until it pauses.
    #[napi]
    pub fn watch(&self, side: u32, slot: u32) -> i32 {
        let option = DESCRIPTORS[side as usize & 1];
        number(self.watching.start_polling(side, slot, &self.context, option).map(|()| 0))
    }

    /// Stops watching.
    #[napi]
    pub fn pause(&self, side: u32) {
        self.watching.pause(side);
    }

    /// Whether watching keeps the process alive.
    #[napi]
    pub fn keep_alive(&self, side: u32, yes: bool) {
        self.watching.keep_alive(side, yes);
    }

    /// Closes the socket; `dispatch(operation, 0)` is called when what was accepted is with the system.
    #[napi]
    pub fn close(&self, operation: u32) -> i32 {
        match self.start_closing() {
            Ok(Some(socket)) => {
                wait_elsewhere(socket, Some((self.watching.hub().post(), operation)));
                0
            }
            Ok(None) => {
                self.watching.hub().post().send(Task::outcome(operation, 0));
                0
            }
            Err(error) => -error.errno(),
        }
    }

    /// Passes messages between two raw sockets, or back into one, in a thread of its own, until they are closed;
    /// `dispatch(operation, errno)` tells why it ended.
    #[napi]
    pub fn device(&self, other: Option<&NativeSocket>, operation: u32) -> i32 {
        let sockets = (self.socket().cloned(), other.map(|other| other.socket().cloned()).transpose());
        let (Ok(first), Ok(second)) = sockets else { return -Error::NOT_SUPPORTED.errno() };
        let post = self.watching.hub().post();
        let told = post.clone();
        let run = move || {
            let error = loop {
                let error = match &second {
                    Some(second) => internals::device(&first, second),
                    None => internals::loopback(&first),
                };
                if error != Error::INTERRUPTED {
                    break error;
                }
            };
            told.send(Task::outcome(operation, error.errno()));
        };
        if thread::Builder::new().name("millrace-device".into()).spawn(run).is_err() {
            post.send(Task::outcome(operation, Error::AGAIN.errno()));
        }
        0
    }
}

impl NativeSocket {
    fn take(&self) -> nanomsg::Result<Message<'static>> {
        match self.held.borrow_mut().take() {
            Some(message) => Ok(message),
            None => self.context.recv(Wait::No),
        }
    }

    /// In the midst of a stream: a small message, straight to where it is wanted.
    fn take_bytes(&self, room: &mut [u8]) -> Option<usize> {
        if self.held.borrow().is_some() {
            return None;
        }
        let fits = room.len().min(SMALL);
        self.context.take_bytes(&mut room[..fits])
    }

    fn of(hub: &Hub, context: Context) -> NativeSocket {
        let watching = Watching::in_loop(&hub.core);
        NativeSocket { context, held: RefCell::default(), watching, closed: Cell::new(false) }
    }

    /// The socket; `ENOTSUP` if this is a context.
    fn socket(&self) -> nanomsg::Result<&Arc<EngineSocket>> {
        self.context.as_socket().ok_or(Error::NOT_SUPPORTED)
    }

    /// Nothing lingers of a context.
    fn start_closing(&self) -> nanomsg::Result<Option<Closing>> {
        if self.closed.replace(true) {
            return Err(Error::BAD_FD);
        }
        // The event loop lets go of the descriptors before they are closed.
        self.watching.end();
        self.held.borrow_mut().take();
        self.context.start_closing()
    }
}

impl Drop for NativeSocket {
    /// A socket that was forgotten, or that the end of a worker closes. At the end of the process nobody waits here: what was
    /// accepted is handed over by the library's own end.
    fn drop(&mut self) {
        if let Ok(Some(socket)) = self.start_closing() {
            wait_elsewhere(socket, None);
        }
    }
}

type Waiting = (Closing, Option<(Post, u32)>);

/// Sockets that are being closed, and whether a thread is seeing to it. They all linger at the same time; one thread waits for them, and ends
/// when there are none.
static CLOSING: Mutex<(Vec<Waiting>, bool)> = Mutex::new((Vec::new(), false));

fn wait_elsewhere(socket: Closing, then: Option<(Post, u32)>) {
    let mut closing = CLOSING.lock().unwrap_or_else(PoisonError::into_inner);
    closing.0.push((socket, then));
    if !closing.1 {
        closing.1 = thread::Builder::new().name("millrace-close".into()).spawn(wait_for_all).is_ok();
        if !closing.1 {
            // Without a thread, here.
            let left = std::mem::take(&mut closing.0);
            drop(closing);
            left.into_iter().for_each(finish);
        }
    }
}

fn wait_for_all() {
    loop {
        let mut closing = CLOSING.lock().unwrap_or_else(PoisonError::into_inner);
        let next = std::mem::take(&mut closing.0);
        if next.is_empty() {
            closing.1 = false;
            return;
        }
        drop(closing);
        next.into_iter().for_each(finish);
    }
}

fn finish((socket, then): Waiting) {
    socket.wait();
    if let Some((post, operation)) = then {
        post.send(Task::outcome(operation, 0));
    }
}

/// A message that waits to be sent, copied meanwhile.
#[napi]
pub struct NativeCopy(RefCell<Message<'static>>);

#[napi]
impl NativeCopy {
    #[napi(factory)]
    pub fn of(env: Env, data: Unknown<'_>) -> std::result::Result<NativeCopy, napi::Error<String>> {
        let bytes =
            buffers::bytes(&env, &data).map_err(|error| napi::Error::new(String::new(), error.reason.clone()))?;
        Message::copy_of(bytes).map(|message| NativeCopy(RefCell::new(message))).map_err(failure)
    }
}

/// What an errno means, in words.
#[napi]
pub fn error_text(errno: i32) -> String {
    Error::from_errno(errno).text()
}

/// Whether the protocol can send, and receive; null if there is none with this number.
#[napi]
pub fn abilities(protocol: i32) -> Either<Vec<bool>, Null> {
    match nanomsg::internals::find(protocol) {
        Some(kind) => Either::A(vec![kind.can_send, kind.can_recv]),
        None => Either::B(Null),
    }
}
