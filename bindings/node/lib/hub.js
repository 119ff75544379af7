'use strict';
// What wakes JavaScript: sockets that are ready, and operations of other threads that have ended.

const native = require('./native.js');

/** What the event loop watches, by number: weakly, since a socket that nobody waits for may be collected. */
const watched = new Map();
/** What somebody waits for, and so must stay. */
const held = new Set();
const forgotten = new FinalizationRegistry((number) => watched.delete(number));
const operations = new Map();
let nextSlot = 1;
let nextOperation = 1;

const hub = new native.Hub((first, second) => {
  if (second < 0) {
    watched.get(first)?.deref()?.ready();
    return;
  }
  const done = operations.get(first);
  operations.delete(first);
  done?.(second);
});

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
    const number = nextOperation;
    nextOperation = (nextOperation % 0x3fffffff) + 1;
    operations.set(number, resolve);
    try {
      start(number);
    } catch (error) {
      operations.delete(number);
      reject(error);
    }
  });
}

// Operations that end at once one after the other would never let the event loop turn: after so many, one waits for a turn.
const PATIENCE = 256;
let atOnce = 0;
let turn = null;

/** Null, or a promise of the event loop's next turn for who has had many results without one. */
function turnDue() {
  if (++atOnce < PATIENCE) return null;
  turn ??= new Promise((resolve) => {
    setImmediate(() => {
      atOnce = 0;
      turn = null;
      resolve();
    });
  });
  return turn;
}

module.exports = { hub, held, watch, unwatch, newSlot, operation, turnDue };
