//! Numbers that nobody can foresee, from the operating system.

/// So many random bytes. Panics where the system has none at all, as the hash maps of the standard library do: a Linux without
/// `getrandom` and without `/dev/urandom`.
pub fn bytes<const N: usize>() -> [u8; N] {
    let mut bytes = [0; N];
    match getrandom::getrandom(&mut bytes) {
        Ok(()) => bytes,
        Err(error) => panic!("the system has no random numbers: {error}"),
    }
}

#[cfg(test)]
mod tests {
    #[test]
    fn every_byte_is_filled() {
        let mut seen = [0; 13];
        for _ in 0..64 {
            let random = super::bytes::<13>();
            for (seen, byte) in seen.iter_mut().zip(random) {
                *seen |= byte;
            }
        }
        assert_eq!(seen, [255; 13]);
    }
}
