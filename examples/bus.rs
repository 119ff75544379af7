//! Peers without a centre: each says something that all others hear. A message goes one hop only, so each peer must be
//! connected with each other; it does not matter which of two connects.
//!
//! Run:    cargo run --example bus -- anna tcp://127.0.0.1:5555
//!         | anna heard ...
//!         | anna heard ...
//! Run:    cargo run --example bus -- bert tcp://127.0.0.1:5556 tcp://127.0.0.1:5555
//!         | bert heard ...
//!         | bert heard ...
//! Run:    cargo run --example bus -- carl tcp://127.0.0.1:5557 tcp://127.0.0.1:5555 tcp://127.0.0.1:5556
//!         | carl heard ...
//!         | carl heard ...

use std::error::Error;

use nanomsg::core::{Body, Message};
use nanomsg::facade::{Session, Wait};
use nanomsg::protocol::bus::BUS;

const OTHERS: u64 = 2;

fn main() -> Result<(), Box<dyn Error>> {
    let arguments: Vec<String> = std::env::args().skip(1).collect();
    let [name, own, peers @ ..] = &arguments[..] else {
        return Err("usage: bus NAME OWN-ADDRESS PEER-ADDRESS...".into());
    };
    let session = Session::start()?;
    let socket = session.socket(false, BUS.id.into(), name)?;
    socket.bind(own.as_bytes())?;
    for peer in peers {
        socket.connect(peer.as_bytes())?;
    }
    // Sending never waits, so without this the first words would reach nobody.
    socket.wait_peers(OTHERS, None)?;
    socket.send(&mut Message::new(Body::Borrowed(name.as_bytes())), Wait::Option)?;
    for _ in 0..OTHERS {
        let other = socket.recv(Wait::Option)?;
        println!("{name} heard {}", String::from_utf8_lossy(other.body.bytes()));
    }
    socket.close()?;
    session.stop();
    Ok(())
}
