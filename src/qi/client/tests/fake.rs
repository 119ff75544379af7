//! A server made of a plain socket: it does what the test says, right or wrong.

use std::io::{Read, Write};
use std::net::{TcpListener, TcpStream};
use std::sync::Arc;
use std::thread::JoinHandle;
use std::time::Duration;

use crate::qi::capability::{AuthState, Capabilities, CapabilityMap};
use crate::qi::client::{Connection, DialOptions, Result};
use crate::qi::message::{HEADER_SIZE, Header, Message, Type};
use crate::qi::meta::{Builder, MetaObject};
use crate::qi::value::{Value, encode};
use crate::reactor::Reactor;

#[path = "fake_directory.rs"]
pub mod directory;

/// Nothing here takes this long; it ends a test that hangs.
pub const LIMIT: Duration = Duration::from_secs(20);

/// One accepted connection.
pub struct Peer(pub TcpStream);

impl Peer {
    /// The next message; `None` when the client has gone.
    pub fn next(&mut self) -> Option<Message> {
        let mut head = [0; HEADER_SIZE];
        self.0.read_exact(&mut head).ok()?;
        let (header, size) = Header::parse(&head, u32::MAX).unwrap();
        let mut payload = vec![0; size as usize];
        self.0.read_exact(&mut payload).ok()?;
        Some(Message { header, payload: payload.into() })
    }

    /// The next message, which must be there.
    pub fn expect(&mut self, ty: Type, action: u32) -> Message {
        let message = self.next().expect("a message");
        assert_eq!((message.header.ty, message.header.action), (ty, action));
        message
    }

    pub fn send(&mut self, message: &Message) {
        // A client that has gone is looked at by the test.
        let _ = self.0.write_all(&message.encode().unwrap());
    }

    pub fn reply(&mut self, call: &Message, value: &Value) {
        let payload = encode(value, &value.signature()).unwrap();
        self.send(&Message::reply_to(&call.header, payload));
    }

    pub fn reply_map(&mut self, call: &Message, map: &CapabilityMap) {
        self.send(&Message::reply_to(&call.header, encode(&map.to_value(), &CapabilityMap::signature()).unwrap()));
    }

    /// Lets the client in, with these capabilities.
    pub fn welcome(&mut self, capabilities: Capabilities) {
        let call = self.expect(Type::Call, 8);
        assert_eq!((call.header.service, call.header.object), (0, 0));
        self.reply_map(&call, &CapabilityMap::reply(&capabilities, AuthState::Done));
    }

    /// Answers metaObject.
    pub fn describe(&mut self, meta: &MetaObject) {
        let call = self.expect(Type::Call, 2);
        self.reply(&call, &meta.to_value());
    }
}

/// Serves connections one after another on a thread; `serve` is given each and its number.
pub struct Fake {
    pub url: String,
    thread: Option<JoinHandle<()>>,
}

impl Fake {
    pub fn new(connections: usize, mut serve: impl FnMut(usize, Peer) + Send + 'static) -> Fake {
        let listener = TcpListener::bind("127.0.0.1:0").unwrap();
        let url = format!("tcp://{}", listener.local_addr().unwrap());
        let thread = std::thread::spawn(move || {
            for number in 0..connections {
                let (socket, _) = listener.accept().unwrap();
                socket.set_read_timeout(Some(LIMIT)).unwrap();
                serve(number, Peer(socket));
            }
        });
        Fake { url, thread: Some(thread) }
    }

    /// A server of one connection, already let in.
    pub fn friendly(capabilities: Capabilities, serve: impl FnOnce(Peer) + Send + 'static) -> Fake {
        let mut serve = Some(serve);
        Fake::new(1, move |_, mut peer| {
            peer.welcome(capabilities);
            serve.take().unwrap()(peer);
        })
    }

    pub fn connect(&self) -> Result<Arc<Connection>> {
        self.connect_with(&options())
    }

    pub fn connect_with(&self, options: &DialOptions) -> Result<Arc<Connection>> {
        Connection::open(&Reactor::start().unwrap(), &self.url, options)
    }

    /// Everything that the server asserts has held.
    pub fn finish(mut self) {
        self.thread.take().unwrap().join().unwrap();
    }
}

pub fn options() -> DialOptions {
    DialOptions { timeout: Some(LIMIT), ..DialOptions::default() }
}

/// Members of most tests: method 100 `add (ii)->i`, 101 `child ()->o`, 102 `any m->m`; signal 103 `happened (is)`;
/// property 104 `level i`.
pub fn meta() -> MetaObject {
    let mut builder = Builder::new();
    builder.method("add", "(ii)", "i");
    builder.method("child", "()", "o");
    builder.method("any", "m", "m");
    builder.signal("happened", "(is)");
    builder.property("level", "i");
    builder.build().unwrap()
}
