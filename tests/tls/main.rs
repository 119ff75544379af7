//! tls+tcp and wss when something is not as it should be: what is told, that it is refused, and that it harms nobody. What works is
//! the business of the conformance kit (tests/transports.rs).

mod attacks;
mod bench;
mod sessions;
#[path = "../support/mod.rs"]
mod support;

use std::io::Write;
use std::net::TcpStream;

use bench::*;
use nanomsg::internals::tls::{
    AUTH, AUTH_OPTIONAL, AUTH_REQUIRED, CA_FILE, CERT, CERT_FILE, INSECURE, KEY, LEVEL, MIN_VERSION, SERVER_NAME,
};
use nanomsg::internals::{EngineSocket, Session};
use nanomsg::{Error, EventKind};
use rcgen::date_time_ymd;

#[test]
fn a_bad_certificate_is_refused_and_both_are_told_why() {
    let (known, unknown) = (Authority::new("known"), Authority::new("unknown"));
    let believing = |_: &EngineSocket, client: &EngineSocket| believe(client, &known);
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

/// Of somebody else, out of date: also where clients need not show any.
#[test]
fn a_client_with_a_wrong_certificate_is_refused() {
    let (known, unknown) = (Authority::new("known"), Authority::new("unknown"));
    let good = known.signs("127.0.0.1", |_| {});
    let foreign = unknown.signs("somebody", |_| {});
    let old = known.signs("somebody", |params| params.not_after = date_time_ymd(2020, 1, 1));
    for (auth, shown, reason) in [
        (AUTH_REQUIRED, &foreign, "nobody who is believed"),
        (AUTH_OPTIONAL, &foreign, "nobody who is believed"),
        (AUTH_OPTIONAL, &old, "expired"),
    ] {
        let [_, server] = refusal(&good, |server, client| {
            believe(server, &known);
            set(server, AUTH, auth);
            believe(client, &known);
            show(client, shown);
        });
        contains(&server, reason);
    }
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
    assert_eq!(set(CA_FILE, b"/dev/null"), Err(Error::INVALID), "an empty file is nobody's authorities");
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
    client.connect(&address).unwrap();
    say(&client, &server);
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
