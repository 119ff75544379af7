//! What a worker does with one thing out of a mailbox: a method, a property, a signal that was posted.

use std::sync::Arc;

use crate::qi::actions::{PROPERTY, SET_PROPERTY};
use crate::qi::calls::{CallError, Received};
use crate::qi::convert::convert;
use crate::qi::directory::DIRECTORY_ID;
use crate::qi::endpoint::budget::{Account, QUANTUM};
use crate::qi::endpoint::contained;
use crate::qi::message::{Header, Message};
use crate::qi::signature::{Kind, Signature};
use crate::qi::value::{Memory, Value};

use super::generic;
use super::model::{
    Address, AlreadyRead, Answer, Call, Caller, InboundCall, MethodTypes, Object, PropertyType, ReadArguments, Remote,
    Responder, Task,
};
use super::object::count;
use super::peer::InsideMethod;
use super::reading::{members, reading_failed};
use crate::qi::workers::Crew;
use crate::qi::workers::latency::LatencyEstimate;
use crate::qi::workers::own_turn::in_turn_of;

/// What a call ends with that no worker came for.
const STUCK: &str = "The call was dropped: all threads of the server (max_workers) are inside methods, and none has come back for long. \
    Methods may be waiting for each other.";

impl Task {
    pub fn is_of(&self, call: &Arc<InboundCall>) -> bool {
        matches!(self, Task::Message { inbound, .. } if Arc::ptr_eq(inbound, call))
    }

    /// The workers of the server that it came by.
    fn crew(&self) -> &Arc<Crew<Object>> {
        match self {
            Task::Message { inbound, .. } => &inbound.peer.common.crew,
            Task::Run { crew, .. } => crew,
        }
    }
}

impl Object {
    /// Whether there is something to do for a Call or Post of this action that is not answered at once.
    pub(super) fn takes(&self, action: u32, is_post: bool) -> bool {
        let core = &self.0;
        let method = action != PROPERTY && action != SET_PROPERTY && !generic::is_immediate(action);
        action == PROPERTY
            || action == SET_PROPERTY
            || (method && core.methods.contains_key(&action))
            || (is_post && core.signals.contains_key(&action))
    }

    /// Does one thing, after `busy` if that may take long. If there is more to be done, for whom: the object must be run again.
    pub(super) fn run_one(&self, busy: impl Fn()) -> Option<u64> {
        let task = self.0.mailbox.take()?;
        let Some(task) = self.read_apart(task) else { return self.0.mailbox.finish() };
        let latency = self.latency(&task);
        if !latency.is_quick() {
            busy();
        }
        latency.measure(|| {
            // Whatever it was about has been told by the responder that was dropped on the way.
            contained(|| match self.0.mailbox.is_serial() {
                true => in_turn_of(&self.0.uid, || self.work(task)),
                false => self.work(task),
            });
        });
        self.0.mailbox.finish()
    }

    /// A connection has ended. What it has asked for is done, in the turn of all that have ended. What that keeps of a connection is not in
    /// its account any more, so the first pays for it.
    pub(super) fn left_by(&self, connection: u64) {
        let mut kept = None;
        let stays = |task: &Task| match task {
            Task::Message { inbound, .. } => *kept.get_or_insert_with(|| inbound.memory.take(QUANTUM)),
            Task::Run { .. } => true,
        };
        let dropped = self.0.mailbox.leave(connection, stays);
        for task in dropped {
            let Task::Message { inbound, .. } = task else { continue };
            // It is not made: nobody is there who could be told.
            inbound.cancel();
            self.count_refused(inbound.post);
        }
    }

    /// The workers who were to run it have stopped. What their server wanted of it is not done any more; what other servers
    /// want is done by theirs.
    pub(super) fn abandon(self) {
        let (dropped, others) = self.0.mailbox.abandon(|task| task.crew().is_stopped(), |task| Arc::clone(task.crew()));
        drop(dropped);
        if let Some(crew) = others {
            crew.submit(0, self);
        }
    }

    /// The workers of this crew are all inside methods, for long: the calls that wait for them end with an Error, which may be what the
    /// methods wait for. What has no answer waits on.
    pub(super) fn refuse_waiting(self, crew: &Arc<Crew<Object>>) {
        let call_of_theirs = |task: &Task| {
            Arc::ptr_eq(task.crew(), crew) && matches!(task, Task::Message { inbound, .. } if !inbound.post)
        };
        let (refused, others) = self.0.mailbox.abandon(call_of_theirs, |task| Arc::clone(task.crew()));
        for task in refused {
            let Task::Message { inbound, message, .. } = task else { continue };
            self.refuse(&inbound, &message, STUCK);
        }
        if let Some(crew) = others {
            crew.submit(0, self);
        }
    }

