//! Messages without copying: one that is written where it will be sent from, and one that is passed on as it came. A message that was
//! sent is empty afterwards; one that could not be sent is as it was.
//!
//! Run:    cargo run --example zerocopy
//!         | received 1000000 bytes, the last one is 'z'
//!         | and after cutting it down, 5 bytes: aaaaa

use nanomsg::{Message, Protocol, Result, Socket};

const SIZE: usize = 1_000_000;

fn main() -> Result<()> {
    let (one, other) = (Socket::new(Protocol::Pair)?, Socket::new(Protocol::Pair)?);
    one.bind("inproc://large")?;
    other.connect("inproc://large")?;

    let mut message = Message::zeroed(SIZE)?;
    let bytes = message.bytes_mut()?;
    bytes.fill(b'a');
    bytes[SIZE - 1] = b'z';
    one.send_message(&mut message)?;

    // A received message holds the memory that it came in, and can be changed there.
    let mut received = other.recv()?;
    println!("received {} bytes, the last one is {:?}", received.len(), char::from(received[SIZE - 1]));
    received.truncate(5);
    other.send_message(&mut received)?;

    let received = one.recv()?;
    println!("and after cutting it down, {} bytes: {}", received.len(), received.text());
    Ok(())
}
