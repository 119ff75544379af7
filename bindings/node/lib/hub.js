'use strict';
// What wakes JavaScript: sockets that are ready, and operations of other threads that have ended.

const native = require('./native.js');

/** What the event loop watches, by number: weakly, since a socket that nobody waits for may be collected. */
const watched = new Map();
/** What somebody waits for, and so must stay. */
const held = new Set();
const forgotten = new FinalizationRegistry((number) => watched.delete(number));
/** What is to be told how an operation ends, and what is told whenever there is news, by number. */
const operations = new Map();
const listeners = new Map();
let nextSlot = 1;
let nextNumber = 1;

const READY = -1;
const NEWS = -2;

const hub = new native.Hub((number, kind, value) => {
  if (kind === READY) return watched.get(number)?.deref()?.ready();
  if (kind === NEWS) return listeners.get(number)?.(value);
  const done = operations.get(number);
  if (!forget(number)) return;
  done(kind, value);
});

// Reasons to stay alive: operations under way, and what `hold` was called for.
let reasons = 0;

function hold() {
  if (reasons++ === 0) hub.keepAlive(true);
}

function release() {
  if (--reasons === 0) hub.keepAlive(false);
}

function newNumber() {
  do {
    nextNumber = (nextNumber % 0x3fffffff) + 1;
  } while (operations.has(nextNumber) || listeners.has(nextNumber));
  return nextNumber;
}

/** `done(kind, value)` is called once for this operation; gives its number. */
function begin(done) {
  const number = newNumber();
  operations.set(number, done);
  hold();
  return number;
}

/** Nobody wants to know any more. False: it has ended already. */
function forget(number) {
  if (!operations.delete(number)) return false;
  release();
  return true;
}

/** `told(value)` is called with news until `unlisten`; gives its number. */
function listen(told) {
  const number = newNumber();
  listeners.set(number, told);
  return number;
}

function unlisten(number) {
  listeners.delete(number);
}

function watch(number, waiting) {
  if (watched.has(number)) return;
  watched.set(number, new WeakRef(waiting));
  forgotten.register(waiting, number, waiting);
}

function unwatch(number, waiting) {
  if (watched.delete(number)) forgotten.unregister(waiting);
}

function newSlot() {
  return nextSlot++;
}

/** Runs `start(number)`, which begins an operation; resolves to its errno or 0. */
function operation(start) {
  return new Promise((resolve, reject) => {
    const number = begin(resolve);
    try {
      start(number);
    } catch (error) {
      forget(number);
      reject(error);
    }
  });
}

// Operations that end at once one after the other would never let the event loop turn: after so many, one waits for a turn. Large
// messages count more, since Node gives back the memory of Buffers that were collected when the loop turns.
const PATIENCE = 256;
const COUNTED = 64 * 1024;
let atOnce = 0;
let turn = null;

/** For how many results one counts that has so many bytes. */
function weight(bytes) {
  return 1 + Math.floor(bytes / COUNTED);
}

/** Null, or a promise of the event loop's next turn for who has had many results without one. */
function turnDue(bytes = 0) {
  atOnce += weight(bytes);
  if (atOnce < PATIENCE) return null;
  turn ??= new Promise((resolve) => {
    setImmediate(() => {
      atOnce = 0;
      turn = null;
      resolve();
    });
  });
  return turn;
}

module.exports = { hub, held, watch, unwatch, newSlot, operation, begin, forget, listen, unlisten, hold, release, turnDue, weight, PATIENCE };
