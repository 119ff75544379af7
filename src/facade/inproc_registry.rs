//! inproc names: who is bound, who waits, and the pairing (transports.md 2).
//!
//! The lock of the names is held while a pair is made, and parties are entered one at a time under it; nobody asks for the names
//! while in a party.

use std::collections::HashMap;
use std::sync::Arc;

use crate::core::{Error, Kind, PipeId, Result};
use crate::sys::sync::Mutex;
use crate::transport::inproc::{self, InprocPipe};

/// Who binds and connects: a socket.
pub trait Party: Send + Sync {
    fn kind(&self) -> &'static Kind;

    /// NN_RCVBUF as it stands.
    fn receive_limit(&self) -> usize;

    /// Takes one end of a link for an endpoint; it may not send yet. `None` if the protocol refuses it, or the endpoint is gone.
    fn attach(&self, endpoint: i32, pipe: InprocPipe) -> Option<(PipeId, u64)>;

    /// No peer comes of an endpoint of a socket of this type: it does not fit, or one of the two has a peer already.
    fn refused(&self, endpoint: i32, other: &'static Kind);

    /// The other end was refused.
    fn detach(&self, pipe: PipeId);

    fn count(&self, pairing: Pairing);

    /// Both ends are attached: what was attached under this key may send.
    fn start(&self, key: u64);
}

/// What pairing means for the counters of a party.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub enum Pairing {
    /// A connector found its binder.
    Established,
    /// A binder came to a connector that was there first.
    Accepted,
    /// A connector's binder has gone.
    WaitsAgain,
}

pub struct InprocRegistry<P: ?Sized>(Mutex<HashMap<Vec<u8>, Name<P>>>);

struct Name<P: ?Sized> {
    binder: Option<End<P>>,
    /// In the order of their connects.
    connectors: Vec<Connector<P>>,
}

struct End<P: ?Sized> {
    party: Arc<P>,
    endpoint: i32,
}

struct Connector<P: ?Sized> {
    end: End<P>,
    standing: Standing,
}

/// What a connector has come to.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
enum Standing {
    /// For somebody to bind the name.
    Waiting,
    /// It was refused, and both have been told. It is offered every place that becomes free.
    Refused,
    Paired,
}

impl<P: ?Sized> Default for InprocRegistry<P> {
    fn default() -> Self {
        InprocRegistry(Mutex::default())
    }
}

impl<P: ?Sized> Default for Name<P> {
    fn default() -> Self {
        Name { binder: None, connectors: Vec::new() }
    }
}

impl<P: Party + ?Sized> InprocRegistry<P> {
    /// Binds a name and pairs all compatible connectors that wait for it.
    pub fn bind(&self, name: &[u8], party: Arc<P>, endpoint: i32) -> Result<()> {
        let mut names = self.0.lock();
        let entry = names.entry(name.to_vec()).or_default();
        if entry.binder.is_some() {
            return Err(Error::ADDR_IN_USE);
        }
        entry.binder = Some(End { party, endpoint });
        entry.pair_all(true);
        Ok(())
    }

    /// Waits for a name, or pairs with who is bound to it.
    pub fn connect(&self, name: &[u8], party: Arc<P>, endpoint: i32) {
        let mut names = self.0.lock();
        let entry = names.entry(name.to_vec()).or_default();
        entry.connectors.push(Connector { end: End { party, endpoint }, standing: Standing::Waiting });
        entry.pair_all(false);
    }

    /// An endpoint has ended, and its pipes with it. Its connectors wait again; and since a slot may have become
    /// free, whoever was refused is offered it.
    pub fn forget(&self, party: &Arc<P>, endpoint: i32) {
        let mut names = self.0.lock();
        let is_it = |end: &End<P>| Arc::ptr_eq(&end.party, party) && end.endpoint == endpoint;
        for name in names.values_mut() {
            name.connectors.retain(|connector| !is_it(&connector.end));
            if name.binder.as_ref().is_some_and(is_it) {
                name.binder = None;
                name.unpair_all();
            }
        }
        names.retain(|_, name| name.binder.is_some() || !name.connectors.is_empty());
        for name in names.values_mut() {
            name.pair_all(true);
        }
    }
}

