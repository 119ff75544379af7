use std::ffi::{c_char, c_int, c_void};

use crate::capi::pointers;
use crate::core::Error;
use crate::qi::json::from_json;
use crate::qi::server::{Call, ObjectBuilder};
use crate::qi::value::Value;

use super::build::nnqi_value;
use super::error::{Failure, Result, boundary, forget};
use super::held::Held;
use super::objects::{self, nnqi_builder, nnqi_object, with_builder};
use super::requests::{self, nnqi_request};
use super::user::User;
use super::view;

/// The code of a method that returns its result (nnqi_void() if there is none), which is taken and converted to the declared type. 0 is
/// an Error: the caller gets nnqi_error(), so what a call of this header could not do need not be looked at, and nnqi_fail says
/// something else. Everything else is as of nnqi_code, but for the request, which ends when this returns: what answers later is added by
/// nnqi_method. user is what the table was added with.
pub type nnqi_function = Option<unsafe extern "C" fn(request: nnqi_request, user: *mut c_void) -> nnqi_value>;

/// A member of a table that nnqi_object_new and nnqi_members read, made by one of the macros NNQI_FUNCTION, NNQI_SIGNAL,
/// NNQI_PROPERTY and, behind the last, NNQI_MEMBERS_END.
#[repr(C)]
#[derive(Clone, Copy)]
pub struct nnqi_member {
    /// 1: a function; 2: a signal; 3: a property; 0: there is none any more.
    pub kind: c_int,
    /// Its name.
    pub name: *const c_char,
    /// The signature of a function's parameters, of a signal's arguments (both tuples, or m for any) or of a property.
    pub signature: *const c_char,
    /// The signature of a function's result; the first value of a property, as JSON.
    pub more: *const c_char,
    /// The code of a function.
    pub function: nnqi_function,
}

enum Member<'a> {
    Function(&'a str, &'a str, &'a str, unsafe extern "C" fn(nnqi_request, *mut c_void) -> nnqi_value),
    Signal(&'a str, &'a str),
    Property(&'a str, &'a str, Value),
}

/// # Safety
/// Its texts are NULL or end with a zero; for `'a`.
unsafe fn member<'a>(given: &nnqi_member) -> Result<Option<Member<'a>>> {
    if given.kind == 0 {
        return Ok(None);
    }
    // SAFETY: the caller's promise.
    let (name, signature) = unsafe { (view::utf8(given.name)?, view::utf8(given.signature)?) };
    // SAFETY: the caller's promise.
    let parsed = unsafe { view::signature(given.signature) }?;
    // SAFETY: the caller's promise.
    let more = || unsafe { view::utf8(given.more) };
    Ok(Some(match given.kind {
        1 => {
            // SAFETY: the caller's promise.
            unsafe { view::signature(given.more) }?;
            Member::Function(name, signature, more()?, given.function.ok_or(Error::FAULT)?)
        }
        2 => Member::Signal(name, signature),
        3 => {
            let json = serde_json::from_str(more()?).map_err(|error| Failure::invalid(error).about("no JSON"))?;
            Member::Property(name, signature, from_json(&json, &parsed).map_err(Failure::invalid)?)
        }
        other => return Err(Failure::invalid(format!("a member of kind {other}"))),
    }))
}

/// # Safety
/// A non-null `table` has members up to one of kind 0, each as of [`member`]; for `'a`.
unsafe fn members<'a>(table: *const nnqi_member) -> Result<Vec<Member<'a>>> {
    let mut all = Vec::new();
    loop {
        // SAFETY: none of those before it is the last.
        let given = unsafe { pointers::read(table.wrapping_add(all.len()), Error::FAULT) }?;
        // SAFETY: the caller's promise.
        match unsafe { member(&given) }.map_err(|failure| failure.about(format_args!("member {}", all.len())))? {
            Some(member) => all.push(member),
            None => return Ok(all),
        }
    }
}

fn add(builder: &mut ObjectBuilder, members: Vec<Member<'_>>, user: User) {
    for member in members {
        match member {
            Member::Signal(name, arguments) => builder.signal(name, arguments),
            Member::Property(name, signature, value) => builder.property(name, signature, value),
            Member::Function(name, parameters, result, function) => {
                let run = move |call: Call| {
                    let request = requests::add(call);
                    forget();
                    // SAFETY: C promises a function of this kind, and that it can be called with `user` as long as the object lives.
                    requests::returned(request, unsafe { function(request, user.pointer()) });
                };
                builder.method_later(name, parameters, result, run)
            }
        };
    }
}

/// Adds the members of a table, up to NNQI_MEMBERS_END, to a description; user is handed to its functions. Nothing is kept of the table.
/// Returns 0, or -1 with EBADF, EFAULT (a pointer is NULL, a function too) or EINVAL (signature, JSON, no UTF-8), and then
/// nothing is added. (8)
#[unsafe(no_mangle)]
pub unsafe extern "C" fn nnqi_members(builder: nnqi_builder, table: *const nnqi_member, user: *mut c_void) -> c_int {
    boundary(|| {
        // SAFETY: C promises members up to NNQI_MEMBERS_END, with texts that end with a zero.
        let members = unsafe { members(table) }?;
        with_builder(builder, |builder| add(builder, members, User::new(user)))?;
        Ok(0)
    })
}

/// An object with the members of a table, up to NNQI_MEMBERS_END: nnqi_builder_new, nnqi_members and nnqi_build in one. Returns 0 as these
/// fail. Free it with nnqi_object_free. Any thread. (8)
/// static const struct nnqi_member lamp[] = {NNQI_PROPERTY("lit", "b", "false"), NNQI_FUNCTION("press", "()", "v", press), NNQI_MEMBERS_END};
/// Example: nnqi_object lamp = nnqi_object_new((struct nnqi_member[]){NNQI_SIGNAL("lit", "(b)"), NNQI_MEMBERS_END}, NULL);
#[unsafe(no_mangle)]
pub unsafe extern "C" fn nnqi_object_new(table: *const nnqi_member, user: *mut c_void) -> nnqi_object {
    boundary(|| {
        // SAFETY: C promises members up to NNQI_MEMBERS_END, with texts that end with a zero.
        let members = unsafe { members(table) }?;
        let mut builder = ObjectBuilder::new();
        add(&mut builder, members, User::new(user));
        Ok(objects::add(builder.build().map_err(Failure::invalid)?))
    })
}

/// nnqi_object_value with the object's handle taken, even on failure: for an object that is made to be returned or passed. Returns 0
/// with EBADF. Free it. Any thread. return nnqi_take_object(nnqi_object_new(arm, NULL)); (7)
#[unsafe(no_mangle)]
pub extern "C" fn nnqi_take_object(object: nnqi_object) -> nnqi_value {
    boundary(|| {
        let (value, held) = Held::ours(&objects::take(object)?);
        Ok(view::add_with(value, held))
    })
}

/// Returns 0, and leaves text (UTF-8) for nnqi_error() and EPROTO in errno: what a nnqi_function returns to have its caller told.
/// Any thread. if (meters < 0) return nnqi_fail("cannot walk backwards"); (17)
#[unsafe(no_mangle)]
pub unsafe extern "C" fn nnqi_fail(text: *const c_char) -> nnqi_value {
    boundary(|| {
        // SAFETY: a non-null `text` ends with a zero.
        let text = unsafe { view::utf8(text) }?;
        Err(Failure::new(Error::PROTO, text))
    })
}
