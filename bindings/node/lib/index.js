'use strict';

const { MillraceError, check, EBADF } = require('./errors.js');
const { operation } = require('./hub.js');
const { define } = require('./options.js');
const { Endpoint, PROTOCOLS, Socket } = require('./socket.js');

/** A class for a protocol, with its own options. */
function ofProtocol(name, table = {}) {
  const number = PROTOCOLS[name];
  const named = {
    [name]: class extends Socket {
      constructor(options) {
        super(number, options);
      }
    },
  }[name];
  define(named, table, Socket.native, () => {});
  return named;
}

const Pair = ofProtocol('Pair');
const Pub = ofProtocol('Pub');
const Push = ofProtocol('Push');
const Pull = ofProtocol('Pull');
const Req = ofProtocol('Req', { resendInterval: [PROTOCOLS.Req, 1, 'time'] });
const Rep = ofProtocol('Rep');
const Surveyor = ofProtocol('Surveyor', { deadline: [PROTOCOLS.Surveyor, 1, 'time'] });
const Respondent = ofProtocol('Respondent');
const Bus = ofProtocol('Bus');

class Sub extends Socket {
  constructor({ subscribe = [], ...options } = {}) {
    super(PROTOCOLS.Sub, options);
    try {
      for (const topic of [subscribe].flat()) this.subscribe(topic);
    } catch (error) {
      this.close();
      throw error;
    }
  }

  subscribe(topic) {
    this.setOption(PROTOCOLS.Sub, 1, Buffer.from(topic));
  }

  unsubscribe(topic) {
    this.setOption(PROTOCOLS.Sub, 2, Buffer.from(topic));
  }
}

/** Passes messages between two raw sockets, or back into one, until one is closed. */
async function device(one, other) {
  const errno = await operation((number) => {
    check(Socket.native(one).device(other && Socket.native(other), number), 'device');
  });
  if (errno !== EBADF || !(one.closed || other?.closed)) throw new MillraceError(errno, 'device');
}

module.exports = {
  Socket, Pair, Pub, Sub, Req, Rep, Push, Pull, Surveyor, Respondent, Bus, Endpoint, MillraceError, device,
};
