//! Numbers and bools.

use crate::qi::signature::{Kind, Signature};
use crate::qi::value::Value;

use super::{Result, Why, fail};

enum Number {
    Bool(bool),
    Integer(i128),
    Float(f64),
}

/// To a number or a bool; from anything else there is no way. Integers must fit, floats are cut off toward zero and
/// then must fit, and only 0 and 1 are bools. `exact`: nothing is cut off, nor made infinite.
pub(super) fn convert(value: Value, to: &Signature, exact: bool) -> Result<Value> {
    let number = match &value {
        Value::Bool(flag) => Number::Bool(*flag),
        Value::Float(number) => Number::Float(f64::from(*number)),
        Value::Double(number) => Number::Float(*number),
        value => match value.integer() {
            Some(number) => Number::Integer(number),
            None => return fail(&value.signature(), to, Why::Types),
        },
    };
    match (to.kind(), &value) {
        // Not by way of f64: that would change the bits of NaN.
        (Kind::Float, Value::Float(_)) => return Ok(value),
        (Kind::Float, _) => {
            let (wide, narrow) = (float(&number), float(&number) as f32);
            let lost = exact && wide.is_finite() && !narrow.is_finite();
            return if lost { fail(&value.signature(), to, Why::Range) } else { Ok(Value::Float(narrow)) };
        }
        (Kind::Double, _) => return Ok(Value::Double(float(&number))),
        (Kind::Bool, Value::Float(_) | Value::Double(_)) => return float_to_bool(&value, &number, to),
        _ => {}
    }
    let integer = match number {
        Number::Bool(flag) => i128::from(flag),
        Number::Integer(number) => number,
        Number::Float(number) if exact && number.fract() != 0.0 => return fail(&value.signature(), to, Why::Fraction),
        Number::Float(number) => match whole(number, to.kind()) {
            Some(number) => number,
            None => return fail(&value.signature(), to, Why::Range),
        },
    };
    let converted = match to.kind() {
        Kind::Bool => match integer {
            0 => Some(Value::Bool(false)),
            1 => Some(Value::Bool(true)),
            _ => None,
        },
        Kind::Int8 => integer.try_into().ok().map(Value::Int8),
        Kind::UInt8 => integer.try_into().ok().map(Value::UInt8),
        Kind::Int16 => integer.try_into().ok().map(Value::Int16),
        Kind::UInt16 => integer.try_into().ok().map(Value::UInt16),
        Kind::Int32 => integer.try_into().ok().map(Value::Int32),
        Kind::UInt32 => integer.try_into().ok().map(Value::UInt32),
        Kind::Int64 => integer.try_into().ok().map(Value::Int64),
        Kind::UInt64 => integer.try_into().ok().map(Value::UInt64),
        _ => return fail(&value.signature(), to, Why::Types),
    };
    match converted {
        Some(converted) => Ok(converted),
        None => fail(&value.signature(), to, Why::Range),
    }
}

fn float(number: &Number) -> f64 {
    match *number {
        Number::Bool(flag) => f64::from(u8::from(flag)),
        Number::Integer(number) => number as f64,
        Number::Float(number) => number,
    }
}

/// Only 0 and 1 are bools, and nothing is cut off to become one.
fn float_to_bool(value: &Value, number: &Number, to: &Signature) -> Result<Value> {
    let number = float(number);
    match (number == 0.0, number == 1.0) {
        (false, false) => fail(&value.signature(), to, Why::Range),
        (_, one) => Ok(Value::Bool(one)),
    }
}

/// The float without its fraction, if it is a number that may fit. Nothing below 0 is unsigned, not even
/// what would be cut to 0.
fn whole(number: f64, to: &Kind) -> Option<i128> {
    let unsigned = matches!(to, Kind::UInt8 | Kind::UInt16 | Kind::UInt32 | Kind::UInt64);
    let fits = number.abs() < 1e20 && !(unsigned && number < 0.0);
    // NaN compares with nothing, so it does not fit.
    fits.then(|| number.trunc() as i128)
}
