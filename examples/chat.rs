//! Two terminals talk: what is typed in one appears in the other. Ctrl-D ends both.
//!
//! A thread reads the keyboard while another waits for the peer: a socket may be used by several threads at a time.
//!
//! Run:    echo 'hello, who is there?' | cargo run --example chat -- bind tcp://127.0.0.1:5555
//!         | > it is me
//! Run:    echo 'it is me' | cargo run --example chat -- connect tcp://127.0.0.1:5555
//!         | > hello, who is there?

use std::error::Error;
use std::io::stdin;
use std::sync::Arc;
use std::thread;

use nanomsg::core::{Body, Message, Result};
use nanomsg::facade::{Session, Socket, Wait};
use nanomsg::protocol::pair::PAIR;

fn main() -> std::result::Result<(), Box<dyn Error>> {
    let arguments: Vec<String> = std::env::args().skip(1).collect();
    let session = Session::start()?;
    let socket = session.socket(false, PAIR.id.into(), "chat")?;
    match arguments.iter().map(String::as_str).collect::<Vec<_>>()[..] {
        ["bind", address] => socket.bind(address.as_bytes())?,
        ["connect", address] => socket.connect(address.as_bytes())?,
        _ => return Err("usage: chat bind ADDRESS | chat connect ADDRESS".into()),
    };
    let speaker = Arc::clone(&socket);
    let keyboard = thread::spawn(move || speak(&speaker));
    listen(&socket)?;
    keyboard.join().map_err(|_| "the keyboard's thread panicked")??;
    socket.close()?;
    session.stop();
    Ok(())
}

/// Every line is a message; the end of the input is an empty one.
fn speak(socket: &Socket) -> Result<()> {
    for line in stdin().lines().map_while(std::result::Result::ok).filter(|line| !line.is_empty()) {
        socket.send(&mut Message::new(Body::Borrowed(line.as_bytes())), Wait::Option)?;
    }
    socket.send(&mut Message::new(Body::Borrowed(b"")), Wait::Option).map(drop)
}

/// Until the peer has said goodbye.
fn listen(socket: &Socket) -> Result<()> {
    loop {
        let message = socket.recv(Wait::Option)?;
        if message.body.is_empty() {
            return Ok(());
        }
        println!("> {}", String::from_utf8_lossy(message.body.bytes()));
    }
}
