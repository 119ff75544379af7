//! The two ends over a socket pair, moved by hand.

use std::io::{self, ErrorKind, IoSlice, Read, Write};
use std::os::unix::net::UnixStream;

use socket2::Socket;

use super::identity::subject;
use super::options::{AUTH, AUTH_OPTIONAL, AUTH_REQUIRED, CA, CERT, KEY, LEVEL};
use super::{TlsClient, TlsServer, TlsStream};
use crate::transport::stream::{Buffers, Stream, Wire};
use crate::transport::{CheckedOption, TransportOptions};

pub fn certificate() -> (String, String) {
    let made = rcgen::generate_simple_self_signed(["localhost".to_owned(), "127.0.0.1".to_owned()]).unwrap();
    (made.cert.pem(), made.key_pair.serialize_pem())
}

fn wire(socket: UnixStream) -> Wire {
    Wire::new(Socket::from(std::os::fd::OwnedFd::from(socket)), Buffers::default()).unwrap()
}

fn pair(client: &TlsClient, host: &str, pem: &(String, String)) -> [TlsStream; 2] {
    let (left, right) = UnixStream::pair().unwrap();
    let server = TlsServer::from_pem(pem.0.as_bytes(), pem.1.as_bytes()).unwrap();
    [TlsStream::client(wire(left), client, host).unwrap(), TlsStream::server(wire(right), &server).unwrap()]
}

/// Both ends by turns, until both are done or one fails.
fn shake_hands(ends: &[TlsStream; 2]) -> io::Result<()> {
    for _ in 0..100 {
        let outcomes = [ends[0].prepare(), ends[1].prepare()];
        let mut waiting = false;
        for outcome in outcomes {
            match outcome {
                Err(error) if error.kind() == ErrorKind::WouldBlock => waiting = true,
                other => other?,
            }
        }
        if !waiting {
            return Ok(());
        }
    }
    panic!("a handshake without an end");
}

/// Moves bytes from one end to the other.
fn move_all(from: &TlsStream, to: &TlsStream, bytes: &[u8]) -> Vec<u8> {
    let (mut sent, mut got) = (0, Vec::new());
    let mut room = vec![0; 50_000];
    while got.len() < bytes.len() {
        match from.write(&[IoSlice::new(&bytes[sent..])]) {
            Ok(count) => sent += count,
            Err(error) => assert_eq!(error.kind(), ErrorKind::WouldBlock),
        }
        match to.read(&mut room) {
            Ok(count) => got.extend(&room[..count]),
            Err(error) => assert_eq!(error.kind(), ErrorKind::WouldBlock),
        }
    }
    assert_eq!((sent, from.has_unwritten()), (bytes.len(), false));
    got
}

#[test]
fn bytes_go_both_ways_and_end_with_an_end() {
    for version in rustls::ALL_VERSIONS {
        both_ways(&TlsClient::unverified_with(&[version]).unwrap());
    }
}

fn both_ways(client: &TlsClient) {
    let ends = pair(client, "anything.example", &certificate());
    assert!(!ends[0].awaits_peer() && ends[1].awaits_peer(), "the client begins");
    shake_hands(&ends).unwrap();
    let bytes: Vec<u8> = (0..1_000_000u32).map(|at| (at * 7 / 3) as u8).collect();
    assert!(move_all(&ends[0], &ends[1], &bytes) == bytes);
    assert!(move_all(&ends[1], &ends[0], &bytes) == bytes);
    ends[0].shut_write().unwrap();
    assert_eq!(ends[1].read(&mut [0; 9]).unwrap(), 0);
    // What came before the end is handed out, and the end is not forgotten.
    ends[1].write(&[IoSlice::new(b"last")]).unwrap();
    ends[1].shut_write().unwrap();
    assert_eq!((ends[0].read(&mut [0; 9]).unwrap(), ends[0].has_unread()), (4, true));
    assert_eq!(ends[0].read(&mut [0; 9]).unwrap(), 0);
}

