use std::ffi::c_void;

/// What C wants to have back in its callbacks.
#[derive(Clone, Copy)]
pub struct User(*mut c_void);

// SAFETY: the pointer is never followed here, only handed back to C, whose header says on which threads.
unsafe impl Send for User {}
// SAFETY: as above.
unsafe impl Sync for User {}

impl User {
    pub fn new(user: *mut c_void) -> User {
        User(user)
    }

    pub fn pointer(self) -> *mut c_void {
        self.0
    }
}
