//! Which socket types there are.

use std::fmt;

use crate::core::Kind;
use crate::protocol::{bus, pair, pipeline, pubsub, reqrep, survey};

/// The type of a socket: its pattern, and its side of it (protocols.md).
#[derive(Clone, Copy, PartialEq, Eq, Hash, Debug)]
#[non_exhaustive]
pub enum Protocol {
    /// One peer, both ways.
    Pair,
    /// Publishes to all subscribers. Sends only; never waits.
    Pub,
    /// Receives what is published under its topics: see [`Socket::subscribe`](crate::Socket::subscribe).
    Sub,
    /// Asks, and gets the answer; a question without an answer is asked again.
    Req,
    /// Answers, one question after the other.
    Rep,
    /// Hands each message to one of the pullers. Sends only.
    Push,
    /// Receives what pushers send.
    Pull,
    /// Asks everybody, and gathers answers until a deadline.
    Surveyor,
    /// Answers surveys.
    Respondent,
    /// Everybody gets what the others send.
    Bus,
}

/// Every socket type with what the engine knows of it.
const ALL: [(Protocol, Kind); 10] = [
    (Protocol::Pair, pair::PAIR),
    (Protocol::Pub, pubsub::PUB),
    (Protocol::Sub, pubsub::SUB),
    (Protocol::Req, reqrep::REQ),
    (Protocol::Rep, reqrep::REP),
    (Protocol::Push, pipeline::PUSH),
    (Protocol::Pull, pipeline::PULL),
    (Protocol::Surveyor, survey::SURVEYOR),
    (Protocol::Respondent, survey::RESPONDENT),
    (Protocol::Bus, bus::BUS),
];

impl Protocol {
    /// The number that C programs and the wire know it by, as NN_PAIR.
    pub fn number(self) -> i32 {
        let (_, kind) = &ALL[self as usize];
        kind.id.into()
    }

    /// The one with this number, if there is one.
    pub fn from_number(number: i32) -> Option<Protocol> {
        ALL.iter().find(|(_, kind)| i32::from(kind.id) == number).map(|(protocol, _)| *protocol)
    }
}

impl fmt::Display for Protocol {
    /// Its name in lower case, as in `req`.
    fn fmt(&self, out: &mut fmt::Formatter<'_>) -> fmt::Result {
        out.write_str(&format!("{self:?}").to_lowercase())
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn every_kind_of_the_engine_has_its_name_here() {
        assert_eq!(ALL.len(), crate::protocol::KINDS.len());
        for (at, (protocol, kind)) in ALL.iter().enumerate() {
            assert_eq!(*protocol as usize, at);
            assert_eq!(Protocol::from_number(kind.id.into()), Some(*protocol));
            assert_eq!(protocol.number(), i32::from(kind.id));
        }
        assert_eq!(Protocol::from_number(17), None);
        assert_eq!(Protocol::Surveyor.to_string(), "surveyor");
    }
}
