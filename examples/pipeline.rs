//! Fan-out and fan-in within one process: tasks go to four threads, results come back from all of them.
//!
//! Run:    cargo run --example pipeline
//!         | 1000 results, their sum is 333833500

use std::thread;

use nanomsg::{Protocol, Result, Socket};

const TASKS: u64 = 1000;

fn main() -> Result<()> {
    let (out, tasks) = (Socket::new(Protocol::Push)?, Socket::new(Protocol::Pull)?);
    out.bind("inproc://tasks")?;
    tasks.connect("inproc://tasks")?;
    let (done, results) = (Socket::new(Protocol::Push)?, Socket::new(Protocol::Pull)?);
    results.bind("inproc://results")?;
    done.connect("inproc://results")?;

    let sum = thread::scope(|scope| {
        for _ in 0..4 {
            // Sockets may be shared by any number of threads; each message goes to one of them.
            scope.spawn(|| {
                while let Ok(task) = receive(&tasks) {
                    done.send((task * task).to_ne_bytes()).expect("the results are still wanted");
                }
            });
        }
        let splitter = scope.spawn(|| (1..=TASKS).try_for_each(|task| out.send(task.to_ne_bytes())));
        let sum = (0..TASKS).map(|_| receive(&results)).sum::<Result<u64>>();
        splitter.join().expect("it does not panic")?;
        // Whoever waits in a socket that is closed is sent away, which ends the threads.
        tasks.close()?;
        sum
    })?;
    println!("{TASKS} results, their sum is {sum}");
    Ok(())
}

fn receive(socket: &Socket) -> Result<u64> {
    let message = socket.recv()?;
    Ok(u64::from_ne_bytes(message.to_vec().try_into().expect("eight bytes: they are our own")))
}
