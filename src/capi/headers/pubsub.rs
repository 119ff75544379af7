use std::ffi::c_int;

/// The publish/subscribe protocol.
pub const NN_PROTO_PUBSUB: c_int = 2;

/// Socket type: sends every message to all subscribers.
pub const NN_PUB: c_int = 32;
/// Socket type: receives the messages that start with one of its subscriptions.
pub const NN_SUB: c_int = 33;

/// Option at level NN_SUB, write only, bytes of any length: adds a subscription. Empty matches everything.
pub const NN_SUB_SUBSCRIBE: c_int = 1;
/// Option at level NN_SUB, write only: removes a subscription. EINVAL if there is none such.
pub const NN_SUB_UNSUBSCRIBE: c_int = 2;
