'use strict';
// The object bus: both sides in this process, each over its own connection.

const assert = require('node:assert/strict');
const { once } = require('node:events');
const net = require('node:net');
const vm = require('node:vm');
const { test } = require('node:test');
const qi = require('millrace-nanomsg/qi');

const LIMIT = { timeout: 60000 };

class Child {
  constructor(name) {
    this._name = name;
    this.said = new qi.Signal('(s)');
  }

  hello() {
    return `hello from ${this._name}`;
  }
}

/** What the tests call. */
class Desk {
  static qi = {
    description: 'A desk.',
    methods: {
      add: '(ii)i',
      halves: '([d])[d]',
      over: ['(i)s', '(s)s'],
      hidden: false,
      point: '((ff)<Point,x,y>)(ff)<Point,x,y>',
      slow: '(i)i',
    },
  };

  said = new qi.Signal('(is)');
  anything = new qi.Signal();
  level = new qi.Property('i', 7);
  pending = [];

  add(a, b) {
    return a + b;
  }

  echo(value) {
    return value;
  }

  count(...values) {
    return values.length;
  }

  halves(values) {
    return values.map((value) => value / 2);
  }

  over(value) {
    return typeof value;
  }

  hidden() {}

  _private() {}

  point(point) {
    return { x: point.y, y: point.x };
  }

  fail() {
    throw new RangeError('a bad thing');
  }

  refuse() {
    throw new Error('no');
  }

  strange() {
    return new Date();
  }

  async slow(value) {
    await new Promise(setImmediate);
    return value * 2;
  }

  give(name) {
    return new Child(name);
  }

  async hear(other) {
    return other.hello();
  }

  never() {
    const { signal } = qi.context();
    return new Promise((_resolve, reject) => {
      signal.addEventListener('abort', () => {
        this.said.emit(1, 'cancelled');
        reject(new Error('too late'));
      });
      this.said.emit(0, 'begun');
    });
  }

  who() {
    return qi.context().user;
  }
}

async function bus(t, options) {
  const server = await qi.serve('tcp://127.0.0.1:0', options);
  t.after(() => server.close());
  const desk = new Desk();
  const number = await server.register('Desk', desk);
  const client = await qi.connect(server.url, options && { user: 'robot', token: 'secret' });
  t.after(() => client.close());
  return { server, client, desk, number, proxy: await client.service('Desk') };
}

test('methods have the types that their class names', LIMIT, async (t) => {
  const { proxy } = await bus(t);
  assert.equal(await proxy.add(1, 2), 3);
  assert.deepEqual(await proxy.halves([1, 2]), [0.5, 1]);
  assert.deepEqual([await proxy.over(1), await proxy.over('a')], ['number', 'string']);
  assert.deepEqual([await proxy.count(), await proxy.count(1, 'a', null)], [0, 3]);
  assert.deepEqual(await proxy.point({ x: 1, y: 2 }), { x: 2, y: 1 });
  assert.equal(await proxy.slow(4), 8);
  assert.equal(await proxy.call('add::(ii)', [3, 4]), 7);
  for (const name of ['hidden', '_private', 'pending', 'constructor']) assert.ok(!Object.hasOwn(proxy, name), name);
  const described = proxy.meta.methods.find(({ name }) => name === 'add');
  assert.deepEqual([described.parameters, described.result], ['(ii)', 'i']);
  assert.equal(proxy.meta.description, 'A desk.');
  assert.ok(proxy.connected);
});

const VALUES = [
  undefined, true, 0, -1, 2 ** 53 - 1, 2n ** 62n, 2n ** 64n - 1n, -(2n ** 63n), 1.5, NaN, -Infinity, 'text', '', 'é€😀', [], [1, 2], [1, 'a'], [1.5, 2], {},
  { a: 1 }, { a: 1, b: 'x' }, { deep: [{ a: [1, [2.5]] }] }, [[1], []], Buffer.from([0, 255]), Buffer.alloc(0), new Map([[1, 'x'], [2, 'y']]),
  { constructor: 1, ['__proto__']: 2 },
];

