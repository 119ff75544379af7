//! What a large message makes for work, apart from the turn of its object: others who call that need not wait until a million values have been
//! decoded, encoded or freed.
//!
//! ```text
//!   taken ──large──▶ the connection is held ──▶ a helper reads the arguments ──▶ let go ──▶ taken, and the method is called
//!   answered ──large──▶ the connection is held ──▶ a helper writes the answer and sends it ──▶ let go
//!                                └── meanwhile the object does what others want of it
//! ```
//!
//! A connection has one such thing under way at each object, so its calls keep their order. The helpers are a few of the server's workers
//! (one fewer than work at once): [`helper`] is an object that does so many things at once.

use std::sync::Arc;
use std::sync::atomic::{AtomicBool, Ordering};

use crate::qi::actions::{PROPERTY, SET_PROPERTY};
use crate::qi::convert::{Conversion, convert};
use crate::qi::directory::DIRECTORY_ID;
use crate::qi::message::{Header, Message};
use crate::qi::payload::{PayloadError, is_dynamic, read_arguments_by};
use crate::qi::signature::Signature;
use crate::qi::value::{Reader, Value};
use crate::qi::workers::own_turn::is_in_turn_of;
use crate::qi::workers::run_queue::Threads;
use crate::qi::workers::turns::GONE;

use super::generic;
use super::mailbox::Origin;
use super::model::{AlreadyRead, Common, InboundCall, Object, Peer, ReadArguments, Task};

/// Bytes of a payload from which on it is worth another thread.
const LARGE: usize = 64 * 1024;

/// More values than this likewise.
const LARGE_VALUES: usize = 4096;

/// What a message counts in a mailbox beside its payload.
const OVERHEAD: usize = 256;

/// An object that does what is done apart.
pub(super) fn helper(threads: Threads) -> Object {
    Object::without_members(helpers(threads))
}

fn helpers(threads: Threads) -> usize {
    threads.at_once.saturating_sub(1).max(1)
}

impl Common {
    /// Has a helper do this, in turn with what it does for other connections.
    pub(super) fn apart(&self, connection: u64, run: impl FnOnce() + Send + 'static) {
        let task = Task::Run { run: Box::new(run), crew: Arc::clone(&self.crew) };
        if let Ok(true) = self.helper.0.mailbox.push(Origin::Server { about: connection }, task) {
            self.crew.submit(connection, self.helper.clone());
        }
    }

    /// For what counts in no budget any more, or not yet: a few may wait for a helper, what else there is is done in the object's turn.
    fn uncounted(self: &Arc<Self>) -> Option<Uncounted> {
        let place = Uncounted(Arc::clone(self));
        let before = self.uncounted.fetch_add(1, Ordering::Relaxed);
        (before <= helpers(self.threads)).then_some(place)
    }

    /// Has a helper free this, before it takes on anything else; if much waits for that already, it is freed here.
    fn free_apart(self: &Arc<Self>, arguments: Vec<Value>) {
        let Some(place) = self.uncounted() else { return };
        let free = move || {
            drop(arguments);
            drop(place);
        };
        let task = Task::Run { run: Box::new(free), crew: Arc::clone(&self.crew) };
        if self.helper.0.mailbox.push_first(task) {
            self.crew.submit(0, self.helper.clone());
        }
    }
}

/// One of the things that may wait for a helper uncounted, until this is dropped.
struct Uncounted(Arc<Common>);

impl Drop for Uncounted {
    fn drop(&mut self) {
        self.0.uncounted.fetch_sub(1, Ordering::Relaxed);
    }
}

/// A connection whose tasks wait at an object, until this is dropped.
pub(super) struct HeldConnection {
    peer: Arc<Peer>,
    /// Whose the tasks are: the connection's, or of all that have ended.
    owner: u64,
    object: Object,
    /// What is to be done before those, and what it counts.
    first: Option<(Origin, Task)>,
    /// For its answer.
    place: Option<Uncounted>,
}

impl HeldConnection {
    fn at(object: &Object, peer: &Arc<Peer>) -> HeldConnection {
        let (peer, object) = (Arc::clone(peer), object.clone());
        let mut held = HeldConnection { owner: peer.id(), peer, object, first: None, place: None };
        held.object.0.mailbox.hold(held.owner);
        if held.peer.is_closed() {
            // What it has left belongs to those by now, or in a moment.
            held.let_go();
            held.owner = GONE;
            held.object.0.mailbox.hold(GONE);
        }
        held
    }

    fn let_go(&mut self) {
        let is_run = self.object.0.mailbox.let_go(self.owner, self.first.take());
        if self.owner != GONE && self.peer.is_closed() {
            self.object.left_by(self.owner);
        }
        if is_run {
            self.peer.common.crew.submit(self.owner, self.object.clone());
        }
    }

