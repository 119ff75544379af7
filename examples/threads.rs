//! Threads that share a socket. Each message goes to exactly one of those that wait in `recv`; closing the socket wakes them
//! all with `EBADF`, which is how they are told to stop. Between the threads of a process inproc needs no network at all.
//!
//! PUSH, PULL, PUB, SUB, PAIR and BUS sockets can be shared like this. REQ, REP, SURVEYOR and RESPONDENT remember whose turn
//! it is: give each thread one of its own.
//!
//! Run:    cargo run --example threads
//!         | 4 threads took 1000 messages

use std::error::Error;
use std::thread;

use nanomsg::core::{self, Body, Message};
use nanomsg::facade::{Session, Socket, Wait};
use nanomsg::protocol::pipeline::{PULL, PUSH};

const THREADS: usize = 4;
const MESSAGES: u32 = 1000;

/// How many messages it took.
fn work(tasks: &Socket, done: &Socket) -> core::Result<usize> {
    let mut count = 0;
    loop {
        let mut task = match tasks.recv(Wait::Option) {
            Ok(task) => task,
            Err(core::Error::BAD_FD) => return Ok(count), // closed: nothing more will come
            Err(error) => return Err(error),
        };
        count += 1;
        done.send(&mut task, Wait::Option)?;
    }
}

fn main() -> Result<(), Box<dyn Error>> {
    let session = Session::start()?;
    let open = |kind: u16, name: &str| session.socket(false, kind.into(), name);
    let (out, tasks) = (open(PUSH.id, "out")?, open(PULL.id, "tasks")?);
    let (done, results) = (open(PUSH.id, "done")?, open(PULL.id, "results")?);
    out.bind(b"inproc://tasks")?;
    tasks.connect(b"inproc://tasks")?;
    results.bind(b"inproc://done")?;
    done.connect(b"inproc://done")?;

    let total = thread::scope(|scope| -> Result<usize, Box<dyn Error>> {
        let workers: Vec<_> = (0..THREADS).map(|_| scope.spawn(|| work(&tasks, &done))).collect();
        for number in 0..MESSAGES {
            out.send(&mut Message::new(Body::Borrowed(&number.to_ne_bytes())), Wait::Option)?;
            results.recv(Wait::Option)?;
        }
        tasks.close()?; // wakes the threads
        let mut total = 0;
        for worker in workers {
            total += worker.join().map_err(|_| "a thread panicked")??;
        }
        Ok(total)
    })?;
    println!("{THREADS} threads took {total} messages");
    for socket in [&out, &done, &results] {
        socket.close()?;
    }
    session.stop();
    Ok(())
}
