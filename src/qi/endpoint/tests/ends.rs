//! Two end points, or one and a raw socket, and what tests wait for.

use std::io::{Read, Write};
use std::net::TcpStream;
use std::sync::atomic::{AtomicUsize, Ordering};
use std::sync::mpsc::{Receiver, channel};
use std::sync::{Arc, Mutex};
use std::time::{Duration, Instant};

use bytes::Bytes;
use rustix::event::{PollFd, PollFlags, Timespec, poll};

use crate::qi::endpoint::{Config, EndPoint, Listener, Next, Pattern, Queue, Reason, Taken, Types};
use crate::qi::message::{HEADER_SIZE, Header, Message, Type};
use crate::reactor::Reactor;
use crate::sys::descriptor::borrow;

/// Nothing here takes this long; it ends a test that hangs.
pub const LIMIT: Duration = Duration::from_secs(20);

pub const FOREVER: Option<Duration> = Some(LIMIT);

/// A listener and the end points it made, on a reactor of their own.
pub struct Server {
    pub reactor: Arc<Reactor>,
    pub listener: Listener,
    accepted: Receiver<Arc<EndPoint>>,
}

impl Server {
    pub fn new(address: &str, config: Config, welcome: impl Fn(&Arc<EndPoint>) + Send + Sync + 'static) -> Server {
        let reactor = Reactor::start().unwrap();
        let (sender, accepted) = channel();
        let sender = Mutex::new(sender);
        let listener = Listener::bind(&reactor, address, config, move |endpoint| {
            welcome(endpoint);
            // A test that wants none of them has let go of the other end.
            let _ = sender.lock().unwrap().send(Arc::clone(endpoint));
        });
        Server { reactor, listener: listener.unwrap(), accepted }
    }

    pub fn tcp(config: Config, welcome: impl Fn(&Arc<EndPoint>) + Send + Sync + 'static) -> Server {
        Server::new("tcp://127.0.0.1:0", config, welcome)
    }

    pub fn accepted(&self) -> Arc<EndPoint> {
        self.accepted.recv_timeout(LIMIT).unwrap()
    }

    /// A plain socket, connected.
    pub fn raw(&self) -> TcpStream {
        let address = self.listener.address();
        let socket = TcpStream::connect(address.strip_prefix("tcp://").unwrap()).unwrap();
        socket.set_read_timeout(FOREVER).unwrap();
        socket.set_write_timeout(FOREVER).unwrap();
        socket
    }

    pub fn connect(&self, config: Config) -> Arc<EndPoint> {
        connect(&self.listener.address(), config)
    }
}

impl Drop for Server {
    fn drop(&mut self) {
        self.listener.close();
        for endpoint in self.accepted.try_iter() {
            let _ = endpoint.close();
        }
        self.reactor.stop();
    }
}

/// A client on a reactor of its own, which ends with the process.
pub fn connect(address: &str, config: Config) -> Arc<EndPoint> {
    EndPoint::connect(&Reactor::start().unwrap(), address, config, FOREVER, |_| {}).unwrap()
}

/// Waits until `look` finds what it looks for.
pub fn wait_until(mut look: impl FnMut() -> bool) {
    let end = Instant::now() + LIMIT;
    while !look() {
        assert!(Instant::now() < end, "it never came about");
        std::thread::yield_now();
    }
}

/// Answers every Call with its payload.
pub fn echo(endpoint: &Arc<EndPoint>) {
    endpoint.set_authenticated();
    let sink = |endpoint: &EndPoint, message: &Message| {
        let reply = Message::reply_to(&message.header, message.payload.clone());
        match endpoint.send(&reply, crate::qi::endpoint::WhenFull::Fail) {
            Ok(_) => Taken::Yes,
            Err(_) => Taken::Full,
        }
    };
    endpoint.make_sink(Pattern::types(Types::of(Type::Call)), Arc::new(sink), None).unwrap();
}

pub fn message(queue: &Queue) -> Message {
    match queue.next(FOREVER).unwrap() {
        Next::Message(message) => message,
        Next::End(reason) => panic!("no message but the end: {reason}"),
    }
}

pub fn end(queue: &Queue) -> Reason {
    match queue.next(FOREVER).unwrap() {
        Next::Message(message) => panic!("no end but {message:?}"),
        Next::End(reason) => reason,
    }
}

pub fn call(id: u32, action: u32, payload: impl Into<Bytes>) -> Message {
    Message::call(id, 2, 1, action, payload.into())
}

pub fn event(id: u32, action: u32, payload: impl Into<Bytes>) -> Message {
    Message::event(id, 2, 1, action, payload.into())
}

pub fn read_message(socket: &mut TcpStream) -> Message {
    let mut head = [0; HEADER_SIZE];
    socket.read_exact(&mut head).unwrap();
    let (header, size) = Header::parse(&head, u32::MAX).unwrap();
    let mut payload = vec![0; size as usize];
    socket.read_exact(&mut payload).unwrap();
    Message { header, payload: payload.into() }
}

pub fn write_message(socket: &mut TcpStream, message: &Message) {
    socket.write_all(&message.encode().unwrap()).unwrap();
}

/// A number that somebody else raises.
#[derive(Clone, Default)]
pub struct Count(Arc<AtomicUsize>);

impl Count {
    pub fn more(&self) {
        self.0.fetch_add(1, Ordering::SeqCst);
    }

    pub fn get(&self) -> usize {
        self.0.load(Ordering::SeqCst)
    }
}

/// What `poll(2)` says.
pub fn descriptor_is_readable(fd: std::os::fd::RawFd) -> bool {
    let mut fds = [PollFd::from_borrowed_fd(borrow(fd), PollFlags::IN)];
    poll(&mut fds, Some(&Timespec { tv_sec: 0, tv_nsec: 0 })).unwrap() > 0
}
