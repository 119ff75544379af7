'use strict';
// Operations of the bus as promises.

const { busError } = require('../errors.js');
const { begin, forget } = require('../hub.js');
const { endedBy, milliseconds, verify } = require('../limits.js');

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
function settle(start, options, what) {
  return new Promise((resolve, reject) => {
    verify(options);
    let settled;
    let canceler;
    const give = (error) => {
      if (!forget(number)) return;
      settled();
      canceler?.cancel?.();
      reject(error);
    };
    const number = begin((kind, value) => {
      settled?.();
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
    settled = endedBy(options?.signal, milliseconds(options?.timeout ?? Infinity), what, give);
  });
}

module.exports = { attempt, settle };