    /// Reads the arguments of a message, which then comes back.
    fn read(mut self, inbound: Arc<InboundCall>, message: Message) {
        let Some(parameters) = self.object.parameters(message.header.action) else { return };
        let read = inbound.is_queued().then(|| self.object.read(&inbound, &message, parameters, None));
        let Some(read) = read.filter(|_| inbound.is_queued()) else {
            // Nobody wants it any more.
            return self.object.release_unused(&self.peer, &message);
        };
        let origin = Origin::Connection { id: self.owner, bytes: mailbox_bytes(&message), is_new: false };
        self.first = Some((origin, Task::Message { inbound, message, read: Some(Box::new(read)) }));
    }
}

impl Drop for HeldConnection {
    fn drop(&mut self) {
        self.let_go();
    }
}

impl Object {
    /// A task with its arguments read, or small ones; `None`: they are being read, and it comes back.
    pub(super) fn read_apart(&self, task: Task) -> Option<Task> {
        match task {
            Task::Message { inbound, message, read: None } if self.is_long_to_read(&message) => {
                inbound.peer.become_known();
                let (peer, common) = (Arc::clone(&inbound.peer), Arc::clone(&inbound.peer.common));
                let held = HeldConnection::at(self, &peer);
                common.apart(peer.id(), move || held.read(inbound, message));
                None
            }
            task => Some(task),
        }
    }

    fn is_long_to_read(&self, message: &Message) -> bool {
        let Header { service, action, flags, .. } = message.header;
        // What is done when a connection has ended comes behind what it has asked the directory for.
        if message.payload.len() < LARGE || service == DIRECTORY_ID || self.0.origin.is_some() {
            return false;
        }
        let many = |types: &Signature| types.bare().contains(['m', '[', '{', '#', '~']);
        self.parameters(action).is_some_and(|(types, _)| is_dynamic(flags, types) || many(types))
    }

    /// What the arguments of an action are, and how others become them.
    fn parameters(&self, action: u32) -> Option<(&Signature, Conversion)> {
        if action == PROPERTY || action == SET_PROPERTY {
            return generic::types(action).map(|(parameters, _)| (parameters, convert as Conversion));
        }
        let of_method = self.0.methods.get(&action).map(|types| (&types.parameters, self.0.conversion));
        of_method.or_else(|| self.0.signals.get(&action).map(|declared| (declared, convert as Conversion)))
    }

    /// The arguments of a message, which are of this type: those that have been read, or they are now.
    pub(super) fn read(
        &self,
        inbound: &InboundCall,
        message: &Message,
        (types, conversion): (&Signature, Conversion),
        already: AlreadyRead,
    ) -> Result<ReadArguments, PayloadError> {
        if let Some(read) = already {
            return *read;
        }
        let Header { action, flags, .. } = message.header;
        let memory = inbound.memory();
        let mut reader = Reader::new(&message.payload).shared(inbound.peer.shared()).on_account(&memory, 0);
        if self.looks_into(action) {
            reader = reader.eager();
        }
        let arguments = read_arguments_by(conversion, &mut reader, flags, types)?;
        Ok(ReadArguments { arguments, has_objects: reader.has_met_objects() })
    }

    /// Whether what an action gets in large dynamics is wanted decoded: somebody has looked into one.
    fn looks_into(&self, action: u32) -> bool {
        self.looking(action).load(Ordering::Relaxed)
    }

    /// A large dynamic among the arguments of this action has been looked into. The next ones are decoded before the method has them.
    pub(super) fn has_looked_into(&self, action: u32) {
        self.looking(action).store(true, Ordering::Relaxed);
    }

    fn looking(&self, action: u32) -> &AtomicBool {
        self.0.methods.get(&action).map_or(&self.0.looks_into, |types| &types.looks_into)
    }

    /// For an answer that is given in the turn of its object and takes long to be written: who is to wait for that.
    pub(super) fn hold_for_answer(&self, inbound: &InboundCall, value: &Value) -> Option<HeldConnection> {
        if inbound.header.service == DIRECTORY_ID || !self.is_held_up_by(value) {
            return None;
        }
        let place = inbound.peer.common.uncounted()?;
        let mut held = HeldConnection::at(self, &inbound.peer);
        held.place = Some(place);
        Some(held)
    }

    /// The calling thread has the turn of this object, and what it does with the whole of this value takes long.
    fn is_held_up_by(&self, value: &Value) -> bool {
        self.0.mailbox.is_serial() && is_in_turn_of(&self.0.uid) && value.has_more_values_than(LARGE_VALUES)
    }

    /// Frees what a call came with.
    pub(super) fn let_go_of(&self, arguments: Vec<Value>, peer: &Peer) {
        if arguments.iter().any(|argument| self.is_held_up_by(argument)) {
            peer.common.free_apart(arguments);
        }
    }
}

/// What a message counts in a mailbox.
pub(super) fn mailbox_bytes(message: &Message) -> usize {
    message.payload.len() + OVERHEAD
}
