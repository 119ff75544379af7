//! The numbers of the options of level NN_TLS, which are known also without TLS.

/// NN_TLS.
pub const LEVEL: i32 = -19794;

/// NN_TLS_CERT, PEM.
pub const CERT: i32 = 1;
/// NN_TLS_CERT_FILE, a path.
pub const CERT_FILE: i32 = 2;
/// NN_TLS_KEY, PEM.
pub const KEY: i32 = 3;
/// NN_TLS_KEY_FILE, a path.
pub const KEY_FILE: i32 = 4;
/// NN_TLS_CA, PEM.
pub const CA: i32 = 5;
/// NN_TLS_CA_FILE, a path.
pub const CA_FILE: i32 = 6;
/// NN_TLS_SERVER_NAME, a text.
pub const SERVER_NAME: i32 = 7;
/// NN_TLS_AUTH, one of those below.
pub const AUTH: i32 = 8;
/// NN_TLS_MIN_VERSION, 12 or 13.
pub const MIN_VERSION: i32 = 9;
/// NN_TLS_INSECURE_NO_VERIFICATION, 0 or 1.
pub const INSECURE: i32 = 10;

/// A value of [`AUTH`]: clients are not asked for a certificate.
pub const AUTH_NONE: i32 = 0;
/// A value of [`AUTH`]: a client's certificate is verified if it has one.
pub const AUTH_OPTIONAL: i32 = 1;
/// A value of [`AUTH`]: who has no certificate is refused.
pub const AUTH_REQUIRED: i32 = 2;
