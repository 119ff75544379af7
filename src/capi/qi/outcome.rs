//! What the functions return: C's failure value is -1, but 0 where a handle is returned, so that a handle that was
//! never set is none.

use std::ffi::c_int;

use crate::capi::errno;

/// A return type of the interface, on its way through [`errno::boundary`].
pub trait Returned: Sized {
    type Across: errno::Returned;
    fn ok(self) -> Self::Across;
    fn from(crossed: Self::Across) -> Self;
}

macro_rules! as_it_is {
    ($($type:ty),*) => {
        $(impl Returned for $type {
            type Across = $type;
            fn ok(self) -> $type {
                self
            }
            fn from(crossed: $type) -> $type {
                crossed
            }
        })*
    };
}

as_it_is!(c_int, i64, f64, *const std::ffi::c_char, *const std::ffi::c_void);

impl errno::Returned for i64 {
    const FAILED: i64 = -1;
}

impl errno::Returned for f64 {
    const FAILED: f64 = f64::NAN;
}

/// A handle, or 0.
pub struct Handle(pub u64);

impl errno::Returned for Handle {
    const FAILED: Handle = Handle(0);
}

impl Returned for u64 {
    type Across = Handle;
    fn ok(self) -> Handle {
        Handle(self)
    }
    fn from(crossed: Handle) -> u64 {
        crossed.0
    }
}
