//! PAIR and BUS with `--lines`: what comes is printed while lines are typed.

use std::sync::atomic::{AtomicBool, Ordering};
use std::sync::{Arc, mpsc};

use nanomsg::Error;

use crate::feed::Feed;
use crate::outcome::Failure;
use crate::run::Cat;

/// Which side has ended, and how.
enum ChatEnd {
    Sending(Result<(), Failure>),
    Receiving(Result<(), Failure>),
}

/// Ends when a call fails or enough has been received; or when the lines have ended and, where there is a receive timeout,
/// nothing has come for that long. A side that is still busy then, above all with waiting for a line, is left behind.
pub fn run(cat: &Arc<Cat>, feed: Feed) -> Result<(), Failure> {
    let lines_ended = Arc::new(AtomicBool::new(false));
    let (tell, told) = mpsc::channel();
    let [receiver, sender] = [Arc::clone(cat), Arc::clone(cat)];
    let (ended, told_by_receiver) = (Arc::clone(&lines_ended), tell.clone());
    // Nobody listens any more if the program is about to end.
    start(move || drop(told_by_receiver.send(ChatEnd::Receiving(receive(&receiver, &ended)))))?;
    start(move || drop(tell.send(ChatEnd::Sending(send(&sender, feed)))))?;
    loop {
        match told.recv() {
            Ok(ChatEnd::Sending(Ok(()))) if cat.plan.recv_timeout.is_some() => {
                lines_ended.store(true, Ordering::Relaxed);
            }
            Ok(ChatEnd::Sending(result) | ChatEnd::Receiving(result)) => return result,
            Err(_) => return Ok(()),
        }
    }
}

fn start(side: impl FnOnce() + Send + 'static) -> Result<(), Failure> {
    let started = std::thread::Builder::new().spawn(side);
    started.map(drop).map_err(|error| Failure::call("create thread", error.into()))
}

fn send(cat: &Cat, mut feed: Feed) -> Result<(), Failure> {
    let mut line = Vec::new();
    while feed.next(&mut line).map_err(|error| Failure::file("reading", "-", &error))? {
        cat.send(&line)?;
    }
    Ok(())
}

fn receive(cat: &Cat, lines_ended: &AtomicBool) -> Result<(), Failure> {
    while !cat.is_enough() {
        match cat.receive() {
            Ok(message) => cat.print(&message)?,
            Err(Error::TIMED_OUT) if !lines_ended.load(Ordering::Relaxed) => {}
            Err(Error::TIMED_OUT) => break,
            Err(error) => return Err(Failure::call("recv", error)),
        }
    }
    Ok(())
}
