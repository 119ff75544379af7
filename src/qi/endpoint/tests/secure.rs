//! tcps: the same over TLS, and the hints for who mixes it up with tcp.

use std::io::{self, ErrorKind, IoSlice};
use std::os::fd::{AsRawFd, RawFd};
use std::os::unix::net::UnixStream;
use std::sync::{Arc, Mutex};
use std::thread::{self, ThreadId};

use super::ends::*;
use crate::qi::endpoint::{Config, EndPoint, Failure, Listener, Pattern, Reason, WhenFull};
use crate::reactor::Reactor;
use crate::transport::pipe::Ready;
use crate::transport::source::Source;
use crate::transport::stream::Stream;
use crate::transport::tls::tests::certificate;
use crate::transport::tls::{TlsClient, TlsServer};

fn secure(welcome: impl Fn(&Arc<EndPoint>) + Send + Sync + 'static) -> (Server, Config) {
    let (chain, key) = certificate();
    let identity = TlsServer::from_pem(chain.as_bytes(), key.as_bytes()).unwrap();
    let config = Config { tls_server: Some(identity), ..Config::accepting() };
    let believed = TlsClient::verified(chain.as_bytes()).unwrap();
    (Server::new("tcps://127.0.0.1:0", config, welcome), Config { tls_client: Some(believed), ..Config::default() })
}

#[test]
fn calls_are_answered_over_tls() {
    let (server, verifying) = secure(echo);
    for config in [Config::default(), verifying] {
        let client = server.connect(config);
        client.set_authenticated();
        assert!(client.peer().starts_with("tcps://127.0.0.1:"));
        for size in [0, 300, 70_000, 2_000_000] {
            let call = call(client.begin_call(), 100, vec![7; size]);
            let (_, answer) = client.make_handler(Pattern::answer_to(&call.header), 1, None).unwrap();
            client.send(&call, WhenFull::Block(FOREVER)).map(drop).unwrap();
            assert_eq!(message(&answer).payload, call.payload);
        }
        client.close().unwrap();
        client.wait_closed(FOREVER).unwrap();
        let there = server.accepted();
        there.wait_closed(FOREVER).unwrap();
        assert_eq!((there.end(), there.statistics().received), (Some(Reason::PeerClosed), 4));
    }
}

/// The server speaks at once: its message may come together with the end of the handshake.
#[test]
fn what_comes_with_the_handshake_is_read() {
    let (server, _) = secure(|endpoint| endpoint.send(&event(1, 1, "hello"), WhenFull::Fail).map(drop).unwrap());
    let reactor = Reactor::start().unwrap();
    for _ in 0..20 {
        let mut queue = None;
        let client = EndPoint::connect(&reactor, &server.listener.address(), Config::default(), FOREVER, |endpoint| {
            queue = Some(endpoint.make_handler(Pattern::ANY, 1, None).unwrap().1);
        });
        assert_eq!(&message(&queue.unwrap()).payload[..], b"hello");
        client.unwrap().close().unwrap();
    }
    reactor.stop();
}

#[test]
fn both_flood_each_other_and_nothing_is_lost() {
    const EACH: u32 = 300;
    let (server, _) = secure(|endpoint| endpoint.set_authenticated());
    let client = server.connect(Config { send_limit: 100_000, ..Config::default() });
    client.set_authenticated();
    let ends = [client, server.accepted()];
    let queues: Vec<_> =
        ends.iter().map(|end| end.make_handler(Pattern::ANY, EACH as usize, None).unwrap().1).collect();
    std::thread::scope(|scope| {
        for end in &ends {
            scope.spawn(move || {
                for id in 0..EACH {
                    let message = event(id, 1, vec![id as u8; (id * 97 % 30_000) as usize]);
                    end.send(&message, WhenFull::Block(FOREVER)).map(drop).unwrap();
                }
            });
        }
    });
    for queue in &queues {
        for id in 0..EACH {
            let message = message(queue);
            assert_eq!((message.header.id, message.payload.len()), (id, (id * 97 % 30_000) as usize));
        }
    }
}

#[test]
fn tcp_and_tcps_mixed_up_are_told_so() {
    let (server, verifying) = secure(|_| {});
    let address = server.listener.address();
    let client = connect(&address.replace("tcps", "tcp"), Config::default());
    client.send(&event(1, 1, ""), WhenFull::Fail).map(drop).unwrap();
    client.wait_closed(FOREVER).unwrap();
    let said = client.end().unwrap().to_string();
    assert!(said.contains("tcps"), "{said}");
    let there = server.accepted();
    there.wait_closed(FOREVER).unwrap();
    let said = there.end().unwrap().to_string();
    assert!(said.contains("plain tcp"), "{said}");

    let plain = Server::tcp(Config::accepting(), |_| {});
    let reactor = Reactor::start().unwrap();
    let try_it = |address: &str, config| EndPoint::connect(&reactor, address, config, FOREVER, |_| {}).unwrap_err();
    let failure = try_it(&plain.listener.address().replace("tcp", "tcps"), Config::default());
    assert!(matches!(&failure, Failure::Tls(text) if text.contains("plain tcp")), "{failure}");
    // Who says whose certificate is to be shown is not content with none.
    assert_eq!(try_it(&plain.listener.address(), verifying.clone()), Failure::Plain);
    let (other, _) = secure(|_| {});
    assert!(matches!(try_it(&other.listener.address(), verifying), Failure::Tls(_)));
    let unarmed = Listener::bind(&reactor, "tcps://127.0.0.1:0", Config::accepting(), |_| {}).unwrap_err();
    assert!(matches!(unarmed, Failure::Tls(_)));
    reactor.stop();
}

/// The server's end of a handshake, which remembers on which threads it went on.
#[derive(Debug)]
struct Handshake(UnixStream, Mutex<Vec<ThreadId>>);

impl Stream for Handshake {
    fn read(&self, _into: &mut [u8]) -> io::Result<usize> {
        self.1.lock().unwrap().push(thread::current().id());
        Err(ErrorKind::WouldBlock.into())
    }

    fn write(&self, _from: &[IoSlice<'_>]) -> io::Result<usize> {
        Err(ErrorKind::WouldBlock.into())
    }

    fn shut_write(&self) -> io::Result<()> {
        Ok(())
    }

    fn connected(&self) -> io::Result<()> {
        Ok(())
    }

    fn awaits_peer(&self) -> bool {
        true
    }

    fn fd(&self) -> RawFd {
        self.0.as_raw_fd()
    }
}

/// Fifty who said hello at the same time had fifty signatures made before anybody else was served.
#[test]
fn who_is_told_of_a_handshake_leaves_it_to_a_turn_of_its_own() {
    let (_, config) = secure(|_| {});
    let (chain, key) = certificate();
    let tls_server = TlsServer::from_pem(chain.as_bytes(), key.as_bytes()).unwrap();
    let reactor = Reactor::start().unwrap();
    for (config, leaves) in [(Config { tls_server: Some(tls_server), ..Config::accepting() }, true), (config, false)] {
        let stream = Arc::new(Handshake(UnixStream::pair().unwrap().0, Mutex::default()));
        let shared: Arc<dyn Stream> = Arc::<Handshake>::clone(&stream);
        let endpoint = EndPoint::new(&reactor, shared, Arc::new(config), "peer".into());
        endpoint.ready(0, Ready { readable: true, ..Ready::default() });
        wait_until(|| !stream.1.lock().unwrap().is_empty());
        assert_eq!(*stream.1.lock().unwrap() != [thread::current().id()], leaves);
    }
    reactor.stop();
}
