//! inproc names: who is bound, who waits, and the pairing (transports.md 2).
//!
//! The lock of the names is held while a pair is made, and sockets are visited one at a time under it;
//! nobody asks for the names while visiting a socket.

use std::collections::HashMap;
use std::sync::Arc;

use crate::core::{Error, PipeId, Result};
use crate::reactor::sync::Mutex;
use crate::transport::inproc::{self, InprocPipe, Peer};
use crate::transport::pipe::Ready;
use crate::transport::source::Source;

use super::pipes::{Pipe, Stage};
use super::socket::Socket;

#[derive(Debug, Default)]
pub struct Names(Mutex<HashMap<Vec<u8>, Name>>);

#[derive(Debug, Default)]
struct Name {
    binder: Option<End>,
    /// In the order of their connects.
    connectors: Vec<Connector>,
}

#[derive(Debug, Clone)]
struct End {
    socket: Arc<Socket>,
    endpoint: i32,
}

#[derive(Debug)]
struct Connector {
    end: End,
    paired: bool,
}

impl Names {
    /// Binds a name and pairs all compatible connectors that wait for it.
    pub fn bind(&self, name: &[u8], socket: &Arc<Socket>, endpoint: i32) -> Result<()> {
        let mut names = self.0.lock();
        let entry = names.entry(name.to_vec()).or_default();
        if entry.binder.is_some() {
            return Err(Error::ADDR_IN_USE);
        }
        entry.binder = Some(End { socket: Arc::clone(socket), endpoint });
        entry.pair_all(true);
        Ok(())
    }

    /// Waits for a name, or pairs with who is bound to it.
    pub fn connect(&self, name: &[u8], socket: &Arc<Socket>, endpoint: i32) {
        let mut names = self.0.lock();
        let entry = names.entry(name.to_vec()).or_default();
        let end = End { socket: Arc::clone(socket), endpoint };
        entry.connectors.push(Connector { end, paired: false });
        entry.pair_all(false);
    }

    /// An endpoint has ended, and its pipes with it. Its connectors wait again; and since a slot may have become
    /// free, whoever was refused is offered it.
    pub fn forget(&self, socket: &Arc<Socket>, endpoint: i32) {
        let mut names = self.0.lock();
        let is_it = |end: &End| Arc::ptr_eq(&end.socket, socket) && end.endpoint == endpoint;
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

impl Name {
    fn unpair_all(&mut self) {
        for connector in self.connectors.iter_mut().filter(|connector| connector.paired) {
            connector.paired = false;
            connector.end.socket.visit().core.statistics.inprogress_connections += 1;
        }
    }

    /// Pairs every connector that waits and fits. `waited`: they were there first, which the binder counts as
    /// accepting them.
    fn pair_all(&mut self, waited: bool) {
        let Some(binder) = &self.binder else { return };
        for connector in self.connectors.iter_mut().filter(|connector| !connector.paired) {
            connector.paired = pair(binder, &connector.end, waited);
        }
    }
}

/// Links two endpoints if their types fit and neither protocol refuses. Both ends are attached before either may
/// send, so nothing is sent to a peer that turns out to be refused.
fn pair(binder: &End, connector: &End, waited: bool) -> bool {
    if binder.socket.kind().peer != connector.socket.kind().id {
        return false;
    }
    let limits = [binder, connector].map(|end| end.socket.visit().core.options.rcvbuf as usize);
    let [bound, connected] = inproc::link(limits);
    let Some((bound_id, bound_key)) = binder.attach(bound) else { return false };
    let Some((_, connected_key)) = connector.attach(connected) else {
        binder.detach(bound_id);
        return false;
    };
    {
        let mut visit = connector.socket.visit();
        visit.core.statistics.inprogress_connections -= 1;
        visit.core.statistics.established_connections += 1;
    }
    if waited {
        binder.socket.visit().core.statistics.accepted_connections += 1;
    }
    for (end, key) in [(binder, bound_key), (connector, connected_key)] {
        end.socket.ready(key, Ready { readable: true, writable: true, closed: false });
    }
    true
}

impl End {
    /// Attaches one end of a link, which may not send yet.
    fn attach(&self, pipe: InprocPipe) -> Option<(PipeId, u64)> {
        let mut visit = self.socket.visit();
        if !visit.is_open() {
            return None;
        }
        let priorities = visit.endpoints.get(self.endpoint)?.priorities;
        let (id, key) = visit.pipes.insert(Pipe::Inproc(pipe), self.endpoint, priorities, Stage::Greeting);
        if !visit.attach(id) {
            visit.pipes.remove(id);
            return None;
        }
        if let Some(Pipe::Inproc(pipe)) = visit.pipes.get(id).map(|entry| &entry.pipe) {
            pipe.own(Peer { source: self.socket.clone(), key });
        }
        Some((id, key))
    }

    fn detach(&self, id: PipeId) {
        let mut visit = self.socket.visit();
        visit.tell_of_leaving(id);
        visit.leave_all(vec![id]);
    }
}
