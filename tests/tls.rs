//! tls+tcp and wss when something is not as it should be: what is told, that it is refused, and that it harms nobody. What works is
//! the business of the conformance kit (tests/transports.rs).

use std::io::Write;
use std::net::TcpStream;
use std::sync::Arc;
use std::time::Duration;

use nanomsg::core::{Body, Error, Message, options};
use nanomsg::facade::{Event, EventKind, Monitor, Session, Socket, Wait};
use nanomsg::transport::tls::settings::{
    AUTH, AUTH_REQUIRED, CA, CA_FILE, CERT, CERT_FILE, INSECURE, KEY, LEVEL, MIN_VERSION, SERVER_NAME,
};
use rcgen::{BasicConstraints, Certificate, CertificateParams, DnType, IsCa, KeyPair, date_time_ymd};

const PAIR: i32 = 0x10;
const STEP: Duration = Duration::from_secs(20);

struct Authority {
    certificate: Certificate,
    key: KeyPair,
}

/// A chain of one, and its key.
struct Identity {
    certificate: String,
    key: String,
}

impl Authority {
    fn new(name: &str) -> Authority {
        let mut params = CertificateParams::new(Vec::new()).unwrap();
        params.distinguished_name.push(DnType::CommonName, name);
        params.is_ca = IsCa::Ca(BasicConstraints::Unconstrained);
        let key = KeyPair::generate().unwrap();
        Authority { certificate: params.self_signed(&key).unwrap(), key }
    }

    fn signs(&self, name: &str, change: impl FnOnce(&mut CertificateParams)) -> Identity {
        let mut params = CertificateParams::new([name.to_owned()]).unwrap();
        change(&mut params);
        let key = KeyPair::generate().unwrap();
        let certificate = params.signed_by(&key, &self.certificate, &self.key).unwrap();
        Identity { certificate: certificate.pem(), key: key.serialize_pem() }
    }
}

fn socket(session: &Arc<Session>) -> Arc<Socket> {
    let socket = session.socket(false, PAIR, "tls").unwrap();
    for option in [options::SNDTIMEO, options::RCVTIMEO] {
        socket.set_option(0, option, &(STEP.as_millis() as i32).to_ne_bytes()).unwrap();
    }
    socket
}

fn show(socket: &Socket, identity: &Identity) {
    socket.set_option(LEVEL, CERT, identity.certificate.as_bytes()).unwrap();
    socket.set_option(LEVEL, KEY, identity.key.as_bytes()).unwrap();
}

fn believe(socket: &Socket, authority: &Authority) {
    socket.set_option(LEVEL, CA, authority.certificate.pem().as_bytes()).unwrap();
}

fn set(socket: &Socket, option: i32, value: i32) {
    socket.set_option(LEVEL, option, &value.to_ne_bytes()).unwrap();
}

/// The next event of this kind.
fn await_event(monitor: &Monitor, kind: EventKind) -> Event {
    loop {
        let event = monitor.next(Some(STEP)).expect("an event");
        if event.kind == kind {
            return event;
        }
    }
}

