//! The numbers of the options of level NN_TLS, which are known also without TLS.

pub const LEVEL: i32 = -19794;

pub const CERT: i32 = 1;
pub const CERT_FILE: i32 = 2;
pub const KEY: i32 = 3;
pub const KEY_FILE: i32 = 4;
pub const CA: i32 = 5;
pub const CA_FILE: i32 = 6;
pub const SERVER_NAME: i32 = 7;
pub const AUTH: i32 = 8;
pub const MIN_VERSION: i32 = 9;
pub const INSECURE: i32 = 10;

/// Values of [`AUTH`].
pub const AUTH_NONE: i32 = 0;
pub const AUTH_OPTIONAL: i32 = 1;
pub const AUTH_REQUIRED: i32 = 2;