test('values come back as they went', LIMIT, async (t) => {
  const { proxy } = await bus(t);
  for (const value of VALUES) assert.deepStrictEqual(await proxy.echo(value), value);
});

test('values that JavaScript has other types for', LIMIT, async (t) => {
  const { proxy } = await bus(t);
  assert.equal(await proxy.echo(null), undefined);
  assert.ok(Object.is(await proxy.echo(-0), -0));
  assert.equal(await proxy.echo(5n), 5);
  assert.deepEqual(await proxy.echo(new Uint8Array([1, 2])), Buffer.from([1, 2]));
  assert.deepEqual(await proxy.echo(new Uint8Array([1, 2, 3]).buffer), Buffer.from([1, 2, 3]));
  assert.deepEqual(await proxy.echo(new DataView(new ArrayBuffer(2))), Buffer.alloc(2));
  assert.deepEqual(await proxy.echo(new Float32Array([1.5])), [1.5]);
  assert.deepEqual(await proxy.echo(new BigInt64Array([1n, 2n ** 60n])), [1, 2n ** 60n]);
  assert.deepEqual(await proxy.echo(qi.typed('f', 1)), 1);
  assert.deepEqual(await proxy.echo(qi.tuple(1, 'a')), [1, 'a']);
  assert.deepEqual(await proxy.echo(qi.typed('(is)<P,n,t>', [1, 'a'])), { n: 1, t: 'a' });
  assert.deepEqual(await proxy.echo({ a: undefined, b: 1 }), { b: 1 });
});

test('values of another realm are what they are here', LIMIT, async (t) => {
  const { proxy } = await bus(t);
  const echoed = async (code) => proxy.echo(vm.runInNewContext(code));
  assert.deepEqual(await echoed('({ a: 1, b: { c: [2] } })'), { a: 1, b: { c: [2] } });
  assert.deepEqual(await echoed('new Map([[1, "one"]])'), new Map([[1, 'one']]));
  assert.deepEqual(await echoed('Object.create(null)'), {});
  await assert.rejects(echoed('new Date(0)'), /a Date/);
});

test('values that cannot be', LIMIT, async (t) => {
  const { proxy } = await bus(t);
  const endless = [];
  endless.push(endless);
  const refused = [[() => 1, /function/], [Symbol('x'), /symbol/], [2n ** 64n, /64 bits/], [endless, /within each other/], [new Date(), /toISOString/],
    [new Set(), /Set/], [Promise.resolve(), /await/], [new RangeError('x'), /an Error .*error.message/], [/x/, /a RegExp/], [new WeakMap(), /WeakMap/],
    [new Map().keys(), /an iterator/], [(function* () {})(), /a generator/], [qi.typed('i', 'x'), /convert/], [qi.typed('?', 1), /\?/]];
  for (const [value, text] of refused) await assert.rejects(async () => proxy.echo(value), text);
  await assert.rejects(proxy.add('not a number', 2), /failed to convert/);
  // The connection is as good as before.
  assert.equal(await proxy.add(1, 1), 2);
});

test('members may have the names that every object has', LIMIT, async (t) => {
  const { server, client } = await bus(t);
  class Plain {
    toString() {
      return 'me';
    }

    valueOf() {
      return 5;
    }

    hasOwnProperty() {
      return true;
    }
  }
  await server.register('Plain', new Plain());
  const plain = await client.service('Plain');
  assert.deepEqual([await plain.call('toString'), await plain.call('valueOf'), await plain.call('hasOwnProperty')], ['me', 5, true]);
});

