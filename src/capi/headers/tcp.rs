use std::ffi::c_int;

/// Transport id of tcp. Level for the option below.
pub const NN_TCP: c_int = -3;

/// int, 0 or 1, 0 by default: 1 disables Nagle's algorithm on connections made later.
pub const NN_TCP_NODELAY: c_int = 1;
