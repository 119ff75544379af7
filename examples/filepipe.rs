//! Sends a file through a PUSH/PULL pipeline.
//!
//! Run:    cargo run --example filepipe -- recv copy tcp://127.0.0.1:5555 && cmp copy /bin/sh && echo the same
//!         | ... bytes in ... messages, ... MB/s
//!         | checksum ok (...)
//!         | the same
//! Run:    cargo run --example filepipe -- send /bin/sh tcp://127.0.0.1:5555
//!
//! The receiver binds, the sender connects; it does not matter who is there first. The last byte of each message says what it is: a
//! piece of the file, or the end with the file's length and checksum, which the receiver compares with its own.

use std::error::Error;
use std::fs::File;
use std::io::{Read, Write};
use std::time::Instant;

use nanomsg::{Message, Protocol, Socket};

/// Bytes of the file in a message; with the byte that says so it is less than `max_message_size`.
const PIECE: usize = 256 * 1024;
const DATA: u8 = 1;
const END: u8 = 2;

fn main() -> Result<(), Box<dyn Error>> {
    let arguments: Vec<String> = std::env::args().skip(1).collect();
    match arguments.iter().map(String::as_str).collect::<Vec<_>>()[..] {
        ["send", path, address] => send(path, address),
        ["recv", path, address] => receive(path, address),
        _ => Err("usage: filepipe send FILE ADDRESS | filepipe recv FILE ADDRESS".into()),
    }
}

fn send(path: &str, address: &str) -> Result<(), Box<dyn Error>> {
    let mut file = File::open(path)?;
    let socket = Socket::new(Protocol::Push)?;
    socket.connect(address)?;

    let mut sum = Sum::default();
    loop {
        // Read to where it is sent from: nothing is copied.
        let mut message = Message::zeroed(PIECE + 1)?;
        let bytes = message.bytes_mut()?;
        let count = fill(&mut file, &mut bytes[..PIECE])?;
        if count == 0 {
            break;
        }
        bytes[count] = DATA;
        sum.add(&bytes[..count]);
        message.truncate(count + 1);
        socket.send_message(&mut message)?;
    }
    let mut end = sum.to_bytes().to_vec();
    end.push(END);
    socket.send(end)?;
    // At the end of its life a socket hands over what was accepted, for as long as `linger` allows.
    Ok(())
}

/// Reads until the place is full or the file is at its end, so that all pieces but the last have one size.
fn fill(file: &mut File, place: &mut [u8]) -> std::io::Result<usize> {
    let mut count = 0;
    while count < place.len() {
        match file.read(&mut place[count..])? {
            0 => break,
            more => count += more,
        }
    }
    Ok(count)
}

fn receive(path: &str, address: &str) -> Result<(), Box<dyn Error>> {
    let mut file = File::create(path)?;
    let socket = Socket::new(Protocol::Pull)?;
    socket.bind(address)?;

    let (mut sum, mut messages, mut begin) = (Sum::default(), 0, None);
    loop {
        let message = socket.recv()?;
        messages += 1;
        let begin = *begin.get_or_insert_with(Instant::now);
        match message.split_last() {
            Some((&DATA, piece)) => {
                sum.add(piece);
                file.write_all(piece)?;
            }
            Some((&END, expected)) => {
                let rate = sum.length as f64 / 1e6 / begin.elapsed().as_secs_f64();
                println!("{} bytes in {messages} messages, {rate:.1} MB/s", sum.length);
                if expected != sum.to_bytes() {
                    return Err("the checksum is wrong".into());
                }
                println!("checksum ok ({:016x})", sum.hash);
                return Ok(());
            }
            _ => return Err("this is not a message of ours".into()),
        }
    }
}

/// Length and FNV-1a over words of eight bytes, the last one filled up with zeros: a byte at a time would be slower than the pipeline.
struct Sum {
    length: u64,
    hash: u64,
}

impl Default for Sum {
    fn default() -> Sum {
        Sum { length: 0, hash: 0xcbf2_9ce4_8422_2325 }
    }
}

impl Sum {
    /// All pieces but the last are multiples of eight bytes, so how the file is cut does not matter.
    fn add(&mut self, piece: &[u8]) {
        self.length += piece.len() as u64;
        for part in piece.chunks(8) {
            let mut word = [0; 8];
            word[..part.len()].copy_from_slice(part);
            self.hash = (self.hash ^ u64::from_le_bytes(word)).wrapping_mul(0x100_0000_01b3);
        }
    }

    fn to_bytes(&self) -> [u8; 16] {
        let mut bytes = [0; 16];
        bytes[..8].copy_from_slice(&self.length.to_le_bytes());
        bytes[8..].copy_from_slice(&self.hash.to_le_bytes());
        bytes
    }
}
