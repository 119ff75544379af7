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

use nanomsg::{Error as Errno, Protocol, Socket};

const THREADS: usize = 4;
const MESSAGES: u32 = 1000;

/// How many messages it took.
fn work(tasks: &Socket, done: &Socket) -> nanomsg::Result<usize> {
    let mut count = 0;
    loop {
        let mut task = match tasks.recv() {
            Ok(task) => task,
            Err(Errno::BAD_FD) => return Ok(count), // closed: nothing more will come
            Err(error) => return Err(error),
        };
        count += 1;
        done.send_message(&mut task)?;
    }
}

fn main() -> Result<(), Box<dyn Error>> {
    let (out, tasks) = (Socket::new(Protocol::Push)?, Socket::new(Protocol::Pull)?);
    let (done, results) = (Socket::new(Protocol::Push)?, Socket::new(Protocol::Pull)?);
    out.bind("inproc://tasks")?;
    tasks.connect("inproc://tasks")?;
    results.bind("inproc://done")?;
    done.connect("inproc://done")?;

    let total = thread::scope(|scope| -> Result<usize, Box<dyn Error>> {
        let workers: Vec<_> = (0..THREADS).map(|_| scope.spawn(|| work(&tasks, &done))).collect();
        for number in 0..MESSAGES {
            out.send(number.to_ne_bytes())?;
            results.recv()?;
        }
        tasks.close()?; // wakes the threads
        let mut total = 0;
        for worker in workers {
            total += worker.join().map_err(|_| "a thread panicked")??;
        }
        Ok(total)
    })?;
    println!("{THREADS} threads took {total} messages");
    Ok(())
}