test('failures say what happened', LIMIT, async (t) => {
  const { proxy, server, client } = await bus(t);
  await assert.rejects(proxy.fail(), { name: 'MillraceError', code: 'ERR_REMOTE', message: 'RangeError: a bad thing' });
  await assert.rejects(proxy.refuse(), { code: 'ERR_REMOTE', message: 'no' });
  await assert.rejects(proxy.strange(), /Date/);
  await assert.rejects(proxy.call('nothing'), { code: 'EINVAL' });
  assert.throws(() => proxy.nothing(), TypeError);
  await assert.rejects(client.service('Nobody'), { code: 'ERR_NO_SERVICE', message: /Nobody/ });
  await assert.rejects(server.register('Desk', new Desk()), /Desk/);
  await assert.rejects(server.register('Wrong', () => {}), /object with methods/);
  await assert.rejects(server.unregister(4711), RangeError);
  await assert.rejects(qi.connect('tcp://127.0.0.1:1'), { code: 'ECONNREFUSED' });
  await assert.rejects(qi.connect('fax://127.0.0.1'), { code: 'EINVAL' });
  await assert.rejects(client.waitForService('Nobody', { timeout: 20 }), { code: 'ETIMEDOUT' });
  await assert.rejects(proxy.call('never', [], { timeout: 20 }), { code: 'ETIMEDOUT' });
  assert.throws(() => new qi.Property('i', 'x'), { code: 'EINVAL' });
  await assert.rejects(server.register('Wrong', new (class { static qi = { methods: { nothing: '()v' } }; })()), /no such method/);
  await assert.rejects(server.register('Wrong', new (class { static qi = { methods: { a: 'i' } }; a() {} })()), /\(parameters\)result/);
});

test('who is let in', LIMIT, async (t) => {
  const { proxy, server } = await bus(t, { users: { robot: 'secret' } });
  assert.equal(await proxy.who(), 'robot');
  await assert.rejects(qi.connect(server.url, { user: 'robot', token: 'wrong' }), { code: 'EACCES' });
  await assert.rejects(qi.connect(server.url), { code: 'EACCES' });
});

test('a call that is aborted is cancelled', LIMIT, async (t) => {
  const { proxy } = await bus(t);
  const said = await proxy.said.subscribe();
  const controller = new AbortController();
  const calling = proxy.call('never', [], { signal: controller.signal });
  assert.deepEqual((await said.next()).value, [0, 'begun']);
  controller.abort();
  await assert.rejects(calling, { name: 'AbortError' });
  assert.deepEqual((await said.next()).value, [1, 'cancelled']);
  said.close();
  await assert.rejects(proxy.call('add', [1, 2], { signal: controller.signal }), { name: 'AbortError' });
  assert.equal(qi.context(), undefined);
});

test('connecting that is aborted ends', LIMIT, async () => {
  // It accepts, and says nothing.
  const silent = net.createServer().listen(0, '127.0.0.1');
  await once(silent, 'listening');
  const controller = new AbortController();
  const connecting = qi.connect(`tcp://127.0.0.1:${silent.address().port}`, { signal: controller.signal, timeout: Infinity });
  const [socket] = await once(silent, 'connection');
  const closed = once(socket.resume(), 'close');
  controller.abort();
  await assert.rejects(connecting, { name: 'AbortError' });
  await closed;
  silent.close();
});

test('signals as events', LIMIT, async (t) => {
  const { proxy, desk } = await bus(t);
  const got = [];
  const all = new Promise((resolve) => {
    proxy.on('said', (number, text) => got.push([number, text]) === 500 && resolve());
  });
  await proxy.subscribed();
  assert.equal(desk.said.subscribers, 1);
  for (let number = 0; number < 500; number++) desk.said.emit(number, 'x');
  await all;
  assert.deepEqual(got, Array.from({ length: 500 }, (_, number) => [number, 'x']));
  assert.throws(() => desk.said.emit('no number', 'x'), { code: 'EINVAL' });
  proxy.removeAllListeners('said');
  while (desk.said.subscribers > 0) await proxy.add(1, 1);
  // Listening again is a new beginning.
  const once_ = once(proxy, 'said');
  await proxy.subscribed();
  await proxy.said.emit(9, 'from the client');
  assert.deepEqual(await once_, [9, 'from the client']);
});

