'use strict';
// Objects of other programs: methods, signals and properties as members.

const { EventEmitter } = require('node:events');
const { MillraceError, EAGAIN, EBADF } = require('../errors.js');
const { newSlot, turnDue } = require('../hub.js');
const { milliseconds, verify, whole } = require('../limits.js');
const { Waiting } = require('../waiting.js');
const { attempt, settle } = require('./operations.js');

const QUEUE = 1000;
// Members with lower numbers are what every object can do.
const FIRST_OWN = 100;
// Events told before the event loop turns.
const BATCH = 256;

const natives = new WeakMap();
const nativeOf = (proxy) => natives.get(proxy);

/** The session's limit for calls (5 minutes), or milliseconds. */
const limit = (timeout) => (timeout === undefined ? -1 : Math.min(milliseconds(timeout), 1e15));

/** Events of a signal, one after the other. */
class Events {
  #native;
  #waiting;
  #single;
  #signal;
  #closed = false;
  #failed = null;

  constructor(native, single, signal) {
    this.#native = native;
    this.#single = single;
    this.#signal = signal;
    this.#waiting = new Waiting(native, 0, newSlot());
  }

  /** Events that were dropped because too many waited. */
  get missed() {
    return this.#native.missed();
  }

  /** An event, or -EAGAIN; a failure is kept for who asks. */
  #take() {
    let event;
    try {
      event = attempt(() => this.#native.next());
    } catch (error) {
      this.#failed = error;
      return -error.errno;
    }
    if (event === null) return -EAGAIN;
    return { event: this.#single ? event[0] : event };
  }

  #failure(errno) {
    const error = this.#failed ?? new MillraceError(errno);
    this.#failed = null;
    return error;
  }

