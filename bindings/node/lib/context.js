'use strict';
// Contexts: many requests, answers or subscriptions at a time on one socket.

const { Messages, PROTOCOLS } = require('./messages.js');
const { RESENDING, DEADLINE, bytesOf, define } = require('./options.js');

class Context extends Messages {
  /** @param native the context, just opened. */
  constructor(socket, native, options = {}) {
    super(native, socket.protocol, false, socket);
    /** Whose context it is; it stays as long as its contexts do. */
    this.socket = socket;
    Messages.setUp(this, options);
  }

  [Symbol.for('nodejs.util.inspect.custom')]() {
    return `${this.constructor.name} of ${this.socket.constructor.name} {${this.closed ? ' closed' : ''} }`;
  }
}

class ReqContext extends Context {
  static {
    define(this, RESENDING, Messages.native);
  }
}

class SurveyorContext extends Context {
  static {
    define(this, DEADLINE, Messages.native);
  }
}

class SubContext extends Context {
  constructor(socket, native, { subscribe = [], ...options } = {}) {
    super(socket, native, options);
    Messages.setUp(this, {}, () => subscribeAll(this, subscribe));
  }

  subscribe(topic) {
    setTopic(this, 1, topic);
  }

  unsubscribe(topic) {
    setTopic(this, 2, topic);
  }
}

function setTopic(subscriber, option, topic) {
  subscriber.setOption(PROTOCOLS.Sub, option, bytesOf(topic, 'a topic is a string or bytes'));
}

function subscribeAll(subscriber, topics) {
  for (const topic of [topics].flat()) subscriber.subscribe(topic);
}

module.exports = { Context, ReqContext, SurveyorContext, SubContext, setTopic, subscribeAll };
