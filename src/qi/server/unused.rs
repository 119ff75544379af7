//! Objects that come with what is not done. A method that returns lets go of what it was given; a Call or Post that is refused,
//! cancelled or makes no sense must do so as well, or its sender would have to keep them until the connection ends (qi-messaging.md 13).

use std::sync::Arc;

use crate::qi::actions::SET_PROPERTY;
use crate::qi::endpoint::budget::Tab;
use crate::qi::message::Message;
use crate::qi::payload::{is_dynamic, may_hold_objects};
use crate::qi::signature::{Kind, Signature};
use crate::qi::value::{Memory, Reader, Value};

use super::generic;
use super::model::{Object, Peer, Remote};

/// Longer messages are not looked through, since that may be done where all connections are read: their objects stay until the connection
/// ends.
const LONGEST: usize = 256 * 1024;

impl Object {
    /// Releases the objects in the arguments of a Call or Post that is not done.
    pub(super) fn release_unused(&self, peer: &Arc<Peer>, message: &Message) {
        if peer.is_closed() || message.payload.len() > LONGEST {
            return;
        }
        let Some(declared) = self.declared(message.header.action) else { return };
        if !may_hold_objects(message, declared) {
            return;
        }
        let Some(memory) = Tab::open(&peer.account, 0) else { return };
        let memory: Arc<dyn Memory> = Arc::new(memory);
        let mut reader = Reader::new(&message.payload).shared(peer.shared()).on_account(&memory, 0);
        let value = match is_dynamic(message.header.flags, declared) {
            true => reader.read(&Kind::Dynamic.into()).and_then(Value::undynamic),
            false => reader.read(declared),
        };
        if let Ok(value) = value {
            drop(Remote::all_in(peer, &value));
        }
    }

    /// The arguments that a Call or Post of this action has.
    fn declared(&self, action: u32) -> Option<&Signature> {
        if action == SET_PROPERTY {
            return generic::types(action).map(|(parameters, _)| parameters);
        }
        let of_method = self.0.methods.get(&action).map(|types| &types.parameters);
        of_method.or_else(|| self.0.signals.get(&action))
    }
}
