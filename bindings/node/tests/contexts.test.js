'use strict';
// Contexts: many requests, answers or subscriptions on one socket.

const assert = require('node:assert');
const { spawnSync } = require('node:child_process');
const { once } = require('node:events');
const { test } = require('node:test');
const { Context, MillraceError, Pair, Pub, Rep, Req, Socket, Sub, Surveyor, Respondent } = require('millrace-nanomsg');

let names = 0;
const name = () => `inproc://contexts-${++names}`;
const code = (code) => (error) => error instanceof MillraceError && error.code === code;

function desk(options = {}) {
  const server = new Rep();
  const { address } = server.bind('tcp://127.0.0.1:0');
  return [server, new Req({ connect: address, ...options })];
}

const closed = (...sockets) => Promise.all(sockets.map((socket) => socket.close()));

test('requests under way at once are answered in any order', async () => {
  const [server, client] = desk();
  const asking = Array.from({ length: 50 }, () => client.context());
  const answering = asking.map(() => server.context());
  await Promise.all(asking.map((context, at) => context.send(String(at))));
  const questions = await Promise.all(answering.map((context) => context.receive()));
  assert.deepEqual(questions.map(Number).sort((a, b) => a - b), asking.map((_, at) => at));
  for (let at = 49; at >= 0; at--) await answering[at].send(`for ${questions[at]}`);
  const answers = await Promise.all(asking.map((context) => context.receive()));
  assert.deepEqual(answers.map(String), asking.map((_, at) => `for ${at}`));
  assert.equal(client.statistics.establishedConnections, 1);
  // The socket itself is used beside them.
  await client.send('by the way');
  await server.send(await server.receive());
  assert.equal(String(await client.receive()), 'by the way');
  await closed(server, client);
});

test('a context begins with the options of its socket, and has its own', async () => {
  const client = new Req({ receiveTimeout: 20000, resendInterval: 7000 });
  const context = client.context({ sendTimeout: 5 });
  assert.deepEqual([context.receiveTimeout, context.sendTimeout, context.resendInterval], [20000, 5, 7000]);
  context.resendInterval = 3000;
  assert.equal(client.resendInterval, 7000);
  await context.send('nobody is there');
  context.receiveTimeout = 5;
  await assert.rejects(context.receive(), code('ETIMEDOUT'));
  assert.throws(() => client.context({ linger: 1 }), /ReqContext has no option linger/);
  assert.throws(() => new Req({ context: 1 }), /Req has no option context/);
  assert.throws(() => context.setOption(0, 2, 4096), code('ENOPROTOOPT'));
  const surveyor = new Surveyor();
  assert.equal(surveyor.context({ deadline: 250 }).deadline, 250);
  assert.equal(surveyor.deadline, 1000);
  await closed(client, surveyor);
});

test('subscriptions are each context’s own', async () => {
  const address = name();
  const [pub, sub] = [new Pub({ bind: address }), new Sub({ connect: address, subscribe: 's' })];
  const [a, b] = [sub.context({ subscribe: ['a', 'x'] }), sub.context()];
  b.subscribe('b');
  b.subscribe('x');
  await pub.waitPeers();
  await pub.sendMany(['s1', 'a1', 'b1', 'x1']);
  const two = async (socket) => [String(await socket.receive()), String(await socket.receive())];
  assert.deepEqual([await two(a), await two(b)], [['a1', 'x1'], ['b1', 'x1']]);
  assert.equal(String(await sub.receive()), 's1');
  b.unsubscribe('b');
  await pub.sendMany(['b2', 'x2']);
  const [heard] = await once(b, 'message');
  assert.equal(String(heard), 'x2');
  await closed(pub, sub);
});

test('surveys at the same time', async () => {
  const address = name();
  const [surveyor, respondent] = [new Surveyor({ bind: address, deadline: 20000 }), new Respondent({ connect: address })];
  await surveyor.waitPeers();
  const contexts = [surveyor.context(), surveyor.context()];
  for (const [at, context] of contexts.entries()) await context.send(`survey ${at}`);
  for (let at = 0; at < 2; at++) await respondent.send(await respondent.receive());
  for (const [at, context] of contexts.entries()) assert.equal(String(await context.receive()), `survey ${at}`);
  await closed(surveyor, respondent);
});

test('what was asked is given up by closing and by cancelling', async () => {
  const [server, client] = desk();
  const context = client.context();
  await context.send('never mind');
  await server.receive();
  const waiting = assert.rejects(context.receive(), code('EFSM'));
  context.cancel();
  await waiting;
  await server.send('too late');
  const other = client.context();
  await other.send('again');
  await server.send(await server.receive());
  assert.equal(String(await other.receive()), 'again');
  const end = assert.rejects(other.receive({ timeout: 20000 }), code('EFSM'));
  await end;
  await other.close();
  assert.ok(other.closed && !client.closed);
  await assert.rejects(other.send('x'), code('EBADF'));
  assert.throws(() => new Pair().cancel(), code('ENOTSUP'));
  await closed(server, client);
});

test('aborting gives up the wait, not the request', async () => {
  const [server, client] = desk();
  const context = client.context();
  await context.send('x');
  const controller = new AbortController();
  const waiting = assert.rejects(context.receive({ signal: controller.signal }), { name: 'AbortError' });
  controller.abort();
  await waiting;
  await server.send(await server.receive());
  assert.equal(String(await context.receive()), 'x');
  await closed(server, client);
});

test('who waits is told when the socket is closed, and iterators end', async () => {
  const [server, client] = desk();
  const [waiting, iterating] = [server.context(), server.context()];
  const rejected = assert.rejects(waiting.receive(), code('EBADF'));
  const ended = (async () => {
    for await (const message of iterating) assert.fail(String(message));
  })();
  await server.close();
  await Promise.all([rejected, ended]);
  assert.ok(waiting.closed && iterating.closed);
  await closed(client);
});

test('what contexts are not for', async () => {
  const [pair, raw, req] = [new Pair(), new Rep({ raw: true }), new Req()];
  for (const socket of [pair, raw]) assert.throws(() => socket.context(), code('ENOTSUP'));
  const context = req.context();
  assert.ok(context instanceof Context && !(context instanceof Socket) && context.socket === req);
  assert.equal(context.bind, undefined);
  await closed(pair, raw, req);
});

test('a context keeps its socket, and forgotten ones leave nothing behind', async () => {
  const server = new Rep();
  const { address } = server.bind('tcp://127.0.0.1:0');
  let context = new Req({ connect: address }).context();
  globalThis.gc?.();
  await context.send('x');
  await server.send(await server.receive());
  assert.equal(String(await context.receive()), 'x');
  const client = context.socket;
  for (let round = 0; round < 2000; round++) {
    const one = client.context();
    await one.send('x');
    await server.send(await server.receive());
    await one.receive();
    if (round % 100 === 0) globalThis.gc?.();
  }
  await closed(server, client);
});

test('a waiting context keeps the process alive, unless it is told not to', () => {
  const program = (rest) => `
    const { Rep } = require('millrace-nanomsg');
    const context = new Rep({ bind: 'inproc://x' }).context();
    ${rest}
    process.on('exit', () => console.log('over'));`;
  const run = (rest) => spawnSync(process.execPath, ['-e', program(rest)], { encoding: 'utf8', timeout: 20000 });
  assert.equal(run('context.receive(); context.unref();').stdout, 'over\n');
  assert.equal(run("context.receive().catch((error) => console.log(error.code)); setImmediate(() => context.close());").stdout, 'EBADF\nover\n');
});
