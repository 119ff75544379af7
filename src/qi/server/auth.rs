//! Authentication: service 0 as a machine (qi-messaging.md 10, the table row by row).
//!
//! ```text
//!   Stranger ──authenticate, accepted──▶ Done
//!      │  └──authenticate, continued──▶ Stranger (at most 16 times)
//!      └──rejected, broken, or (with a provider) anything else to service 0──▶ closed
//! ```

use std::sync::Arc;

use crate::qi::actions::{AUTHENTICATE, AUTHENTICATION_ROUNDS};
use crate::qi::capability::{Announced, AuthState, Capabilities, CapabilityMap, STATE_KEY};
use crate::qi::endpoint::contained;
use crate::qi::message::{Flags, Message, Type, UNAUTHENTICATED_PAYLOAD_LIMIT};
use crate::qi::signature::Kind;
use crate::qi::value::{Reader, Text, Value, encode};

/// Keys and values for the peer, as `("auth_newToken", token)`.
pub type Extra = Vec<(String, Value)>;

/// What an authenticator decides.
#[derive(Clone, Debug, PartialEq)]
pub enum Verdict {
    /// The peer is let in, and told this.
    Accept(Extra),
    /// The peer gets the text in an Error, and the connection ends. (libqi's clients lose the text.)
    Reject(String),
    /// The peer is told this and must authenticate again.
    Continue(Extra),
}

/// What a peer shows. Values are without dynamics around them.
#[derive(Debug)]
pub struct Credentials<'m> {
    /// The value of `auth_user`, whatever bytes.
    pub user: Option<&'m [u8]>,
    /// The value of `auth_token`.
    pub token: Option<&'m [u8]>,
    /// All that was sent in this round.
    pub all: &'m CapabilityMap,
    /// Where the peer is.
    pub remote: &'m str,
}

