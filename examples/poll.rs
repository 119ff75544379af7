//! Several sockets in one thread: `poll` waits until one of them has a message, or for a time.
//!
//! Run:    cargo run --example poll
//!         | order: slow down
//!         | task: 1
//!         | task: 2
//!         | task: 3
//!         | nothing for 100 ms

use std::error::Error;
use std::sync::Arc;
use std::time::Duration;

use nanomsg::core::{Body, Message, Readiness, Result};
use nanomsg::facade::{Probe, Session, Socket, Wait, poll};
use nanomsg::protocol::pipeline::{PULL, PUSH};

const RECEIVING: Readiness = Readiness { send: false, recv: true };

fn receiver(session: &Arc<Session>, address: &str) -> Result<Arc<Socket>> {
    let socket = session.socket(false, PULL.id.into(), address)?;
    socket.bind(address.as_bytes())?;
    Ok(socket)
}

fn sender(session: &Arc<Session>, address: &str) -> Result<Arc<Socket>> {
    let socket = session.socket(false, PUSH.id.into(), address)?;
    socket.connect(address.as_bytes())?;
    Ok(socket)
}

fn show(what: &str, socket: &Socket) -> Result<()> {
    let message = socket.recv(Wait::Option)?;
    println!("{what}: {}", String::from_utf8_lossy(message.body.bytes()));
    Ok(())
}

fn main() -> std::result::Result<(), Box<dyn Error>> {
    let session = Session::start()?;
    // The receiving sides; what is sent below would normally come from elsewhere.
    let (orders, tasks) = (receiver(&session, "inproc://orders")?, receiver(&session, "inproc://tasks")?);
    let (boss, planner) = (sender(&session, "inproc://orders")?, sender(&session, "inproc://tasks")?);
    for task in ["1", "2", "3"] {
        planner.send(&mut Message::new(Body::Borrowed(task.as_bytes())), Wait::Option)?;
    }
    boss.send(&mut Message::new(Body::Borrowed(b"slow down")), Wait::Option)?;

    let mut probes = [Probe::new(&orders, RECEIVING)?, Probe::new(&tasks, RECEIVING)?];
    while poll(&mut probes, Some(Duration::from_millis(100)))? > 0 {
        if probes[0].ready.recv {
            show("order", &orders)?; // first, and one of them before each task
        } else if probes[1].ready.recv {
            show("task", &tasks)?;
        }
    }
    println!("nothing for 100 ms");

    for socket in [&boss, &planner, &orders, &tasks] {
        socket.close()?;
    }
    session.stop();
    Ok(())
}
