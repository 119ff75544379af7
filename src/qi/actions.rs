//! The numbers of what every object, and service 0, can be asked (qi-messaging.md 9 and 10).

pub const REGISTER_EVENT: u32 = 0;
pub const UNREGISTER_EVENT: u32 = 1;
pub const META_OBJECT: u32 = 2;
/// Releases an object.
pub const TERMINATE: u32 = 3;
pub const PROPERTY: u32 = 5;
pub const SET_PROPERTY: u32 = 6;
pub const PROPERTIES: u32 = 7;
pub const REGISTER_EVENT_WITH_SIGNATURE: u32 = 8;
pub const IS_STATS_ENABLED: u32 = 80;
pub const ENABLE_STATS: u32 = 81;
pub const STATS: u32 = 82;
pub const CLEAR_STATS: u32 = 83;
pub const IS_TRACE_ENABLED: u32 = 84;
pub const ENABLE_TRACE: u32 = 85;
/// The signal of traces.
pub const TRACE: u32 = 86;

/// Whether an object does this in its turn, one after the other; all else is answered at once.
pub fn takes_turn(action: u32) -> bool {
    action >= 100 || matches!(action, PROPERTY | SET_PROPERTY)
}

/// The one action of object 0 of service 0.
pub const AUTHENTICATE: u32 = 8;
/// Rounds of one authentication, on either side. libqi goes on for ever.
pub const AUTHENTICATION_ROUNDS: u32 = 16;

/// Id of the main object of every service, which nobody owns.
pub const MAIN_OBJECT: u32 = 1;
