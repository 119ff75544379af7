'use strict';
// Sessions: connections to a directory, and services of our own there.

const { randomUUID } = require('node:crypto');
const { EventEmitter } = require('node:events');
const native = require('../native.js');
const { MillraceError, ENOTCONN, ETIMEDOUT } = require('../errors.js');
const { hub, hold, listen, release, unlisten } = require('../hub.js');
const { milliseconds, shown, verify } = require('../limits.js');
const { attempt, settle } = require('./operations.js');
const { objectOf } = require('./services.js');

const DEFAULT_URL = 'tcp://127.0.0.1:9559';

function connectSettings({ user, token, reconnect = false, timeout }) {
  const limit = timeout === undefined ? -1 : Math.min(milliseconds(timeout), 1e15);
  return { user: user?.toString(), token: token?.toString(), reconnect, timeout: limit };
}

/** An address, as text or as a URL. */
function addressOf(url) {
  if (typeof url !== 'string' && !(url instanceof URL)) throw new TypeError(`an address is a string, not ${shown(url)}`);
  return String(url);
}

const anyPort = (address) => `${address.slice(0, address.lastIndexOf(':'))}:0`;
const reachable = (address) => address.replace('//0.0.0.0:', '//127.0.0.1:').replace('//[::]:', '//[::1]:');

class Session extends EventEmitter {
  #native;
  #settings;
  #server = null;
  #starting = null;
  #holds = false;
  #alive = true;
  #listen;
  #services = new Map();
  #closing = null;
  #news = 0;

  /** Made by `connect` and `serve`. */
  constructor(session, url, options, server = null) {
    super();
    this.#native = session;
    this.#settings = connectSettings(options);
    this.#listen = options.listen === undefined ? null : [options.listen].flat();
    this.#server = server;
    /** The directory's address. */
    this.url = url;
    this.#news = listen((reason) => {
      unlisten(this.#news);
      this.emit('disconnected', reason);
    });
    attempt(() => session.onEnd(this.#news));
    this.#hold();
  }

  /** Services are a reason for the process to stay. */
  #hold() {
    const holds = this.#alive && this.#server !== null && this.#closing === null;
    if (holds && !this.#holds) hold();
    if (!holds && this.#holds) release();
    this.#holds = holds;
  }

  get connected() {
    return this.#closing === null && this.#native.isConnected();
  }

  service(name, options) {
    return settle((number) => this.#native.service(String(name), number), options, `service ${name}`);
  }

  async waitForService(name, { timeout = Infinity, signal } = {}) {
    const over = performance.now() + milliseconds(timeout);
    const options = () => ({ signal, timeout: Math.max(over - performance.now(), 0) });
    let added;
    try {
      const directory = await this.service('ServiceDirectory', options());
      added = await directory.serviceAdded.subscribe({ signal });
      for (;;) {
        try {
          return await this.service(name, options());
        } catch (error) {
          if (error.code !== 'ERR_NO_SERVICE') throw error;
        }
        if ((await added.next(options())).done) throw new MillraceError(ETIMEDOUT);
      }
    } catch (error) {
      throw error.code === 'ETIMEDOUT' ? new MillraceError(ETIMEDOUT, `waitForService ${name}`) : error;
    } finally {
      added?.close();
    }
  }

  services(options) {
    return settle((number) => this.#native.services(number), options, 'services');
  }

  async register(name, instance) {
    if (typeof instance !== 'object' || instance === null) throw new TypeError('a service is an object with methods');
    const object = objectOf(instance);
    if (this.#closing !== null) throw new MillraceError(ENOTCONN, 'register');
    const server = await this.#provider();
    const number = await settle((operation) => server.register(String(name), object, operation));
    this.#services.set(number, String(name));
    return number;
  }

  /** What our services are offered by: one, however many ask for it at the same time. */
  async #provider() {
    if (this.#server === null) {
      this.#starting ??= (async () => {
        try {
          const urls = this.#listen ?? [anyPort(this.#native.localAddress() ?? DEFAULT_URL)];
          const server = await settle((number) => native.NativeServer.provider(hub, this.url, urls, this.#settings, number));
          this.#server = server;
          this.#hold();
        } finally {
          this.#starting = null;
        }
      })();
      await this.#starting;
    }
    return this.#server;
  }

  async unregister(number) {
    const name = this.#services.get(number);
    if (name === undefined) throw new RangeError(`there is no service of this session with the number ${number}`);
    await settle((operation) => this.#server.unregister(name, number, operation));
    this.#services.delete(number);
  }

  /** Where our services are reached. */
  get endpoints() {
    return this.#server?.addresses() ?? [];
  }

  ref() {
    this.#alive = true;
    this.#hold();
    return this;
  }

  unref() {
    this.#alive = false;
    this.#hold();
    return this;
  }

  close() {
    this.#closing ??= (async () => {
      await this.#starting?.catch(() => {});
      await settle((number) => this.#native.close(number));
      if (this.#server) await settle((number) => this.#server.close(number));
      this.#hold();
    })();
    return this.#closing;
  }

  [Symbol.for('nodejs.util.inspect.custom')]() {
    return `Session { ${this.url} }`;
  }
}

Session.prototype[Symbol.asyncDispose ?? Symbol.for('nodejs.asyncDispose')] = Session.prototype.close;

async function connect(url = DEFAULT_URL, options = {}) {
  const address = addressOf(url);
  verify(options);
  const start = (number) => native.NativeSession.connect(hub, address, connectSettings(options), number);
  return new Session(await settle(start, { signal: options.signal }), address, options);
}

/** A directory of one's own, and a session with it. */
async function serve(url = DEFAULT_URL, options = {}) {
  const { users } = options;
  // Our own session is let in, whoever else may be.
  const ours = users && { user: `millrace-${randomUUID()}`, token: randomUUID() };
  const all = users && [...Object.entries(users), [ours.user, ours.token]];
  const urls = [url].flat().map(addressOf);
  const server = await settle((number) => native.NativeServer.standalone(hub, urls, all, number));
  try {
    const address = reachable(server.addresses()[0]);
    const started = await settle((number) => native.NativeSession.connect(hub, address, connectSettings({ ...ours }), number));
    return new Session(started, address, { ...ours }, server);
  } catch (error) {
    await settle((number) => server.close(number));
    throw error;
  }
}

module.exports = { Session, connect, serve };
