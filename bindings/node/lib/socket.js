'use strict';
// Sockets, whatever their protocol.

const native = require('./native.js');
const { Context } = require('./context.js');
const { MillraceError, check, checkAddress, translate, EAGAIN } = require('./errors.js');
const { hub, newSlot, turnDue } = require('./hub.js');
const { int32, milliseconds, verify, whole } = require('./limits.js');
const { Messages } = require('./messages.js');
const { Monitor } = require('./monitor.js');
const { GENERIC, TELLING_PEERS, bytesOf, define, kept } = require('./options.js');
const { Waiting } = require('./waiting.js');

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

const EMPTY = Buffer.alloc(0);
const DONE = Promise.resolve();

class Socket extends Messages {
  #native;
  // Who waits until a peer takes more, by its connection.
  #senders = new Map();
  #alive = true;
  // Those that are open; weakly, since one that nobody waits for may be collected.
  #contexts = new Set();
  #forgotten = new FinalizationRegistry((context) => this.#contexts.delete(context));

  constructor(protocol, { raw = false, bind = [], connect = [], ...options } = {}) {
    const opened = translate(() => native.NativeSocket.open(hub, int32(protocol, 'protocol'), Boolean(raw)), 'Socket');
    super(opened, protocol, raw);
    this.#native = opened;
    Messages.setUp(this, options, () => {
      for (const address of [bind].flat()) this.bind(address);
      for (const address of [connect].flat()) this.connect(address);
    });
  }

  static {
    define(this, GENERIC, Messages.native);
    define(this, TELLING_PEERS, Messages.native, (socket, _, yes) => Messages.tellPeers(socket, yes));
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
    const number = checkAddress(this.#native.bind(String(address)), 'bind', String(address));
    return new Endpoint(this.#native, number, translate(() => this.#native.address(number), 'bind'));
  }

  connect(address) {
    return new Endpoint(this.#native, checkAddress(this.#native.connect(String(address)), 'connect', String(address)), String(address));
  }

  context(options) {
    return Socket.open(this, Context, options);
  }

  async sendTo(peer, data, { header = EMPTY, ...options } = {}) {
    const connection = typeof peer === 'number' ? peer : peer?.connection;
    if (!Number.isInteger(connection)) throw new TypeError('a peer is what receiveMessage() gives, or the number of a connection');
    const [head, bytes] = [bytesOf(header), bytesOf(data)];
    verify(options);
    // Who waits for this peer is not overtaken.
    if (!this.#senders.has(connection)) {
      const sent = this.#native.sendTo(connection, head, bytes);
      if (sent >= 0) return turnDue() ?? DONE;
      if (sent !== -EAGAIN) throw new MillraceError(-sent, 'sendTo');
      const sender = translate(() => this.#native.peerSender(connection), 'sendTo');
      const waiting = new Waiting(sender, 0, newSlot());
      waiting.keepAlive(this.#alive);
      this.#senders.set(connection, waiting);
    }
    const waiting = this.#senders.get(connection);
    // What is sent is what it is now, whatever becomes of the program's memory.
    const [keptHead, keptBody] = [kept(head), kept(bytes)];
    return this.#wait(connection, waiting, () => waiting.native.send(keptHead, keptBody), options);
  }

  /** Until a peer takes a message, or for as long as it may. */
  async #wait(connection, waiting, attempt, options) {
    try {
      if (!waiting.busy) {
        const sent = attempt();
        if (sent === 0) return;
        if (sent !== -EAGAIN) throw new MillraceError(-sent, 'sendTo');
      }
      await waiting.add(() => attempt() || undefined, 'sendTo', options, this.sendTimeout);
    } finally {
      if (!waiting.busy && this.#senders.get(connection) === waiting) {
        this.#senders.delete(connection);
        waiting.close();
        waiting.native.close();
      }
    }
  }

  ref() {
    return this.#keepAlive(true, super.ref());
  }

  unref() {
    return this.#keepAlive(false, super.unref());
  }

  #keepAlive(yes, self) {
    this.#alive = yes;
    for (const waiting of this.#senders.values()) waiting.keepAlive(yes);
    return self;
  }

  monitor() {
    return new Monitor(translate(() => this.#native.monitor(hub), 'monitor'));
  }

  async waitPeers(count = 1, options) {
    whole(count, 'count');
    verify(options);
    const { signal, timeout = Infinity } = options ?? {};
    const end = performance.now() + milliseconds(timeout);
    const monitor = new Monitor(translate(() => this.#native.monitor(hub), 'waitPeers'));
    try {
      while (this.statistics.currentConnections < count) {
        await Monitor.next(monitor, 'waitPeers', { signal, timeout: Math.max(end - performance.now(), 0) });
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
    const closing = super.close();
    for (const waiting of this.#senders.values()) waiting.close();
    return closing;
  }

  [Symbol.for('nodejs.util.inspect.custom')]() {
    return `${this.constructor.name} {${this.raw ? ' raw' : ''}${this.closed ? ' closed' : ''} }`;
  }
}

module.exports = { Socket, Endpoint };
