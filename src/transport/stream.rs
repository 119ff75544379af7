//! Non-blocking bytes: what a framing is spoken over.

use std::fmt::Debug;
use std::io::{self, IoSlice};
use std::net::Shutdown;
use std::os::fd::{AsRawFd, RawFd};
use std::time::Duration;

use rustix::net::{RecvFlags, SendAncillaryBuffer, SendFlags, recv, send, sendmsg};
use socket2::{Domain, SockAddr, Socket, Type};

use crate::core::Error;
use crate::sys::descriptor::receive;
use crate::sys::{Owned, traffic};

use super::elastic::{ElasticReceiving, ElasticSending};

/// A connected (or connecting) byte stream. Calls never block; they take `&self` because one thread may
/// write while another reads.
pub trait Stream: Send + Sync + Debug {
    fn read(&self, into: &mut [u8]) -> io::Result<usize>;

    fn write(&self, from: &[IoSlice<'_>]) -> io::Result<usize>;

    /// A message of so many bytes is coming in: one that is large (its rest is read straight to where it belongs), or of 0, any that is not.
    /// False: the next one that is not is to be told as well.
    fn expect(&self, _bytes: usize) -> bool {
        true
    }

    /// Whether a write that took less than all means that there is no room for more (as it does in the kernel).
    fn part_means_full(&self) -> bool {
        false
    }

    /// Bytes that one write of them is sure to find room for. Where nobody can tell, as many as you like.
    fn room(&self) -> usize {
        traffic::room(self.fd()).unwrap_or(usize::MAX)
    }

    /// Says end-of-file to the peer; reading goes on.
    fn shut_write(&self) -> io::Result<()>;

    /// The outcome of the connect under way, once the stream is writable.
    fn connected(&self) -> io::Result<()>;

    /// How the connection was ended in words. `None`: it was not, or it has not ended.
    fn parting(&self) -> Option<Parting> {
        None
    }

    /// What a layer of its own found wrong with the peer, in words: a handshake that failed, a rule that was broken.
    fn complaint(&self) -> Option<String> {
        None
    }

    /// The number of that, where the layer knows it better than the connection's own end tells.
    fn fault(&self) -> Option<Error> {
        None
    }

    /// Whom the certificate names that the peer has shown, once the handshake is over.
    fn subject(&self) -> Option<String> {
        None
    }

    /// Tells the peer that this end goes, where there is a word for it. All that was to be sent has been.
    fn say_goodbye(&self) {}

    /// Ends both directions, so that its end is reported even if the peer never hangs up.
    fn shut_both(&self) {}

    /// Whether [`Stream::prepare`] must have succeeded before the first byte of data: it may take long.
    fn needs_preparing(&self) -> bool {
        false
    }

    /// Goes on with what must come before the first byte of data, once it is connected: a handshake. `WouldBlock`: the
    /// peer's turn, try again when there is news. Reading and writing do it on the way, for who has no time limit.
    fn prepare(&self) -> io::Result<()> {
        Ok(())
    }

    /// Whether it holds bytes of its own making that the kernel has not taken yet; writing nothing goes on with them.
    fn has_unwritten(&self) -> bool {
        false
    }

    /// Whether writing must wait for the peer's part of a handshake: then the next read is news, not writability.
    fn awaits_peer(&self) -> bool {
        false
    }

    /// Whether it may hold bytes that it has taken from the kernel, so that no readiness will tell of them.
    fn has_unread(&self) -> bool {
        false
    }

    /// Whether its descriptor is what it was. A program may close it under us, and open something of its own.
    fn is_ours(&self) -> bool {
        true
    }

    /// The descriptor whose readiness is this stream's.
    fn fd(&self) -> RawFd;
}

/// How a connection was ended in words: nothing was lost then.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub enum Parting {
    /// The peer said that it goes.
    Goodbye,
    /// One side told the other that it has broken the rules. Connecting again would lead to the same.
    Violation,
}

/// A kernel socket, tcp or unix.
#[derive(Debug)]
pub struct Wire {
    socket: Owned<Socket>,
    /// Of unix sockets.
    sending: Option<ElasticSending>,
    /// Of tcp.
    receiving: Option<ElasticReceiving>,
}

/// Buffer sizes of a new connection in bytes: NN_SNDBUF and NN_RCVBUF at that moment. `None`: the kernel's business; of tcp it
/// makes them fit the connection.
#[derive(Clone, Copy, Default, Debug)]
pub struct Buffers {
    pub send: Option<usize>,
    pub recv: Option<usize>,
    /// What is received may have more room while it is large: the program has not said how much it is to have.
    pub is_elastic: bool,
}

/// No SIGPIPE; and no waiting, though the socket is non-blocking: its number may be somebody else's by now.
fn flags() -> SendFlags {
    SendFlags::NOSIGNAL | SendFlags::DONTWAIT
}

impl Wire {
    /// Of a socket that is non-blocking, as those of [`open`] and [`Listening::accept`] are.
    pub fn new(socket: Socket, buffers: Buffers) -> io::Result<Wire> {
        // The kernel clamps what it cannot give; a refusal is no reason to refuse the connection.
        let _ = buffers.send.map(|size| socket.set_send_buffer_size(size));
        let _ = buffers.recv.map(|size| socket.set_recv_buffer_size(size));
        Ok(Wire { socket: Owned::new(socket)?, sending: None, receiving: None })
    }

