//! Sessions with directories of other kinds (qi-messaging.md 11 and 12).

use std::net::TcpListener;
use std::sync::mpsc;
use std::time::{Duration, Instant};

use super::fake::directory::*;
use super::fake::*;
use crate::core::Error;
use crate::qi::capability::Capabilities;
use crate::qi::client::{CallError, DialOptions, GiveUp, Session, SessionOptions};
use crate::qi::message::{Message, Type};
use crate::qi::meta::{ServiceInfo, ServiceInfoLayout};
use crate::qi::value::Value;

#[test]
fn old_directories_have_records_of_six_fields() {
    let service = Fake::friendly(Capabilities::default(), |mut peer| {
        peer.describe(&meta());
        let call = peer.expect(Type::Call, 100);
        assert_eq!((call.header.service, call.header.object), (5, 1));
        peer.reply(&call, &5.into());
        assert!(peer.next().is_none());
    });
    let endpoints = ["weird://x".to_owned(), "qi:Elsewhere".to_owned(), service.url.clone()];
    let directory = Fake::new(1, move |_, mut peer| {
        begin(&mut peer, ServiceInfoLayout::Six);
        for round in 0..3 {
            let call = peer.expect(Type::Call, 100);
            peer.reply(&call, &record(&endpoints).to_value(ServiceInfoLayout::Six));
            if round == 2 {
                break;
            }
            // It has come anew, so what is remembered is out of date.
            tell_of_service(&mut peer);
            let call = peer.expect(Type::Call, 101);
            peer.reply(&call, &Value::list(ServiceInfoLayout::Six.signature().clone(), Vec::new()));
        }
        assert!(peer.next().is_none());
    });
    let session = Session::connect(&directory.url, session_options()).unwrap();
    // The second time the directory is asked again, and the connection is used again.
    for _ in 0..2 {
        assert_eq!(session.service("Old").unwrap().ids(), (5, 1));
        assert!(session.services().unwrap().is_empty());
    }
    let old = session.service("Old").unwrap();
    assert_eq!(old.call_to::<i32>("add", &[2.into(), 3.into()]).unwrap(), 5);
    session.close();
    service.finish();
    directory.finish();
}

/// What came before this thread had remembered the answer was forgotten, so a service that had moved was looked for where it had been.
#[test]
fn what_changes_while_it_is_asked_for_is_asked_for_again() {
    let service = Fake::friendly(Capabilities::default(), |mut peer| {
        peer.describe(&meta());
        assert!(peer.next().is_none());
    });
    let endpoints = [service.url.clone()];
    let directory = Fake::new(1, move |_, mut peer| {
        begin(&mut peer, ServiceInfoLayout::Seven);
        for changes in [true, false] {
            let call = peer.expect(Type::Call, 100);
            if changes {
                tell_of_service(&mut peer);
            }
            peer.reply(&call, &record(&endpoints).to_value(ServiceInfoLayout::Seven));
        }
        assert!(peer.next().is_none());
    });
    let session = Session::connect(&directory.url, session_options()).unwrap();
    for _ in 0..3 {
        assert_eq!(session.service("Old").unwrap().ids(), (5, 1));
    }
    session.close();
    service.finish();
    directory.finish();
}

/// Its provider has taken it back after the directory has named it, and registers it again.
#[test]
fn a_service_that_goes_while_it_is_reached_is_waited_for() {
    let (refused, is_refused) = mpsc::channel();
    let service = Fake::friendly(Capabilities::default(), move |mut peer| {
        for again in [false, true] {
            if again {
                peer.describe(&meta());
                continue;
            }
            let call = peer.expect(Type::Call, 2);
            peer.send(&Message::error_to(&call.header, "The call request could not be handled."));
            refused.send(()).unwrap();
        }
        assert!(peer.next().is_none());
    });
    let endpoints = [service.url.clone()];
    let directory = Fake::new(1, move |_, mut peer| {
        begin(&mut peer, ServiceInfoLayout::Seven);
        for comes in [true, false] {
            let call = peer.expect(Type::Call, 100);
            peer.reply(&call, &record(&endpoints).to_value(ServiceInfoLayout::Seven));
            if comes {
                is_refused.recv_timeout(LIMIT).unwrap();
                tell_of_service(&mut peer);
            }
        }
        assert!(peer.next().is_none());
    });
    let session = Session::connect(&directory.url, session_options()).unwrap();
    assert_eq!(session.wait_for_service("Old", Some(LIMIT)).unwrap().ids(), (5, 1));
    session.close();
    service.finish();
    directory.finish();
}

