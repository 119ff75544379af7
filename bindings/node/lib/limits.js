'use strict';
// What ends a wait before its time, a time limit and an AbortSignal; and what numbers may be.

const { MillraceError, aborted, ETIMEDOUT } = require('./errors.js');

// The longest time that timers and the options of sockets know: 24.8 days.
const LONGEST = 0x7fffffff;

const shown = (value) => (typeof value === 'string' ? JSON.stringify(value) : String(value));

/** A time limit as whole milliseconds, what is less than one being one, or Infinity. */
function milliseconds(value, name = 'timeout') {
  if (typeof value !== 'number' || !(value >= 0)) {
    throw new RangeError(`${name} is a number of milliseconds, at least 0, or Infinity: ${shown(value)}`);
  }
  return value === Infinity ? value : Math.min(Math.ceil(value), LONGEST);
}

/** An integer as the C interface has it: others would be cut off on the way. */
function int32(value, name) {
  if (!Number.isInteger(value)) throw new TypeError(`${name} is an integer, not ${shown(value)}`);
  if (value !== (value | 0)) throw new RangeError(`${name} is an integer of 32 bits: ${value}`);
  return value;
}

/** How many there may be, or must be. */
function whole(value, name) {
  if (value !== Infinity && !(Number.isInteger(value) && value >= 0)) {
    throw new RangeError(`${name} is a whole number, at least 0: ${shown(value)}`);
  }
  return value;
}

/** Throws if something that may wait cannot begin: its options are wrong, or its signal is aborted already. */
function verify(options) {
  if (options === undefined || options === null) return;
  const { signal, timeout } = options;
  if (timeout !== undefined) milliseconds(timeout);
  if (signal === undefined || signal === null) return;
  if (typeof signal.aborted !== 'boolean' || typeof signal.addEventListener !== 'function') {
    throw new TypeError(`signal is an AbortSignal, not ${shown(signal)}`);
  }
  if (signal.aborted) throw aborted(signal);
}

/** What waits with a signal: one listener for all, since Node warns of a signal that has more than ten. */
const waiting = new WeakMap();

/** Calls this when the signal is aborted; gives a function that takes that back. */
function onAbort(signal, call) {
  let all = waiting.get(signal);
  if (all === undefined) {
    const calls = new Set();
    all = { calls, listener: () => [...calls].forEach((told) => told()) };
    waiting.set(signal, all);
  }
  const { calls, listener } = all;
  if (calls.size === 0) signal.addEventListener('abort', listener, { once: true });
  calls.add(call);
  return () => {
    if (calls.delete(call) && calls.size === 0) signal.removeEventListener('abort', listener);
  };
}

/**
 * Calls `give(error)` when the time is over, or the signal aborted; gives a function that takes that back, or null if neither can be.
 * The timer does not keep the process alive: that is for what waits.
 */
function endedBy(signal, timeout, what, give) {
  if (!signal && timeout === Infinity) return null;
  const timer = timeout === Infinity ? undefined : setTimeout(() => give(new MillraceError(ETIMEDOUT, what)), timeout).unref();
  const forget = signal ? onAbort(signal, () => give(aborted(signal))) : undefined;
  return () => {
    clearTimeout(timer);
    forget?.();
  };
}

module.exports = { endedBy, int32, milliseconds, shown, verify, whole };
