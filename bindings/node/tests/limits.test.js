'use strict';
// What ends a wait before its time, and what numbers are refused: of everything that takes a time limit, a signal or a count.

const assert = require('node:assert/strict');
const { once } = require('node:events');
const { test } = require('node:test');
const { MillraceError, Pair, Pub, Pull, Push, Rep, Socket, device } = require('millrace-nanomsg');
const qi = require('millrace-nanomsg/qi');

const WRONG = [-1, NaN, 'abc', null, {}];
// A timer of Node takes at most 2^31 - 1 for what it is; more would be 1 ms.
const ENDLESS = [Infinity, 2 ** 33, 2 ** 31, Number.MAX_VALUE];

let names = 0;
const name = () => `inproc://limits-${++names}`;
// What nobody can answer any more is told to be so; this can be.
const unanswered = [];
const never = () => new Promise((resolve) => unanswered.push(resolve));
const timedOut = (what) => (error) => error instanceof MillraceError && error.code === 'ETIMEDOUT' && error.message.startsWith(`${what}: `);

/** All that waits and takes a time limit: its name in errors, and a function of the options. Nothing ever comes. */
async function waiting() {
  const [pull, push, rep, raw] = [new Pull(), new Push(), new Rep(), new Socket(49, { raw: true })];
  const context = rep.context();
  const monitor = pull.monitor();
  const session = await qi.serve('tcp://127.0.0.1:0');
  await session.register('Quiet', { changed: new qi.Signal('(i)'), never });
  const quiet = await session.service('Quiet');
  const events = await quiet.changed.subscribe();
  const all = {
    receive: ['receive', (options) => pull.receive(options)],
    receiveMessage: ['receive', (options) => pull.receiveMessage(options)],
    receiveMany: ['receive', (options) => pull.receiveMany(5, options)],
    receiveRaw: ['receive', (options) => raw.receiveRaw(options)],
    send: ['send', (options) => push.send('x', options)],
    sendMany: ['send', (options) => push.sendMany(['x'], options)],
    'receive of a context': ['receive', (options) => context.receive(options)],
    waitPeers: ['waitPeers', (options) => push.waitPeers(1, options)],
    monitor: ['monitor', (options) => monitor.receive(options)],
    waitForService: ['waitForService nobody', (options) => session.waitForService('nobody', options)],
    next: ['next', (options) => events.next(options)],
  };
  const close = async () => {
    monitor.close();
    events.close();
    await Promise.all([pull, push, rep, raw, session].map((one) => one.close()));
  };
  return { all, quiet, close };
}

test('a time limit that is none, or too long for a timer, waits', async () => {
  const warned = [];
  const onWarning = (warning) => warned.push(warning.name);
  process.on('warning', onWarning);
  const { all, quiet, close } = await waiting();
  const controller = new AbortController();
  const { signal } = controller;
  const ends = [];
  for (const timeout of ENDLESS) {
    for (const [what, [, wait]] of Object.entries(all)) ends.push(assert.rejects(wait({ timeout, signal }), { name: 'AbortError' }, what));
    ends.push(assert.rejects(quiet.call('never', [], { timeout, signal }), { name: 'AbortError' }));
  }
  // Whatever was given 1 ms is over before a timer that was set later and takes longer.
  await new Promise((resolve) => setTimeout(resolve, 50));
  controller.abort();
  await Promise.all(ends);
  await close();
  process.off('warning', onWarning);
  assert.deepEqual(warned, []);
});

test('an attribute that is longer than a timer waits, too', async () => {
  const [pull, push, pair] = [new Pull({ receiveTimeout: 2 ** 40 }), new Push({ sendTimeout: 2 ** 40 }), new Pair({ receiveTimeout: Infinity })];
  let over = false;
  const ends = [pull.receive(), push.send('x'), pair.receive()].map((wait) => assert.rejects(wait, (error) => over && error.code === 'EBADF'));
  await new Promise((resolve) => setTimeout(resolve, 50));
  over = true;
  await Promise.all([pull, push, pair].map((socket) => socket.close()));
  await Promise.all(ends);
});

test('a time limit of undefined is the socket\'s', async () => {
  const pull = new Pull({ receiveTimeout: 5 });
  const push = new Push({ sendTimeout: 5 });
  await assert.rejects(pull.receive({ timeout: undefined }), timedOut('receive'));
  await assert.rejects(push.send('x', { timeout: undefined }), timedOut('send'));
  await assert.rejects(push.sendMany(['x'], { timeout: undefined, signal: undefined }), timedOut('send'));
  await Promise.all([pull.close(), push.close()]);
});