/// A fake of a service that refuses to say what it is: `refusals` times, or always.
fn refusing(refusals: Option<usize>) -> Fake {
    Fake::friendly(Capabilities::default(), move |mut peer| {
        let mut refused = 0;
        while Some(refused) != refusals {
            let Some(call) = peer.next() else { return };
            peer.send(&Message::error_to(&call.header, "not today"));
            refused += 1;
        }
        peer.describe(&meta());
        assert!(peer.next().is_none());
    })
}

/// One that lists it, under these ids one after the other, and then under the last one.
fn listing(service: &Fake, mut ids: std::ops::RangeInclusive<u32>) -> Fake {
    let endpoints = [service.url.clone()];
    Fake::new(1, move |_, mut peer| {
        begin(&mut peer, ServiceInfoLayout::Seven);
        let mut id = *ids.start();
        while let Some(call) = peer.next() {
            id = ids.next().unwrap_or(id);
            let record = ServiceInfo { service_id: id, ..record(&endpoints) };
            peer.reply(&call, &record.to_value(ServiceInfoLayout::Seven));
        }
    })
}

/// Who waited for it, even for ever, was not told before the time was over.
#[test]
fn a_service_that_is_listed_and_never_served_is_not_waited_for() {
    let service = refusing(None);
    let directory = listing(&service, 5..=5);
    let session = Session::connect(&directory.url, session_options()).unwrap();
    assert_eq!(session.wait_for_service("Old", None).map(drop), Err(CallError::Remote("not today".into())));
    session.close();
    service.finish();
    directory.finish();
}

#[test]
fn a_service_that_comes_again_and_again_is_waited_for() {
    let service = refusing(Some(4));
    let directory = listing(&service, 5..=9);
    let session = Session::connect(&directory.url, session_options()).unwrap();
    assert_eq!(session.wait_for_service("Old", None).unwrap().ids(), (9, 1));
    session.close();
    service.finish();
    directory.finish();
}

#[test]
fn a_service_out_of_reach_says_why() {
    let directory = Fake::new(1, |_, mut peer| {
        begin(&mut peer, ServiceInfoLayout::Seven);
        for endpoints in [vec![], vec!["tcp://127.0.0.1:1".to_owned()], vec!["weird://x".to_owned()]] {
            let call = peer.expect(Type::Call, 100);
            peer.reply(&call, &record(&endpoints).to_value(ServiceInfoLayout::Seven));
        }
        let call = peer.expect(Type::Call, 100);
        peer.send(&Message::error_to(&call.header, "Cannot find service 'Old' in index"));
        assert!(peer.next().is_none());
    });
    let session = Session::connect(&directory.url, session_options()).unwrap();
    let text = || session.service("Old").map(drop).unwrap_err().to_string();
    assert!(text().contains("has no endpoints"));
    assert!(text().contains("connection refused"));
    assert!(text().contains("weird://x (of another kind)"));
    assert_eq!(text(), "no service \"Old\": Cannot find service 'Old' in index");
    session.close();
    assert!(matches!(session.services(), Err(CallError::Disconnected(_))));
    directory.finish();
}

/// A session with a directory that lists these endpoints of one service.
fn session_with(endpoints: Vec<String>, options: SessionOptions) -> (Session, Fake) {
    let directory = Fake::new(1, move |_, mut peer| {
        begin(&mut peer, ServiceInfoLayout::Seven);
        let call = peer.expect(Type::Call, 100);
        peer.reply(&call, &record(&endpoints).to_value(ServiceInfoLayout::Seven));
        while peer.next().is_some() {}
    });
    (Session::connect(&directory.url, options).unwrap(), directory)
}

