//! Request and reply with several servers: the library hands each request to the next server that is free.
//!
//! Leave:  cargo run --example workers -- work tcp://127.0.0.1:5555 anna
//! Leave:  cargo run --example workers -- work tcp://127.0.0.1:5556 bert
//! Run:    cargo run --example workers -- ask tcp://127.0.0.1:5555 tcp://127.0.0.1:5556
//!         | 1 squared is 1, says ...
//!         | 2 squared is 4, says ...
//!         | 3 squared is 9, says ...

use std::error::Error;

use nanomsg::core::{Body, Message, options};
use nanomsg::facade::{Session, Wait};
use nanomsg::protocol::reqrep::{REP, REQ};

fn main() -> Result<(), Box<dyn Error>> {
    let arguments: Vec<String> = std::env::args().skip(1).collect();
    match arguments.iter().map(String::as_str).collect::<Vec<_>>()[..] {
        ["work", address, name] => work(address, name),
        ["ask", ref addresses @ ..] if !addresses.is_empty() => ask(addresses),
        _ => Err("usage: workers work ADDRESS NAME | workers ask ADDRESS...".into()),
    }
}

fn work(address: &str, name: &str) -> Result<(), Box<dyn Error>> {
    let session = Session::start()?;
    let socket = session.socket(false, REP.id.into(), name)?;
    socket.bind(address.as_bytes())?;
    loop {
        let question = socket.recv(Wait::Option)?;
        let n: i64 = std::str::from_utf8(question.body.bytes())?.parse()?;
        let answer = format!("{}, says {name}", n * n);
        socket.send(&mut Message::new(Body::Borrowed(answer.as_bytes())), Wait::Option)?;
    }
}

fn ask(addresses: &[&str]) -> Result<(), Box<dyn Error>> {
    let session = Session::start()?;
    let socket = session.socket(false, REQ.id.into(), "ask")?;
    // Options are what they are in C: a level, a number, and the bytes of an int.
    socket.set_option(0, options::RCVTIMEO, &5000_i32.to_ne_bytes())?;
    for address in addresses {
        socket.connect(address.as_bytes())?;
    }
    for n in 1..=3 {
        let question = n.to_string();
        socket.send(&mut Message::new(Body::Borrowed(question.as_bytes())), Wait::Option)?;
        let answer = socket.recv(Wait::Option)?;
        println!("{n} squared is {}", String::from_utf8_lossy(answer.body.bytes()));
    }
    socket.close()?;
    session.stop();
    Ok(())
}