test('wrong limits and signals are refused, also where there is nothing to wait for', async () => {
  const { all, quiet, close } = await waiting();
  for (const [what, [named, wait]] of Object.entries(all)) {
    for (const timeout of WRONG) await assert.rejects(wait({ timeout }), RangeError, `${what} ${timeout}`);
    for (const signal of [5, 'stop', {}]) await assert.rejects(wait({ signal }), TypeError, what);
    await assert.rejects(wait({ signal: AbortSignal.abort() }), { name: 'AbortError' }, what);
    await assert.rejects(wait({ timeout: 1 }), timedOut(named), what);
  }
  for (const timeout of WRONG) {
    await assert.rejects(quiet.call('never', [], { timeout }), RangeError);
    await assert.rejects(quiet.property('none').get({ timeout }), RangeError);
    await assert.rejects(qi.connect('tcp://127.0.0.1:1', { timeout }), RangeError);
  }
  await close();
  const address = name();
  const [pull, push] = [new Pull({ bind: address }), new Push({ connect: address })];
  await push.send('there');
  for (const timeout of WRONG) {
    await assert.rejects(pull.receive({ timeout }), RangeError);
    await assert.rejects(push.send('x', { timeout }), RangeError);
    await assert.rejects(push.sendMany([], { timeout }), RangeError);
    await assert.rejects(push.sendTo(1, 'x', { timeout }), RangeError);
    await assert.rejects(new Pair().waitPeers(0, { timeout }), RangeError);
  }
  assert.equal(String(await pull.receive()), 'there');
  assert.equal(pull.tryReceive(), null);
  await Promise.all([pull.close(), push.close()]);
});

test('counts are whole numbers', async () => {
  const address = name();
  const [pull, push] = [new Pull({ bind: address }), new Push({ connect: address })];
  await push.sendMany(['one', 'two', 'three']);
  assert.deepEqual(await pull.receiveMany(0), []);
  for (const maximum of [-1, NaN, 1.5, '2']) await assert.rejects(pull.receiveMany(maximum), RangeError);
  assert.deepEqual((await pull.receiveMany(2)).map(String), ['one', 'two']);
  assert.deepEqual((await pull.receiveMany(Infinity)).map(String), ['three']);
  for (const count of [-1, NaN, 1.5, '1']) await assert.rejects(push.waitPeers(count), RangeError);
  await push.waitPeers(0);
  await push.waitPeers(1);
  await Promise.all([pull.close(), push.close()]);
});

test('numbers that the C interface would cut off are refused', () => {
  const socket = new Pair();
  for (const value of [1.5, NaN, '5']) assert.throws(() => (socket.sendBuffer = value), TypeError);
  assert.throws(() => (socket.sendBuffer = 2 ** 32 + 1024), RangeError);
  for (const value of [1.5, NaN]) assert.throws(() => socket.setOption(0, 4, value), TypeError);
  assert.throws(() => socket.setOption(0, 4, 2 ** 40), RangeError);
  assert.throws(() => socket.setOption(2 ** 32, 4, 1), RangeError);
  assert.throws(() => socket.getOption(0, 2 ** 32 + 4), RangeError);
  assert.equal(socket.sendTimeout, Infinity);
  for (const protocol of [undefined, '16', 1.5]) assert.throws(() => new Socket(protocol), TypeError);
  assert.throws(() => new Socket(2 ** 32 + 16), RangeError);
  socket.close();
});

test('what is no list, no socket or no address is refused by its name', async () => {
  const pub = new Pub();
  await assert.rejects(pub.sendMany('abc'), (error) => error instanceof TypeError && error.sent === 0);
  await assert.rejects(pub.sendMany(null), (error) => error instanceof TypeError && error.sent === 0);
  const failing = (function* () {
    yield 'one';
    throw new Error('no more');
  })();
  await assert.rejects(pub.sendMany(failing), (error) => error.message === 'no more' && error.sent === 0);
  await assert.rejects(pub.sendTo(null, 'x'), TypeError);
  for (const sockets of [[null], [{}, {}], [new Socket(16, { raw: true }), null]]) await assert.rejects(device(...sockets), TypeError);
  for (const url of [null, 5, {}]) {
    await assert.rejects(qi.connect(url), TypeError);
    await assert.rejects(qi.serve(url), TypeError);
  }
  await pub.close();
});

test('one signal ends any number of waits, without a warning, and keeps none of them', async () => {
  const warned = [];
  const onWarning = (warning) => warned.push(warning.name);
  process.on('warning', onWarning);
  const controller = new AbortController();
  const { signal } = controller;
  let listening = 0;
  const [add, remove] = [signal.addEventListener, signal.removeEventListener];
  signal.addEventListener = (...rest) => (listening++, add.apply(signal, rest));
  signal.removeEventListener = (...rest) => (listening--, remove.apply(signal, rest));
  const address = name();
  const [pull, push, idle] = [new Pull({ bind: address }), new Push({ connect: address }), new Push()];
  const session = await qi.serve('tcp://127.0.0.1:0');
  await session.register('Quiet', { never });
  const quiet = await session.service('Quiet');
  const received = Array.from({ length: 20 }, () => pull.receive({ signal }));
  const left = [
    ...Array.from({ length: 20 }, () => idle.send('x', { signal })),
    ...Array.from({ length: 20 }, () => quiet.call('never', [], { signal })),
  ].map((wait) => assert.rejects(wait, { name: 'AbortError' }));
  for (let at = 0; at < 20; at++) await push.send(String(at));
  assert.deepEqual((await Promise.all(received)).map(Number), Array.from({ length: 20 }, (_, at) => at));
  assert.equal(listening, 1);
  const stream = pull.readable({ signal }).resume();
  const failed = once(stream, 'error');
  controller.abort();
  await Promise.all(left);
  assert.equal((await failed)[0].name, 'AbortError');
  const late = pull.readable({ signal });
  assert.equal((await once(late, 'error'))[0].name, 'AbortError');
  await new Promise(setImmediate);
  process.off('warning', onWarning);
  assert.deepEqual(warned, []);
  await Promise.all([pull, push, idle, session].map((one) => one.close()));
});
