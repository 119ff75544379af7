//! An end point as a connection of the server.

use std::sync::atomic::{AtomicU64, Ordering};
use std::sync::{Arc, Weak};
use std::time::Duration;

use crate::core::Error;
use crate::qi::calls::requester::Requester;
use crate::qi::capability::Capabilities;
use crate::qi::endpoint::budget::Account;
use crate::qi::endpoint::{EndPoint, Pattern, Reason, Sent, Taken, Types, WhenFull};
use crate::qi::message::{HEADER_SIZE, Message};

use super::connection::{Connection, Policy, SendError};
use super::model::Peer;
use super::router::{Role, Router};

/// Connections count on over all servers of the process.
static NEXT: AtomicU64 = AtomicU64::new(1);

struct PeerLink {
    id: u64,
    endpoint: Arc<EndPoint>,
    /// Bytes that may wait to be sent before events are dropped. It is less than what may wait at all: an answer should
    /// find room.
    event_limit: u64,
}

impl Connection for PeerLink {
    fn id(&self) -> u64 {
        self.id
    }

    fn next_id(&self) -> u32 {
        self.endpoint.next_id()
    }

    fn send(&self, message: Message, policy: Policy) -> Result<(), SendError> {
        let room = self.endpoint.account().has_room(HEADER_SIZE + message.payload.len());
        let full = match policy {
            Policy::Control => return self.endpoint.send_control(&message).map_err(|_| SendError::Closed),
            // Nobody tells when others leave more of the budget, so this does not wait for it.
            _ if !room => return Err(SendError::Full),
            Policy::Event { .. } if self.endpoint.unsent_bytes() > self.event_limit => return Err(SendError::Full),
            Policy::Event { .. } => WhenFull::Drop,
            Policy::Answer(Duration::ZERO) => WhenFull::Fail,
            Policy::Answer(wait) => WhenFull::Block(Some(wait)),
        };
        match self.endpoint.send_paced(&message, full, policy == Policy::Event { in_row: true }) {
            Ok(Sent::Accepted) => Ok(()),
            Err(Error::NOT_CONNECTED) => Err(SendError::Closed),
            // Also one that no connection can carry: its caller is to hear of that.
            Ok(Sent::Dropped) | Err(_) => Err(SendError::Full),
        }
    }

    fn close(&self) {
        // Not within a filter, so this cannot fail.
        let _ = self.endpoint.close();
    }

    fn remote(&self) -> String {
        self.endpoint.peer().to_owned()
    }

    fn local(&self) -> Option<String> {
        self.endpoint.local().map(str::to_owned)
    }

    fn endpoint(&self) -> Option<Arc<EndPoint>> {
        Some(Arc::clone(&self.endpoint))
    }

    fn account(&self) -> Arc<Account> {
        Arc::clone(self.endpoint.account())
    }

    fn hold_back(&self) {
        self.endpoint.hold_back();
    }

    fn requester(&self) -> Arc<Requester> {
        // Of an end point that has ended, one that fails.
        Requester::of(&self.endpoint).unwrap_or_else(|_| Requester::over(Arc::clone(&self.endpoint) as _))
    }

    fn authenticated(&self, _shared: Capabilities) {
        self.endpoint.set_authenticated();
    }
}

/// Noted at the end point: as what it is served.
struct Served(Weak<Peer>);

/// The peer at the other end of a connection that this process serves.
pub(super) fn peer_of(endpoint: &EndPoint) -> Option<Arc<Peer>> {
    endpoint.attachment::<Served>()?.0.upgrade()
}

/// Serves a connection: all that arrives from now on goes to the router.
pub(super) fn serve(router: &Arc<Router>, endpoint: &Arc<EndPoint>, role: Role, event_limit: u64) -> Result<(), Error> {
    let id = NEXT.fetch_add(1, Ordering::Relaxed);
    let link = PeerLink { id, endpoint: Arc::clone(endpoint), event_limit };
    let peer = router.connected(Arc::new(link), role);
    endpoint.attach(Some(Arc::new(Served(Arc::downgrade(&peer)))));
    let sink = {
        let (router, peer) = (Arc::clone(router), Arc::clone(&peer));
        move |_: &EndPoint, message: &Message| {
            router.incoming(&peer, message);
            Taken::Yes
        }
    };
    let closer = {
        let (router, peer) = (Arc::clone(router), Arc::clone(&peer));
        Box::new(move |_: &Reason| router.ended(&peer))
    };
    match endpoint.make_sink(Pattern::types(Types::ANY), Arc::new(sink), Some(closer)) {
        Ok(_) if router.is_stopped() => endpoint.close(),
        Ok(_) => Ok(()),
        Err(error) => {
            router.ended(&peer);
            Err(error)
        }
    }
}
