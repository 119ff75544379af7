//! Messages that patterns drop, by the reason.

/// Why a message was dropped instead of sent or delivered. What a connection takes with it when it breaks is not among them:
/// of that nobody knows how much the peer has had.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
#[repr(u8)]
pub enum DropReason {
    NoPeer,
    PeerFull,
    PeerGone,
    NotSubscribed,
    Stale,
    Malformed,
    TooManyHops,
    ContextFull,
    NoMemory,
}

impl DropReason {
    /// In the order of their numbers.
    pub const ALL: [DropReason; 9] = [
        DropReason::NoPeer,
        DropReason::PeerFull,
        DropReason::PeerGone,
        DropReason::NotSubscribed,
        DropReason::Stale,
        DropReason::Malformed,
        DropReason::TooManyHops,
        DropReason::ContextFull,
        DropReason::NoMemory,
    ];

    /// As descriptions and metrics name it.
    pub fn name(self) -> &'static str {
        match self {
            DropReason::NoPeer => "no_peer",
            DropReason::PeerFull => "peer_full",
            DropReason::PeerGone => "peer_gone",
            DropReason::NotSubscribed => "not_subscribed",
            DropReason::Stale => "stale",
            DropReason::Malformed => "malformed",
            DropReason::TooManyHops => "too_many_hops",
            DropReason::ContextFull => "context_full",
            DropReason::NoMemory => "no_memory",
        }
    }
}

/// How many messages were dropped, by the reason.
#[derive(Clone, Copy, Default, PartialEq, Eq, Debug)]
pub struct Drops([u64; DropReason::ALL.len()]);

impl Drops {
    pub fn of(&self, reason: DropReason) -> u64 {
        self.0[reason as usize]
    }

    pub fn add(&mut self, reason: DropReason, count: u64) {
        self.0[reason as usize] += count;
    }

    pub fn iter(&self) -> impl Iterator<Item = (&'static str, u64)> {
        DropReason::ALL.into_iter().map(|reason| (reason.name(), self.of(reason)))
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn reasons_are_in_their_order_and_have_names_of_their_own() {
        for (index, reason) in DropReason::ALL.into_iter().enumerate() {
            assert_eq!(reason as usize, index);
            assert_eq!(DropReason::ALL.into_iter().filter(|other| other.name() == reason.name()).count(), 1);
        }
    }
}