test('events one by one', LIMIT, async (t) => {
  const { proxy, desk, client } = await bus(t);
  const events = await proxy.said.subscribe();
  desk.said.emit(1, 'a');
  desk.said.emit(2, 'b');
  assert.deepEqual((await events.next()).value, [1, 'a']);
  assert.deepEqual((await events.next()).value, [2, 'b']);
  await assert.rejects(events.next({ timeout: 1 }), { code: 'ETIMEDOUT' });
  for (const timeout of [-1, NaN, '5']) {
    for (const wrong of [events.next({ timeout }), client.waitForService('Desk', { timeout }), client.services({ timeout })]) {
      await assert.rejects(wrong, RangeError);
    }
  }
  for (const timeout of [Infinity, 2 ** 33]) {
    const coming = events.next({ timeout });
    await new Promise((resolve) => setTimeout(resolve, 20));
    desk.said.emit(3, 'late');
    assert.deepEqual((await coming).value, [3, 'late']);
    assert.ok(await client.services({ timeout }));
  }
  await assert.rejects(events.next({ signal: AbortSignal.abort() }), { name: 'AbortError' });
  const waiting = events.next();
  events.close();
  assert.deepEqual(await waiting, { value: undefined, done: true });
  assert.deepEqual(await events.next(), { value: undefined, done: true });

  const few = await proxy.anything.subscribe({ queue: 2 });
  for (let number = 0; number < 5; number++) desk.anything.emit(number);
  // What comes after them on the same connection is there, so they are.
  await proxy.add(1, 1);
  assert.deepEqual([(await few.next()).value, (await few.next()).value, few.missed], [[0], [1], 3]);
  few.close();

  let turns = 0;
  setImmediate(function emit() {
    desk.said.emit(turns, 'again');
    if (turns < 3) setImmediate(emit);
  });
  for await (const [, text] of proxy.said) {
    assert.equal(text, 'again');
    if (++turns === 3) break;
  }
  await assert.rejects(proxy.signal('nothing').subscribe(), { code: 'EINVAL' });
});

test('an iterator of events ends while it waits, and stops listening', LIMIT, async (t) => {
  const { proxy, desk } = await bus(t);
  const over = { value: undefined, done: true };
  // Before it has begun to listen, while it does, and then.
  for (const ready of [() => true, () => true, () => desk.said.subscribers === 1]) {
    const events = proxy.said[Symbol.asyncIterator]();
    const pending = events.next();
    while (!ready()) await new Promise(setImmediate);
    assert.deepEqual(await events.return(), over);
    assert.deepEqual(await pending, over);
    assert.deepEqual(await events.next(), over);
    while (desk.said.subscribers > 0) await proxy.add(1, 1);
  }
});

test('an event whose listener throws is followed by the others', LIMIT, async (t) => {
  const { proxy, desk } = await bus(t);
  const [heard, thrown] = [[], []];
  const others = process.listeners('uncaughtException');
  process.removeAllListeners('uncaughtException');
  process.on('uncaughtException', (error) => thrown.push(error.message));
  try {
    proxy.on('said', (number) => {
      heard.push(number);
      if (number % 2 === 1) throw new Error(`not ${number}`);
    });
    await proxy.subscribed();
    for (let number = 0; number < 5; number++) desk.said.emit(number, 'x');
    while (heard.length < 5) await new Promise(setImmediate);
  } finally {
    process.removeAllListeners('uncaughtException');
    for (const listener of others) process.on('uncaughtException', listener);
  }
  assert.deepEqual([heard, thrown], [[0, 1, 2, 3, 4], ['not 1', 'not 3']]);
});

test('a session that is closed registers nothing', LIMIT, async (t) => {
  const { server, client } = await bus(t);
  await client.close();
  await assert.rejects(client.register('Late', new Desk()), { code: 'ENOTCONN' });
  assert.ok(!(await server.services()).some(({ name }) => name === 'Late'));
});

test('properties', LIMIT, async (t) => {
  const { proxy, desk } = await bus(t);
  assert.equal(await proxy.level.get(), 7);
  const seen = await proxy.level.subscribe();
  const changed = once(desk.level, 'change');
  await proxy.level.set(5);
  assert.deepEqual(await changed, [5]);
  assert.equal(desk.level.value, 5);
  desk.level.value = 6;
  assert.deepEqual([(await seen.next()).value, (await seen.next()).value], [5, 6]);
  assert.equal(await proxy.level.get(), 6);
  await assert.rejects(proxy.level.set('many'), { code: 'ERR_REMOTE' });
  assert.throws(() => (desk.level.value = 'many'), { code: 'EINVAL' });
  assert.deepEqual([desk.level.value, await proxy.level.get()], [6, 6]);
  const event = once(proxy, 'level');
  await proxy.subscribed();
  desk.level.value = 8;
  assert.deepEqual(await event, [8]);
  seen.close();
});

