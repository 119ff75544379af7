//! The object bus: the native half of `lib/qi`.
//!
//! | file | what |
//! |---|---|
//! | `session` | sessions, directories, providers |
//! | `proxy` | objects of peers: calls, properties, signals |
//! | `object` | objects of ours, whose code is in JavaScript |
//! | `values` | values, there and back |
//! | `outcome` | failures, and how an operation ends |
//! | `pool` | threads for the few things that wait |

mod object;
mod outcome;
mod pool;
mod proxy;
mod session;
mod values;

use std::ptr;

use napi::bindgen_prelude::{Env, Function, Result, Unknown};
use napi::{JsValue, sys};
use napi_derive::napi;

use crate::buffers::check;
use crate::hub::Hub;

/// What the native half asks of `lib/qi`.
pub struct Hooks {
    /// What stands for an object that is no plain one: `[kind, …]`.
    represent: sys::napi_ref,
    /// Makes what only `lib` can make: a proxy, a Map.
    make: sys::napi_ref,
}

#[napi]
impl Hub {
    /// Called once, when `lib/qi` is loaded.
    #[napi]
    pub fn set_hooks(
        &self,
        env: Env,
        represent: Function<'_, Unknown, Unknown>,
        make: Function<'_, (i32, Unknown), Unknown>,
    ) -> Result<()> {
        let reference = |value: sys::napi_value| -> Result<sys::napi_ref> {
            let mut reference = ptr::null_mut();
            // SAFETY: a value of this environment; it is kept until the environment ends, which gives it back.
            check(unsafe { sys::napi_create_reference(env.raw(), value, 1, &mut reference) }, "hooks")?;
            Ok(reference)
        };
        let hooks = Hooks { represent: reference(represent.raw())?, make: reference(make.raw())? };
        // A second copy of the module brings the same.
        let _ = self.core.hooks.set(hooks);
        Ok(())
    }
}