    fn work(&self, task: Task) {
        let (inbound, message, read) = match task {
            Task::Run { run, .. } => return run(),
            Task::Message { inbound, message, read } => (inbound, message, read),
        };
        inbound.peer.become_known();
        if !inbound.start() {
            return self.release_unused(&inbound.peer, &message);
        }
        let Header { service, action, .. } = message.header;
        // The directory, and what reads a property, is no code of the program's, so it is not long.
        let mut inside = None;
        if service != DIRECTORY_ID && action != PROPERTY {
            match InsideMethod::begin(&inbound.peer) {
                Ok(begun) => inside = Some(begun),
                Err(why) => return self.refuse(&inbound, &message, why),
            }
        }
        count(&self.0.counters.handled);
        let peer = Arc::clone(&inbound.peer);
        self.handle(inbound, &message, read);
        drop((inside, message));
        peer.give_back_memory();
    }

    /// What has been accepted is not done.
    fn refuse(&self, inbound: &Arc<InboundCall>, message: &Message, text: &str) {
        if !inbound.claim() {
            return;
        }
        self.release_unused(&inbound.peer, message);
        self.count_refused(inbound.post);
        if inbound.post {
            return;
        }
        inbound.peer.control(Message::error_to(&inbound.header, text));
    }

    /// A post or a call is not done.
    pub(super) fn count_refused(&self, is_post: bool) {
        count(if is_post { &self.0.counters.dropped_posts } else { &self.0.counters.refused_calls });
    }

    fn latency(&self, task: &Task) -> &LatencyEstimate {
        let method = match task {
            Task::Message { message, .. } => self.0.methods.get(&message.header.action),
            Task::Run { .. } => None,
        };
        method.map_or(&self.0.latency, |types| &types.latency)
    }

    fn handle(&self, inbound: Arc<InboundCall>, message: &Message, read: AlreadyRead) {
        let action = message.header.action;
        if let Some(origin) = &self.0.origin {
            return self.pass_on(origin, inbound, message);
        }
        match self.0.methods.get(&action) {
            _ if action == PROPERTY => self.generic(inbound, message, read, |arguments| self.read_property(arguments)),
            _ if action == SET_PROPERTY => {
                let account = Arc::clone(&inbound.peer.account);
                self.generic(inbound, message, read, |arguments| self.write_property(arguments, &account));
            }
            Some(types) => self.call(inbound, message, types, read),
            // Only Posts get here: the object has said so.
            None => self.post_signal(&inbound, message, read),
        }
    }

    fn call(&self, inbound: Arc<InboundCall>, message: &Message, types: &MethodTypes, read: AlreadyRead) {
        let header = message.header;
        let Some((tuple, has_objects, mut responder)) = self.open_read(inbound, message, types, read) else { return };
        let peer = Arc::clone(&responder.inbound.peer);
        if has_objects {
            responder.remotes = Remote::all_in(&peer, &tuple);
        }
        let arguments = members(tuple);
        responder.traced = self.trace_call(header.action, &arguments);
        let address = Address { service: header.service, object: header.object };
        let caller = Caller { peer, address };
        (self.0.handler)(Call { method: header.action, arguments, caller, responder });
    }

    /// The arguments of a call, and what it is answered by. `None`: they cannot be read, and it has been answered.
    pub(super) fn open(
        &self,
        inbound: Arc<InboundCall>,
        message: &Message,
        types: &MethodTypes,
    ) -> Option<(Value, Responder)> {
        self.open_read(inbound, message, types, None).map(|(tuple, _, responder)| (tuple, responder))
    }

    /// The same, and whether there are references among the arguments, which may have been read.
    fn open_read(
        &self,
        inbound: Arc<InboundCall>,
        message: &Message,
        types: &MethodTypes,
        read: AlreadyRead,
    ) -> Option<(Value, bool, Responder)> {
        let result = types.result.clone();
        match self.read(&inbound, message, (&types.parameters, self.0.conversion), read) {
            Ok(ReadArguments { arguments, has_objects }) => {
                Some((arguments.tuple, has_objects, Responder::new(inbound, result, arguments.return_type)))
            }
            Err(error) => {
                let text = format!("{}: {}", types.name, reading_failed(&error));
                self.release_unused(&inbound.peer, message);
                Responder::new(inbound, result, None).answer(Err(text.into()));
                None
            }
        }
    }

