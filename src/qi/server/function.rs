//! Functions of Rust as methods: their types say what the method takes and gives.

use std::marker::PhantomData;

use crate::qi::calls::CallError;
use crate::qi::signature::{Kind, Signature};
use crate::qi::typed::{Arguments, FromValue, IntoValue, Typed, value_to};
use crate::qi::value::Value;

use super::builder::ObjectBuilder;
use super::model::{Answer, Call, Object};
use super::signals::{EmitError, Emitted};

/// What a function gives that is a method: a value, an object, or a [`Result`] of one. Any error is what the caller is told; a
/// [`CallError`] stays what it is.
pub trait IntoAnswer {
    /// The type of the answer.
    fn signature() -> Signature;

    /// The answer.
    fn into_answer(self) -> Result<Answer, CallError>;
}

impl<T: IntoValue> IntoAnswer for T {
    fn signature() -> Signature {
        <T as Typed>::signature()
    }

    fn into_answer(self) -> Result<Answer, CallError> {
        Ok(Answer::from(self.into_value()))
    }
}

impl IntoAnswer for Object {
    fn signature() -> Signature {
        Kind::Object.into()
    }

    fn into_answer(self) -> Result<Answer, CallError> {
        Ok(Answer::from(&self))
    }
}

impl<T: IntoAnswer, E: Into<CallError>> IntoAnswer for Result<T, E> {
    fn signature() -> Signature {
        T::signature()
    }

    fn into_answer(self) -> Result<Answer, CallError> {
        self.map_err(E::into)?.into_answer()
    }
}

/// A function that can be a method: of up to eight arguments ([`FromValue`]), with a result that is [`IntoAnswer`]. `Args` is the
/// tuple of their types, in [`WithCall`] if the function gets the call before them.
pub trait Function<Args>: Send + Sync + 'static {
    /// The types of the arguments, as a tuple.
    fn parameters() -> Signature;

    /// The type of the result.
    fn result() -> Signature;

    /// Calls it; fails if the arguments are of other types.
    fn apply(&self, call: &Call) -> Result<Answer, CallError>;
}

/// The arguments of a [`Function`] that gets the call before them: who calls, and the object itself.
pub struct WithCall<Args>(PhantomData<Args>);

/// The next argument. They have been converted to what is declared.
fn next<T: FromValue>(arguments: &mut impl Iterator<Item = Value>) -> Result<T, CallError> {
    arguments.next().and_then(T::from_value).ok_or_else(|| "bad arguments".into())
}

/// Functions of so many arguments, behind the call or not.
macro_rules! functions {
    ($($name:ident)*) => {
        function!(($($name,)*); call; $($name)*);
        function!(WithCall<($($name,)*)>; call: &Call; $($name)*);
    };
}

macro_rules! function {
    ($args:ty; $call:ident $(: $first:ty)?; $($name:ident)*) => {
        impl<Code, Returned, $($name),*> Function<$args> for Code
        where
            Code: Fn($($first,)? $($name),*) -> Returned + Send + Sync + 'static,
            Returned: IntoAnswer,
            $($name: FromValue,)*
        {
            fn parameters() -> Signature {
                Signature::tuple([$(<$name as Typed>::signature()),*])
            }

            fn result() -> Signature {
                Returned::signature()
            }

            #[allow(unused_mut, unused_variables, reason = "without arguments")]
            fn apply(&self, $call: &Call) -> Result<Answer, CallError> {
                let mut arguments = $call.arguments.iter().cloned();
                self($($call as $first,)? $(next::<$name>(&mut arguments)?),*).into_answer()
            }
        }
    };
}

functions!();
functions!(A);
functions!(A B);
functions!(A B C);
functions!(A B C D);
functions!(A B C D E);
functions!(A B C D E F);
functions!(A B C D E F G);
functions!(A B C D E F G H);

impl From<EmitError> for CallError {
    fn from(error: EmitError) -> CallError {
        CallError::Remote(error.to_string())
    }
}

impl ObjectBuilder {
    /// Adds a function as a method, with the types that it has; gives its id. Otherwise as [`ObjectBuilder::method`].
    ///
    /// ```
    /// let mut builder = nanomsg::qi::server::ObjectBuilder::new();
    /// builder.function("add", |a: i32, b: i32| a + b);
    /// builder.function("parse", |text: String| text.parse::<i32>().map_err(|error| error.to_string()));
    /// ```
    pub fn function<Args, Code: Function<Args>>(&mut self, name: &str, code: Code) -> u32 {
        self.typed(name, code)
    }

    /// The same for a function that takes the call before its arguments, and with it the object itself.
    ///
    /// ```
    /// use nanomsg::qi::server::{Call, ObjectBuilder};
    ///
    /// let mut builder = ObjectBuilder::new();
    /// builder.signal("said", "(s)");
    /// builder.function_with("say", |call: &Call, text: String| call.object().fire("said", (text,)).map(drop));
    /// ```
    pub fn function_with<Args, Code: Function<WithCall<Args>>>(&mut self, name: &str, code: Code) -> u32 {
        self.typed(name, code)
    }

    fn typed<Args, Code: Function<Args>>(&mut self, name: &str, code: Code) -> u32 {
        let (parameters, result) = (Code::parameters().to_string(), Code::result().to_string());
        self.method(name, &parameters, &result, move |call| code.apply(call))
    }
}

impl Object {
    /// The value of a property as a Rust type; fails if there is no such property, or it cannot be had in it.
    pub fn get_to<T: FromValue>(&self, property: &str) -> Result<T, EmitError> {
        let value = self.get(property).ok_or_else(|| EmitError::Unknown(property.to_owned()))?;
        value_to(value).map_err(|error| EmitError::Type(error.to_string()))
    }

    /// [`Object::emit`] with a tuple of Rust types.
    pub fn fire(&self, signal: &str, arguments: impl Arguments) -> Result<Emitted, EmitError> {
        self.emit(signal, arguments.into_values())
    }
}