impl<P: Party + ?Sized> Name<P> {
    fn unpair_all(&mut self) {
        for connector in &mut self.connectors {
            if connector.standing == Standing::Paired {
                connector.end.party.count(Pairing::WaitsAgain);
            }
            connector.standing = Standing::Waiting;
        }
    }

    /// Pairs every connector that waits and fits. `waited`: they were there first, which the binder counts as
    /// accepting them.
    fn pair_all(&mut self, waited: bool) {
        let Some(binder) = &self.binder else { return };
        for connector in self.connectors.iter_mut().filter(|connector| connector.standing != Standing::Paired) {
            if pair(binder, &connector.end, waited) {
                connector.standing = Standing::Paired;
            } else if connector.standing != Standing::Refused {
                connector.standing = Standing::Refused;
                binder.party.refused(binder.endpoint, connector.end.party.kind());
                connector.end.party.refused(connector.end.endpoint, binder.party.kind());
            }
        }
    }
}

/// Links two endpoints if their types fit and neither protocol refuses. Both ends are attached before either may
/// send, so nothing is sent to a peer that turns out to be refused.
fn pair<P: Party + ?Sized>(binder: &End<P>, connector: &End<P>, waited: bool) -> bool {
    if binder.party.kind().peer != connector.party.kind().id {
        return false;
    }
    let limits = [binder, connector].map(|end| end.party.receive_limit());
    let [bound, connected] = inproc::link(limits);
    let Some((bound_id, bound_key)) = binder.party.attach(binder.endpoint, bound) else { return false };
    let Some((_, connected_key)) = connector.party.attach(connector.endpoint, connected) else {
        binder.party.detach(bound_id);
        return false;
    };
    connector.party.count(Pairing::Established);
    if waited {
        binder.party.count(Pairing::Accepted);
    }
    binder.party.start(bound_key);
    connector.party.start(connected_key);
    true
}

#[cfg(test)]
mod tests {
    use std::mem::take;

    use super::*;
    use crate::protocol::{self, pair::PAIR, pipeline};

    /// Writes down what it is told.
    struct Fake {
        kind: &'static Kind,
        /// How many pipes it still takes.
        room: Mutex<usize>,
        log: Mutex<Vec<&'static str>>,
    }

    fn fake(kind: &Kind, room: usize) -> Arc<Fake> {
        let kind = protocol::find(i32::from(kind.id)).expect("a kind");
        Arc::new(Fake { kind, room: Mutex::new(room), log: Mutex::default() })
    }

    impl Fake {
        fn told(&self) -> Vec<&'static str> {
            take(&mut *self.log.lock())
        }

