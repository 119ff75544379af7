//! Who is there? A survey goes to everybody who is connected; whoever wants to answers, until the deadline has passed.
//!
//! Leave:  cargo run --example survey -- serve tcp://127.0.0.1:5555 printer
//! Leave:  cargo run --example survey -- serve tcp://127.0.0.1:5555 scanner
//! Run:    cargo run --example survey -- find tcp://127.0.0.1:5555 2
//!         | found ...er
//!         | found ...er
//!         | the deadline has passed

#![expect(clippy::disallowed_methods, reason = "a count can only be looked at")]

use std::error::Error;
use std::thread::sleep;
use std::time::Duration;

use nanomsg::capi::headers::nn::NN_STAT_CURRENT_CONNECTIONS;
use nanomsg::core::{Body, Error as Errno, Message};
use nanomsg::facade::{Session, Wait};
use nanomsg::protocol::survey::{DEADLINE, RESPONDENT, SURVEYOR};

fn main() -> Result<(), Box<dyn Error>> {
    let arguments: Vec<String> = std::env::args().skip(1).collect();
    match arguments.iter().map(String::as_str).collect::<Vec<_>>()[..] {
        ["serve", address, name] => serve(address, name),
        ["find", address, expected] => find(address, expected.parse()?),
        _ => Err("usage: survey serve ADDRESS NAME | survey find ADDRESS EXPECTED".into()),
    }
}

fn serve(address: &str, name: &str) -> Result<(), Box<dyn Error>> {
    let session = Session::start()?;
    let socket = session.socket(false, RESPONDENT.id.into(), name)?;
    socket.connect(address.as_bytes())?;
    loop {
        socket.recv(Wait::Option)?;
        socket.send(&mut Message::new(Body::Borrowed(name.as_bytes())), Wait::Option)?;
    }
}

fn find(address: &str, expected: u64) -> Result<(), Box<dyn Error>> {
    let session = Session::start()?;
    let socket = session.socket(false, SURVEYOR.id.into(), "find")?;
    socket.set_option(SURVEYOR.id.into(), DEADLINE, &1500_i32.to_ne_bytes())?;
    socket.bind(address.as_bytes())?;
    while socket.statistic(NN_STAT_CURRENT_CONNECTIONS)? < expected {
        sleep(Duration::from_millis(10));
    }
    socket.send(&mut Message::new(Body::Borrowed(b"who")), Wait::Option)?;
    loop {
        match socket.recv(Wait::Option) {
            Ok(name) => println!("found {}", String::from_utf8_lossy(name.body.bytes())),
            Err(Errno::TIMED_OUT) => break,
            Err(error) => return Err(error.into()),
        }
    }
    println!("the deadline has passed");
    socket.close()?;
    session.stop();
    Ok(())
}
