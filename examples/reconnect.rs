//! A client whose server is restarted again and again. It needs no code for that: `connect` connects in the background, and
//! anew whenever the connection is lost, and a REQ socket sends its request again. The statistics tell what happened.
//!
//! Run:    cargo run --example reconnect -- ask tcp://127.0.0.1:5555 3
//!         | answer 1
//!         | answer 2
//!         | answer 3
//!         | made ... connections, lost ..., ... attempts failed
//! Run:    for i in 1 2 3; do cargo run --example reconnect -- serve tcp://127.0.0.1:5555; done

use std::error::Error;
use std::time::Duration;

use nanomsg::{Protocol, Socket};

fn main() -> Result<(), Box<dyn Error>> {
    let arguments: Vec<String> = std::env::args().skip(1).collect();
    match arguments.iter().map(String::as_str).collect::<Vec<_>>()[..] {
        ["serve", address] => serve(address),
        ["ask", address, questions] => ask(address, questions.parse()?),
        _ => Err("usage: reconnect serve ADDRESS | reconnect ask ADDRESS QUESTIONS".into()),
    }
}

/// Answers one request and ends, as a server does that crashes a lot.
fn serve(address: &str) -> Result<(), Box<dyn Error>> {
    let socket = Socket::new(Protocol::Rep)?;
    socket.bind(address)?;
    let mut question = socket.recv()?;
    socket.send_message(&mut question)?;
    Ok(())
}

fn ask(address: &str, questions: u32) -> Result<(), Box<dyn Error>> {
    let socket = Socket::new(Protocol::Req)?;
    // The pause between attempts: 20 ms at first, then longer and longer, up to a second. Set before `connect`.
    socket.set_reconnect_interval(Duration::from_millis(20))?;
    socket.set_reconnect_interval_max(Duration::from_secs(1))?;
    // A request that was lost without a trace is sent again after two seconds instead of a minute.
    socket.set_resend_interval(Duration::from_secs(2))?;
    // How long we are patient. After this, `recv` says ETIMEDOUT.
    socket.set_recv_timeout(Some(Duration::from_secs(30)))?;
    socket.connect(address)?;

    for number in 1..=questions {
        socket.send(number.to_string())?;
        println!("answer {}", socket.recv()?.text());
    }
    let counts = socket.statistics()?;
    let (made, lost) = (counts.established_connections, counts.broken_connections);
    println!("made {made} connections, lost {lost}, {} attempts failed", counts.connect_errors);
    Ok(())
}