    fn generic(
        &self,
        inbound: Arc<InboundCall>,
        message: &Message,
        read: AlreadyRead,
        work: impl FnOnce(Vec<Value>) -> Result<Answer, CallError>,
    ) {
        let Some((parameters, result)) = generic::types(message.header.action) else { return };
        match self.read(&inbound, message, (parameters, convert), read) {
            Ok(ReadArguments { arguments, .. }) => {
                // Objects of a property's setter, which it cannot keep, are released when this is done.
                let _remotes = Remote::all_in(&inbound.peer, &arguments.tuple);
                let responder = Responder::new(inbound, result.clone(), arguments.return_type);
                let outcome = work(members(arguments.tuple));
                responder.answer(outcome);
            }
            Err(error) => {
                self.release_unused(&inbound.peer, message);
                Responder::new(inbound, result.clone(), None).answer(Err(reading_failed(&error).into()));
            }
        }
    }

    fn read_property(&self, arguments: Vec<Value>) -> Result<Answer, CallError> {
        let (id, property) = self.find_property(arguments.into_iter().next())?;
        let value = self.value_of(id, &property.ty);
        Ok(value.unwrap_or_default().into_dynamic().into())
    }

    fn write_property(&self, arguments: Vec<Value>, payer: &Arc<Account>) -> Result<Answer, CallError> {
        let mut arguments = arguments.into_iter();
        let (id, property) = self.find_property(arguments.next())?;
        let value = property_value(arguments.next().unwrap_or_default(), &property.ty)?;
        if has_objects(&value) {
            return Err("A property cannot keep objects of who sets it: give them to a method".into());
        }
        if let Some(on_set) = self.0.on_set.get(&id) {
            (on_set.code)(&value)?;
        }
        self.set_converted(id, &property.ty, value, Some(payer)).map_err(|error| error.to_string())?;
        Ok(Answer::void())
    }

    /// The property of a key: its name, or its id in any kind of integer.
    fn find_property(&self, key: Option<Value>) -> Result<(u32, &PropertyType), CallError> {
        let key = key.unwrap_or_default().undynamic().map_err(|error| error.to_string())?;
        let properties = &self.0.properties;
        if let Value::String(name) = &key {
            let found = properties.iter().find(|(_, property)| property.name == *name);
            return found.map(|(id, ty)| (*id, ty)).ok_or_else(|| format!("property \"{name}\" was not found").into());
        }
        let Some(id) = key.integer() else { return Err("A property is named by a string or an id".into()) };
        let found = u32::try_from(id).ok().and_then(|id| Some((id, properties.get(&id)?)));
        found.ok_or_else(|| "Id is not id of a property".into())
    }

    fn post_signal(&self, inbound: &Arc<InboundCall>, message: &Message, read: AlreadyRead) {
        if let Some((_, tuple)) = self.posted_read(inbound, message, read) {
            // Kept until the lock is gone: what nobody was given is released after that.
            let given = Received::served(&inbound.peer.requester, &inbound.peer, tuple);
            match self.accepts(message.header.action, given.value()) {
                // A Post is never answered.
                true => drop(self.emit_answer(message.header.action, given.clone().into())),
                false => self.count_refused(true),
            }
        }
        inbound.claim();
    }

    /// Whether arguments may be told that a peer has posted by the name of a signal or property. Those of a property are not set, so its watchers
    /// would believe in any value.
    fn accepts(&self, id: u32, arguments: &Value) -> bool {
        let Some(on_set) = self.0.on_set.get(&id).filter(|on_set| on_set.is_check) else { return true };
        arguments.members().and_then(<[Value]>::first).is_some_and(|value| (on_set.code)(value).is_ok())
    }

    /// The declared type of a signal that was posted, and the arguments. A Post is never answered, not even if it is
    /// nonsense.
    pub(super) fn posted(&self, inbound: &InboundCall, message: &Message) -> Option<(&Signature, Value)> {
        self.posted_read(inbound, message, None)
    }

    fn posted_read(&self, inbound: &InboundCall, message: &Message, read: AlreadyRead) -> Option<(&Signature, Value)> {
        let declared = self.0.signals.get(&message.header.action)?;
        match self.read(inbound, message, (declared, convert), read) {
            Ok(read) => Some((declared, read.arguments.tuple)),
            Err(_) => {
                self.release_unused(&inbound.peer, message);
                None
            }
        }
    }
}

/// They are of one connection: others could not reach them, and nobody would know when they are needed no more.
fn has_objects(value: &Value) -> bool {
    let mut any = false;
    value.each_object(&mut |_| any = true);
    any
}

/// What a property of this type keeps of what it is given.
fn property_value(given: Value, ty: &Signature) -> Result<Value, String> {
    let any = *ty.kind() == Kind::Dynamic;
    match given {
        // As it came: decoding it would take many times as much memory.
        Value::Dynamic(given) if any && *given.signature().kind() != Kind::Dynamic => Ok(Value::Dynamic(given)),
        given => {
            let value = given.undynamic().map_err(|error| error.to_string())?;
            let from = value.signature();
            convert(value, ty).map_err(|_| format!("Failed converting {from} to {ty}"))
        }
    }
}
