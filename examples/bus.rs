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

use nanomsg::{Protocol, Socket};

const OTHERS: u64 = 2;

fn main() -> Result<(), Box<dyn Error>> {
    let arguments: Vec<String> = std::env::args().skip(1).collect();
    let [name, own, peers @ ..] = &arguments[..] else {
        return Err("usage: bus NAME OWN-ADDRESS PEER-ADDRESS...".into());
    };
    let socket = Socket::new(Protocol::Bus)?;
    socket.bind(own)?;
    for peer in peers {
        socket.connect(peer)?;
    }
    // Sending never waits, so without this the first words would reach nobody.
    socket.wait_peers(OTHERS, None)?;
    socket.send(name)?;
    for _ in 0..OTHERS {
        println!("{name} heard {}", socket.recv()?.text());
    }
    Ok(())
}
