//! Raw sockets: a server that takes three requests before it answers any, and then answers the last one first. An ordinary
//! REP socket must answer each request before it takes the next. A raw one leaves that to the program: a message comes with
//! a header that says where it came from, and goes where its header says.
//!
//! Run:    cargo run --example raw
//!         | client 3 got: an answer to question 3
//!         | client 2 got: an answer to question 2
//!         | client 1 got: an answer to question 1

use std::error::Error;

use nanomsg::core::{Body, Message};
use nanomsg::facade::{Session, Wait};
use nanomsg::protocol::reqrep::{REP, REQ};

fn main() -> Result<(), Box<dyn Error>> {
    let session = Session::start()?;
    let server = session.socket(true, REP.id.into(), "server")?;
    server.bind(b"inproc://raw")?;

    let mut waiting = Vec::new();
    for number in 1..=3 {
        let client = session.socket(false, REQ.id.into(), "client")?;
        client.connect(b"inproc://raw")?;
        let question = format!("question {number}");
        client.send(&mut Message::new(Body::Borrowed(question.as_bytes())), Wait::Option)?;
        waiting.push((number, client, server.recv(Wait::Option)?));
    }
    while let Some((number, client, request)) = waiting.pop() {
        let text = format!("an answer to {}", String::from_utf8_lossy(request.body.bytes()));
        // The header of the request is the way back.
        let mut answer = Message { header: request.header, ..Message::new(Body::Borrowed(text.as_bytes())) };
        server.send(&mut answer, Wait::Option)?;
        let answer = client.recv(Wait::Option)?;
        println!("client {number} got: {}", String::from_utf8_lossy(answer.body.bytes()));
        client.close()?;
    }
    server.close()?;
    session.stop();
    Ok(())
}
