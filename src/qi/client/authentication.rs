//! The client's part of authentication: a pure machine (qi-messaging.md 10).
//!
//! ```text
//!   opening ──▶ Waiting ── state 2 ──▶ Waiting (what the authenticator says, no capabilities)
//!                  ├───── state 3 ──▶ Done(what both sides have)
//!                  └───── state 1, none, nonsense, too many rounds ──▶ Refused
//! ```

use std::sync::Arc;

use crate::qi::actions::AUTHENTICATION_ROUNDS;
use crate::qi::capability::{
    AUTH_PREFIX, Announced, AuthState, Capabilities, CapabilityMap, REASON_KEY, TOKEN_KEY, USER_KEY,
};
use crate::qi::value::Value;

/// Answers a server that wants to know more. It gets what the server has said (the server's capabilities, and keys with
/// `auth_` in front), and gives keys, `auth_` in front or not. Called on the thread that connects.
pub type Authenticator = dyn Fn(&CapabilityMap) -> Vec<(String, Value)> + Send + Sync;

/// Who we are to a server.
#[derive(Clone, Default)]
pub struct Credentials {
    /// Sent with the first message: `auth_user`, `auth_token`.
    pub user: Option<String>,
    /// What proves it; `None` for who comes without.
    pub token: Option<String>,
    /// For servers that ask further. Without, they get an empty answer, as from libqi.
    pub authenticator: Option<Arc<Authenticator>>,
}

impl std::fmt::Debug for Credentials {
    fn fmt(&self, out: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        // Not the token: this ends up in logs.
        write!(out, "Credentials({:?})", self.user)
    }
}

/// What a reply of the server leads to.
#[derive(Clone, Debug, PartialEq)]
pub enum AuthenticationStep {
    /// Call authenticate again, with this.
    Again(CapabilityMap),
    /// The connection is usable; what both sides have.
    Done(Capabilities),
    /// In words.
    Refused(String),
    /// The server's part makes no sense, in words.
    Nonsense(String),
}

/// One authentication.
#[derive(Debug)]
pub struct Authentication {
    ours: Capabilities,
    credentials: Credentials,
    theirs: Announced,
    rounds: u32,
}

impl Authentication {
    pub fn new(ours: Capabilities, credentials: Credentials) -> Authentication {
        Authentication { ours, credentials, theirs: Announced::default(), rounds: 0 }
    }

    /// What the first Call carries.
    pub fn opening(&self) -> CapabilityMap {
        let mut map = CapabilityMap::announcing(&self.ours);
        for (key, value) in [(USER_KEY, &self.credentials.user), (TOKEN_KEY, &self.credentials.token)] {
            if let Some(value) = value {
                map.set(key, value.as_str().into());
            }
        }
        map
    }

    /// What came in Capability messages: what was said first stays.
    pub fn announced(&mut self, announced: Announced) {
        self.theirs.add(announced);
    }

    /// The Reply.
    pub fn replied(&mut self, map: CapabilityMap) -> AuthenticationStep {
        let state = map.state();
        let reason = map.get(REASON_KEY).and_then(Value::as_str).map(str::to_owned);
        self.theirs.add(map.announced());
        match state {
            Some(AuthState::Done) => AuthenticationStep::Done(self.ours.shared(self.theirs.capabilities())),
            Some(AuthState::Continue) if self.rounds == AUTHENTICATION_ROUNDS => {
                AuthenticationStep::Nonsense(format!("the server still asks after {AUTHENTICATION_ROUNDS} rounds"))
            }
            Some(AuthState::Continue) => {
                self.rounds += 1;
                AuthenticationStep::Again(self.answer(&map))
            }
            // No libqi server says so, but qiloop does, and repeats it as often as it is asked.
            Some(AuthState::Error) => {
                AuthenticationStep::Refused(reason.unwrap_or_else(|| "the server gives no reason".into()))
            }
            None => AuthenticationStep::Nonsense("invalid authentication state".into()),
        }
    }

    fn answer(&self, question: &CapabilityMap) -> CapabilityMap {
        let mut map = CapabilityMap::default();
        if let Some(authenticator) = &self.credentials.authenticator {
            for (key, value) in authenticator(question) {
                let has_prefix = key.starts_with(AUTH_PREFIX) || key.starts_with("__qi_auth_");
                let key = if has_prefix { key } else { format!("{AUTH_PREFIX}{key}") };
                map.set(&key, value);
            }
        }
        map
    }
}
