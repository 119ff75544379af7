//! A broker: a device passes every request on to one of the workers, and every answer back to who asked. Clients and workers
//! need to know the broker's addresses only; workers come and go as they like.
//!
//!     ask (REQ) ──▶ 5555 (raw REP) broker (raw REQ) 5556 ◀── (REP) work
//!
//! Leave:  cargo run --example broker -- run tcp://127.0.0.1:5555 tcp://127.0.0.1:5556
//! Leave:  cargo run --example broker -- work tcp://127.0.0.1:5556
//! Leave:  cargo run --example broker -- work tcp://127.0.0.1:5556
//! Run:    cargo run --example broker -- ask tcp://127.0.0.1:5555 'make me loud'
//!         | MAKE ME LOUD

use std::error::Error;

use nanomsg::core::{Body, Message};
use nanomsg::facade::{Session, Wait, device};
use nanomsg::protocol::reqrep::{REP, REQ};

fn main() -> Result<(), Box<dyn Error>> {
    let arguments: Vec<String> = std::env::args().skip(1).collect();
    match arguments.iter().map(String::as_str).collect::<Vec<_>>()[..] {
        ["run", clients, workers] => run(clients, workers),
        ["work", address] => work(address),
        ["ask", address, question] => ask(address, question),
        _ => Err("usage: broker run CLIENTS WORKERS | broker work ADDRESS | broker ask ADDRESS TEXT".into()),
    }
}

fn run(clients: &str, workers: &str) -> Result<(), Box<dyn Error>> {
    let session = Session::start()?;
    // Raw sockets pass messages on with the way back in their headers.
    let front = session.socket(true, REP.id.into(), "front")?;
    let back = session.socket(true, REQ.id.into(), "back")?;
    front.bind(clients.as_bytes())?;
    back.bind(workers.as_bytes())?;
    // Returns only when something fails, or when another thread closes the sockets.
    Err(device(&front, &back).into())
}

fn work(address: &str) -> Result<(), Box<dyn Error>> {
    let session = Session::start()?;
    let socket = session.socket(false, REP.id.into(), "worker")?;
    socket.connect(address.as_bytes())?;
    loop {
        let question = socket.recv(Wait::Option)?;
        let answer = question.body.bytes().to_ascii_uppercase();
        socket.send(&mut Message::new(Body::Borrowed(&answer)), Wait::Option)?;
    }
}

fn ask(address: &str, question: &str) -> Result<(), Box<dyn Error>> {
    let session = Session::start()?;
    let socket = session.socket(false, REQ.id.into(), "client")?;
    socket.connect(address.as_bytes())?;
    socket.send(&mut Message::new(Body::Borrowed(question.as_bytes())), Wait::Option)?;
    println!("{}", String::from_utf8_lossy(socket.recv(Wait::Option)?.body.bytes()));
    socket.close()?;
    session.stop();
    Ok(())
}