/// A server's part of the handshake is dear, and strangers may ask for it by the thousand.
#[test]
fn nothing_is_signed_for_who_says_hello_and_goes() {
    let hello = || {
        let (left, right) = UnixStream::pair().unwrap();
        let client =
            TlsStream::client(wire(left.try_clone().unwrap()), &TlsClient::unverified().unwrap(), "x").unwrap();
        assert_eq!(client.prepare().unwrap_err().kind(), ErrorKind::WouldBlock);
        let pem = certificate();
        let server = TlsServer::from_pem(pem.0.as_bytes(), pem.1.as_bytes()).unwrap();
        left.set_nonblocking(true).unwrap();
        (left, TlsStream::server(wire(right), &server).unwrap())
    };
    let (stays, server) = hello();
    assert_eq!(server.prepare().unwrap_err().kind(), ErrorKind::WouldBlock);
    assert!((&stays).read(&mut [0; 100]).unwrap() > 0, "it is answered");
    let (goes, server) = hello();
    goes.shutdown(std::net::Shutdown::Write).unwrap();
    let failed = server.prepare().unwrap_err();
    assert!(failed.to_string().contains("hung up during the handshake"), "{failed}");
    assert_eq!((&goes).read(&mut [0; 100]).unwrap_err().kind(), ErrorKind::WouldBlock, "it is not");
}

/// It was lost: the look for who says hello and goes was had at every step of the handshake.
#[test]
fn who_ends_the_handshake_speaks_and_goes_before_it_is_looked_at_is_heard() {
    let ends = pair(&TlsClient::unverified().unwrap(), "anything.example", &certificate());
    assert_eq!(ends[0].prepare().unwrap_err().kind(), ErrorKind::WouldBlock, "hello");
    assert_eq!(ends[1].prepare().unwrap_err().kind(), ErrorKind::WouldBlock, "what is signed");
    ends[0].prepare().unwrap();
    ends[0].write(&[IoSlice::new(b"a message")]).unwrap();
    ends[0].shut_write().unwrap();
    ends[1].prepare().unwrap();
    let mut room = [0; 20];
    assert_eq!((ends[1].read(&mut room).unwrap(), &room[..9]), (9, &b"a message"[..]));
    assert_eq!(ends[1].read(&mut room).unwrap(), 0);
}

/// And so was the alert that says why.
#[test]
fn why_a_client_goes_is_told() {
    let pem = certificate();
    let ends = pair(&TlsClient::verified(pem.0.as_bytes()).unwrap(), "another.example", &pem);
    assert_eq!(ends[0].prepare().unwrap_err().kind(), ErrorKind::WouldBlock);
    assert_eq!(ends[1].prepare().unwrap_err().kind(), ErrorKind::WouldBlock);
    assert_eq!(ends[0].prepare().unwrap_err().kind(), ErrorKind::InvalidData);
    ends[0].shut(std::net::Shutdown::Both).unwrap();
    let failed = ends[1].prepare().unwrap_err();
    assert!(failed.to_string().contains("alert"), "{failed}");
}

/// What was read of the wire and has no room is there for the next read, and no readiness tells of it.
#[test]
fn small_rooms_lose_nothing() {
    let ends = pair(&TlsClient::unverified().unwrap(), "anything.example", &certificate());
    shake_hands(&ends).unwrap();
    let bytes: Vec<u8> = (0..100_000u32).map(|at| (at * 7 / 3) as u8).collect();
    let mut sent = 0;
    let mut got = Vec::new();
    for room in [1, 7, 256, 4096, 5000, 60_000, 70_000].into_iter().cycle() {
        if sent < bytes.len() {
            sent += ends[0].write(&[IoSlice::new(&bytes[sent..])]).unwrap_or(0);
        }
        let mut room = vec![0; room];
        if let Ok(count) = ends[1].read(&mut room) {
            got.extend_from_slice(&room[..count]);
            assert_eq!(ends[1].has_unread(), count == room.len());
        }
        if got.len() == bytes.len() {
            break;
        }
    }
    assert!(got == bytes);
}