    /// Of a tcp socket, as [`Wire::new`].
    pub fn tcp(socket: Socket, buffers: Buffers) -> io::Result<Wire> {
        let receiving = buffers.recv.filter(|_| buffers.is_elastic).map(ElasticReceiving::new);
        Ok(Wire { receiving, ..Wire::new(socket, buffers)? })
    }

    /// Of a unix socket, as [`Wire::new`].
    pub fn unix(socket: Socket, buffers: Buffers) -> io::Result<Wire> {
        Ok(Wire { sending: buffers.send.map(ElasticSending::new), ..Wire::new(socket, buffers)? })
    }

    /// Never raises SIGPIPE: the process is not ours.
    fn send(&self, from: &[IoSlice<'_>]) -> io::Result<usize> {
        retry(|| match from {
            // One piece costs the kernel less than a list of pieces.
            [piece] => Ok(send(&*self.socket, piece, flags())?),
            pieces => Ok(sendmsg(&*self.socket, pieces, &mut SendAncillaryBuffer::default(), flags())?),
        })
    }

    pub fn shut(&self, how: Shutdown) -> io::Result<()> {
        if !self.socket.is_ours() {
            return Err(io::Error::from_raw_os_error(libc::EBADF));
        }
        self.socket.shutdown(how)
    }

    /// All that the peer sent has been read, and it will send no more. Takes no bytes, but the reason of a failure.
    pub fn has_ended(&self) -> bool {
        let flags = RecvFlags::PEEK | RecvFlags::DONTWAIT;
        match retry(|| Ok(recv(&*self.socket, &mut [0; 1], flags)?)) {
            Ok((count, _)) => count == 0,
            Err(error) => error.kind() != io::ErrorKind::WouldBlock,
        }
    }
}

/// The system calls are made directly: those of the C library are points where a thread may be cancelled, here with a lock in hand.
impl Stream for Wire {
    fn read(&self, into: &mut [u8]) -> io::Result<usize> {
        retry(|| receive(self.fd(), into))
    }

    fn write(&self, from: &[IoSlice<'_>]) -> io::Result<usize> {
        match &self.sending {
            None => self.send(from),
            Some(elastic) => elastic.write(from, &self.socket, |pieces| self.send(pieces)),
        }
    }

    fn expect(&self, bytes: usize) -> bool {
        self.receiving.as_ref().is_none_or(|elastic| elastic.expect(bytes, &self.socket))
    }

    fn room(&self) -> usize {
        // The room of a large buffer is for what it was made large for.
        match &self.sending {
            Some(elastic) if elastic.is_large() => 0,
            _ => traffic::room(self.fd()).unwrap_or(usize::MAX),
        }
    }

    fn part_means_full(&self) -> bool {
        true
    }

    fn shut_write(&self) -> io::Result<()> {
        self.shut(Shutdown::Write)
    }

    fn shut_both(&self) {
        let _ = self.shut(Shutdown::Both);
    }

    fn connected(&self) -> io::Result<()> {
        match self.socket.take_error()? {
            Some(error) => Err(error),
            None if is_connected_to_itself(&self.socket)? => {
                // A reset leaves nothing behind that would keep the port.
                let _ = self.socket.set_linger(Some(Duration::ZERO));
                Err(io::Error::from_raw_os_error(libc::ECONNREFUSED))
            }
            None => Ok(()),
        }
    }

    fn is_ours(&self) -> bool {
        self.socket.is_ours()
    }

    fn fd(&self) -> RawFd {
        self.socket.as_raw_fd()
    }
}

/// A listening kernel socket.
#[derive(Debug)]
pub struct Listening(pub Owned<Socket>);

impl Listening {
    /// The next connection, non-blocking, and where it comes from, which the system tells no more once the peer has reset it; `WouldBlock` when
    /// there is none.
    pub fn accept(&self) -> io::Result<(Socket, SockAddr)> {
        retry(|| self.0.accept4(libc::SOCK_CLOEXEC | libc::SOCK_NONBLOCK))
    }

    pub fn fd(&self) -> RawFd {
        self.0.as_raw_fd()
    }

