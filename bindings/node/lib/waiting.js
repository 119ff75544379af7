'use strict';
// Who waits for one side of a socket. The message is taken in the step that resolves its promise: what is aborted has taken
// nothing.

const { MillraceError, check, EAGAIN, EBADF } = require('./errors.js');
const { held, watch, unwatch } = require('./hub.js');
const { endedBy, milliseconds, verify } = require('./limits.js');

// In options: called with a function that ends the wait, once there is one; what is waited for is OVER then.
const WAITS = Symbol('waits');
const OVER = Symbol('over');

class Waiting {
  /** @param side 0: until there is a message; 1: until there is room. */
  constructor(native, side, slot) {
    this.native = native;
    this.side = side;
    this.slot = slot;
    this.key = 2 * slot + side;
    this.queue = [];
    this.watching = false;
    this.alive = true;
    /** Called when it is ready and nobody is in the queue. */
    this.idle = null;
  }

  get busy() {
    return this.queue.length > 0;
  }

  /**
   * Waits until `attempt` gives something but -EAGAIN: a number below 0 is an error. `otherwise` is the time limit, if the options
   * have none.
   */
  add(attempt, what, options, otherwise = Infinity) {
    return new Promise((resolve, reject) => {
      verify(options);
      const waiter = { attempt, what, resolve, reject, settled: null };
      waiter.settled = endedBy(options?.signal, milliseconds(options?.timeout ?? otherwise), what, (error) => {
        this.remove(waiter);
        waiter.settled();
        reject(error);
      });
      options?.[WAITS]?.(() => {
        this.remove(waiter);
        waiter.settled?.();
        resolve(OVER);
      });
      this.queue.push(waiter);
      try {
        this.watch();
      } catch (error) {
        this.remove(waiter);
        waiter.settled?.();
        reject(error);
      }
    });
  }

  remove(waiter) {
    const at = this.queue.indexOf(waiter);
    if (at >= 0) this.queue.splice(at, 1);
    if (!this.busy && this.idle === null) this.relax();
  }

  /** Nobody waits now. It stays watched, without a call of the system, for who comes before it is ready again. */
  relax() {
    held.delete(this);
    this.native.keepAlive(this.side, false);
  }

  watch() {
    if (!this.watching) {
      check(this.native.watch(this.side, this.slot));
      this.watching = true;
      watch(this.key, this);
    }
    held.add(this);
    this.native.keepAlive(this.side, this.alive);
  }

  /** Whether waiting keeps the process alive. */
  keepAlive(yes) {
    this.alive = yes;
    if (this.watching) this.native.keepAlive(this.side, yes && (this.busy || this.idle !== null));
  }

  /** The event loop says that something may be done. */
  ready() {
    // Nobody has come since it was ready last.
    if (!this.busy && this.idle === null) return this.rest();
    while (this.busy) {
      const waiter = this.queue[0];
      const result = waiter.attempt();
      if (result === -EAGAIN) return;
      this.queue.shift();
      waiter.settled?.();
      if (typeof result === 'number' && result < 0) waiter.reject(new MillraceError(-result, waiter.what));
      else waiter.resolve(result);
    }
    if (this.idle !== null) this.idle();
    else this.relax();
  }

  /** Calls this when it is ready and nobody waits, until `stopIdle`. */
  whenIdle(call) {
    this.idle = call;
    this.watch();
  }

  stopIdle() {
    this.idle = null;
    if (!this.busy) this.relax();
  }

  /** Watching would turn the loop for nothing. */
  rest() {
    if (!this.watching) return;
    this.native.pause(this.side);
    this.watching = false;
    unwatch(this.key, this);
  }

  /** The socket is closed: who waits is told. */
  close() {
    this.watching = false;
    unwatch(this.key, this);
    held.delete(this);
    this.idle = null;
    for (const waiter of this.queue.splice(0)) {
      waiter.settled?.();
      waiter.reject(new MillraceError(EBADF, waiter.what));
    }
  }
}

const DONE = { value: undefined, done: true };

/**
 * An async iterator of what `receive(options)` gives. It ends when that is closed, which `ended` says; and by return(), at once: a next() that
 * waits takes nothing then.
 */
function iterate(receive, ended) {
  let done = false;
  const stops = new Set();
  return {
    async next() {
      if (done) return DONE;
      let stop;
      try {
        const value = await receive({
          [WAITS]: (given) => {
            stop = given;
            stops.add(stop);
          },
        });
        return value === OVER ? DONE : { value, done: false };
      } catch (error) {
        done = true;
        if (error.code === 'EBADF' && ended()) return DONE;
        throw error;
      } finally {
        stops.delete(stop);
      }
    },
    async return() {
      done = true;
      for (const stop of [...stops]) stop();
      return DONE;
    },
    [Symbol.asyncIterator]() {
      return this;
    },
  };
}

module.exports = { Waiting, iterate };
