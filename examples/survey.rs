//! Who is there? A survey goes to everybody who is connected; whoever wants to answers, until the deadline has passed.
//!
//! Leave:  cargo run --example survey -- serve tcp://127.0.0.1:5555 printer
//! Leave:  cargo run --example survey -- serve tcp://127.0.0.1:5555 scanner
//! Run:    cargo run --example survey -- find tcp://127.0.0.1:5555 2
//!         | found ...er
//!         | found ...er
//!         | the deadline has passed

use std::error::Error;
use std::time::Duration;

use nanomsg::{Error as Errno, Protocol, Socket};

fn main() -> Result<(), Box<dyn Error>> {
    let arguments: Vec<String> = std::env::args().skip(1).collect();
    match arguments.iter().map(String::as_str).collect::<Vec<_>>()[..] {
        ["serve", address, name] => serve(address, name),
        ["find", address, expected] => find(address, expected.parse()?),
        _ => Err("usage: survey serve ADDRESS NAME | survey find ADDRESS EXPECTED".into()),
    }
}

fn serve(address: &str, name: &str) -> Result<(), Box<dyn Error>> {
    let socket = Socket::new(Protocol::Respondent)?;
    socket.connect(address)?;
    loop {
        socket.recv()?;
        socket.send(name)?;
    }
}

fn find(address: &str, expected: u64) -> Result<(), Box<dyn Error>> {
    let socket = Socket::new(Protocol::Surveyor)?;
    socket.set_survey_deadline(Duration::from_millis(1500))?;
    socket.bind(address)?;
    socket.wait_peers(expected, None)?;
    socket.send("who")?;
    loop {
        match socket.recv() {
            Ok(name) => println!("found {}", name.text()),
            Err(Errno::TIMED_OUT) => break,
            Err(error) => return Err(error.into()),
        }
    }
    println!("the deadline has passed");
    Ok(())
}
