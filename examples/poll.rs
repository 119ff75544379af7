//! Several sockets in one thread: `poll` waits until one of them has a message, or for a time.
//!
//! Run:    cargo run --example poll
//!         | order: slow down
//!         | task: 1
//!         | task: 2
//!         | task: 3
//!         | nothing for 100 ms

use std::time::Duration;

use nanomsg::{PollItem, Protocol, Result, Socket, poll};

fn receiver(address: &str) -> Result<Socket> {
    let socket = Socket::new(Protocol::Pull)?;
    socket.bind(address)?;
    Ok(socket)
}

fn sender(address: &str) -> Result<Socket> {
    let socket = Socket::new(Protocol::Push)?;
    socket.connect(address)?;
    Ok(socket)
}

fn main() -> Result<()> {
    // The receiving sides; what is sent below would normally come from elsewhere.
    let (orders, tasks) = (receiver("inproc://orders")?, receiver("inproc://tasks")?);
    let (boss, planner) = (sender("inproc://orders")?, sender("inproc://tasks")?);
    for task in ["1", "2", "3"] {
        planner.send(task)?;
    }
    boss.send("slow down")?;

    let mut items = [PollItem::recv(&orders), PollItem::recv(&tasks)];
    while poll(&mut items, Some(Duration::from_millis(100)))? > 0 {
        if items[0].can_recv() {
            println!("order: {}", orders.recv()?.text()); // first, and one of them before each task
        } else if items[1].can_recv() {
            println!("task: {}", tasks.recv()?.text());
        }
    }
    println!("nothing for 100 ms");
    Ok(())
}