/// One readiness may tell of a part of a record and of the end.
#[test]
fn an_end_in_the_midst_of_a_record_is_an_end() {
    let (left, middle) = UnixStream::pair().unwrap();
    let (other, right) = UnixStream::pair().unwrap();
    let pem = certificate();
    let server = TlsServer::from_pem(pem.0.as_bytes(), pem.1.as_bytes()).unwrap();
    let client = TlsClient::unverified().unwrap();
    let ends = [TlsStream::client(wire(left), &client, "x").unwrap(), TlsStream::server(wire(right), &server).unwrap()];
    let pass_on = |from: &UnixStream, to: &UnixStream, most: usize| {
        let mut bytes = vec![0; 100_000];
        from.set_nonblocking(true).unwrap();
        if let Ok(count) = (&*from).read(&mut bytes) {
            (&*to).write_all(&bytes[..count.min(most)]).unwrap();
        }
    };
    for _ in 0..10 {
        let _ = (ends[0].prepare(), ends[1].prepare());
        pass_on(&middle, &other, usize::MAX);
        pass_on(&other, &middle, usize::MAX);
    }
    // Together, so that one read of the wire brings the part, and only a second one the end.
    ends[0].write(&[IoSlice::new(&[7; 10_000])]).unwrap();
    pass_on(&middle, &other, 100);
    other.shutdown(std::net::Shutdown::Write).unwrap();
    assert_eq!(ends[1].read(&mut [0; 20_000]).unwrap(), 0);
}

#[test]
fn an_authority_is_believed_for_the_right_name_only() {
    let (ours, theirs) = (certificate(), certificate());
    let client = TlsClient::verified(ours.0.as_bytes()).unwrap();
    for (host, pem, good) in [
        ("localhost", &ours, true),
        ("127.0.0.1", &ours, true),
        ("other.example", &ours, false),
        ("localhost", &theirs, false),
    ] {
        let outcome = shake_hands(&pair(&client, host, pem));
        assert_eq!(outcome.is_ok(), good, "{host}: {outcome:?}");
        if let Err(error) = outcome {
            assert_eq!(error.kind(), ErrorKind::InvalidData);
        }
    }
}

/// As `openssl req -x509` makes it: signed by itself, and an authority's.
fn of_a_robot(names: &[&str], end: (i32, u8, u8)) -> (String, String) {
    let names: Vec<_> = names.iter().map(|&name| name.to_owned()).collect();
    let mut params = rcgen::CertificateParams::new(names).unwrap();
    params.is_ca = rcgen::IsCa::Ca(rcgen::BasicConstraints::Unconstrained);
    params.not_after = rcgen::date_time_ymd(end.0, end.1, end.2);
    let key = rcgen::KeyPair::generate().unwrap();
    (params.self_signed(&key).unwrap().pem(), key.serialize_pem())
}

/// It is the only way to know a robot again.
#[test]
fn a_certificate_that_has_signed_itself_is_believed_as_what_it_is() {
    let later = (4000, 1, 1);
    let [named, nameless, other, expired] =
        [(&["127.0.0.1"][..], later), (&[], later), (&["127.0.0.1"], later), (&["127.0.0.1"], (2001, 1, 1))]
            .map(|(names, end)| of_a_robot(names, end));
    for (believed, host, shown, wrong) in [
        (&named, "127.0.0.1", &named, None),
        (&named, "127.0.0.2", &named, Some("another name")),
        (&nameless, "127.0.0.1", &nameless, None),
        (&named, "127.0.0.1", &other, Some("nobody who is believed")),
        (&named, "127.0.0.1", &nameless, Some("nobody who is believed")),
        (&expired, "127.0.0.1", &expired, Some("expired")),
    ] {
        let client = TlsClient::verified(believed.0.as_bytes()).unwrap();
        let outcome = shake_hands(&pair(&client, host, shown));
        match (outcome, wrong) {
            (Ok(()), None) => {}
            (Err(error), Some(text)) if error.to_string().contains(text) => {}
            (outcome, _) => panic!("{host}: {outcome:?}, and not {wrong:?}"),
        }
    }
    // Somebody who has the certificate, which is no secret, and not its key.
    let thief = (named.0.clone(), other.1.clone());
    assert!(TlsServer::from_pem(thief.0.as_bytes(), thief.1.as_bytes()).is_err());
}

/// An authority with its key, valid until the first of January of this year.
fn authority(name: &str, end: i32) -> (rcgen::Certificate, rcgen::KeyPair) {
    let mut params = rcgen::CertificateParams::new(Vec::new()).unwrap();
    params.distinguished_name.push(rcgen::DnType::CommonName, name);
    params.is_ca = rcgen::IsCa::Ca(rcgen::BasicConstraints::Unconstrained);
    params.not_after = rcgen::date_time_ymd(end, 1, 1);
    let key = rcgen::KeyPair::generate().unwrap();
    (params.self_signed(&key).unwrap(), key)
}

