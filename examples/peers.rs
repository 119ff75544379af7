//! Who sent a message, and answering that one alone: a room that greets everybody by his name.
//!
//! Run:    cargo run --example peers
//!         | the room hears "Ann" from process ... of user ...
//!         | Ann gets: welcome, Ann
//!         | the room hears "Ben" from process ... of user ...
//!         | Ben gets: welcome, Ben

use std::error::Error;
use std::time::Duration;

use nanomsg::{Protocol, Socket};

const ADDRESS: &str = "abstract://millrace-rust-example-peers";

fn main() -> Result<(), Box<dyn Error>> {
    let room = Socket::new(Protocol::Bus)?;
    room.set_recv_peer(true)?;
    room.bind(ADDRESS)?;

    // All of them stay in the room; what is meant for one is not heard by the others.
    let guests = [("Ann", Socket::new(Protocol::Bus)?), ("Ben", Socket::new(Protocol::Bus)?)];
    for (name, guest) in &guests {
        guest.connect(ADDRESS)?;
        guest.wait_peers(1, Some(Duration::from_secs(5)))?;
        guest.send(name)?;

        let heard = room.recv()?;
        // A message knows its peer because recv_peer is on, and the process because this is a unix socket.
        let peer = heard.peer().ok_or("nobody knows who sent it")?;
        let process = peer.process.ok_or("nobody knows which process sent it")?;
        println!("the room hears {:?} from process {} of user {}", heard.text(), process.pid, process.uid);
        room.send_to(peer.pipe, format!("welcome, {}", heard.text()))?;

        println!("{name} gets: {}", guest.recv()?.text());
    }
    Ok(())
}
