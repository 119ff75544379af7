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

use nanomsg::{Protocol, Socket, device};

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
    // Raw sockets pass messages on with the way back in their headers.
    let front = Socket::raw(Protocol::Rep)?;
    let back = Socket::raw(Protocol::Req)?;
    front.bind(clients)?;
    back.bind(workers)?;
    // Returns only when something fails, or when another thread closes the sockets.
    Err(device(&front, &back).into())
}

fn work(address: &str) -> Result<(), Box<dyn Error>> {
    let socket = Socket::new(Protocol::Rep)?;
    socket.connect(address)?;
    loop {
        let question = socket.recv()?;
        socket.send(question.to_ascii_uppercase())?;
    }
}

fn ask(address: &str, question: &str) -> Result<(), Box<dyn Error>> {
    let socket = Socket::new(Protocol::Req)?;
    socket.connect(address)?;
    socket.send(question)?;
    println!("{}", socket.recv()?.text());
    Ok(())
}
