//! Request and reply with several servers: the library hands each request to the next server that is free.
//!
//! Leave:  cargo run --example workers -- work tcp://127.0.0.1:5555 anna
//! Leave:  cargo run --example workers -- work tcp://127.0.0.1:5556 bert
//! Run:    cargo run --example workers -- ask tcp://127.0.0.1:5555 tcp://127.0.0.1:5556
//!         | 1 squared is 1, says ...
//!         | 2 squared is 4, says ...
//!         | 3 squared is 9, says ...

use std::error::Error;
use std::time::Duration;

use nanomsg::{Protocol, Socket};

fn main() -> Result<(), Box<dyn Error>> {
    let arguments: Vec<String> = std::env::args().skip(1).collect();
    match arguments.iter().map(String::as_str).collect::<Vec<_>>()[..] {
        ["work", address, name] => work(address, name),
        ["ask", ref addresses @ ..] if !addresses.is_empty() => ask(addresses),
        _ => Err("usage: workers work ADDRESS NAME | workers ask ADDRESS...".into()),
    }
}

fn work(address: &str, name: &str) -> Result<(), Box<dyn Error>> {
    let socket = Socket::new(Protocol::Rep)?;
    socket.bind(address)?;
    loop {
        let question = socket.recv()?;
        let n: i64 = std::str::from_utf8(&question)?.parse()?;
        socket.send(format!("{}, says {name}", n * n))?;
    }
}

fn ask(addresses: &[&str]) -> Result<(), Box<dyn Error>> {
    let socket = Socket::new(Protocol::Req)?;
    socket.set_recv_timeout(Some(Duration::from_secs(5)))?;
    for address in addresses {
        socket.connect(address)?;
    }
    for n in 1..=3 {
        socket.send(n.to_string())?;
        let answer = socket.recv()?;
        println!("{n} squared is {}", answer.text());
    }
    Ok(())
}
