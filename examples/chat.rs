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
use std::thread;

use nanomsg::{Protocol, Result, Socket};

fn main() -> std::result::Result<(), Box<dyn Error>> {
    let arguments: Vec<String> = std::env::args().skip(1).collect();
    let socket = Socket::new(Protocol::Pair)?;
    match arguments.iter().map(String::as_str).collect::<Vec<_>>()[..] {
        ["bind", address] => socket.bind(address)?,
        ["connect", address] => socket.connect(address)?,
        _ => return Err("usage: chat bind ADDRESS | chat connect ADDRESS".into()),
    };
    thread::scope(|scope| {
        let keyboard = scope.spawn(|| speak(&socket));
        listen(&socket)?;
        keyboard.join().map_err(|_| "the keyboard's thread panicked")??;
        Ok(())
    })
}

/// Every line is a message; the end of the input is an empty one.
fn speak(socket: &Socket) -> Result<()> {
    for line in stdin().lines().map_while(std::result::Result::ok).filter(|line| !line.is_empty()) {
        socket.send(line)?;
    }
    socket.send("")
}

/// Until the peer has said goodbye.
fn listen(socket: &Socket) -> Result<()> {
    loop {
        let message = socket.recv()?;
        if message.is_empty() {
            return Ok(());
        }
        println!("> {}", message.text());
    }
}