/// Decides who is let in. Called on the thread that reads under no lock but that of the connection's own authentication; must
/// not block. A panic rejects.
pub type Authenticator = dyn Fn(&Credentials<'_>) -> Verdict + Send + Sync;

/// What the connection must do, in this order.
#[derive(Debug, Default)]
pub(super) struct Reaction {
    pub send: Option<Message>,
    /// After `send`; for a Call that has no Reply.
    pub error: Option<Message>,
    /// Let the peer in, before sending.
    pub let_in: bool,
    pub close: bool,
}

/// The state of one connection.
pub(super) struct Auth {
    ours: Capabilities,
    provider: Option<Arc<Authenticator>>,
    announced: Announced,
    user: Option<Text>,
    done: bool,
    rounds: u32,
}

impl Auth {
    pub fn new(ours: Capabilities, provider: Option<Arc<Authenticator>>) -> Auth {
        Auth { ours, provider, announced: Announced::default(), user: None, done: false, rounds: 0 }
    }

    /// What both sides have announced so far.
    pub fn shared(&self) -> Capabilities {
        self.ours.shared(self.announced.capabilities())
    }

    /// The name that the peer gave.
    pub fn user(&self) -> Option<Text> {
        self.user.clone()
    }

    /// A Capability message, or any message to object 0 of service 0. `id` is for a message of ours.
    pub fn incoming(&mut self, message: &Message, remote: &str, id: u32) -> Reaction {
        let header = &message.header;
        let close = Reaction { close: true, ..Reaction::default() };
        if header.ty == Type::Capability {
            // What is said in them counts, but lets nobody in.
            return match read_map(message) {
                Some(map) => {
                    self.announced.add(map.announced());
                    Reaction::default()
                }
                None => close,
            };
        }
        if header.action == AUTHENTICATE {
            return match read_map(message) {
                None => close,
                Some(map) if header.ty == Type::Call => self.authenticate(message, map, remote),
                Some(_) => self.other(message, id),
            };
        }
        self.other(message, id)
    }

    fn authenticate(&mut self, call: &Message, map: CapabilityMap, remote: &str) -> Reaction {
        if self.done {
            let mut reply = CapabilityMap::default();
            reply.set(STATE_KEY, Value::UInt32(AuthState::Done as u32));
            return Reaction { send: Some(reply_with(call, &reply)), ..Reaction::default() };
        }
        self.rounds += 1;
        let verdict = match &self.provider {
            None => Verdict::Accept(Extra::new()),
            Some(_) if self.rounds > AUTHENTICATION_ROUNDS => {
                Verdict::Reject("Too many rounds of authentication.".into())
            }
            Some(provider) => {
                let shown = Credentials { user: map.user(), token: map.token(), all: &map, remote };
                contained(|| provider(&shown)).unwrap_or_else(|| Verdict::Reject("The authenticator failed.".into()))
            }
        };
        if let Some(user) = map.user() {
            self.user = Some(Text::from_bytes(bytes::Bytes::copy_from_slice(user)));
        }
        self.announced.add(map.announced());
        let (state, extra) = match verdict {
            Verdict::Accept(extra) => (AuthState::Done, extra),
            Verdict::Continue(extra) => (AuthState::Continue, extra),
            // Never a Reply with state 1: libqi would try again for ever.
            Verdict::Reject(text) => {
                let send = Some(Message::error_to(&call.header, &text));
                return Reaction { send, close: true, ..Reaction::default() };
            }
        };
        self.done = state == AuthState::Done;
        let mut reply = CapabilityMap::reply(&self.ours, state);
        for (key, value) in &extra {
            reply.set(key, value.clone());
        }
        Reaction { send: Some(reply_with(call, &reply)), let_in: self.done, ..Reaction::default() }
    }

    /// Anything else to service 0.
    fn other(&mut self, message: &Message, id: u32) -> Reaction {
        let is_call = message.header.ty == Type::Call;
        let error = |text: &str| is_call.then(|| Message::error_to(&message.header, text));
        if self.done {
            return Reaction { error: error("Service 0 has only authenticate."), ..Reaction::default() };
        }
        if self.provider.is_some() {
            let text = format!("Expected authentication (service 0, action {AUTHENTICATE}).");
            let send = Some(Message::error_to(&message.header, &text));
            return Reaction { send, close: true, ..Reaction::default() };
        }
        // As libqi treats those who are older than authentication.
        self.done = true;
        let map = CapabilityMap::announcing(&self.ours);
        let payload = encode(&map.to_value(), &CapabilityMap::signature()).unwrap_or_default();
        Reaction {
            send: Some(Message::capability(id, payload)),
            error: error("Service 0 has only authenticate."),
            let_in: true,
            close: false,
        }
    }
}

fn reply_with(call: &Message, map: &CapabilityMap) -> Message {
    let payload = encode(&map.to_value(), &CapabilityMap::signature()).unwrap_or_default();
    Message::reply_to(&call.header, payload)
}

/// What authentication and capabilities take, at most, also of who is let in: they are decoded where all connections are read. libqi's
/// are some 200 bytes long.
const MAX_MAP: usize = UNAUTHENTICATED_PAYLOAD_LIMIT as usize;

/// The `{sm}` of a message; `None` if it is anything else, or too long.
fn read_map(message: &Message) -> Option<CapabilityMap> {
    if message.payload.len() > MAX_MAP {
        return None;
    }
    let mut reader = Reader::new(&message.payload);
    let value = if message.header.flags.contains(Flags::DYNAMIC_PAYLOAD) && message.header.ty == Type::Call {
        let content = reader.read(&Kind::Dynamic.into()).ok()?.undynamic().ok()?;
        // The content is the argument tuple, of one argument.
        match content.members() {
            Some([only]) => only.clone().undynamic().ok()?,
            _ => content,
        }
    } else {
        reader.read(&CapabilityMap::signature()).ok()?
    };
    CapabilityMap::from_value(&value)?.ok()
}
