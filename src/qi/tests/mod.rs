//! The codec as a whole: against what libqi has said on the wire, and against what nobody should say.

mod fuzz;
mod hostile;
pub mod vectors;
