//! Passes the service of another bus on, as one of this bus: `cargo run --example qi_forward tcp://robot:9559`.

use nanomsg::qi::client::{Session, SessionOptions, shared_reactor};
use nanomsg::qi::server::{Options, Server};

fn main() -> Result<(), Box<dyn std::error::Error>> {
    let robot = std::env::args().nth(1).ok_or("usage: qi_forward URL, the directory of a bus with an ALMemory")?;
    let there = Session::connect(&robot, SessionOptions::default())?;
    let server = Server::standalone(&shared_reactor()?, &["tcp://127.0.0.1:9559"], Options::default())?;
    server.add_service("Memory", &server.forward(&there.service("ALMemory")?)?)?;
    loop {
        std::thread::park();
    }
}