    /// The port, which the system may have chosen.
    pub fn port(&self) -> Option<u16> {
        self.0.local_addr().ok()?.as_socket().map(|address| address.port())
    }
}

/// Whoever connects to a port that the system may give to him, and where nobody listens, may be given just that one: TCP then
/// connects the socket to itself (RFC 793, simultaneous open).
fn is_connected_to_itself(socket: &Socket) -> io::Result<bool> {
    let peer = socket.peer_addr()?;
    Ok((peer.is_ipv4() || peer.is_ipv6()) && socket.local_addr()? == peer)
}

/// A non-blocking stream socket that is closed on exec.
pub fn open(domain: Domain) -> io::Result<Socket> {
    Socket::new(domain, Type::STREAM.nonblocking(), None)
}

/// A connect that is under way is as good as one that succeeded: the outcome comes as readiness.
pub fn begin_connect(outcome: io::Result<()>) -> io::Result<()> {
    match outcome {
        Err(error) if error.raw_os_error() == Some(libc::EINPROGRESS) => Ok(()),
        other => other,
    }
}

fn retry<T>(mut call: impl FnMut() -> io::Result<T>) -> io::Result<T> {
    loop {
        match call() {
            Err(error) if error.kind() == io::ErrorKind::Interrupted => {}
            other => return other,
        }
    }
}

#[cfg(test)]
mod tests {
    use std::net::{Ipv4Addr, Ipv6Addr, SocketAddr};

    use super::*;

    /// A socket that is connected to the address to which it is bound.
    fn itself(ip: impl Into<std::net::IpAddr>) -> Socket {
        let address = SocketAddr::new(ip.into(), 0);
        let socket = Socket::new(Domain::for_address(address), Type::STREAM, None).unwrap();
        socket.bind(&address.into()).unwrap();
        socket.connect(&socket.local_addr().unwrap()).unwrap();
        socket
    }

    #[test]
    fn nobody_is_connected_to_himself() {
        let wire = Wire::new(itself(Ipv4Addr::LOCALHOST), Buffers::default()).unwrap();
        let address = wire.socket.local_addr().unwrap();
        assert_eq!(wire.connected().unwrap_err().raw_os_error(), Some(libc::ECONNREFUSED));
        drop(wire);
        // Nothing is left that would keep a server from the port, not even one that shares it with nobody.
        Socket::new(Domain::IPV4, Type::STREAM, None).unwrap().bind(&address).unwrap();
        if std::net::TcpListener::bind((Ipv6Addr::LOCALHOST, 0)).is_ok() {
            let wire = Wire::new(itself(Ipv6Addr::LOCALHOST), Buffers::default()).unwrap();
            assert!(wire.connected().is_err());
        }
    }

    fn sndbuf(wire: &Wire) -> usize {
        wire.socket.send_buffer_size().unwrap()
    }

    /// The sizes fit within what kernels allow anybody (net.core.wmem_max, 212,992 unless it is set).
    #[test]
    fn a_unix_socket_takes_most_of_a_large_message_at_once_and_the_next_one_no_sooner() {
        const SIZE: usize = 64 * 1024;
        let (one, other) = std::os::unix::net::UnixStream::pair().unwrap();
        one.set_nonblocking(true).unwrap();
        other.set_nonblocking(true).unwrap();
        let buffers = Buffers { send: Some(SIZE), ..Buffers::default() };
        let (wire, reader) = (Wire::unix(one.into(), buffers).unwrap(), Wire::unix(other.into(), buffers).unwrap());
        let (usual, mut room) = (sndbuf(&wire), vec![0; 4 * 1024 * 1024]);
        let mut read_all = || {
            let mut count = 0;
            while let Ok(more) = reader.read(&mut room) {
                count += more;
            }
            count
        };
        let large = vec![7; SIZE * 4];
        let written = wire.write(&[IoSlice::new(&large[..3]), IoSlice::new(&large[3..])]).unwrap();
        assert_eq!(written, large.len() - SIZE / 2);
        // Nor does its end go, before there is the usual room.
        assert_eq!((sndbuf(&wire), wire.room()), (usual, 0));
        assert_eq!(wire.write(&[IoSlice::new(&large[written..])]).unwrap_err().kind(), io::ErrorKind::WouldBlock);
        assert_eq!(read_all(), written);
        assert_eq!(wire.write(&[IoSlice::new(&large[written..])]).unwrap(), SIZE / 2);
        assert_eq!(read_all(), SIZE / 2);
        // What does not fit even so: the room is its own until the rest does.
        let larger = vec![7; super::super::elastic::LARGE_BUFFER * 4];
        let mut written = wire.write(&[IoSlice::new(&larger)]).unwrap();
        assert!(written < larger.len() - SIZE && sndbuf(&wire) > usual);
        assert_eq!(read_all(), written);
        assert_eq!(wire.room(), 0);
        while written < larger.len() {
            let count = wire.write(&[IoSlice::new(&larger[written..])]).unwrap();
            assert_eq!(read_all(), count);
            written += count;
        }
        assert_eq!(sndbuf(&wire), usual);
        assert!(wire.room() > 0);
    }

    #[test]
    fn others_are() {
        let server = std::net::TcpListener::bind((Ipv4Addr::LOCALHOST, 0)).unwrap();
        let client = std::net::TcpStream::connect(server.local_addr().unwrap()).unwrap();
        assert!(Wire::new(client.into(), Buffers::default()).unwrap().connected().is_ok());
        let (one, _other) = std::os::unix::net::UnixStream::pair().unwrap();
        assert!(Wire::new(one.into(), Buffers::default()).unwrap().connected().is_ok());
    }
}
