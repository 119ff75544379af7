//! A wall that browsers write on: open `examples-c/wall.html` in a few of them. A page's WebSocket is an ordinary peer here: it names
//! the socket type that it wants to find on our side, and then talks to PULL and PUB sockets without any library.
//!
//! Leave:  cargo run --example wall -- ws://127.0.0.1:5555 ws://127.0.0.1:5556

use std::error::Error;

use nanomsg::{Protocol, Socket};

/// How JavaScript gets a string, and not a Blob.
const TEXT: u32 = 1;

fn main() -> Result<(), Box<dyn Error>> {
    let arguments: Vec<String> = std::env::args().skip(1).collect();
    let [writers, readers] = &arguments[..] else { return Err("usage: wall ws://WRITERS ws://READERS".into()) };

    // What pages write comes in here...
    let lines = Socket::new(Protocol::Pull)?;
    lines.bind(writers)?;

    // ...and goes out to all pages here.
    let wall = Socket::new(Protocol::Pub)?;
    wall.set_ws_message_type(TEXT)?;
    wall.bind(readers)?;

    loop {
        let mut line = lines.recv()?;
        println!("{}", line.text());
        wall.send_message(&mut line)?;
    }
}
