'use strict';
// Sockets, whatever their protocol.

const native = require('./native.js');
const { Context } = require('./context.js');
const { check, translate } = require('./errors.js');
const { hub } = require('./hub.js');
const { Messages } = require('./messages.js');
const { Monitor } = require('./monitor.js');
const { GENERIC, define } = require('./options.js');

const STATISTICS = {
  establishedConnections: 101,
  acceptedConnections: 102,
  droppedConnections: 103,
  brokenConnections: 104,
  connectErrors: 105,
  bindErrors: 106,
  acceptErrors: 107,
  currentConnections: 201,
  connectionsInProgress: 202,
  endpointErrors: 203,
  messagesSent: 301,
  messagesReceived: 302,
  bytesSent: 303,
  bytesReceived: 304,
};

/** One address that a socket is bound or connected to. */
class Endpoint {
  #native;
  #number;

  constructor(socket, number, address) {
    this.#native = socket;
    this.#number = number;
    /** The address; of a bind to port 0, with the port that the system has chosen. */
    this.address = address;
  }

  /** Takes the address away from the socket. What was accepted for its connections is still sent. */
  close() {
    check(this.#native.shutdown(this.#number), this.address);
  }
}

class Socket extends Messages {
  #native;
  // Those that are open; weakly, since one that nobody waits for may be collected.
  #contexts = new Set();
  #forgotten = new FinalizationRegistry((context) => this.#contexts.delete(context));

  constructor(protocol, { raw = false, bind = [], connect = [], ...options } = {}) {
    const opened = translate(() => native.NativeSocket.open(hub, protocol, raw), 'Socket');
    super(opened, protocol, raw);
    this.#native = opened;
    Messages.setUp(this, options, () => {
      for (const address of [bind].flat()) this.bind(address);
      for (const address of [connect].flat()) this.connect(address);
    });
  }

  static {
    define(this, GENERIC, Messages.native);
    /** Opens a context of this class. */
    Socket.open = (socket, Class, options) => {
      const opened = translate(() => native.NativeSocket.context(hub, socket.#native), 'context');
      const context = new Class(socket, opened, options);
      const reference = new WeakRef(context);
      socket.#contexts.add(reference);
      socket.#forgotten.register(context, reference);
      return context;
    };
  }

  bind(address) {
    const number = check(this.#native.bind(String(address)), `bind ${address}`);
    return new Endpoint(this.#native, number, translate(() => this.#native.address(number), 'bind'));
  }

  connect(address) {
    return new Endpoint(this.#native, check(this.#native.connect(String(address)), `connect ${address}`), String(address));
  }

  context(options) {
    return Socket.open(this, Context, options);
  }

  monitor() {
    return new Monitor(translate(() => this.#native.monitor(hub), 'monitor'));
  }

  async waitPeers(count = 1, { timeout, signal } = {}) {
    const end = timeout === undefined ? undefined : performance.now() + timeout;
    const monitor = this.monitor();
    try {
      while (this.statistics.currentConnections < count) {
        const left = end === undefined ? undefined : Math.max(end - performance.now(), 0);
        await monitor.receive({ signal, timeout: left });
      }
    } finally {
      monitor.close();
    }
  }

  describe() {
    return JSON.parse(translate(() => this.#native.describe(), 'describe'));
  }

  get statistics() {
    const read = (number) => translate(() => this.#native.statistic(number), 'statistics');
    return Object.fromEntries(Object.entries(STATISTICS).map(([name, number]) => [name, read(number)]));
  }

  close() {
    if (!this.closed) for (const context of this.#contexts) context.deref()?.close();
    return super.close();
  }

  [Symbol.for('nodejs.util.inspect.custom')]() {
    return `${this.constructor.name} {${this.raw ? ' raw' : ''}${this.closed ? ' closed' : ''} }`;
  }
}

module.exports = { Socket, Endpoint };
