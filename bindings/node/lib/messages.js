'use strict';
// What sockets and their contexts have in common: messages, and waiting for them.

const { EventEmitter } = require('node:events');
const { isNativeError } = require('node:util').types;
const { markAsUntransferable } = require('node:worker_threads');
const streams = require('./streams.js');
const { MillraceError, aborted, check, translate, EAGAIN, EFSM, ETIMEDOUT } = require('./errors.js');
const { newSlot, operation, turnDue, weight, PATIENCE } = require('./hub.js');
const { int32, verify, whole } = require('./limits.js');
const { TIMEOUTS, bytesOf, define, hasOption, kept, rawValue } = require('./options.js');
const { NativeCopy } = require('./native.js');
const { Waiting, iterate } = require('./waiting.js');

const PROTOCOLS = {
  Pair: 16, Pub: 32, Sub: 33, Req: 48, Rep: 49, Push: 80, Pull: 81, Surveyor: 98, Respondent: 99, Bus: 112,
};

// Receiving from these changes nothing but the queue, so many messages may be fetched with one crossing into native code.
const BATCHES = new Set([PROTOCOLS.Pair, PROTOCOLS.Sub, PROTOCOLS.Pull, PROTOCOLS.Bus]);

const BATCH = 256;
const BLOCK = 16 * 1024;
const SMALL = 4 * 1024;
// What waits and is as large as this is copied straight into a message.
const LARGE = 64 * 1024;

const DONE = Promise.resolve();
const lengths = new Uint32Array(BATCH);
// Where arrivals are put; what is left of it is used for the next ones.
let block = Buffer.alloc(0);

/** A block that messages share: whoever posts one to a worker, with its memory, must not take the others along. */
function newBlock() {
  const made = Buffer.allocUnsafeSlow(BLOCK);
  markAsUntransferable(made.buffer);
  return made;
}

// Where small messages are put together that go out at once.
const outgoing = Buffer.allocUnsafeSlow(64 * 1024);

class Messages extends EventEmitter {
  #native;
  #protocol;
  #raw;
  #batches;
  #receiving;
  #sending;
  #closing = null;
  // Fetched, but not given to anybody yet.
  #pending = [];
  #next = 0;
  #timeouts;
  #flowing = false;
  // There is nothing to receive before the next request or survey, so 'message' waits for that.
  #dormant = false;

