//! Raw sockets: a server that takes three requests before it answers any, and then answers the last one first. An ordinary
//! REP socket must answer each request before it takes the next. A raw one leaves that to the program: a message comes with
//! a header that says where it came from, and goes where its header says.
//!
//! Run:    cargo run --example raw
//!         | client 3 got: an answer to question 3
//!         | client 2 got: an answer to question 2
//!         | client 1 got: an answer to question 1

use nanomsg::{Message, Protocol, Result, Socket};

fn main() -> Result<()> {
    let server = Socket::raw(Protocol::Rep)?;
    server.bind("inproc://raw")?;

    let mut waiting = Vec::new();
    for number in 1..=3 {
        let client = Socket::new(Protocol::Req)?;
        client.connect("inproc://raw")?;
        client.send(format!("question {number}"))?;
        waiting.push((number, client, server.recv()?));
    }
    while let Some((number, client, request)) = waiting.pop() {
        // The header of the request is the way back.
        let mut answer = Message::with_header(request.header(), format!("an answer to {}", request.text()))?;
        server.send_message(&mut answer)?;
        println!("client {number} got: {}", client.recv()?.text());
    }
    Ok(())
}
