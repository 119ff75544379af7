//! What an enemy can do on the wire, and how many of him there may be.

use std::io::{Read, Write};
use std::net::{Shutdown, TcpListener, TcpStream};
use std::process::{Command, Stdio};
use std::thread::{self, JoinHandle};
use std::time::Instant;

use nanomsg::EventKind;
use nanomsg::internals::{Body, Message, Wait};

use crate::bench::*;
use crate::support::require_tool;

/// A record with its head, or nothing at the end.
fn record(from: &mut TcpStream) -> Option<Vec<u8>> {
    let mut record = vec![0; 5];
    from.read_exact(&mut record).ok()?;
    let length = usize::from(u16::from_be_bytes([record[3], record[4]]));
    record.resize(5 + length, 0);
    from.read_exact(&mut record[5..]).ok()?;
    Some(record)
}

/// What is done with the first large record of a client.
type Change = fn(Vec<u8>) -> Vec<u8>;

/// Somebody on the way from a client to `server`: he changes one record of the first connection, ends that one, and leaves the second
/// alone. His address.
fn man_in_the_middle(server: &str, change: Change) -> (String, JoinHandle<()>) {
    let listener = TcpListener::bind("127.0.0.1:0").unwrap();
    let address = format!("tls+tcp://{}", listener.local_addr().unwrap());
    let server = server.to_owned();
    let thread = thread::spawn(move || {
        for is_changed in [true, false] {
            let (mut client, _) = listener.accept().unwrap();
            let mut onwards = TcpStream::connect(&server).unwrap();
            let (mut answers, mut back) = (onwards.try_clone().unwrap(), client.try_clone().unwrap());
            let answering = thread::spawn(move || {
                let _ = std::io::copy(&mut answers, &mut back);
                let _ = back.shutdown(Shutdown::Both);
            });
            while let Some(record) = record(&mut client) {
                // Those of the handshake and the greeting are smaller.
                if is_changed && record.len() > 4000 {
                    let _ = onwards.write_all(&change(record));
                    break;
                }
                if onwards.write_all(&record).is_err() {
                    break;
                }
            }
            let _ = onwards.shutdown(Shutdown::Write);
            answering.join().unwrap();
        }
    });
    (address, thread)
}

#[test]
fn nothing_of_a_changed_stream_is_believed() {
    let changes: [(&str, Change, &str); 3] = [
        ("cut", |record| record[..record.len() / 2].to_vec(), "closed"),
        ("one bit", |mut record| (record[1000] ^= 4, record).1, "decrypt"),
        ("said twice", |record| [record.clone(), record].concat(), "decrypt"),
    ];
    for (name, change, reason) in changes {
        let server = Server::new("tls+tcp");
        let (address, thread) = man_in_the_middle(server.at(), change);
        let client = server.client();
        client.connect(address.as_bytes()).unwrap();
        client.send(&mut Message::new(Body::Borrowed(&[7; 5000])), Wait::Option).unwrap();
        let lost = await_event(&server.monitor, EventKind::Lost);
        assert!(lost.reason.contains(reason), "{name}: {}", lost.reason);
        // Half a message is none, and the connection that follows is a good one. A record that was right is believed once.
        say(&server.socket, &client);
        if name == "said twice" {
            assert_eq!(server.socket.recv(Wait::Option).unwrap().body.bytes().len(), 5000);
        }
        say(&client, &server.socket);
        client.close().unwrap();
        thread.join().unwrap();
        server.end();
    }
}

/// In TLS 1.2 a client may ask for another handshake on a connection, and so have a server sign without end.
#[test]
fn no_handshake_is_begun_anew() {
    require_tool("openssl", "openssl");
    let server = Server::new("tls+tcp");
    let mut openssl = Command::new("openssl")
        .args(["s_client", "-quiet", "-no_ign_eof", "-tls1_2", "-connect", server.at()])
        .stdin(Stdio::piped())
        .stdout(Stdio::null())
        .stderr(Stdio::null())
        .spawn()
        .unwrap();
    let mut orders = openssl.stdin.take().unwrap();
    orders.write_all(b"\0SP\0\0\x10\0\0").unwrap();
    await_event(&server.monitor, EventKind::Greeted);
    // A line that begins with R is the order to renegotiate.
    orders.write_all(b"R\n").unwrap();
    await_event(&server.monitor, EventKind::Lost);
    drop(orders);
    openssl.wait().unwrap();
    server.is_well();
    server.end();
}

#[test]
fn a_tls_peer_on_a_tcp_port_and_the_reverse_are_told_so() {
    for (bound, connected, told) in [
        ("tcp", "tls+tcp", "perhaps it speaks plain tcp"),
        ("tls+tcp", "tcp", "does not speak TLS"),
        ("ws", "wss", "perhaps it speaks plain tcp"),
        ("wss", "ws", "does not speak TLS"),
    ] {
        let server = Server::new(bound);
        let client = server.client();
        let of_client = client.monitor().unwrap();
        client.connect(format!("{connected}://{}", server.at()).as_bytes()).unwrap();
        let [at_client, at_server] =
            [&of_client, &server.monitor].map(|monitor| await_event(monitor, EventKind::Refused).reason);
        let by_tls = if bound.starts_with('t') && connected == "tls+tcp" || connected == "wss" {
            &at_client
        } else {
            &at_server
        };
        assert!(by_tls.contains(told), "{connected} to {bound}: {at_client:?}, {at_server:?}");
        client.close().unwrap();
        server.is_well();
        server.end();
    }
}

/// Descriptors of this process.
fn descriptors() -> usize {
    std::fs::read_dir("/proc/self/fd").unwrap().count()
}

/// As many as the system allows, up to 10,000, of a process that has both ends.
fn room_for_connections() -> usize {
    let limits = std::fs::read_to_string("/proc/self/limits").unwrap();
    let line = limits.lines().find(|line| line.starts_with("Max open files")).unwrap();
    let hard = line.split_whitespace().nth(4).unwrap().parse().unwrap_or(1_000_000).min(1_000_000);
    let mut prlimit = Command::new("prlimit");
    prlimit.args(["--pid", &std::process::id().to_string(), &format!("--nofile={hard}:{hard}")]);
    assert!(prlimit.status().expect("prlimit (Debian package util-linux)").success());
    (hard - 1000).min(10_000)
}

/// They begin a handshake and say no more, and none of them goes. Whoever is serious is served, and what they cost is bounded.
#[test]
fn ten_thousand_half_open_handshakes() {
    let count = room_for_connections();
    let server = Server::new("tls+tcp");
    let before = descriptors();
    let mut silent = Vec::with_capacity(count);
    for number in 0..count {
        let mut stream = TcpStream::connect(server.at()).unwrap();
        // A record of 512 bytes begins, a ClientHello in it, and how it goes on remains a secret.
        let _ = stream.write_all(b"\x16\x03\x01\x02\x00\x01\x00\x01");
        silent.push(stream);
        if number % 2500 == 2499 {
            server.is_well();
        }
    }
    let start = Instant::now();
    while descriptors() > before + count + 300 {
        assert!(start.elapsed() < STEP, "{} of {before} + {count}", descriptors());
        thread::yield_now();
    }
    server.is_well();
    drop(silent);
    server.end();
}