fn adder() -> Fake {
    Fake::friendly(Capabilities::OURS, |mut peer| {
        peer.describe(&meta());
        let call = peer.expect(Type::Call, 100);
        peer.reply(&call, &5.into());
        assert!(peer.next().is_none());
    })
}

/// What a session does that waits for others longer than a test may take.
fn patient() -> SessionOptions {
    let dial = DialOptions { timeout: Some(Duration::from_secs(3600)), ..options() };
    SessionOptions { dial, call_timeout: None, ..session_options() }
}

/// The kernel accepts, and nobody answers.
fn silent(how_many: usize) -> Vec<TcpListener> {
    (0..how_many).map(|_| TcpListener::bind("127.0.0.1:0").unwrap()).collect()
}

fn urls<'l>(scheme: &'l str, listeners: &'l [TcpListener]) -> impl Iterator<Item = String> + 'l {
    listeners.iter().map(move |silent| format!("{scheme}://{}", silent.local_addr().unwrap()))
}

/// No endpoint is waited for while another one answers, however long it may take, and whether TLS or the peer itself is silent.
#[test]
fn a_silent_endpoint_does_not_hold_up_the_others() {
    let schemes: &[_] = if cfg!(feature = "tls") { &["tcp", "tcps"] } else { &["tcp"] };
    for scheme in schemes {
        let (service, silent) = (adder(), silent(3));
        let mut endpoints: Vec<_> = urls(scheme, &silent).collect();
        endpoints.push(service.url.clone());
        let (session, directory) = session_with(endpoints, patient());
        let old = session.service("Old").unwrap();
        assert_eq!(old.call_to::<i32>("add", &[2.into(), 3.into()]).unwrap(), 5);
        // Those that were slower have been closed.
        for silent in silent {
            let (mut connection, _) = silent.accept().unwrap();
            let mut said = Vec::new();
            std::io::Read::read_to_end(&mut connection, &mut said).unwrap();
        }
        session.close();
        service.finish();
        directory.finish();
    }
}

/// The time limit is one, not one for each endpoint, and that of calls counts as well as that of connecting.
#[test]
fn silent_endpoints_take_no_longer_than_the_session_waits() {
    let silent = silent(30);
    for calls_wait in [true, false] {
        let limits = [Duration::from_secs(2), Duration::from_secs(3600)];
        let [calls, connecting] = if calls_wait { limits } else { [limits[1], limits[0]] };
        let dial = DialOptions { timeout: Some(connecting), ..options() };
        let options = SessionOptions { dial, call_timeout: Some(calls), ..session_options() };
        let (session, directory) = session_with(urls("tcp", &silent).collect(), options);
        let since = Instant::now();
        let error = session.service("Old").map(drop).unwrap_err();
        assert!(matches!(&error, CallError::Unreachable { endpoints, .. } if endpoints.len() == 30), "{error}");
        assert!(since.elapsed() >= limits[0], "not before its time");
        // For each would be a minute.
        assert!(since.elapsed() < LIMIT, "{:?}", since.elapsed());
        session.close();
        directory.finish();
    }
}

#[test]
fn closing_ends_the_wait_for_a_silent_endpoint() {
    let silent = silent(1);
    let (session, directory) = session_with(urls("tcp", &silent).collect(), patient());
    std::thread::scope(|scope| {
        let waiting = scope.spawn(|| session.service("Old").map(drop));
        // It is being asked to let us in.
        let (mut connection, _) = silent[0].accept().unwrap();
        std::io::Read::read_exact(&mut connection, &mut [0; 1]).unwrap();
        session.close();
        let error = waiting.join().unwrap().unwrap_err();
        assert!(error.is_disconnection(), "{error}");
    });
    directory.finish();
}