/// What a client is told that believes `authority`, of a server that shows `shown`; and what the server is told.
fn refusal(shown: &Identity, change: impl FnOnce(&Socket, &Socket)) -> [String; 2] {
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
fn contains(text: &str, part: &str) {
    assert!(text.contains(part), "{part:?} is not in {text:?}");
}

#[test]
fn a_bad_certificate_is_refused_and_both_are_told_why() {
    let (known, unknown) = (Authority::new("known"), Authority::new("unknown"));
    let believing = |_: &Socket, client: &Socket| believe(client, &known);
    let old = known.signs("127.0.0.1", |params| params.not_after = date_time_ymd(2020, 1, 1));
    let [client, server] = refusal(&old, believing);
    contains(&client, "expired");
    contains(&server, "alert");
    let early = known.signs("127.0.0.1", |params| params.not_before = date_time_ymd(2120, 1, 1));
    contains(&refusal(&early, believing)[0], "not valid yet");
    let other = known.signs("example.org", |_| {});
    contains(&refusal(&other, believing)[0], "not valid for name");
    contains(&refusal(&unknown.signs("127.0.0.1", |_| {}), believing)[0], "UnknownIssuer");
    let good = known.signs("127.0.0.1", |_| {});
    // Without an authority of its own a client asks the system's, of which none has signed this.
    contains(&refusal(&good, |_, client| set(client, INSECURE, 0))[0], "certificate");
}

#[test]
fn a_client_without_a_certificate_is_refused_where_one_is_required() {
    let known = Authority::new("known");
    let good = known.signs("127.0.0.1", |_| {});
    let [_, server] = refusal(&good, |server, client| {
        believe(server, &known);
        set(server, AUTH, AUTH_REQUIRED);
        believe(client, &known);
    });
    contains(&server, "no certificates");
    let session = Session::start().unwrap();
    let (server, client) = (socket(&session), socket(&session));
    for (socket, identity) in [(&server, &good), (&client, &known.signs("somebody", |_| {}))] {
        show(socket, identity);
        believe(socket, &known);
    }
    set(&server, AUTH, AUTH_REQUIRED);
    exchange(&server, &client, b"tls+tcp://127.0.0.1:0");
    session.stop();
}

/// Binds, connects, and says something both ways.
fn exchange(server: &Arc<Socket>, client: &Arc<Socket>, at: &[u8]) {
    let endpoint = server.bind(at).unwrap();
    client.connect(&server.endpoint_address(endpoint).unwrap()).unwrap();
    say(client, server);
    say(server, client);
    client.close().unwrap();
    server.close().unwrap();
}

fn say(from: &Socket, to: &Socket) {
    from.send(&mut Message::new(Body::Borrowed(b"hello")), Wait::Option).unwrap();
    assert_eq!(to.recv(Wait::Option).unwrap().body.bytes(), b"hello");
}

#[test]
fn another_name_can_be_expected_and_verification_be_turned_off() {
    let (known, session) = (Authority::new("known"), Session::start().unwrap());
    let other = known.signs("example.org", |_| {});
    for at in [b"tls+tcp://127.0.0.1:0".as_slice(), b"wss://127.0.0.1:0"] {
        let (server, client) = (socket(&session), socket(&session));
        show(&server, &other);
        believe(&client, &known);
        client.set_option(LEVEL, SERVER_NAME, b"example.org").unwrap();
        set(&client, MIN_VERSION, 13);
        exchange(&server, &client, at);
        let (server, client) = (socket(&session), socket(&session));
        show(&server, &other);
        set(&client, INSECURE, 1);
        exchange(&server, &client, at);
    }
    session.stop();
}

#[test]
fn what_does_not_fit_is_said_where_it_is_given() {
    let (known, session) = (Authority::new("known"), Session::start().unwrap());
    let (one, two) = (known.signs("127.0.0.1", |_| {}), known.signs("127.0.0.1", |_| {}));
    let socket = socket(&session);
    let set = |option, value: &[u8]| socket.set_option(LEVEL, option, value);
    assert_eq!(socket.bind(b"tls+tcp://127.0.0.1:0"), Err(Error::INVALID), "no certificate");
    assert_eq!(set(CERT, b"no PEM"), Err(Error::INVALID));
    assert_eq!(set(KEY, one.certificate.as_bytes()), Err(Error::INVALID));
    assert_eq!(set(CERT_FILE, b"/no/such/file").unwrap_err().errno(), 2);
    assert_eq!(set(CA_FILE, b"/dev/null"), Ok(()), "nothing takes back what was set");
    assert_eq!(set(MIN_VERSION, &11_i32.to_ne_bytes()), Err(Error::INVALID));
    assert_eq!(set(SERVER_NAME, b"no name at all"), Err(Error::INVALID));
    assert_eq!(set(99, b""), Err(Error::NO_PROTO_OPT));
    set(CERT, one.certificate.as_bytes()).unwrap();
    assert_eq!(socket.bind(b"wss://127.0.0.1:0"), Err(Error::INVALID), "no key");
    set(KEY, two.key.as_bytes()).unwrap();
    assert_eq!(socket.bind(b"tls+tcp://127.0.0.1:0"), Err(Error::INVALID), "another key");
    assert!(socket.option(LEVEL, KEY).is_err(), "nobody reads a key");
    assert!(socket.option(LEVEL, CERT).is_ok());
    socket.close().unwrap();
    session.stop();
}

#[test]
fn who_speaks_no_tls_is_told_apart_and_keeps_nobody_out() {
    let (known, session) = (Authority::new("known"), Session::start().unwrap());
    let (server, client) = (socket(&session), socket(&session));
    show(&server, &known.signs("127.0.0.1", |_| {}));
    believe(&client, &known);
    let endpoint = server.bind(b"tls+tcp://127.0.0.1:0").unwrap();
    let address = server.endpoint_address(endpoint).unwrap();
    let at = std::str::from_utf8(&address).unwrap().strip_prefix("tls+tcp://").unwrap().to_owned();
    let monitor = server.monitor().unwrap();
    let mut plain = TcpStream::connect(&at).unwrap();
    plain.write_all(b"\0SP\0\0\x10\0\0").unwrap();
    contains(&await_event(&monitor, EventKind::Refused).reason, "does not speak TLS");
    // More than are let wait: the oldest go, and whoever comes last is served.
    let silent: Vec<_> = (0..300).map(|_| TcpStream::connect(&at).unwrap()).collect();
    client.connect(&address).unwrap();
    say(&client, &server);
    drop(silent);
    client.close().unwrap();
    server.close().unwrap();
    session.stop();
}

#[test]
fn a_certificate_is_replaced_while_a_listener_runs() {
    let (old, new, session) = (Authority::new("old"), Authority::new("new"), Session::start().unwrap());
    let (server, first, second) = (socket(&session), socket(&session), socket(&session));
    show(&server, &old.signs("127.0.0.1", |_| {}));
    let endpoint = server.bind(b"tls+tcp://127.0.0.1:0").unwrap();
    let address = server.endpoint_address(endpoint).unwrap();
    believe(&first, &old);
    first.connect(&address).unwrap();
    say(&first, &server);
    show(&server, &new.signs("127.0.0.1", |_| {}));
    say(&first, &server);
    first.close().unwrap();
    believe(&second, &new);
    second.connect(&address).unwrap();
    say(&second, &server);
    second.close().unwrap();
    server.close().unwrap();
    session.stop();
}
