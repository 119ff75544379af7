'use strict';

const { Context, ReqContext, SubContext, SurveyorContext, setTopic, subscribeAll } = require('./context.js');
const { MillraceError, check, EBADF } = require('./errors.js');
const { operation } = require('./hub.js');
const { Messages, PROTOCOLS } = require('./messages.js');
const { Monitor } = require('./monitor.js');
const { RESENDING, DEADLINE, define } = require('./options.js');
const { Endpoint, Socket } = require('./socket.js');

/** A class for a protocol, with its own options, and the class of its contexts. */
function ofProtocol(name, table = {}, Contexts = Context) {
  const number = PROTOCOLS[name];
  const named = {
    [name]: class extends Socket {
      constructor(options) {
        super(number, options);
      }

      context(options) {
        return Socket.open(this, Contexts, options);
      }
    },
  }[name];
  define(named, table, Messages.native);
  return named;
}

const Pair = ofProtocol('Pair');
const Pub = ofProtocol('Pub');
const Push = ofProtocol('Push');
const Pull = ofProtocol('Pull');
const Req = ofProtocol('Req', RESENDING, ReqContext);
const Rep = ofProtocol('Rep');
const Surveyor = ofProtocol('Surveyor', DEADLINE, SurveyorContext);
const Respondent = ofProtocol('Respondent');
const Bus = ofProtocol('Bus');

class Sub extends Socket {
  constructor({ subscribe = [], ...options } = {}) {
    super(PROTOCOLS.Sub, options);
    Messages.setUp(this, {}, () => subscribeAll(this, subscribe));
  }

  context(options) {
    return Socket.open(this, SubContext, options);
  }

  subscribe(topic) {
    setTopic(this, 1, topic);
  }

  unsubscribe(topic) {
    setTopic(this, 2, topic);
  }
}

/** Passes messages between two raw sockets, or back into one, until one is closed. */
async function device(one, other) {
  for (const socket of other === undefined ? [one] : [one, other]) {
    if (!(socket instanceof Socket)) throw new TypeError('a device is made of one or two raw sockets');
  }
  const errno = await operation((number) => {
    check(Messages.native(one).device(other && Messages.native(other), number), 'device');
  });
  if (errno !== EBADF || !(one.closed || other?.closed)) throw new MillraceError(errno, 'device');
}

module.exports = {
  Messages, Socket, Context, ReqContext, SubContext, SurveyorContext, Monitor, Pair, Pub, Sub, Req, Rep, Push, Pull, Surveyor, Respondent, Bus, Endpoint, MillraceError, device,
};