  /** @param like a socket whose time limits it begins with. */
  constructor(native, protocol, raw, like) {
    super();
    this.#native = native;
    this.#protocol = protocol;
    this.#raw = raw;
    this.#tellPeers(false);
    this.#timeouts = { sendTimeout: Infinity, receiveTimeout: Infinity, ...(like && like.#timeouts) };
    const slot = newSlot();
    this.#receiving = new Waiting(native, 0, slot);
    this.#sending = new Waiting(native, 1, slot);
    this.on('newListener', (event) => event === 'message' && this.#flow());
    this.on('removeListener', (event) => event === 'message' && this.listenerCount('message') === 0 && this.#halt());
  }

  static {
    // For the classes below.
    Messages.native = (messages) => messages.#native;
    /** Sets options, and then does the rest of what a constructor does; what fails leaves nothing open. */
    Messages.setUp = (messages, options, rest = () => {}) => {
      try {
        for (const [name, value] of Object.entries(options)) {
          if (!hasOption(messages, name)) throw new TypeError(`${messages.constructor.name} has no option ${name}`);
          if (value !== undefined) messages[name] = value;
        }
        rest();
      } catch (error) {
        messages.close();
        throw error;
      }
    };
    Messages.tellPeers = (messages, yes) => messages.#tellPeers(yes);
    define(this, TIMEOUTS, Messages.native, (messages, name, value) => {
      messages.#timeouts[name] = value;
    });
  }

  get protocol() {
    return this.#protocol;
  }

  get raw() {
    return this.#raw;
  }

  get closed() {
    return this.#closing !== null;
  }

  // ---- sending

  send(data, options) {
    try {
      return this.#put((body) => this.#native.send(body), data, options);
    } catch (error) {
      return Promise.reject(error);
    }
  }

  sendRaw(header, body, options) {
    try {
      const head = kept(header);
      return this.#put((bytes) => this.#native.sendRaw(head, bytes), body, options, kept);
    } catch (error) {
      return Promise.reject(error);
    }
  }

  /** Sends at once, or gives false. */
  trySend(data) {
    const result = this.#native.send(bytesOf(data));
    if (result === -EAGAIN) return false;
    this.#sent(check(result, 'send'));
    return true;
  }

  async sendMany(messages, options) {
    let sent = 0;
    try {
      verify(options);
      if (typeof messages === 'string') throw new TypeError('sendMany sends a list of messages; send sends one');
      const list = Array.isArray(messages) ? messages : [...messages];
      while (sent < list.length) {
        const taken = this.#sending.busy ? 0 : this.#putMany(list, sent);
        if (taken > 0) sent += taken;
        else {
          await this.send(list[sent], options);
          sent++;
        }
        const due = turnDue();
        if (due) await due;
        if (options?.signal?.aborted && sent < list.length) throw aborted(options.signal);
      }
    } catch (error) {
      if (isNativeError(error)) error.sent = sent;
      throw error;
    }
  }

  /** How many messages were sent at once; 0 if the next one must be sent by itself. */
  #putMany(list, first) {
    let [count, at] = [0, 0];
    for (; count < BATCH && first + count < list.length; count++) {
      const message = list[first + count];
      let length;
      if (typeof message === 'string') {
        if (message.length > SMALL || at + 3 * message.length > outgoing.length) break;
        length = outgoing.write(message, at);
      } else {
        const bytes = bytesOf(message);
        length = bytes.byteLength;
        if (length > SMALL || at + length > outgoing.length) break;
        outgoing.set(bytes instanceof Uint8Array ? bytes : new Uint8Array(bytes.buffer, bytes.byteOffset, length), at);
      }
      lengths[count] = length;
      at += length;
    }
    if (count === 0) return 0;
    const taken = this.#native.sendBatch(outgoing, lengths, count);
    return taken === -EAGAIN ? 0 : this.#sent(check(taken, 'sendMany'));
  }

  /** @param keep gives a copy that may wait; it must be copied anyway, and now the connection is busy with what was sent before. */
  #put(attempt, data, options, keep = (body) => this.#keep(body)) {
    verify(options);
    const bytes = bytesOf(data);
    if (!this.#sending.busy) {
      const result = attempt(bytes);
      if (this.#sent(result) >= 0) return turnDue() ?? DONE;
      if (result !== -EAGAIN) return Promise.reject(new MillraceError(-result, 'send'));
    }
    // What is sent is what it is now, whatever becomes of the program's memory.
    const copy = typeof data === 'string' ? bytes : keep(bytes);
    const wait = () => {
      const result = copy instanceof NativeCopy ? this.#native.sendCopy(copy) : attempt(copy);
      return this.#sent(result) < 0 ? result : undefined;
    };
    return this.#sending.add(wait, 'send', options, this.#timeouts.sendTimeout);
  }

  #keep(bytes) {
    return bytes.byteLength < LARGE ? kept(bytes) : translate(() => NativeCopy.of(bytes), 'send');
  }

  /** Passes on how a send has gone. */
  #sent(result) {
    if (result >= 0 && this.#dormant) {
      this.#dormant = false;
      setImmediate(() => this.#pump());
    }
    return result;
  }

  // ---- receiving

  receive(options) {
    return this.#get(() => this.#take(), options);
  }

  receiveRaw(options) {
    return this.#get(() => this.#takeRaw(), options);
  }

  /** A message, or null. */
  tryReceive() {
    const message = this.#take();
    if (typeof message !== 'number') return message;
    if (message === -EAGAIN) return null;
    throw new MillraceError(-message, 'receive');
  }

  /** Waits for the first, and takes what is there, up to a maximum. */
  async receiveMany(maximum = 1000, options) {
    whole(maximum, 'maximum');
    verify(options);
    const messages = maximum === 0 ? [] : [await this.receive(options)];
    while (messages.length < maximum) {
      const message = this.#take();
      // An error comes again with the next call.
      if (typeof message === 'number') break;
      messages.push(message);
    }
    return messages;
  }

