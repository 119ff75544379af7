//! Watches a socket: who comes, who goes, who does not fit. A publisher that waits for its subscriber instead of sleeping.
//!
//! Run:    cargo run --example watch
//!         | news
//!         | Listening tcp://127.0.0.1:...
//!         | Accepted 127.0.0.1:...
//!         | Greeted 127.0.0.1:...
//!         | Lost 127.0.0.1:... the peer closed the connection
//!         | Accepted 127.0.0.1:...
//!         | Refused 127.0.0.1:... the peer's socket is NN_PUSH, which does not fit

use std::time::Duration;

use nanomsg::{EventKind, Monitor, Protocol, Result, Socket};

const PATIENCE: Option<Duration> = Some(Duration::from_secs(5));

/// Prints events until one of this kind.
fn print_until(monitor: &Monitor, kind: EventKind) -> Result<()> {
    loop {
        let event = monitor.next(PATIENCE)?;
        let whom = if event.pipe == 0 { String::from_utf8_lossy(&event.address) } else { event.peer.as_str().into() };
        println!("{:?} {whom} {}", event.kind, event.reason);
        if event.kind == kind {
            return Ok(());
        }
    }
}

fn main() -> Result<()> {
    let publisher = Socket::new(Protocol::Pub)?;
    let monitor = publisher.monitor()?;

    // A free port, and which it is.
    let endpoint = publisher.bind("tcp://127.0.0.1:0")?;
    let address = publisher.address(endpoint)?;

    let subscriber = Socket::new(Protocol::Sub)?;
    subscriber.subscribe("")?;
    subscriber.connect(&address)?;

    // Who publishes before anybody is there, publishes to nobody.
    publisher.wait_peers(1, PATIENCE)?;
    publisher.send("news")?;
    println!("{}", subscriber.recv()?.text());
    subscriber.close()?;
    print_until(&monitor, EventKind::Lost)?;

    // Not every socket fits.
    let stranger = Socket::new(Protocol::Push)?;
    stranger.connect(&address)?;
    print_until(&monitor, EventKind::Refused)
}
