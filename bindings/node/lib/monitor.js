'use strict';
// The events of a socket.

const { MillraceError, name, EAGAIN, EBADF } = require('./errors.js');
const { newSlot, turnDue } = require('./hub.js');
const { verify } = require('./limits.js');
const { Waiting, iterate } = require('./waiting.js');

class Monitor {
  #native;
  #waiting;
  #closed = false;

  constructor(native) {
    this.#native = native;
    this.#waiting = new Waiting(native, 0, newSlot());
  }

  static {
    /** The next event, for something that has a name of its own. */
    Monitor.next = (monitor, what, options) => monitor.#receive(what, options);
  }

  receive(options) {
    return this.#receive('monitor', options);
  }

  async #receive(what, options) {
    verify(options);
    if (!this.#waiting.busy) {
      const event = this.#take();
      if (typeof event !== 'number') {
        const due = turnDue();
        if (due) await due;
        return event;
      }
      if (event !== -EAGAIN) throw new MillraceError(-event, what);
    }
    return this.#waiting.add(() => this.#take(), what, options);
  }

  tryReceive() {
    const event = this.#take();
    if (typeof event !== 'number') return event;
    if (event === -EAGAIN) return null;
    throw new MillraceError(-event, 'monitor');
  }

  /** An event, or a number below 0. */
  #take() {
    if (this.#closed) return -EBADF;
    const told = this.#native.next();
    if (typeof told === 'number') return told;
    return {
      ...told,
      time: new Date(told.time),
      error: told.error === 0 ? undefined : name(told.error),
      retry: told.retry < 0 ? undefined : told.retry,
    };
  }

  [Symbol.asyncIterator]() {
    // The socket's end is the end of its events, too.
    return iterate((options) => this.receive(options), () => true);
  }

  ref() {
    this.#waiting.keepAlive(true);
    return this;
  }

  unref() {
    this.#waiting.keepAlive(false);
    return this;
  }

  close() {
    if (this.#closed) return;
    this.#closed = true;
    this.#waiting.close();
    this.#native.close();
  }
}

module.exports = { Monitor };
