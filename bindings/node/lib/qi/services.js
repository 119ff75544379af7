'use strict';
// Objects of JavaScript as objects of the bus: methods, signals and properties of a class.

const { EventEmitter } = require('node:events');
const { debuglog } = require('node:util');
const { isNativeError } = require('node:util').types;
const native = require('../native.js');
const { hub, listen, unlisten } = require('../hub.js');
const { attempt } = require('./operations.js');

const log = debuglog('millrace');

/** Where a signal or property is known: weak objects, and the name that it has there. */
class Exported {
  #places = [];

  add(weak, name) {
    this.#places = this.#places.filter((place) => place.weak.object() !== null);
    this.#places.push({ weak, name });
  }

  each(tell) {
    for (const { weak, name } of this.#places) attempt(() => tell(weak, name));
  }

  count() {
    return this.#places.reduce((sum, { weak, name }) => sum + weak.subscribers(name), 0);
  }
}

/** A signal of a service. */
class Signal {
  #exported = new Exported();

  constructor(signature = 'm') {
    this.signature = signature;
  }

  /** Tells all who listen. Whoever does not keep up misses events. */
  emit(...values) {
    this.#exported.each((weak, name) => weak.emit(name, values));
  }

  /** How many listen. */
  get subscribers() {
    return this.#exported.count();
  }

  static export(signal, weak, name) {
    signal.#exported.add(weak, name);
  }
}

/** A property of a service: a value that others read, set and listen to. Emits 'change' when a peer has set it. */
class Property extends EventEmitter {
  #exported = new Exported();
  #value;

  constructor(signature = 'm', value) {
    super();
    this.signature = signature;
    this.#value = attempt(() => native.convert(hub, value, signature));
  }

  get value() {
    return this.#value;
  }

  set value(value) {
    const converted = attempt(() => native.convert(hub, value, this.signature));
    this.#exported.each((weak, name) => weak.set(name, value));
    this.#value = converted;
  }

  get subscribers() {
    return this.#exported.count();
  }

  static export(property, weak, name) {
    property.#exported.add(weak, name);
  }

  /** A peer has set it on one object; others that it belongs to are told. */
  static take(property, weak, value) {
    property.#value = value;
    property.#exported.each((other, name) => other !== weak && other.set(name, value));
    property.emit('change', value);
  }
}

/** `(ii)i`: parameters, and what comes back; `m` if it does not say. */
function split(name, signature) {
  let depth = 0;
  for (let at = 0; at < signature.length; at++) {
    if (signature[at] === '(') depth++;
    if (signature[at] === ')') depth--;
    if (depth === 0) {
      if (signature[0] !== '(') break;
      return { name, parameters: signature.slice(0, at + 1), result: signature.slice(at + 1) || 'm', description: '', uid: 0 };
    }
  }
  throw new TypeError(`${name}: a method's types are written as (parameters)result, as in (is)s: ${signature}`);
}

/** What all objects have, in whatever realm, or all emitters. */
const isCommon = (prototype) => prototype === EventEmitter.prototype || Object.getPrototypeOf(prototype) === null;

/** The members that the bus is to know. Names that begin with _ are private; so is what `static qi` calls false. */
function members(instance) {
  // Without a prototype, since a method may be called toString.
  const types = { __proto__: null, ...instance.constructor?.qi?.methods };
  const found = { methods: [], codes: [], signals: [], properties: [] };
  const seen = new Set(['constructor']);
  for (let level = instance; level !== null && (level === instance || !isCommon(level)); level = Object.getPrototypeOf(level)) {
    for (const [name, { value }] of Object.entries(Object.getOwnPropertyDescriptors(level))) {
      if (seen.has(name) || name.startsWith('_') || types[name] === false) continue;
      seen.add(name);
      if (value instanceof Signal) found.signals.push([name, value]);
      else if (value instanceof Property) found.properties.push([name, value]);
      else if (typeof value === 'function') {
        const signatures = types[name] === undefined ? [] : [types[name]].flat();
        const described = signatures.map((signature) => split(name, signature));
        // Without types it takes anything.
        if (described.length === 0) described.push({ name, parameters: 'm', result: 'm', description: '', uid: 0 });
        for (const method of described) {
          found.methods.push(method);
          found.codes.push(value);
        }
      }
    }
  }
  for (const name of Object.keys(types)) {
    if (types[name] !== false && !seen.has(name)) throw new TypeError(`static qi.methods names ${name}, but there is no such method`);
  }
  return found;
}

/** What the call is that a method begins with. */
let current = null;

/** What a method may ask about its call, before its first `await`. */
class Context {
  #call;
  #controller = null;
  #number = 0;

  constructor(call) {
    this.#call = call;
    [this.remote, this.user] = call.caller();
  }

  /** Aborted when the caller wants the answer no more. */
  get signal() {
    if (this.#controller === null) {
      this.#controller = new AbortController();
      this.#number = listen(() => {
        unlisten(this.#number);
        this.#controller.abort();
      });
      this.#call.onCancel(this.#number);
    }
    return this.#controller.signal;
  }

  static end(context) {
    if (context.#number) unlisten(context.#number);
  }
}

/** The call that the method has begun with; undefined outside of methods. */
function context() {
  if (current === null) return undefined;
  current.context ??= new Context(current.call);
  return current.context;
}

/** What a caller is told of an exception. */
function describe(error) {
  if (!isNativeError(error) && !(error instanceof Error)) return String(error);
  if (error.name === 'AbortError' || error.code === 'ECANCELED') return undefined;
  return error.name === 'Error' || error.name === 'MillraceError' ? error.message : `${error.name}: ${error.message}`;
}

function answer(state, code, instance, values) {
  const finish = (send) => {
    if (state.context) Context.end(state.context);
    send();
  };
  const fail = (error) => finish(() => {
    log('a method has failed: %o', error);
    state.call.fail(describe(error));
  });
  const reply = (result) => finish(() => {
    try {
      attempt(() => state.call.reply(result));
    } catch (error) {
      fail(error);
    }
  });
  let result;
  current = state;
  try {
    result = code.apply(instance, values);
  } catch (error) {
    return fail(error);
  } finally {
    current = null;
  }
  if (typeof result?.then === 'function') result.then(reply, fail);
  else reply(result);
}

const made = new WeakMap();

/** The object that stands for an instance of a class. */
function objectOf(instance) {
  const there = made.get(instance)?.object();
  if (there) return there;
  const { methods, codes, signals, properties } = members(instance);
  let weak;
  const number = listen((told) => {
    if (told === undefined) return unlisten(number);
    const [index, values, call] = told;
    if (call) answer({ call, context: null }, codes[index], instance, values);
    else Property.take(properties[index][1], weak, values[0]);
  });
  const typed = ([name, member]) => ({ uid: 0, name, signature: member.signature });
  const [described, held] = [instance.constructor?.qi?.description ?? '', properties.map(([, property]) => property.value)];
  const object = attempt(() => {
    return native.NativeObject.create(hub, number, described, methods, signals.map(typed), properties.map(typed), held);
  });
  weak = object.weak();
  for (const [name, signal] of signals) Signal.export(signal, weak, name);
  for (const [name, property] of properties) Property.export(property, weak, name);
  made.set(instance, weak);
  return object;
}

module.exports = { Signal, Property, context, objectOf };
