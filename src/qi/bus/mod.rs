//! What needs both sides, a client and a server (qi-messaging.md 11 to 13, 23): services of our own on somebody else's bus, and objects
//! that go with calls in either direction.

mod objects;
mod provider;
mod shared;

#[cfg(test)]
mod tests;

pub use objects::Objects;
pub use provider::Provider;
pub use shared::serve;