/// What it signs for 127.0.0.1.
fn signed((authority, key): &(rcgen::Certificate, rcgen::KeyPair), end: i32) -> (String, String) {
    let mut params = rcgen::CertificateParams::new(vec!["127.0.0.1".to_owned()]).unwrap();
    params.not_after = rcgen::date_time_ymd(end, 1, 1);
    let own = rcgen::KeyPair::generate().unwrap();
    (params.signed_by(&own, authority, key).unwrap().pem(), own.serialize_pem())
}

/// By a client of this server, and by a server of this client: both sides ask the same.
fn believed(known: &str, host: &str, shown: &(String, String)) -> [Result<(), String>; 2] {
    let client = TlsClient::verified(known.as_bytes()).unwrap();
    let by_client = shake_hands(&pair(&client, host, shown));
    let plain = certificate();
    let theirs = options(&[
        (CERT, plain.0.as_bytes()),
        (KEY, plain.1.as_bytes()),
        (CA, known.as_bytes()),
        (AUTH, &AUTH_REQUIRED.to_ne_bytes()),
    ]);
    let ours = options(&[(CERT, shown.0.as_bytes()), (KEY, shown.1.as_bytes()), (CA, plain.0.as_bytes())]);
    let (left, right) = UnixStream::pair().unwrap();
    let (client, server) = (TlsClient::configured(&ours).unwrap(), TlsServer::configured(&theirs).unwrap());
    let ends = [
        TlsStream::client(wire(left), &client, "127.0.0.1").unwrap(),
        TlsStream::server(wire(right), &server).unwrap(),
    ];
    // The client has done its part before it is refused.
    let _ = shake_hands(&ends);
    let by_server = ends[1].prepare();
    [by_client, by_server].map(|outcome| outcome.map_err(|error| error.to_string()))
}

fn expect(what: &str, outcomes: [Result<(), String>; 2], wrong: Option<&str>) {
    for outcome in outcomes {
        match (&outcome, wrong) {
            (Ok(()), None) => {}
            (Err(error), Some(text)) if error.contains(text) => {}
            _ => panic!("{what}: {outcome:?}, and not {wrong:?}"),
        }
    }
}

/// The usual case after a reset: the same name, another key. `BadSignature` says nothing to anybody.
#[test]
fn who_has_a_new_key_is_refused_in_words_that_say_what_to_do() {
    let [robot, reset] = [0, 1].map(|_| of_a_robot(&["127.0.0.1"], (4000, 1, 1)));
    expect("reset", believed(&robot.0, "127.0.0.1", &reset), Some("this side needs the new one"));
    let [old, new] = [0, 1].map(|_| authority("Us", 4000));
    let certificate = signed(&new, 4000);
    expect("its authority", believed(&old.0.pem(), "127.0.0.1", &certificate), Some("that of the new authority"));
    expect("both", believed(&(old.0.pem() + &new.0.pem()), "127.0.0.1", &certificate), None);
}

/// Whoever has signed it: as headers and `--ca` say.
#[test]
fn a_certificate_that_is_given_itself_is_believed() {
    let (us, others) = (authority("Us", 4000), authority("Us", 4000));
    let (good, expired, another) = (signed(&us, 4000), signed(&us, 2001), signed(&us, 4000));
    expect("alone", believed(&good.0, "127.0.0.1", &good), None);
    expect("beside an authority of that name", believed(&(others.0.pem() + &good.0), "127.0.0.1", &good), None);
    expect("expired", believed(&expired.0, "127.0.0.1", &expired), Some("expired"));
    expect("another of its authority", believed(&good.0, "127.0.0.1", &another), Some("nobody who is believed"));
    let [for_another, _] = believed(&good.0, "127.0.0.2", &good);
    assert!(for_another.unwrap_err().contains("another name"));
}

/// As `openssl verify` has it: "error 10, certificate has expired", of the authority.
#[test]
fn an_authority_is_one_in_its_time_only() {
    let (past, present) = (authority("Past", 2001), authority("Present", 4000));
    let (under_past, under_present) = (signed(&past, 4000), signed(&present, 4000));
    expect("past", believed(&past.0.pem(), "127.0.0.1", &under_past), Some("the authority"));
    let both = past.0.pem() + &present.0.pem();
    expect("past of both", believed(&both, "127.0.0.1", &under_past), Some("has expired"));
    expect("present of both", believed(&both, "127.0.0.1", &under_present), None);
    expect("itself", believed(&(past.0.pem() + &under_past.0), "127.0.0.1", &under_past), None);
}

