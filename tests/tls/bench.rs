//! Certificates, sockets that have them, and waiting for what they are told.

use std::sync::Arc;
use std::time::Duration;

use nanomsg::internals::tls::{CA, CERT, KEY, LEVEL};
use nanomsg::internals::{Body, EngineSocket, Message, Session, Wait, options};
use nanomsg::{Event, EventKind, Monitor};
use rcgen::{BasicConstraints, Certificate, CertificateParams, DnType, IsCa, KeyPair};

pub const PAIR: i32 = 0x10;
pub const STEP: Duration = Duration::from_secs(20);

pub struct Authority {
    pub certificate: Certificate,
    pub key: KeyPair,
}

/// A chain of one, and its key.
pub struct Identity {
    pub certificate: String,
    pub key: String,
}

impl Authority {
    pub fn new(name: &str) -> Authority {
        let mut params = CertificateParams::new(Vec::new()).unwrap();
        params.distinguished_name.push(DnType::CommonName, name);
        params.is_ca = IsCa::Ca(BasicConstraints::Unconstrained);
        let key = KeyPair::generate().unwrap();
        Authority { certificate: params.self_signed(&key).unwrap(), key }
    }

    pub fn signs(&self, name: &str, change: impl FnOnce(&mut CertificateParams)) -> Identity {
        let mut params = CertificateParams::new([name.to_owned()]).unwrap();
        change(&mut params);
        let key = KeyPair::generate().unwrap();
        let certificate = params.signed_by(&key, &self.certificate, &self.key).unwrap();
        Identity { certificate: certificate.pem(), key: key.serialize_pem() }
    }
}

pub fn socket(session: &Arc<Session>) -> Arc<EngineSocket> {
    let socket = session.socket(false, PAIR, "tls").unwrap();
    for option in [options::SNDTIMEO, options::RCVTIMEO] {
        socket.set_option(0, option, &(STEP.as_millis() as i32).to_ne_bytes()).unwrap();
    }
    socket
}

pub fn show(socket: &EngineSocket, identity: &Identity) {
    socket.set_option(LEVEL, CERT, identity.certificate.as_bytes()).unwrap();
    socket.set_option(LEVEL, KEY, identity.key.as_bytes()).unwrap();
}

pub fn believe(socket: &EngineSocket, authority: &Authority) {
    socket.set_option(LEVEL, CA, authority.certificate.pem().as_bytes()).unwrap();
}

pub fn set(socket: &EngineSocket, option: i32, value: i32) {
    socket.set_option(LEVEL, option, &value.to_ne_bytes()).unwrap();
}

/// The next event of this kind.
pub fn await_event(monitor: &Monitor, kind: EventKind) -> Event {
    loop {
        let event = monitor.next(Some(STEP)).expect("an event");
        if event.kind == kind {
            return event;
        }
    }
}

/// What a client is told that believes `authority`, of a server that shows `shown`; and what the server is told.
pub fn refusal(shown: &Identity, change: impl FnOnce(&EngineSocket, &EngineSocket)) -> [String; 2] {
    let session = Session::start().unwrap();
    let (server, client) = (socket(&session), socket(&session));
    show(&server, shown);
    change(&server, &client);
    let endpoint = server.bind(b"tls+tcp://127.0.0.1:0").unwrap();
    let monitors = [&client, &server].map(|socket| socket.monitor().unwrap());
    client.connect(&server.endpoint_address(endpoint).unwrap()).unwrap();
    // A client may have greeted before the server refuses it: in TLS 1.3 it is done first.
    let told = monitors.map(|monitor| {
        let event = await_event(&monitor, EventKind::Refused);
        assert!(event.error.is_some() && !event.peer.is_empty(), "{event:?}");
        event.reason
    });
    for socket in [client, server] {
        socket.close().unwrap();
    }
    session.stop();
    told
}

#[track_caller]
pub fn contains(text: &str, part: &str) {
    assert!(text.contains(part), "{part:?} is not in {text:?}");
}

/// Binds, connects, and says something both ways.
pub fn exchange(server: &Arc<EngineSocket>, client: &Arc<EngineSocket>, at: &[u8]) {
    let endpoint = server.bind(at).unwrap();
    client.connect(&server.endpoint_address(endpoint).unwrap()).unwrap();
    say(client, server);
    say(server, client);
    client.close().unwrap();
    server.close().unwrap();
}

pub fn say(from: &EngineSocket, to: &EngineSocket) {
    from.send(&mut Message::new(Body::Borrowed(b"hello")), Wait::Option).unwrap();
    assert_eq!(to.recv(Wait::Option).unwrap().body.bytes(), b"hello");
}

/// A PAIR that is bound on a free port of 127.0.0.1, shows a good certificate, and is watched.
pub struct Server {
    pub known: Authority,
    pub session: Arc<Session>,
    pub socket: Arc<EngineSocket>,
    pub monitor: Arc<Monitor>,
    pub address: String,
}

impl Server {
    /// `scheme`: "tls+tcp".
    pub fn new(scheme: &str) -> Server {
        let (known, session) = (Authority::new("known"), Session::start().unwrap());
        let socket = socket(&session);
        show(&socket, &known.signs("127.0.0.1", |_| {}));
        let monitor = socket.monitor().unwrap();
        let endpoint = socket.bind(format!("{scheme}://127.0.0.1:0").as_bytes()).unwrap();
        let address = String::from_utf8(socket.endpoint_address(endpoint).unwrap()).unwrap();
        Server { known, session, socket, monitor, address }
    }

    /// Host and port.
    pub fn at(&self) -> &str {
        self.address.split_once("://").unwrap().1
    }

    /// Another PAIR, which believes the server.
    pub fn client(&self) -> Arc<EngineSocket> {
        let client = socket(&self.session);
        believe(&client, &self.known);
        client
    }

    /// Somebody new can speak with it.
    pub fn is_well(&self) {
        let client = self.client();
        client.connect(self.address.as_bytes()).unwrap();
        say(&client, &self.socket);
        say(&self.socket, &client);
        client.close().unwrap();
    }

    pub fn end(self) {
        self.socket.close().unwrap();
        self.session.stop();
    }
}
