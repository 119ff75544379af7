//! Publish and subscribe: every subscriber gets every message that begins with one of its topics.
//!
//! Run:    cargo run --example feed -- subscribe tcp://127.0.0.1:5555 oslo
//!         | oslo 3 degrees
//!         | oslo 4 degrees
//! Run:    cargo run --example feed -- publish tcp://127.0.0.1:5555

use std::error::Error;

use nanomsg::core::{Body, Message};
use nanomsg::facade::{Session, Wait};
use nanomsg::protocol::pubsub::{PUB, SUB, SUBSCRIBE};

fn main() -> Result<(), Box<dyn Error>> {
    let arguments: Vec<String> = std::env::args().skip(1).collect();
    match arguments.iter().map(String::as_str).collect::<Vec<_>>()[..] {
        ["publish", address] => publish(address),
        ["subscribe", address, topic] => subscribe(address, topic),
        _ => Err("usage: feed publish ADDRESS | feed subscribe ADDRESS TOPIC".into()),
    }
}

fn publish(address: &str) -> Result<(), Box<dyn Error>> {
    let session = Session::start()?;
    let socket = session.socket(false, PUB.id.into(), "publisher")?;
    socket.bind(address.as_bytes())?;
    // What is published while nobody is connected is gone.
    socket.wait_peers(1, None)?;
    for news in ["oslo 3 degrees", "berlin 11 degrees", "oslo 4 degrees", "end"] {
        socket.send(&mut Message::new(Body::Borrowed(news.as_bytes())), Wait::Option)?;
    }
    socket.close()?;
    session.stop();
    Ok(())
}

fn subscribe(address: &str, topic: &str) -> Result<(), Box<dyn Error>> {
    let session = Session::start()?;
    let socket = session.socket(false, SUB.id.into(), "subscriber")?;
    for topic in [topic, "end"] {
        socket.set_option(SUB.id.into(), SUBSCRIBE, topic.as_bytes())?;
    }
    socket.connect(address.as_bytes())?;
    loop {
        let message = socket.recv(Wait::Option)?;
        match message.body.bytes() {
            b"end" => break,
            news => println!("{}", String::from_utf8_lossy(news)),
        }
    }
    socket.close()?;
    session.stop();
    Ok(())
}