        fn log(&self, what: &'static str) {
            self.log.lock().push(what);
        }
    }

    impl Party for Fake {
        fn kind(&self) -> &'static Kind {
            self.kind
        }

        fn receive_limit(&self) -> usize {
            1000
        }

        fn attach(&self, endpoint: i32, _: InprocPipe) -> Option<(PipeId, u64)> {
            let mut room = self.room.lock();
            if *room == 0 {
                self.log("refused");
                return None;
            }
            *room -= 1;
            self.log("attached");
            Some((PipeId(endpoint as u32), endpoint as u64))
        }

        fn refused(&self, _: i32, other: &'static Kind) {
            self.log(other.name);
        }

        fn detach(&self, _: PipeId) {
            *self.room.lock() += 1;
            self.log("detached");
        }

        fn count(&self, pairing: Pairing) {
            self.log(match pairing {
                Pairing::Established => "established",
                Pairing::Accepted => "accepted",
                Pairing::WaitsAgain => "waits again",
            });
        }

        fn start(&self, _: u64) {
            self.log("started");
        }
    }

    const PAIRED: [&str; 3] = ["attached", "established", "started"];

    #[test]
    fn who_was_there_first_is_accepted() {
        let (binder, connector) = (fake(&PAIR, 1), fake(&PAIR, 1));
        let names = InprocRegistry::default();
        names.connect(b"a", Arc::clone(&connector), 1);
        assert!(connector.told().is_empty(), "nobody is bound");
        names.bind(b"b", Arc::clone(&binder), 1).unwrap();
        assert!(connector.told().is_empty(), "another name");
        names.bind(b"a", Arc::clone(&binder), 2).unwrap();
        assert_eq!(binder.told(), ["attached", "accepted", "started"]);
        assert_eq!(connector.told(), PAIRED);
    }

    #[test]
    fn who_comes_to_a_bound_name_is_not_accepted_but_paired() {
        let (binder, connector) = (fake(&PAIR, 1), fake(&PAIR, 1));
        let names = InprocRegistry::default();
        names.bind(b"a", Arc::clone(&binder), 1).unwrap();
        names.connect(b"a", Arc::clone(&connector), 1);
        assert_eq!(binder.told(), ["attached", "started"]);
        assert_eq!(connector.told(), PAIRED);
        assert_eq!(names.bind(b"a", Arc::clone(&connector), 2), Err(Error::ADDR_IN_USE));
    }

    #[test]
    fn types_that_do_not_fit_wait_beside_each_other() {
        let (binder, pull, push) = (fake(&pipeline::PUSH, 9), fake(&pipeline::PULL, 9), fake(&pipeline::PUSH, 9));
        let names = InprocRegistry::default();
        names.bind(b"a", Arc::clone(&binder), 1).unwrap();
        names.connect(b"a", Arc::clone(&push), 1);
        assert_eq!([binder.told(), push.told()], [["PUSH"], ["PUSH"]]);
        names.connect(b"a", Arc::clone(&pull), 1);
        assert!(push.told().is_empty(), "they are told once");
        assert_eq!(pull.told(), PAIRED);
    }

    #[test]
    fn one_refusal_leaves_no_half_of_a_pair() {
        let (binder, connector) = (fake(&PAIR, 1), fake(&PAIR, 0));
        let names = InprocRegistry::default();
        names.bind(b"a", Arc::clone(&binder), 1).unwrap();
        names.connect(b"a", Arc::clone(&connector), 1);
        assert_eq!(binder.told(), ["attached", "detached", "PAIR"]);
        assert_eq!(connector.told(), ["refused", "PAIR"]);
    }

    #[test]
    fn whoever_was_refused_is_offered_the_place_that_becomes_free() {
        let (binder, first, second) = (fake(&PAIR, 1), fake(&PAIR, 1), fake(&PAIR, 1));
        let names = InprocRegistry::default();
        names.bind(b"a", Arc::clone(&binder), 1).unwrap();
        names.connect(b"a", Arc::clone(&first), 1);
        names.connect(b"a", Arc::clone(&second), 1);
        assert_eq!(second.told(), ["PAIR"], "there is room for one");
        binder.told();
        *binder.room.lock() += 1;
        names.forget(&first, 1);
        assert_eq!(second.told(), PAIRED);
        assert_eq!(binder.told(), ["attached", "accepted", "started"]);
    }

    #[test]
    fn connectors_wait_again_when_their_binder_goes() {
        let (binder, connector, next) = (fake(&PAIR, 1), fake(&PAIR, 2), fake(&PAIR, 1));
        let names = InprocRegistry::default();
        names.bind(b"a", Arc::clone(&binder), 1).unwrap();
        names.connect(b"a", Arc::clone(&connector), 1);
        connector.told();
        names.forget(&binder, 2);
        assert!(connector.told().is_empty(), "that was another endpoint");
        names.forget(&binder, 1);
        assert_eq!(connector.told(), ["waits again"]);
        names.bind(b"a", Arc::clone(&next), 1).unwrap();
        assert_eq!(connector.told(), PAIRED);
    }
}
