//! Contexts: several requests under way at once on one socket, answered in another order. One thread, one connection.
//!
//! Run:    cargo run --example contexts
//!         | the server has first, second, third
//!         | third: the answer to third
//!         | second: the answer to second
//!         | first: the answer to first

use nanomsg::{Context, Error, Protocol, Socket};

fn main() -> Result<(), Error> {
    let (server, client) = (Socket::new(Protocol::Rep)?, Socket::new(Protocol::Req)?);
    let endpoint = server.bind("tcp://127.0.0.1:0")?;
    client.connect(&server.address(endpoint)?)?;

    // Each context asks for itself: none has to wait for the reply to another one.
    let mut asking: Vec<(&str, Context)> = Vec::new();
    for question in ["first", "second", "third"] {
        let context = client.context()?;
        context.send(question)?;
        asking.push((question, context));
    }

    // Each context of the server has a request to answer, when it likes.
    let mut answering: Vec<(String, Context)> = Vec::new();
    for _ in &asking {
        let context = server.context()?;
        let request = context.recv()?.text().into_owned();
        answering.push((request, context));
    }
    let requests: Vec<&str> = answering.iter().map(|(request, _)| request.as_str()).collect();
    println!("the server has {}", requests.join(", "));
    while let (Some((request, server)), Some((question, client))) = (answering.pop(), asking.pop()) {
        server.send(format!("the answer to {request}"))?;
        println!("{question}: {}", client.recv()?.text());
    }
    Ok(())
}
