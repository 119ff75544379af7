//! A listening server, its clients as sockets that speak bytes, and an object with something of everything.

use std::io::{ErrorKind, Read, Write};
use std::net::TcpStream;
use std::os::fd::OwnedFd;
use std::os::unix::net::UnixStream;
use std::sync::{Arc, mpsc};
use std::time::{Duration, Instant};

use bytes::Bytes;

use crate::qi::capability::{Capabilities, CapabilityMap};
use crate::qi::endpoint::Config;
use crate::qi::message::{HEADER_SIZE, Header, Message, Type};
use crate::qi::meta::{self, SERVICE_INFO_TEXT, ServiceInfo, ServiceInfoLayout};
use crate::qi::server::Remote;
use crate::qi::server::{Answer, CallError, Object, ObjectBuilder, Options, Server, ServerStatistics};
use crate::qi::value::{self, Value};
use crate::reactor::Reactor;
use crate::sys::sync::Mutex;

use super::harness::*;

/// Nothing here takes this long; it ends a test that hangs.
pub const LONG: Duration = Duration::from_secs(20);

pub struct Running {
    pub reactor: Arc<Reactor>,
    pub server: Server,
}

impl Drop for Running {
    fn drop(&mut self) {
        self.server.close();
        self.reactor.stop();
    }
}

impl Running {
    /// Waits until the server has no more than this, and all memory but that of connections is given back.
    pub fn settles(&self, expected: ServerStatistics) {
        let expected = ServerStatistics { memory: expected.connections * 16 * 1024, ..expected };
        wait_until(|| self.server.statistics() == expected, || format!("{:?}", self.server.statistics()));
    }

    /// Somebody new is let in and answered.
    pub fn works(&self) {
        Raw::authenticated(self).works();
    }
}

pub fn wait_until(mut look: impl FnMut() -> bool, found: impl Fn() -> String) {
    let end = Instant::now() + LONG;
    while !look() {
        assert!(Instant::now() < end, "it never came about: {}", found());
        std::thread::yield_now();
    }
}

/// Settings under which nobody is put out for keeping silent: whoever is, has been for what was said.
pub fn patient() -> Options {
    let options = Options::default();
    Options { connection: Config { authentication_time: None, ..options.connection }, ..options }
}

pub fn start(options: Options) -> Running {
    start_at("tcp://127.0.0.1:0", options)
}

pub fn start_at(url: &str, options: Options) -> Running {
    let reactor = Reactor::start().unwrap();
    let options = Options { machine_id: Some("here".into()), ..options };
    let server = Server::standalone(&reactor, &[url], options).unwrap();
    Running { reactor, server }
}

/// What [`probe`] has.
pub const ADD: u32 = 100;
pub const ECHO: u32 = 101;
pub const FIRED: u32 = 102;
pub const MAKE: u32 = 103;
pub const LEND: u32 = 104;
pub const BORROW: u32 = 105;
pub const WAIT: u32 = 106;
pub const LEVEL: u32 = 107;
pub const ANY: u32 = 108;

/// What was lent to a probe.
pub type Lent = Arc<Mutex<Option<Remote>>>;

pub fn probe() -> Object {
    probe_with(&Lent::default())
}

pub fn probe_with(lent: &Lent) -> Object {
    let mut builder = ObjectBuilder::new();
    builder.method("add", "(ii)", "i", |call| {
        let number = |value: &Value| value.integer().unwrap_or_default() as i32;
        Ok((number(&call.arguments[0]) + number(&call.arguments[1])).into())
    });
    builder.method("echo", "(r)", "r", |call| Ok(call.arguments[0].clone().into()));
    builder.signal("fired", "(r)");
    builder.method("make", "()", "o", |_| Ok(Answer::from(&ObjectBuilder::new().build()?)));
    let keep = Arc::clone(lent);
    builder.method("lend", "(o)", "v", move |call| {
        let old = std::mem::replace(&mut *keep.lock(), call.remote(&call.arguments[0]));
        drop(old);
        Ok(Answer::void())
    });
    let kept = Arc::clone(lent);
    builder.method("borrow", "()", "o", move |_| Ok(Answer::from(kept.lock().as_ref().ok_or("nothing there")?)));
    builder.method("wait", "()", "v", |call| {
        let (tell, told) = mpsc::channel();
        call.on_cancel(move || tell.send(()).unwrap());
        told.recv_timeout(LONG).map_err(|error| error.to_string())?;
        Err(CallError::Canceled)
    });
    builder.property("level", "i", 7);
    builder.method("any", "(m)", "m", |call| Ok(call.arguments[0].clone().into()));
    builder.build().unwrap()
}

/// A server with a probe as [`SERVICE`], and what is lent to it.
pub fn start_probe(options: Options) -> (Running, Object, Lent) {
    let (running, lent) = (start(options), Lent::default());
    let object = probe_with(&lent);
    assert_eq!(running.server.add_service("Probe", &object), Ok(SERVICE));
    (running, object, lent)
}