/// Before it is let in, and when it is but the directory says nothing.
#[test]
fn connecting_can_be_given_up() {
    for lets_in in [false, true] {
        let (asked, is_asked) = mpsc::channel();
        let directory = Fake::new(1, move |_, mut peer| {
            if lets_in {
                peer.welcome(Capabilities::OURS);
            }
            peer.next().expect("a question");
            asked.send(()).unwrap();
            // The client has gone, with all that it had open.
            assert!(peer.next().is_none());
        });
        let given_up = GiveUp::default();
        std::thread::scope(|scope| {
            let waiting = scope.spawn(|| Session::connect_unless(&directory.url, patient(), &given_up).map(drop));
            is_asked.recv_timeout(LIMIT).unwrap();
            given_up.now();
            let error = waiting.join().unwrap().unwrap_err();
            assert_eq!(error.errno(), Error::NOT_CONNECTED, "{error}");
        });
        let again = Session::connect_unless(&directory.url, patient(), &given_up).map(drop).unwrap_err();
        assert_eq!(again.errno(), Error::NOT_CONNECTED, "{again}");
        directory.finish();
    }
}

#[test]
fn an_endpoint_that_is_of_no_use_leaves_the_others() {
    let service = adder();
    let other = Fake::new(1, |_, mut peer| {
        peer.expect(Type::Call, 8);
        std::io::Write::write_all(&mut peer.0, b"HTTP/1.1 400 Bad Request\r\n\r\n").unwrap();
    });
    let endpoints = vec!["tcp://127.0.0.1:1".to_owned(), other.url.clone(), service.url.clone()];
    let (session, directory) = session_with(endpoints, session_options());
    let old = session.service("Old").unwrap();
    assert_eq!(old.connection().url(), service.url);
    assert_eq!(old.call_to::<i32>("add", &[2.into(), 3.into()]).unwrap(), 5);
    session.close();
    other.finish();
    service.finish();
    directory.finish();
}

/// Machines of one id may have several loopbacks, as containers have; a service in another was not reached. (Nobody can connect to
/// where everybody is.)
#[test]
fn what_is_not_loopback_is_dialled_behind_what_is() {
    let endpoints = vec!["tcp://255.255.255.255:1".to_owned(), "tcp://127.0.0.1:1".to_owned()];
    let (session, directory) = session_with(endpoints, session_options());
    let error = session.service("Old").map(drop).unwrap_err();
    let CallError::Unreachable { endpoints, .. } = error else { panic!("{error}") };
    assert!(endpoints.len() == 2 && endpoints[0].contains("127.0.0.1:1: connection refused"), "{endpoints:?}");
    assert!(endpoints[1].contains("255.255.255.255"), "{endpoints:?}");
    session.close();
    directory.finish();
}

#[test]
fn who_does_not_want_us_has_been_found() {
    let refusing = Fake::new(1, |_, mut peer| {
        let call = peer.expect(Type::Call, 8);
        peer.send(&Message::error_to(&call.header, "not you"));
    });
    let endpoints = vec![refusing.url.clone(), "tcp://127.0.0.1:1".to_owned(), "tcp://255.255.255.255:1".to_owned()];
    let (session, directory) = session_with(endpoints, session_options());
    let error = session.service("Old").map(drop).unwrap_err();
    assert!(matches!(&error, CallError::Rejected { reason, .. } if reason == "not you"), "{error}");
    session.close();
    refusing.finish();
    directory.finish();
}

#[test]
fn all_endpoints_that_fail_are_told_of() {
    let endpoints = vec!["tcp://127.0.0.1:1".to_owned(), "tcp://127.0.0.1:2".to_owned()];
    let (session, directory) = session_with(endpoints, session_options());
    let text = session.service("Old").map(drop).unwrap_err().to_string();
    assert!(
        text.contains("127.0.0.1:1: connection refused") && text.contains("127.0.0.1:2: connection refused"),
        "{text}"
    );
    session.close();
    directory.finish();
}
