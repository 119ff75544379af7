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

/** What stands for an object that is no plain one. */
function represent(value) {
  if (value instanceof RemoteObject) return [PROXY, nativeOf(value)];
  if (value instanceof Typed) return [TYPED, value.signature, value.value];
  if (value instanceof Tuple) return [TUPLE, value.members];
  if (value instanceof Map) return [MAP, [...value].flat()];
  if (ArrayBuffer.isView(value)) return [TYPED, 'r', new Uint8Array(value.buffer, value.byteOffset, value.byteLength)];
  if (value instanceof Set) throw new TypeError('a Set cannot be sent over the bus; an array can: [...set]');
  if (types.isDate(value)) throw new TypeError('a Date cannot be sent over the bus; a number or a string can: date.toISOString()');
  if (types.isPromise(value)) throw new TypeError('a Promise cannot be sent over the bus; await it first');
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

hub.setHooks(represent, make, Object.prototype);

module.exports = {
  connect, serve, Session, RemoteObject, RemoteSignal, RemoteProperty, Signal, Property, MillraceError, context, typed, tuple,
};