/// An object of a client's, as an argument: with a method `double (i)i` (100) and a signal `rang (i)` (101).
pub fn guest() -> Value {
    let mut meta = meta::Builder::new();
    meta.method("double", "(i)", "i");
    meta.signal("rang", "(i)");
    let meta = Arc::new(meta.build().unwrap());
    Value::Object(Arc::new(value::Object { meta, service: SERVICE, object: GUEST, uid: Some([7; 20]) }))
}

pub const GUEST: u32 = 0x8000_0005;

pub struct Raw(pub TcpStream);

impl Raw {
    pub fn connect(running: &Running) -> Raw {
        let address = running.server.addresses()[0].clone();
        Raw::over(match address.strip_prefix("unix://") {
            // Reading and writing are the same of any stream socket.
            Some(path) => OwnedFd::from(UnixStream::connect(path).unwrap()).into(),
            None => TcpStream::connect(address.strip_prefix("tcp://").unwrap()).unwrap(),
        })
    }

    pub fn over(stream: TcpStream) -> Raw {
        stream.set_read_timeout(Some(LONG)).unwrap();
        stream.set_write_timeout(Some(LONG)).unwrap();
        Raw(stream)
    }

    pub fn authenticated(running: &Running) -> Raw {
        Raw::with(running, &LIBQI)
    }

    /// One that has authenticated with these capabilities.
    pub fn with(running: &Running, capabilities: &Capabilities) -> Raw {
        let mut raw = Raw::connect(running);
        raw.send(&authenticate_as(&CapabilityMap::announcing(capabilities)));
        assert_eq!(raw.next().header.ty, Type::Reply);
        raw
    }

    pub fn send(&mut self, message: &Message) {
        self.0.write_all(&message.encode().unwrap()).unwrap();
    }

    pub fn next(&mut self) -> Message {
        self.try_next().expect("a message, not the end")
    }

    /// `None`: the server closed.
    pub fn try_next(&mut self) -> Option<Message> {
        let (head, payload) = self.try_bytes()?;
        let (header, _) = Header::parse(&head, u32::MAX).unwrap();
        Some(Message { header, payload })
    }

    /// The bytes of a message: header and payload.
    pub fn bytes(&mut self) -> ([u8; HEADER_SIZE], Bytes) {
        self.try_bytes().expect("a message, not the end")
    }

    fn try_bytes(&mut self) -> Option<([u8; HEADER_SIZE], Bytes)> {
        let mut head = [0; HEADER_SIZE];
        match self.0.read(&mut head[..1]) {
            Ok(0) => return None,
            Ok(_) => {}
            Err(error) if error.kind() == ErrorKind::ConnectionReset => return None,
            Err(error) => panic!("{error}"),
        }
        self.0.read_exact(&mut head[1..]).unwrap();
        let mut payload = vec![0; u32::from_le_bytes(head[8..12].try_into().unwrap()) as usize];
        self.0.read_exact(&mut payload).unwrap();
        Some((head, payload.into()))
    }

    pub fn is_closed(&mut self) -> bool {
        self.try_next().is_none()
    }

    /// A Call to the main object of [`SERVICE`], and what comes next.
    pub fn ask(&mut self, action: u32, payload: Bytes) -> Message {
        self.send(&Message::call(3, SERVICE, 1, action, payload));
        self.next()
    }

    /// The connection answers, and has sent nothing else.
    pub fn works(&mut self) {
        self.send(&add(0xADD));
        let answer = self.next();
        assert_eq!((answer.header.id, result(&answer, "i")), (0xADD, 5.into()));
    }

    pub fn subscribe(&mut self, signal: u32, link: u64) {
        let reply = self.ask(0, registration(signal, link));
        assert_eq!((reply.header.ty, reply.payload.len()), (Type::Reply, 8), "{:?}", reply.error_text());
    }

    pub fn lend(&mut self) {
        assert_eq!(result(&self.ask(LEND, args_shared("(o)", vec![guest()])), "v"), Value::Void);
    }

    /// A service of this name, here; gives its id.
    pub fn register(&mut self, name: &str) -> u32 {
        self.send(&Message::call(3, 1, 1, 102, service_info(name)));
        let id = result(&self.next(), "I");
        self.send(&Message::call(4, 1, 1, 104, args("(I)", vec![id.clone()])));
        assert_eq!(self.next().header.ty, Type::Reply);
        id.integer().unwrap() as u32
    }
}

pub fn service_info(name: &str) -> Bytes {
    let endpoints = vec!["tcp://127.0.0.1:1".into()];
    let info = ServiceInfo { name: name.into(), endpoints, ..ServiceInfo::default() };
    args(&format!("({SERVICE_INFO_TEXT})"), vec![info.to_value(ServiceInfoLayout::Seven)])
}

pub fn authenticate() -> Message {
    authenticate_as(&CapabilityMap::announcing(&LIBQI))
}

pub fn authenticate_as(map: &CapabilityMap) -> Message {
    Message::call(2, 0, 0, 8, capability_map(map))
}

pub fn add(id: u32) -> Message {
    Message::call(id, SERVICE, 1, ADD, args("(ii)", vec![2.into(), 3.into()]))
}

/// Arguments of registerEvent, and of unregisterEvent.
pub fn registration(signal: u32, link: u64) -> Bytes {
    args("(IIL)", vec![0u32.into(), signal.into(), link.into()])
}