test('objects go both ways', LIMIT, async (t) => {
  const { proxy } = await bus(t);
  const child = await proxy.give('a child');
  assert.ok(child instanceof qi.RemoteObject && child.connected);
  assert.equal(await child.hello(), 'hello from a child');
  assert.equal(await proxy.hear(child), 'hello from a child');
  assert.equal(await proxy.hear(new Child('mine')), 'hello from mine');
});

test('services of other processes of the directory', LIMIT, async (t) => {
  const { server, client, proxy } = await bus(t);
  const waiting = server.waitForService('Late');
  class Late {
    static qi = { methods: { ask: '(i)i' } };
    async ask(value) {
      return (await proxy.add(value, 100)) + 1;
    }
  }
  // At the same time: they have one provider.
  const [number] = await Promise.all([client.register('Late', new Late()), client.register('Later', new Late())]);
  const late = await waiting;
  assert.deepEqual(await Promise.all([1, 2, 3].map((value) => late.ask(value))), [102, 103, 104]);
  const listed = (await client.services()).map(({ name }) => name);
  assert.ok(['ServiceDirectory', 'Desk', 'Late', 'Later'].every((name) => listed.includes(name)));
  assert.equal(client.endpoints.length, 1);
  await client.unregister(number);
  await assert.rejects(server.service('Late'), { code: 'ERR_NO_SERVICE' });
});

test('many calls at the same time', LIMIT, async (t) => {
  const { proxy } = await bus(t);
  const answers = await Promise.all(Array.from({ length: 1500 }, (_, number) => proxy.add(number, 1)));
  assert.deepEqual(answers, Array.from({ length: 1500 }, (_, number) => number + 1));
});

test('more than a connection has room for comes in order, and the event loop goes on', LIMIT, async (t) => {
  const { proxy } = await bus(t);
  let turns = 0;
  const turning = setInterval(() => turns++, 1);
  const large = Buffer.alloc(4 << 20, 1);
  const answers = await Promise.all(Array.from({ length: 7 }, () => proxy.echo(large)));
  clearInterval(turning);
  assert.ok(answers.every((answer) => answer.length === large.length));
  assert.ok(turns > 0);
});

test('the end of a connection is told', LIMIT, async (t) => {
  const server = await qi.serve('tcp://127.0.0.1:0');
  await server.register('Desk', new Desk());
  const client = await qi.connect(server.url);
  // A connection alone keeps no process alive, nor does waiting for its end.
  const alive = setInterval(() => {}, 1000);
  t.after(() => (clearInterval(alive), client.close()));
  const proxy = await client.service('Desk');
  const events = await proxy.said.subscribe();
  const ended = once(client, 'disconnected');
  const calling = assert.rejects(proxy.call('never'), (error) => ['ENOTCONN', 'ERR_REMOTE'].includes(error.code));
  // Answered behind the event of the call before it, which is then here and not fetched.
  assert.equal(await proxy.add(1, 2), 3);
  await server.close();
  assert.equal(typeof (await ended)[0], 'string');
  await calling;
  assert.deepEqual((await events.next()).value, [0, 'begun']);
  await assert.rejects(events.next(), { code: 'ENOTCONN' });
  assert.equal(client.connected, false);
  await assert.rejects(proxy.add(1, 2), { code: 'ENOTCONN' });
});

test('a service that is taken back is freed', LIMIT, async (t) => {
  const { server } = await bus(t);
  let gone = false;
  const registry = new FinalizationRegistry(() => (gone = true));
  await (async () => {
    const desk = new Desk();
    registry.register(desk);
    await server.unregister(await server.register('Short', desk));
  })();
  while (!gone) {
    globalThis.gc();
    await new Promise(setImmediate);
  }
});

test('an address that is in use is told as such', async () => {
  const server = await qi.serve('tcp://127.0.0.1:0');
  await assert.rejects(qi.serve(server.url), { name: 'MillraceError', code: 'EADDRINUSE' });
  await server.close();
});
