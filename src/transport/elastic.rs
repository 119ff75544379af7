//! Kernel buffers that are larger while large messages are under way. Otherwise they have the sizes that NN_SNDBUF and NN_RCVBUF say, for these are how many
//! messages a connection takes of which nobody receives any.
//!
//! Each time that a buffer is full, or empty, both ends change threads: of a message that is larger than it, every 128 KiB. Between unix sockets there is no buffer but the
//! sender's, so it is that which grows. Over tcp it is the receiver's: what arrives there is acknowledged at once, and so leaves the sender's. (To let that
//! grow as well only lets more leave the cache.)

use std::io::{self, IoSlice};
use std::os::fd::AsRawFd;
use std::sync::atomic::{AtomicBool, AtomicU8, AtomicUsize, Ordering};

use smallvec::SmallVec;
use socket2::Socket;

use crate::sys::traffic;

/// A unix socket's send buffer. More costs more memory, and was no faster.
pub const LARGE_BUFFER: usize = 1024 * 1024;

/// Of what is received over tcp so many times the usual buffer are there at least,
const LARGER: usize = 4;

/// or the whole of a message, up to this many bytes.
const LARGEST: usize = 4 * 1024 * 1024;

/// The kernel makes a buffer so much larger than it is told, because beside bytes it holds what it needs for them.
const TWICE: usize = 2;

/// The end of a message waits until the buffer, which is then what it was, has room for it: so a connection
/// takes the next message no sooner than without.
#[derive(Debug)]
pub struct ElasticSending {
    usual: usize,
    is_large: AtomicBool,
}

impl ElasticSending {
    pub fn new(usual: usize) -> ElasticSending {
        ElasticSending { usual, is_large: AtomicBool::new(false) }
    }

