//! Fan-out and fan-in within one process: tasks go to four threads, results come back from all of them.
//!
//! Run:    cargo run --example pipeline
//!         | 1000 results, their sum is 333833500

use std::thread;

use nanomsg::core::{Body, Message, Result};
use nanomsg::facade::{Session, Socket, Wait};
use nanomsg::protocol::pipeline::{PULL, PUSH};

const TASKS: u64 = 1000;

fn main() -> Result<()> {
    let session = Session::start()?;
    let socket = |kind: &nanomsg::core::Kind| session.socket(false, kind.id.into(), "pipeline");
    let (out, tasks, done, results) = (socket(&PUSH)?, socket(&PULL)?, socket(&PUSH)?, socket(&PULL)?);
    out.bind(b"inproc://tasks")?;
    tasks.connect(b"inproc://tasks")?;
    results.bind(b"inproc://results")?;
    done.connect(b"inproc://results")?;

    let sum = thread::scope(|scope| {
        for _ in 0..4 {
            // Sockets may be shared by any number of threads; each message goes to one of them.
            scope.spawn(|| {
                while let Ok(task) = receive(&tasks) {
                    send(&done, task * task).expect("the results are still wanted");
                }
            });
        }
        let splitter = scope.spawn(|| (1..=TASKS).try_for_each(|task| send(&out, task)));
        let sum = (0..TASKS).map(|_| receive(&results)).sum::<Result<u64>>();
        splitter.join().expect("it does not panic")?;
        // Whoever waits in a socket that is closed is sent away, which ends the threads.
        tasks.close()?;
        sum
    })?;
    println!("{TASKS} results, their sum is {sum}");
    for socket in [out, done, results] {
        socket.close()?;
    }
    session.stop();
    Ok(())
}

fn send(socket: &Socket, number: u64) -> Result<()> {
    socket.send(&mut Message::new(Body::Borrowed(&number.to_ne_bytes())), Wait::Option).map(drop)
}

fn receive(socket: &Socket) -> Result<u64> {
    let message = socket.recv(Wait::Option)?;
    Ok(u64::from_ne_bytes(message.body.bytes().try_into().expect("eight bytes: they are our own")))
}
