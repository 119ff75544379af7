use std::ffi::c_int;

/// The survey protocol.
pub const NN_PROTO_SURVEY: c_int = 6;

/// Socket type: sends a survey to all respondents, then receives their answers until the deadline.
pub const NN_SURVEYOR: c_int = 98;
/// Socket type: receives a survey, then sends its answer.
pub const NN_RESPONDENT: c_int = 99;

/// Option at level NN_SURVEYOR, int in milliseconds, 1000 by default: how long answers are waited for.
pub const NN_SURVEYOR_DEADLINE: c_int = 1;
