//! What the kernel has counted of a TCP connection. It counts anyway, so asking costs nothing until somebody does.

use std::mem::MaybeUninit;
use std::os::fd::RawFd;

#[derive(Clone, Copy, Debug)]
pub struct Traffic {
    /// Bytes sent that the peer's kernel has, and one for having said hello.
    pub acknowledged: u64,
    pub received: u64,
    pub round_trip_us: u32,
}

/// `None` for what is no TCP connection.
pub fn of(fd: RawFd) -> Option<Traffic> {
    let mut info = MaybeUninit::<libc::tcp_info>::zeroed();
    let mut len = size_of::<libc::tcp_info>() as libc::socklen_t;
    // SAFETY: the kernel writes at most `len` bytes, which is the size of what the pointer leads to.
    let outcome =
        unsafe { libc::getsockopt(fd, libc::IPPROTO_TCP, libc::TCP_INFO, info.as_mut_ptr().cast(), &raw mut len) };
    // SAFETY: numbers only, all of them zeroed or written.
    let info = (outcome == 0).then(|| unsafe { info.assume_init() })?;
    Some(Traffic {
        acknowledged: info.tcpi_bytes_acked,
        received: info.tcpi_bytes_received,
        round_trip_us: info.tcpi_rtt,
    })
}

#[cfg(test)]
mod tests {
    use std::io::{Read, Write};
    use std::net::{TcpListener, TcpStream};
    use std::os::fd::AsRawFd;

    use super::*;

    #[test]
    fn bytes_are_counted_both_ways() {
        let listener = TcpListener::bind("127.0.0.1:0").unwrap();
        let mut client = TcpStream::connect(listener.local_addr().unwrap()).unwrap();
        let (mut server, _) = listener.accept().unwrap();
        client.write_all(&[7; 1000]).unwrap();
        server.read_exact(&mut [0; 1000]).unwrap();
        server.write_all(&[7; 10]).unwrap();
        client.read_exact(&mut [0; 10]).unwrap();
        let ours = of(client.as_raw_fd()).unwrap();
        assert_eq!((ours.acknowledged, ours.received), (1001, 10));
        assert_eq!(of(server.as_raw_fd()).unwrap().received, 1000);
        assert!(of(std::fs::File::open("/dev/null").unwrap().as_raw_fd()).is_none());
    }
}