fn options(all: &[(i32, &[u8])]) -> TransportOptions {
    let mut options = TransportOptions::default();
    all.iter().for_each(|(option, value)| options.set(CheckedOption::of(LEVEL, *option, value).unwrap()));
    options
}

/// A sensor shows a certificate that has signed itself, and the server was given that very one.
#[test]
fn so_is_one_of_a_client() {
    let (later, past) = ((4000, 1, 1), (2001, 1, 1));
    let server = of_a_robot(&["127.0.0.1"], later);
    let [known, unknown, expired] = [later, later, past].map(|end| of_a_robot(&["sensor.example"], end));
    let plain = certificate();
    for (believed, shown, good) in
        [(&known, &known, true), (&plain, &plain, true), (&known, &unknown, false), (&expired, &expired, false)]
    {
        for must in [true, false] {
            let theirs = options(&[
                (CERT, server.0.as_bytes()),
                (KEY, server.1.as_bytes()),
                (CA, believed.0.as_bytes()),
                (AUTH, &if must { AUTH_REQUIRED } else { AUTH_OPTIONAL }.to_ne_bytes()),
            ]);
            let ours = options(&[(CERT, shown.0.as_bytes()), (KEY, shown.1.as_bytes()), (CA, server.0.as_bytes())]);
            let (left, right) = UnixStream::pair().unwrap();
            let (client, server) = (TlsClient::configured(&ours).unwrap(), TlsServer::configured(&theirs).unwrap());
            let ends = [
                TlsStream::client(wire(left), &client, "127.0.0.1").unwrap(),
                TlsStream::server(wire(right), &server).unwrap(),
            ];
            let outcome = shake_hands(&ends);
            assert_eq!(outcome.is_ok(), good, "{outcome:?}");
        }
    }
}

/// C reads it up to a zero, and people up to a comma.
#[test]
fn a_subject_is_what_it_says_and_nothing_in_it_ends_it() {
    let of = |parts: &[(rcgen::DnType, &str)]| {
        let mut params = rcgen::CertificateParams::new(vec!["localhost".to_owned()]).unwrap();
        params.distinguished_name = rcgen::DistinguishedName::new();
        parts.iter().for_each(|(kind, text)| params.distinguished_name.push(kind.clone(), *text));
        let key = rcgen::KeyPair::generate().unwrap();
        subject(params.self_signed(&key).unwrap().der())
    };
    use rcgen::DnType::{CommonName, OrganizationName};
    assert_eq!(of(&[]), None);
    assert_eq!(of(&[(CommonName, "sensor 7")]).as_deref(), Some("CN=sensor 7"));
    assert_eq!(of(&[(OrganizationName, "Us"), (CommonName, "a,O=b")]).as_deref(), Some("CN=a\\,O=b,O=Us"));
    assert_eq!(of(&[(CommonName, "admin\0.example")]).as_deref(), Some("CN=admin\\00.example"));
    assert_eq!(subject(&b"rubbish"[..].into()), None);
}

#[test]
fn broken_identities_are_refused() {
    let (chain, key) = certificate();
    let other = certificate().1;
    assert!(TlsServer::from_pem(chain.as_bytes(), b"").is_err());
    assert!(TlsServer::from_pem(b"", key.as_bytes()).is_err());
    assert!(TlsServer::from_pem(chain.as_bytes(), other.as_bytes()).is_err());
    assert!(TlsClient::verified(b"nothing").is_err());
    let (left, _right) = UnixStream::pair().unwrap();
    assert!(TlsStream::client(wire(left), &TlsClient::unverified().unwrap(), "no name").is_err());
}

#[test]
fn a_peer_that_speaks_something_else_is_told_apart() {
    for (says, hint) in
        [(&b"\x42\xde\xad\x42 and so on"[..], "plain tcp"), (b"", "hung up"), (b"HTTP/1.1 400", "plain tcp")]
    {
        let (left, mut right) = UnixStream::pair().unwrap();
        let client = TlsStream::client(wire(left), &TlsClient::unverified().unwrap(), "localhost").unwrap();
        right.write_all(says).unwrap();
        right.shutdown(std::net::Shutdown::Write).unwrap();
        let error = client.prepare().unwrap_err();
        assert!(error.to_string().contains(hint), "{error}");
        assert_eq!(client.prepare().unwrap_err().to_string(), error.to_string());
    }
}
