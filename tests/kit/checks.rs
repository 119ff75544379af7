//! The list, for whoever applies it.

pub use super::ends::*;
pub use super::flow::*;
pub use super::peers::*;
