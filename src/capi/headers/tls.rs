//! `millrace/tls.h`: options of TLS, for tls+tcp:// and wss://.

/// The level of these options. They hold for endpoints made later, and for connections made later of endpoints that there are: so a
/// certificate can be replaced while peers are connected. Values that cannot be right fail when they are set, with EINVAL (no PEM, or around something else, not an
/// option's value), or what the system says of a file (ENOENT, EACCES...); what does not fit together fails at nn_bind or
/// nn_connect, with EINVAL.
pub const NN_TLS: i32 = -19794;

/// string: the certificate that is shown to peers, PEM, with those between it and its authority behind it. nn_bind needs one;
/// nn_connect only where the server wants to know its clients. This, the key and the authorities can be replaced, not taken back: what
/// holds none is EINVAL, so that an empty file does not pass for the default.
pub const NN_TLS_CERT: i32 = 1;
/// string, write-only: the same, by the name of a file, which is read now; one of more than 16 MiB is EFBIG.
pub const NN_TLS_CERT_FILE: i32 = 2;
/// string, write-only: the private key of NN_TLS_CERT, PEM (PKCS#8, PKCS#1, SEC1), not encrypted: RSA of at least
/// 2048 bits, ECDSA on P-256 or P-384, Ed25519. Of other kinds: EINVAL.
pub const NN_TLS_KEY: i32 = 3;
/// string, write-only: the same, by the name of a file, which is read now.
pub const NN_TLS_KEY_FILE: i32 = 4;
/// string: the certificates of the authorities that are believed, PEM, each in its time. That of a peer itself can be given too, whoever
/// has signed it, and is believed as what it is. Default: none, which for nn_connect means those of the system (SSL_CERT_FILE and SSL_CERT_DIR name others).
pub const NN_TLS_CA: i32 = 5;
/// string, write-only: the same, by the name of a file, which is read now.
pub const NN_TLS_CA_FILE: i32 = 6;
/// string: the name or IP address that the server's certificate must be for. Default: the host of the address.
pub const NN_TLS_SERVER_NAME: i32 = 7;
/// int, NN_TLS_AUTH_NONE by default: whether nn_bind's clients must show a certificate that is believed by NN_TLS_CA.
pub const NN_TLS_AUTH: i32 = 8;
/// int, 12 by default: the oldest version of TLS that is spoken, 12 or 13.
pub const NN_TLS_MIN_VERSION: i32 = 9;
/// int, 0 by default. 1: nn_connect believes every certificate. Nobody can listen, but anybody can be at the other end. For tests.
pub const NN_TLS_INSECURE_NO_VERIFICATION: i32 = 10;

/// Clients are not asked for certificates.
pub const NN_TLS_AUTH_NONE: i32 = 0;
/// Clients may show none; one that is shown must be right.
pub const NN_TLS_AUTH_OPTIONAL: i32 = 1;
/// Clients without a right certificate are refused.
pub const NN_TLS_AUTH_REQUIRED: i32 = 2;
