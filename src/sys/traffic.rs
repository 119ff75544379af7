//! What the kernel has counted of a TCP connection. It counts anyway, so asking costs nothing until somebody does.

use std::mem::MaybeUninit;
use std::os::fd::RawFd;

#[derive(Clone, Copy, Debug)]
pub struct Traffic {
    /// Bytes sent that the peer's kernel has, and one for having said hello.
    pub acknowledged: u64,
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
    Some(Traffic { acknowledged: info.tcpi_bytes_acked, round_trip_us: info.tcpi_rtt })
}

/// Bytes that a connection's kernel buffer for sending has room for: a write of so many is taken at once. An eighth is left for what
/// the kernel keeps beside them; and the last piece of a write may exceed the limit. `None`: the kernel does not tell (Linux does since 4.12), or it is no socket.
pub fn room(fd: RawFd) -> Option<usize> {
    let told = memory(fd)?;
    // What tcp goes by, and what unix sockets do.
    let used = told(libc::SK_MEMINFO_WMEM_QUEUED).max(told(libc::SK_MEMINFO_WMEM_ALLOC));
    let room = told(libc::SK_MEMINFO_SNDBUF).saturating_sub(used);
    Some(room - room / 8)
}

/// Bytes of a TCP connection's kernel buffer for receiving that are in use, with what the kernel has beside them, and those that the peer may still
/// send. `None` as for [`room`].
pub fn receiving(fd: RawFd) -> Option<(usize, usize)> {
    /// Where it is told (linux/tcp.h) up to where the peer may send, and, which older kernels tell (before 6.2), how far that may go.
    const WINDOW: usize = 232 / 4;
    const WINDOW_AT_MOST: usize = 64 / 4;
    let (info, count) = numbers::<{ WINDOW + 1 }>(fd, libc::IPPROTO_TCP, libc::TCP_INFO)?;
    let promised = info.get(..count)?.get(WINDOW).or(info.get(WINDOW_AT_MOST))?;
    // After it, so what comes in between is in both, and not in neither.
    let used = memory(fd)?(libc::SK_MEMINFO_RMEM_ALLOC);
    Some((used, *promised as usize))
}

/// Bytes that the kernel lets the peer of a TCP connection send at most, and no more than that are under way.
pub fn promise(fd: RawFd) -> Option<usize> {
    let ([bytes], _) = numbers::<1>(fd, libc::IPPROTO_TCP, libc::TCP_WINDOW_CLAMP)?;
    Some(bytes as usize)
}

/// Has the kernel promise no more than so many bytes from now on. What it has promised it keeps.
pub fn promise_at_most(fd: RawFd, bytes: usize) {
    let clamp = libc::c_int::try_from(bytes).unwrap_or(libc::c_int::MAX);
    let (value, len) = ((&raw const clamp).cast(), size_of_val(&clamp) as libc::socklen_t);
    // SAFETY: the kernel reads `len` bytes, which is the size of what the pointer leads to.
    let _ = unsafe { libc::setsockopt(fd, libc::IPPROTO_TCP, libc::TCP_WINDOW_CLAMP, value, len) };
}

/// What memory a socket has and may have (linux/sock_diag.h).
fn memory(fd: RawFd) -> Option<impl Fn(libc::c_int) -> usize> {
    let (info, _) = numbers::<{ libc::SK_MEMINFO_DROPS as usize + 1 }>(fd, libc::SOL_SOCKET, libc::SO_MEMINFO)?;
    Some(move |place: libc::c_int| info[place as usize] as usize)
}

/// The first `N` words of an option, of which the kernel tells so many; the others are 0.
fn numbers<const N: usize>(fd: RawFd, level: libc::c_int, option: libc::c_int) -> Option<([u32; N], usize)> {
    let mut info = [0_u32; N];
    let mut len = size_of_val(&info) as libc::socklen_t;
    // SAFETY: the kernel writes at most `len` bytes, which is the size of what the pointer leads to.
    let outcome = unsafe { libc::getsockopt(fd, level, option, info.as_mut_ptr().cast(), &raw mut len) };
    (outcome == 0).then_some((info, len as usize / size_of::<u32>()))
}

#[cfg(test)]
mod tests {
    use std::io::{Read, Write};
    use std::net::{TcpListener, TcpStream};
    use std::os::fd::AsRawFd;
    use std::os::unix::net::UnixStream;

    use socket2::Socket;

    use super::*;

    #[test]
    fn acknowledged_bytes_are_counted() {
        let listener = TcpListener::bind("127.0.0.1:0").unwrap();
        let mut client = TcpStream::connect(listener.local_addr().unwrap()).unwrap();
        let (mut server, _) = listener.accept().unwrap();
        client.write_all(&[7; 1000]).unwrap();
        server.read_exact(&mut [0; 1000]).unwrap();
        server.write_all(&[7; 10]).unwrap();
        client.read_exact(&mut [0; 10]).unwrap();
        let ours = of(client.as_raw_fd()).unwrap();
        assert_eq!(ours.acknowledged, 1001);
        assert!(of(std::fs::File::open("/dev/null").unwrap().as_raw_fd()).is_none());
    }

    /// Whatever was written before, down to the last byte, as long as there is room at all.
    #[test]
    fn what_there_is_room_for_is_taken() {
        let listener = TcpListener::bind("127.0.0.1:0").unwrap();
        for step in [1, 72, 1000, 20_000, 65_000, usize::MAX] {
            let tcp = TcpStream::connect(listener.local_addr().unwrap()).unwrap();
            let (unix, _peer) = UnixStream::pair().unwrap();
            let _reader = listener.accept().unwrap();
            for socket in [Socket::from(tcp), Socket::from(unix)] {
                socket.set_nonblocking(true).unwrap();
                socket.set_send_buffer_size(128 * 1024).unwrap();
                let mut total = 0;
                loop {
                    let most = room(socket.as_raw_fd()).unwrap().min(step);
                    if most == 0 {
                        break;
                    }
                    assert_eq!(
                        socket.send(&vec![7; most]).unwrap(),
                        most,
                        "{socket:?} after {total}, {step} at a time"
                    );
                    total += most;
                }
                assert!(total > 200, "it holds some: {total}");
            }
        }
        assert!(room(std::fs::File::open("/dev/null").unwrap().as_raw_fd()).is_none());
    }
}
