'use strict';
// Options of sockets as accessors. Times are milliseconds, as everywhere in Node; Infinity is for ever.

const { EventEmitter } = require('node:events');
const { isAnyArrayBuffer } = require('node:util').types;
const { check, translate } = require('./errors.js');
const { int32, milliseconds, shown } = require('./limits.js');

const kinds = {
  integer: {
    read: (raw) => raw,
    write: int32,
  },
  flag: {
    read: (raw) => raw !== 0,
    write(value, name) {
      if (typeof value !== 'boolean') throw new TypeError(`${name} is true or false, not ${shown(value)}`);
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
      if (typeof value !== 'string') throw new TypeError(`${name} is a string, not ${shown(value)}`);
      return Buffer.from(value);
    },
  },
  time: {
    read: (raw) => (raw < 0 ? Infinity : raw),
    write(value, name) {
      const time = milliseconds(value, name);
      return time === Infinity ? -1 : time;
    },
  },
};
// The path of one that the library reads: errors name it.
kinds.file = kinds.text;

/** Bytes of a program as bytes: a string is UTF-8. */
function bytesOf(data, otherwise = 'a message is a Buffer, a typed array, an ArrayBuffer or a string') {
  if (typeof data === 'string') return Buffer.from(data);
  if (ArrayBuffer.isView(data)) return data;
  if (isAnyArrayBuffer(data)) return new Uint8Array(data);
  throw new TypeError(otherwise);
}

/** A copy of a program's bytes. */
function kept(data) {
  const bytes = bytesOf(data);
  return typeof data === 'string' ? bytes : Buffer.from(new Uint8Array(bytes.buffer, bytes.byteOffset, bytes.byteLength));
}

const TIMEOUTS = {
  sendTimeout: [0, 4, 'time'],
  receiveTimeout: [0, 5, 'time'],
};

const RESENDING = { resendInterval: [48, 1, 'time'] };
const DEADLINE = { deadline: [98, 1, 'time'] };

const TELLING_PEERS = { receivePeer: [0, 19832, 'flag'] };

const GENERIC = {
  linger: [0, 1, 'time'],
  sendBuffer: [0, 2, 'integer'],
  receiveBuffer: [0, 3, 'integer'],
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
  coalesce: [0, 19795, 'flag'],
  connectTimeout: [0, 19800, 'time'],
  keepAlive: [0, 19801, 'time'],
  acceptFrom: [0, 19824, 'text'],
  acceptMax: [0, 19825, 'integer'],
  dscp: [0, 19826, 'integer'],
  bindDevice: [0, 19827, 'text'],
  tcpUserTimeout: [0, 19828, 'time'],
  ipcMode: [-2, 19829, 'integer'],
  ipcOwner: [-2, 19830, 'integer'],
  ipcGroup: [-2, 19831, 'integer'],
  tlsCert: [-19794, 1, 'text'],
  tlsCertFile: [-19794, 2, 'file'],
  tlsKey: [-19794, 3, 'text'],
  tlsKeyFile: [-19794, 4, 'file'],
  tlsCa: [-19794, 5, 'text'],
  tlsCaFile: [-19794, 6, 'file'],
  tlsServerName: [-19794, 7, 'text'],
  tlsAuth: [-19794, 8, 'integer'],
  tlsMinVersion: [-19794, 9, 'integer'],
  tlsInsecureNoVerification: [-19794, 10, 'flag'],
};

/** The value of an option that is known by its number only. */
function rawValue(value, name) {
  if (typeof value === 'number') return kinds.integer.write(value, name);
  const bytes = bytesOf(value, 'the value of an option is an integer, a string or bytes');
  return Buffer.from(bytes.buffer, bytes.byteOffset, bytes.byteLength);
}

/** Defines accessors on a class; `native` and `changed` are how they reach the socket. */
function define(target, table, native, changed = () => {}) {
  for (const [name, [level, number, kind]] of Object.entries(table)) {
    const { read, write } = kinds[kind];
    Object.defineProperty(target.prototype, name, {
      configurable: true,
      enumerable: false,
      get() {
        return read(translate(() => native(this).getOption(level, number), name));
      },
      set(value) {
        check(native(this).setOption(level, number, write(value, name)), kind === 'file' ? `${name} ${value}` : name);
        changed(this, name, value);
      },
    });
  }
}

/** Whether a socket's class has an accessor of this name. */
function hasOption(socket, name) {
  for (let part = Object.getPrototypeOf(socket); part && part !== EventEmitter.prototype; part = Object.getPrototypeOf(part)) {
    const property = Object.getOwnPropertyDescriptor(part, name);
    if (property) return property.set !== undefined;
  }
  return false;
}

module.exports = { TELLING_PEERS, TIMEOUTS, RESENDING, DEADLINE, GENERIC, bytesOf, define, hasOption, kept, rawValue };
