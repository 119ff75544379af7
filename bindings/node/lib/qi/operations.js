'use strict';
// Operations of the bus as promises.

const { MillraceError, aborted, busError, ETIMEDOUT } = require('../errors.js');
const { begin, forget } = require('../hub.js');
const { limit, milliseconds } = require('../times.js');

const FAILURE = 1;

/** Calls what throws a failure with its code. */
function attempt(call) {
  try {
    return call();
  } catch (error) {
    throw typeof error.code === 'string' && /^(\d+|ERR_QI)$/.test(error.code) ? busError(error.code, error.message) : error;
  }
}

/**
 * `start(number)` begins an operation. What it gives can cancel it, if it has `cancel`; `true` says that it has ended already.
 * With a signal or a timeout, nobody waits for its end any more.
 */
function settle(start, { signal, timeout } = {}) {
  if (signal?.aborted) return Promise.reject(aborted(signal));
  return new Promise((resolve, reject) => {
    const time = limit(timeout);
    let timer;
    let canceler;
    const give = (error) => {
      if (!forget(number)) return;
      settled();
      canceler?.cancel?.();
      reject(error);
    };
    const abort = () => give(aborted(signal));
    const settled = () => {
      clearTimeout(timer);
      signal?.removeEventListener('abort', abort);
    };
    const number = begin((kind, value) => {
      settled();
      if (kind === FAILURE) reject(busError(...value));
      else resolve(value);
    });
    try {
      canceler = attempt(() => start(number));
    } catch (error) {
      forget(number);
      reject(error);
      return;
    }
    if (canceler === true) {
      forget(number);
      resolve();
      return;
    }
    signal?.addEventListener('abort', abort, { once: true });
    if (time !== undefined) timer = setTimeout(() => give(new MillraceError(ETIMEDOUT)), time);
  });
}

/** For the native half: the session's own limit for calls (-1), or milliseconds. */
function callLimit(timeout) {
  return timeout === undefined ? -1 : Math.min(milliseconds(timeout, 'timeout'), 1e15);
}

module.exports = { attempt, callLimit, settle };
