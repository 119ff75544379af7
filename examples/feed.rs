//! Publish and subscribe: every subscriber gets every message that begins with one of its topics.
//!
//! Run:    cargo run --example feed -- subscribe tcp://127.0.0.1:5555 oslo
//!         | oslo 3 degrees
//!         | oslo 4 degrees
//! Run:    cargo run --example feed -- publish tcp://127.0.0.1:5555

use std::error::Error;

use nanomsg::{Protocol, Socket};

fn main() -> Result<(), Box<dyn Error>> {
    let arguments: Vec<String> = std::env::args().skip(1).collect();
    match arguments.iter().map(String::as_str).collect::<Vec<_>>()[..] {
        ["publish", address] => publish(address),
        ["subscribe", address, topic] => subscribe(address, topic),
        _ => Err("usage: feed publish ADDRESS | feed subscribe ADDRESS TOPIC".into()),
    }
}

fn publish(address: &str) -> Result<(), Box<dyn Error>> {
    let socket = Socket::new(Protocol::Pub)?;
    socket.bind(address)?;
    // What is published while nobody is connected is gone.
    socket.wait_peers(1, None)?;
    for news in ["oslo 3 degrees", "berlin 11 degrees", "oslo 4 degrees", "end"] {
        socket.send(news)?;
    }
    Ok(())
}

fn subscribe(address: &str, topic: &str) -> Result<(), Box<dyn Error>> {
    let socket = Socket::new(Protocol::Sub)?;
    socket.subscribe(topic)?;
    socket.subscribe("end")?;
    socket.connect(address)?;
    loop {
        let news = socket.recv()?;
        if news == "end" {
            return Ok(());
        }
        println!("{}", news.text());
    }
}
