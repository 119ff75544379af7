//! Who pays for what is decoded.

use std::fmt;

/// What pays for the memory that values take, while somebody answers for them.
pub trait Memory: Send + Sync + fmt::Debug {
    /// So many bytes more; false: there is no room for them now, and the value is not read.
    fn take(&self, bytes: usize) -> bool;

    /// Somebody looks into a dynamic of 64 KiB or more that had been left encoded.
    fn looked_into(&self) {}
}
