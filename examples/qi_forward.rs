//! Passes the service of another bus on, as one of this bus: `cargo run --example qi_forward`.

use nanomsg::qi::client::{Session, SessionOptions, shared_reactor};
use nanomsg::qi::server::{Options, Server};

fn main() -> Result<(), Box<dyn std::error::Error>> {
    let there = Session::connect("tcp://robot:9559", SessionOptions::default())?;
    let server = Server::standalone(&shared_reactor()?, &["tcp://127.0.0.1:9559"], Options::default())?;
    server.add_service("Memory", &server.forward(&there.service("ALMemory")?)?)?;
    loop {
        std::thread::park();
    }
}
