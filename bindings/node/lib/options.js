'use strict';
// Options of sockets as accessors. Times are milliseconds, as everywhere in Node; Infinity is for ever.

const { check, translate } = require('./errors.js');

const kinds = {
  integer: {
    read: (raw) => raw,
    write(value, name) {
      if (!Number.isInteger(value)) throw new TypeError(`${name} is an integer, not ${describe(value)}`);
      return value;
    },
  },
  flag: {
    read: (raw) => raw !== 0,
    write(value, name) {
      if (typeof value !== 'boolean') throw new TypeError(`${name} is true or false, not ${describe(value)}`);
      return Number(value);
    },
  },
  // NN_WS_MSG_TYPE: 1 is text, 2 binary.
  textOrBinary: {
    read: (raw) => raw === 1,
    write: (value, name) => 2 - kinds.flag.write(value, name),
  },
  text: {
    read: (raw) => raw.toString(),
    write(value, name) {
      if (typeof value !== 'string') throw new TypeError(`${name} is a string, not ${describe(value)}`);
      return Buffer.from(value);
    },
  },
  time: {
    read: (raw) => (raw < 0 ? Infinity : raw),
    write(value, name) {
      if (typeof value !== 'number' || !(value >= 0)) {
        throw new RangeError(`${name} is a number of milliseconds, at least 0, or Infinity: ${describe(value)}`);
      }
      if (value === Infinity) return -1;
      // What is less than a millisecond is one.
      return Math.min(Math.ceil(value), 0x7fffffff);
    },
  },
};

function describe(value) {
  return typeof value === 'string' ? JSON.stringify(value) : String(value);
}

const GENERIC = {
  linger: [0, 1, 'time'],
  sendBuffer: [0, 2, 'integer'],
  receiveBuffer: [0, 3, 'integer'],
  sendTimeout: [0, 4, 'time'],
  receiveTimeout: [0, 5, 'time'],
  reconnectInterval: [0, 6, 'time'],
  reconnectIntervalMax: [0, 7, 'time'],
  sendPriority: [0, 8, 'integer'],
  receivePriority: [0, 9, 'integer'],
  ipv4Only: [0, 14, 'flag'],
  name: [0, 15, 'text'],
  receiveMaxSize: [0, 16, 'integer'],
  maxTtl: [0, 17, 'integer'],
  spin: [0, 19794, 'flag'],
  tcpNoDelay: [-3, 1, 'flag'],
  wsText: [-4, 1, 'textOrBinary'],
};

/** Defines accessors on a class; `native` and `changed` are how they reach the socket. */
function define(target, table, native, changed) {
  for (const [name, [level, number, kind]] of Object.entries(table)) {
    const { read, write } = kinds[kind];
    Object.defineProperty(target.prototype, name, {
      configurable: true,
      enumerable: false,
      get() {
        return read(translate(() => native(this).getOption(level, number), name));
      },
      set(value) {
        check(native(this).setOption(level, number, write(value, name)), name);
        changed(this, name, value);
      },
    });
  }
}

module.exports = { GENERIC, define };