    /// Writes, or begins to. (One thread writes at a time.)
    pub fn write(
        &self,
        from: &[IoSlice<'_>],
        socket: &Socket,
        send: impl FnOnce(&[IoSlice<'_>]) -> io::Result<usize>,
    ) -> io::Result<usize> {
        let total: usize = from.iter().map(|piece| piece.len()).sum();
        if total <= self.usual || self.usual >= LARGE_BUFFER {
            self.make(false, socket);
            return send(from);
        }
        self.make(true, socket);
        let mut room = total - self.usual / 2;
        let begun = room;
        let pieces: SmallVec<[IoSlice<'_>; 4]> = from
            .iter()
            .map(|piece| {
                let part = piece.get(..room).unwrap_or(piece);
                room -= part.len();
                IoSlice::new(part)
            })
            .filter(|part| !part.is_empty())
            .collect();
        let outcome = send(&pieces);
        if matches!(outcome, Ok(count) if count == begun) {
            self.make(false, socket);
        }
        outcome
    }

    /// The kernel gives what it can.
    fn make(&self, large: bool, socket: &Socket) {
        if self.is_large.swap(large, Ordering::Relaxed) != large {
            let _ = socket.set_send_buffer_size(if large { LARGE_BUFFER } else { self.usual });
        }
    }

    pub fn is_large(&self) -> bool {
        self.is_large.load(Ordering::Relaxed)
    }
}

/// What the kernel has promised to its peer it must have room for: what comes beyond the buffer is thrown away, and sent again after 200 ms or more. So a
/// buffer never becomes smaller than what is in it and what the peer may still send, and however large it is the kernel promises no more than it does usually.
#[derive(Debug)]
pub struct ElasticReceiving {
    usual: usize,
    /// How large it is,
    now: AtomicUsize,
    /// and what the kernel promises at most, when it is as usual.
    promise: AtomicUsize,
    /// Messages in a row that are not large.
    small: AtomicU8,
    /// How often it was tried in vain to give all of it back.
    tries: AtomicU8,
}

/// After so many of them the buffer is given back: it costs system calls, so not where large and small ones take turns.
const RUN: u8 = 32;

/// The kernel rounds up what it has promised and still has to keep: of very short messages that never becomes less, and what is too much for it stays.
const TRIES: u8 = 64;

impl ElasticReceiving {
    pub fn new(usual: usize) -> ElasticReceiving {
        let (now, promise) = (AtomicUsize::new(usual), AtomicUsize::new(usual));
        ElasticReceiving { usual, now, promise, small: AtomicU8::new(0), tries: AtomicU8::new(0) }
    }

    /// As [`super::stream::Stream::expect`]. (One thread reads at a time.)
    pub fn expect(&self, bytes: usize, socket: &Socket) -> bool {
        // Of what is not a fraction of the buffer. (What is read with others is never that large.)
        if bytes > self.usual / LARGER {
            self.small.store(0, Ordering::Relaxed);
            self.grow(bytes, socket);
            return true;
        }
        self.now.load(Ordering::Relaxed) <= self.kept() || (self.is_run() && self.give_back(socket))
    }

    /// One more that is not large, and enough of them.
    fn is_run(&self) -> bool {
        let small = self.small.load(Ordering::Relaxed) + 1;
        self.small.store(small % RUN, Ordering::Relaxed);
        small == RUN
    }

    /// How large it stays when there have been large messages: what has been promised comes perhaps with more beside it than was reckoned, as short
    /// messages do.
    fn kept(&self) -> usize {
        self.usual + self.usual / 2
    }

    fn grow(&self, bytes: usize, socket: &Socket) {
        let (now, fd) = (self.now.load(Ordering::Relaxed), socket.as_raw_fd());
        if now == self.usual {
            let Some(promise) = traffic::promise(fd) else { return };
            self.promise.store(promise.max(1), Ordering::Relaxed);
        }
        // When segments become larger it begins to go by the buffer as it is then, so this is said each time.
        traffic::promise_at_most(fd, self.promise.load(Ordering::Relaxed));
        self.make(now.max(self.usual * LARGER).max(bytes).min(LARGEST), socket);
        self.tries.store(0, Ordering::Relaxed);
    }

    /// Gives it back if the usual one has room for what is there and what may still come. Whether it has, or probably never will.
    fn give_back(&self, socket: &Socket) -> bool {
        // It may go by the large buffer since the last large message; and what it goes by is looked up when the next one comes.
        traffic::promise_at_most(socket.as_raw_fd(), self.promise.load(Ordering::Relaxed));
        let fits = self.needed(socket) <= self.usual;
        if fits {
            self.make(self.kept(), socket);
        }
        fits || self.tries.fetch_add(1, Ordering::Relaxed) >= TRIES
    }

    /// What it must be at least.
    fn needed(&self, socket: &Socket) -> usize {
        let Some((used, promised)) = traffic::receiving(socket.as_raw_fd()) else { return LARGEST };
        // As much beside the bytes as is usual; and it is rounded up.
        let promised = (promised - promised / 16).saturating_mul(self.usual) / self.promise.load(Ordering::Relaxed);
        used / TWICE + promised
    }

    /// The kernel gives what it can.
    fn make(&self, size: usize, socket: &Socket) {
        if self.now.swap(size, Ordering::Relaxed) != size {
            let _ = socket.set_recv_buffer_size(size);
        }
    }
}

#[cfg(test)]
mod tests {
    use std::io::{ErrorKind, Read, Write};
    use std::net::{TcpListener, TcpStream};

    use super::*;

    /// Several times as much is still what kernels allow anybody (net.core.rmem_max, 212,992 unless it is set).
    const USUAL: usize = 32 * 1024;

    fn pair() -> (TcpStream, TcpStream) {
        let listener = TcpListener::bind("127.0.0.1:0").unwrap();
        let writer = TcpStream::connect(listener.local_addr().unwrap()).unwrap();
        let (reader, _) = listener.accept().unwrap();
        writer.set_nonblocking(true).unwrap();
        reader.set_nonblocking(true).unwrap();
        (writer, reader)
    }

    /// Writes as much as is taken now.
    fn fill(mut writer: &TcpStream) -> usize {
        let mut total = 0;
        loop {
            match writer.write(&[7; 50_000]) {
                Ok(count) => total += count,
                Err(error) if error.kind() == ErrorKind::WouldBlock => return total,
                Err(error) => panic!("{error}"),
            }
        }
    }

    fn read_all(mut reader: &TcpStream, mut total: usize) {
        let mut room = vec![0; 1024 * 1024];
        while total > 0 {
            match reader.read(&mut room) {
                Ok(0) => panic!("the end"),
                Ok(count) => total -= count,
                Err(error) if error.kind() == ErrorKind::WouldBlock => std::thread::yield_now(),
                Err(error) => panic!("{error}"),
            }
        }
    }

    fn size(reader: &Socket) -> usize {
        reader.recv_buffer_size().unwrap()
    }

    /// Nothing is thrown away of what is there and what may still come.
    fn keeps_its_promise(elastic: &ElasticReceiving, reader: &Socket) {
        let (used, promised) = traffic::receiving(reader.as_raw_fd()).unwrap();
        let is_given_back = elastic.now.load(Ordering::Relaxed) <= elastic.kept();
        assert!(!is_given_back || size(reader) >= used + promised, "{} bytes for {used} and {promised}", size(reader));
    }

    #[test]
    fn what_is_received_has_more_room_while_it_is_large() {
        let (writer, stream) = pair();
        let reader = Socket::from(stream.try_clone().unwrap());
        reader.set_recv_buffer_size(USUAL).unwrap();
        let (usual, elastic) = (size(&reader), ElasticReceiving::new(USUAL));
        let kept = usual + usual / 2;
        elastic.expect(USUAL / LARGER, &reader);
        elastic.expect(0, &reader);
        assert_eq!(size(&reader), usual);
        for round in 0..20 {
            elastic.expect(USUAL, &reader);
            assert_eq!(size(&reader), usual * LARGER, "round {round}");
            elastic.expect(USUAL / 2, &reader);
            assert_eq!(size(&reader), usual * LARGER, "round {round}");
            let written = fill(&writer);
            elastic.expect(0, &reader);
            keeps_its_promise(&elastic, &reader);
            read_all(&stream, written);
            give_all_back(&elastic, &writer, &stream, &reader);
            assert_eq!(size(&reader), kept, "round {round}");
        }
    }

    /// Small messages come until it has its usual size.
    fn give_all_back(elastic: &ElasticReceiving, mut writer: &TcpStream, stream: &TcpStream, reader: &Socket) {
        while !elastic.expect(0, reader) {
            keeps_its_promise(elastic, reader);
            writer.write_all(&[7; 10_000]).unwrap();
            read_all(stream, 10_000);
        }
    }

    /// From the first byte on there was room for much, so the kernel has promised much.
    #[test]
    fn what_was_promised_is_kept_and_given_back_as_it_is_used() {
        let (writer, stream) = pair();
        let reader = Socket::from(stream.try_clone().unwrap());
        let elastic = ElasticReceiving::new(USUAL);
        elastic.expect(USUAL, &reader);
        for _ in 0..3 {
            let written = fill(&writer);
            read_all(&stream, written);
        }
        elastic.expect(0, &reader);
        keeps_its_promise(&elastic, &reader);
        // The kernel hears again how much it may promise.
        elastic.expect(USUAL, &reader);
        give_all_back(&elastic, &writer, &stream, &reader);
        keeps_its_promise(&elastic, &reader);
        assert_eq!(size(&reader), elastic.kept() * TWICE);
    }

    #[test]
    fn a_message_has_no_more_room_than_there_is_for_any() {
        let (_writer, stream) = pair();
        let reader = Socket::from(stream);
        let elastic = ElasticReceiving::new(USUAL);
        elastic.expect(usize::MAX, &reader);
        assert_eq!(elastic.now.load(Ordering::Relaxed), LARGEST);
        (1..RUN).for_each(|_| assert!(!elastic.expect(0, &reader)));
        assert_eq!(elastic.now.load(Ordering::Relaxed), LARGEST, "large and small ones may take turns");
        elastic.expect(0, &reader);
        assert!(elastic.now.load(Ordering::Relaxed) < LARGEST);
    }
}
