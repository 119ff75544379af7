//! The smallest program that does something: a question and its answer over tcp, both ends in one process.
//!
//! Run:    cargo run --example hello
//!         | the server got: hello
//!         | the client got: hello yourself

use nanomsg::{Protocol, Result, Socket};

fn main() -> Result<()> {
    let (server, client) = (Socket::new(Protocol::Rep)?, Socket::new(Protocol::Req)?);
    // Port 0 is one that is free; which it is, the address tells.
    let endpoint = server.bind("tcp://127.0.0.1:0")?;
    client.connect(&server.address(endpoint)?)?;

    client.send("hello")?;
    println!("the server got: {}", server.recv()?.text());
    server.send("hello yourself")?;
    println!("the client got: {}", client.recv()?.text());
    Ok(())
}
