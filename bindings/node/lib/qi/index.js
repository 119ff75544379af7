'use strict';
// The object bus.

const { types } = require('node:util');
const { MillraceError } = require('../errors.js');
const { hub } = require('../hub.js');
const { RemoteObject, RemoteProperty, RemoteSignal, nativeOf } = require('./proxies.js');
const { Property, Signal, context, objectOf } = require('./services.js');
const { Session, connect, serve } = require('./session.js');
const { Tuple, Typed, tuple, typed } = require('./values.js');

const [OBJECT, PROXY, TYPED, MAP, TUPLE] = [0, 1, 2, 3, 4];

/** What the bus has nothing for, and what can be sent instead. */
const NOT_SENT = [
  [types.isSet, 'a Set', 'an array can: [...set]'],
  [types.isDate, 'a Date', 'a number or a string can: date.toISOString()'],
  [types.isPromise, 'a Promise', 'await it first'],
  [types.isNativeError, 'an Error', 'its text can: error.message'],
  [types.isRegExp, 'a RegExp', 'its text can: expression.source'],
  [types.isGeneratorObject, 'a generator', 'an array can: [...values]'],
  [(value) => types.isMapIterator(value) || types.isSetIterator(value), 'an iterator', 'an array can: [...values]'],
  [(value) => types.isWeakMap(value) || types.isWeakSet(value), 'a WeakMap or WeakSet', 'nobody can list what is in it'],
];

/** What stands for an object that is no plain one. */
function represent(value) {
  if (value instanceof RemoteObject) return [PROXY, nativeOf(value)];
  if (value instanceof Typed) return [TYPED, value.signature, value.value];
  if (value instanceof Tuple) return [TUPLE, value.members];
  if (types.isMap(value)) return [MAP, [...value].flat()];
  if (ArrayBuffer.isView(value)) return [TYPED, 'r', new Uint8Array(value.buffer, value.byteOffset, value.byteLength)];
  for (const [is, what, instead] of NOT_SENT) {
    if (is(value)) throw new TypeError(`${what} cannot be sent over the bus; ${instead}`);
  }
  if (types.isBoxedPrimitive(value)) return [TYPED, 'm', value.valueOf()];
  return [OBJECT, objectOf(value)];
}

/** What the native half cannot make. */
function make(what, of) {
  if (what === 0) return new RemoteObject(of);
  const map = new Map();
  for (let at = 0; at < of.length; at += 2) map.set(of[at], of[at + 1]);
  return map;
}

hub.setHooks(represent, make);

module.exports = {
  connect, serve, Session, RemoteObject, RemoteSignal, RemoteProperty, Signal, Property, MillraceError, context, typed, tuple,
};