  async next({ signal = this.#signal, timeout } = {}) {
    if (this.#closed) return { value: undefined, done: true };
    verify({ signal, timeout });
    let taken = this.#waiting.busy ? -EAGAIN : this.#take();
    if (taken === -EAGAIN) {
      try {
        taken = await this.#waiting.add(() => this.#take(), 'next', { signal, timeout });
      } catch (error) {
        if (this.#closed && error.errno === EBADF) return { value: undefined, done: true };
        throw this.#failed === null || error.errno !== this.#failed.errno ? error : this.#failure();
      }
    } else if (typeof taken === 'number') {
      throw this.#failure(-taken);
    } else {
      const due = turnDue();
      if (due) await due;
    }
    return { value: taken.event, done: false };
  }

  async return() {
    this.close();
    return { value: undefined, done: true };
  }

  [Symbol.asyncIterator]() {
    return this;
  }

  /** Calls `told(event)` with each event, until it is closed; `ended(error)` when there are no more. */
  pump(told, ended) {
    const turn = () => {
      if (this.#closed) return;
      this.#waiting.idle = null;
      let taken;
      try {
        for (let count = 0; count < BATCH && !this.#closed && typeof (taken = this.#take()) !== 'number'; count++) {
          told(taken.event);
        }
      } finally {
        // Also when a listener has thrown: that is the program's to hear of, and the next event comes all the same.
        if (!this.#closed) {
          if (typeof taken !== 'number') setImmediate(turn);
          else if (taken === -EAGAIN) this.#waiting.whenIdle(turn);
          else ended(this.#failure(-taken));
        }
      }
    };
    turn();
  }

  keepAlive(yes) {
    this.#waiting.keepAlive(yes);
  }

  close() {
    if (this.#closed) return;
    this.#closed = true;
    this.#waiting.close();
    this.#native.close();
  }
}

/** A signal of another program's object. */
class RemoteSignal {
  constructor(proxy, name) {
    Object.defineProperty(this, 'proxy', { value: proxy });
    this.name = name;
  }

  /** Listens; when the promise is kept, no event is lost but those that find `queue` others waiting. */
  async subscribe({ queue = QUEUE, signal } = {}) {
    const most = Math.min(whole(queue, 'queue'), 0xffffffff);
    const native = await settle((number) => nativeOf(this.proxy).subscribe(this.name, most, number), { signal });
    return new Events(native, this instanceof RemoteProperty, signal);
  }

  /** Listens from the first next() on. return() ends it, also while next() waits. */
  [Symbol.asyncIterator]() {
    let subscribing = null;
    let done = false;
    const over = { value: undefined, done: true };
    const end = async () => {
      done = true;
      subscribing?.then((events) => events.close(), () => {});
      return over;
    };
    return {
      next: async () => {
        if (done) return over;
        try {
          subscribing ??= this.subscribe();
          const events = await subscribing;
          return done ? over : await events.next();
        } catch (error) {
          end();
          throw error;
        }
      },
      return: end,
      [Symbol.asyncIterator]() {
        return this;
      },
    };
  }

  /** Has the object emit it to all who listen. */
  emit(...values) {
    return settle((number) => nativeOf(this.proxy).post(this.name, values, number));
  }
}

/** A property of another program's object: its value, and its changes as a signal. */
class RemoteProperty extends RemoteSignal {
  async get({ timeout, signal } = {}) {
    return settle((number) => nativeOf(this.proxy).property(this.name, limit(timeout), number), { signal });
  }

  async set(value, { timeout, signal } = {}) {
    return settle((number) => nativeOf(this.proxy).setProperty(this.name, value, limit(timeout), number), { signal });
  }
}

/** An object of another program. */
class RemoteObject extends EventEmitter {
  #listening = new Map();
  #alive = true;

  constructor(native) {
    super();
    natives.set(this, native);
    const meta = native.meta();
    const own = (list) => list.filter(({ uid }) => uid >= FIRST_OWN).map(({ name }) => name);
    const define = (name, value) => {
      if (!(name in RemoteObject.prototype)) Object.defineProperty(this, name, { value, configurable: true, enumerable: true });
    };
    for (const name of own(meta.signals)) define(name, new RemoteSignal(this, name));
    for (const name of own(meta.properties)) define(name, new RemoteProperty(this, name));
    for (const name of own(meta.methods)) define(name, (...values) => this.call(name, values));
    const signals = new Set([...own(meta.signals), ...own(meta.properties)]);
    const properties = new Set(own(meta.properties));
    this.on('newListener', (name) => signals.has(name) && this.#listen(name, properties.has(name)));
    this.on('removeListener', (name) => signals.has(name) && this.listenerCount(name) === 0 && this.#unlisten(name));
  }

  #listen(name, single) {
    if (this.#listening.has(name)) return;
    const listening = { events: null, closed: false };
    this.#listening.set(name, listening);
    const member = single ? new RemoteProperty(this, name) : new RemoteSignal(this, name);
    listening.ready = member.subscribe().then((events) => {
      if (listening.closed) return events.close();
      listening.events = events;
      if (!this.#alive) events.keepAlive(false);
      const told = single ? (value) => this.emit(name, value) : (values) => this.emit(name, ...values);
      // The session says that the connection has ended.
      return events.pump(told, () => this.#forget(name, listening));
    });
    listening.ready.catch((error) => {
      this.#forget(name, listening);
      if (!listening.asked) this.emit('error', error);
    });
  }

  #forget(name, listening) {
    listening.closed = true;
    listening.events?.close();
    if (this.#listening.get(name) === listening) this.#listening.delete(name);
  }

  #unlisten(name) {
    const listening = this.#listening.get(name);
    if (listening) this.#forget(name, listening);
  }

  /** Kept when the object's program knows of all listeners that were added so far. */
  async subscribed() {
    await Promise.all(
      [...this.#listening.values()].map((listening) => {
        listening.asked = true;
        return listening.ready;
      }),
    );
  }

  async call(name, values = [], { timeout, signal } = {}) {
    return settle((number) => nativeOf(this).call(name, values, limit(timeout), number), { signal });
  }

  post(name, ...values) {
    return settle((number) => nativeOf(this).post(name, values, number));
  }

  /** The signal of this name, also if the object has a method of the same name. */
  signal(name) {
    return new RemoteSignal(this, name);
  }

  property(name) {
    return new RemoteProperty(this, name);
  }

  get meta() {
    return nativeOf(this).meta();
  }

  get connected() {
    return nativeOf(this).isConnected();
  }

  ref() {
    return this.#keepAlive(true);
  }

  unref() {
    return this.#keepAlive(false);
  }

  #keepAlive(yes) {
    this.#alive = yes;
    for (const { events } of this.#listening.values()) events?.keepAlive(yes);
    return this;
  }

  // A promise would take it for another promise if the service had a method of this name.
  get then() {
    return undefined;
  }

  [Symbol.for('nodejs.util.inspect.custom')]() {
    return `RemoteObject ${nativeOf(this).name()}`;
  }
}

module.exports = { Events, RemoteObject, RemoteProperty, RemoteSignal, nativeOf };