  #get(attempt, options) {
    try {
      verify(options);
    } catch (error) {
      return Promise.reject(error);
    }
    if (!this.#receiving.busy) {
      const message = attempt();
      if (typeof message !== 'number') {
        const due = turnDue((message.body ?? message).length);
        return due === null ? Promise.resolve(message) : due.then(() => message);
      }
      if (message !== -EAGAIN) return Promise.reject(new MillraceError(-message, 'receive'));
    }
    return this.#receiving.add(attempt, 'receive', options, this.#timeouts.receiveTimeout);
  }

  /** The next message, or a number below 0. */
  #take() {
    if (this.#next < this.#pending.length) {
      const message = this.#pending[this.#next];
      this.#pending[this.#next++] = undefined;
      if (this.#next === this.#pending.length) {
        this.#pending.length = 0;
        this.#next = 0;
      }
      return message;
    }
    if (!this.#batches) return this.#native.receive();
    if (block.length < SMALL) block = newBlock();
    const count = this.#native.receiveBatch(block, lengths);
    if (count < 0) return count;
    if (count === 0) return this.#native.receive();
    const first = block.subarray(0, lengths[0]);
    let at = lengths[0];
    for (let index = 1; index < count; index++) {
      this.#pending.push(block.subarray(at, (at += lengths[index])));
    }
    block = block.subarray(at);
    return first;
  }

  receiveMessage(options) {
    return this.#get(() => this.#takeMessage(), options);
  }

  #takeMessage() {
    return this.#takeFetched() ?? this.#native.receiveMessage();
  }

  #takeRaw() {
    const taken = this.#takeFetched() ?? this.#native.receiveRaw();
    return Array.isArray(taken) ? { header: taken[0], body: taken[1] } : taken;
  }

  /** What was fetched before anybody asked for its header, or who sent it. */
  #takeFetched() {
    return this.#next < this.#pending.length ? { body: this.#take(), header: Buffer.alloc(0) } : null;
  }

  /** In a batch nobody is told who sent what. */
  #tellPeers(yes) {
    this.#batches = BATCHES.has(this.#protocol) && !this.#raw && !yes;
  }

  // ---- as an emitter

  #flow() {
    if (this.#flowing || this.closed) return;
    this.#flowing = true;
    // A listener that is being added gets the first message too.
    setImmediate(() => this.#pump());
  }

  #halt() {
    this.#flowing = false;
    this.#dormant = false;
    this.#receiving.stopIdle();
  }

  #pump() {
    if (!this.#flowing || this.closed) return;
    this.#receiving.idle = null;
    let message;
    let count = 0;
    try {
      for (; this.#flowing && count < PATIENCE && typeof (message = this.#take()) !== 'number'; count += weight(message.length)) {
        this.emit('message', message);
      }
    } finally {
      if (this.#flowing && !this.closed) {
        if (this.#asks(message)) {
          this.#dormant = true;
        } else if (typeof message === 'number' && message !== -EAGAIN) {
          this.#flowing = false;
          this.emit('error', new MillraceError(-message, 'receive'));
        } else if (typeof message === 'number') {
          this.#receiving.whenIdle(() => this.#pump());
        } else {
          setImmediate(() => this.#pump());
        }
      }
    }
  }

  /** Whether this failure to receive only says that no answer is due: nothing was asked, or a survey is over. */
  #asks(failure) {
    if (this.#protocol === PROTOCOLS.Surveyor) return failure === -EFSM || failure === -ETIMEDOUT;
    return this.#protocol === PROTOCOLS.Req && failure === -EFSM;
  }

  // ---- as an iterator, and as streams

  [Symbol.asyncIterator]() {
    return iterate((options) => this.receive(options), () => this.closed);
  }

  readable(options) {
    return streams.readable(this, options);
  }

  writable(options) {
    return streams.writable(this, options);
  }

  // ---- the rest

  cancel() {
    check(this.#native.cancel(), 'cancel');
    // Who waits for an answer that does not come any more finds out by trying; the descriptor does not tell.
    if (this.#receiving.busy) this.#receiving.ready();
  }

  setOption(level, option, value) {
    const raw = rawValue(value, 'the value of an option');
    check(this.#native.setOption(int32(level, 'level'), int32(option, 'option'), raw), 'setOption');
  }

  getOption(level, option) {
    return translate(() => this.#native.getOption(int32(level, 'level'), int32(option, 'option')), 'getOption');
  }

  ref() {
    this.#receiving.keepAlive(true);
    this.#sending.keepAlive(true);
    return this;
  }

  unref() {
    this.#receiving.keepAlive(false);
    this.#sending.keepAlive(false);
    return this;
  }

  close() {
    if (this.#closing === null) {
      this.#flowing = false;
      this.#pending = [];
      this.#next = 0;
      this.#receiving.close();
      this.#sending.close();
      this.#closing = operation((number) => check(this.#native.close(number), 'close')).then(() => void this.emit('close'));
    }
    return this.#closing;
  }
}

Messages.prototype[Symbol.asyncDispose ?? Symbol.for('nodejs.asyncDispose')] = function dispose() {
  return this.close();
};

module.exports = { Messages, PROTOCOLS };
