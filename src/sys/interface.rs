//! Network interfaces by name.

use std::ffi::{CStr, CString};
use std::io;
use std::net::{Ipv4Addr, Ipv6Addr, SocketAddr, SocketAddrV6};
use std::ptr;

use super::stack::with_enough;

/// The index of an interface in the network name space of the calling thread.
pub fn index(name: &[u8]) -> Option<u32> {
    let name = CString::new(name).ok()?;
    // SAFETY: the name is a string that lives across the call.
    let index = unsafe { libc::if_nametoindex(name.as_ptr()) };
    (index != 0).then_some(index)
}

/// The addresses of an interface, with scope and with port 0. `None`: there is no such interface.
pub fn addresses(name: &[u8]) -> io::Result<Option<Vec<SocketAddr>>> {
    with_enough(|| {
        let mut found: Option<Vec<SocketAddr>> = None;
        each(|interface, _, address| {
            if interface == name {
                found.get_or_insert_default().extend(address);
            }
        })?;
        Ok(found)
    })
}

/// The addresses of all interfaces that are up, with scope and with port 0.
pub fn all_addresses() -> io::Result<Vec<SocketAddr>> {
    with_enough(|| {
        let mut found = Vec::new();
        each(|_, is_up, address| found.extend(address.filter(|_| is_up)))?;
        Ok(found)
    })
}

/// Shows every address of every interface: its name, whether it is up, and the address if it is one of IP.
fn each(mut look: impl FnMut(&[u8], bool, Option<SocketAddr>)) -> io::Result<()> {
    let mut first = ptr::null_mut();
    // SAFETY: `first` is room for a pointer.
    if unsafe { libc::getifaddrs(&raw mut first) } != 0 {
        return Err(io::Error::last_os_error());
    }
    let mut next: *const libc::ifaddrs = first;
    // SAFETY: each pointer of the list is null or leads to an entry, which stays until the list is freed.
    while let Some(entry) = unsafe { next.as_ref() } {
        next = entry.ifa_next;
        // SAFETY: every entry has a name, and its address is null or one of the kind that its family tells.
        let (name, address) = unsafe { (CStr::from_ptr(entry.ifa_name), address(entry.ifa_addr)) };
        let is_up = entry.ifa_flags & libc::IFF_UP as libc::c_uint != 0;
        look(name.to_bytes(), is_up, address);
    }
    // SAFETY: the list is ours, and nothing of it is in use any more.
    unsafe { libc::freeifaddrs(first) };
    Ok(())
}

/// # Safety
/// Null, or an address of the kind that its family tells.
unsafe fn address(from: *const libc::sockaddr) -> Option<SocketAddr> {
    // SAFETY: the caller's promise; every kind begins with a family.
    let family = unsafe { from.as_ref() }?.sa_family;
    match libc::c_int::from(family) {
        libc::AF_INET => {
            // SAFETY: the family tells the kind. It may stand anywhere, so it is copied.
            let address = unsafe { from.cast::<libc::sockaddr_in>().read_unaligned() };
            Some((Ipv4Addr::from(u32::from_be(address.sin_addr.s_addr)), 0).into())
        }
        libc::AF_INET6 => {
            // SAFETY: as above.
            let address = unsafe { from.cast::<libc::sockaddr_in6>().read_unaligned() };
            let ip = Ipv6Addr::from(address.sin6_addr.s6_addr);
            Some(SocketAddrV6::new(ip, 0, 0, address.sin6_scope_id).into())
        }
        _ => None,
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_loopback_interface_is_known_by_its_name() {
        assert!(index(b"lo").is_some());
        let addresses = addresses(b"lo").unwrap().unwrap();
        assert!(addresses.contains(&(Ipv4Addr::LOCALHOST, 0).into()), "{addresses:?}");
        assert!(all_addresses().unwrap().contains(&(Ipv4Addr::LOCALHOST, 0).into()));
    }

    #[test]
    fn others_are_not() {
        for name in [&b"no-such-one"[..], b"", b"l\0o", b"../lo", &[0xff; 100]] {
            assert_eq!(index(name), None);
            assert_eq!(addresses(name).unwrap(), None);
        }
    }
}
