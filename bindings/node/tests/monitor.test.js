'use strict';
// Events, waiting for peers, descriptions.

const assert = require('node:assert');
const fs = require('node:fs');
const os = require('node:os');
const path = require('node:path');
const { spawnSync } = require('node:child_process');
const { test, after } = require('node:test');
const { MillraceError, Pair, Pub, Pull, Push, Rep, Req, Sub } = require('millrace-nanomsg');

const scratch = fs.mkdtempSync(path.join(os.tmpdir(), 'millrace-'));
after(() => fs.rmSync(scratch, { recursive: true }));
const code = (code) => (error) => error instanceof MillraceError && error.code === code;

test('peers that come and go', async () => {
  const address = `ipc://${scratch}/come-and-go`;
  const pull = new Pull({ bind: address });
  const monitor = pull.monitor();
  assert.equal(monitor.tryReceive(), null);
  const push = new Push({ connect: address });
  const accepted = await monitor.receive();
  const greeted = await monitor.receive();
  assert.deepEqual([accepted.kind, greeted.kind, greeted.address], ['accepted', 'greeted', address]);
  assert.ok(greeted.peer.includes('pid') && greeted.connection === accepted.connection && greeted.connection > 0);
  assert.ok(greeted.time instanceof Date && greeted.error === undefined && greeted.dropped === 0);
  await push.close();
  const lost = await monitor.receive({ timeout: 20000 });
  assert.deepEqual([lost.kind, lost.connection], ['lost', greeted.connection]);
  await assert.rejects(monitor.receive({ timeout: 5 }), code('ETIMEDOUT'));
  await assert.rejects(monitor.receive({ signal: AbortSignal.abort() }), { name: 'AbortError' });
  await pull.close();
});

test('why a peer is refused, and when it tries again', async () => {
  const address = `ipc://${scratch}/refused`;
  const pull = new Pull({ bind: address });
  const pub = new Pub({ connect: address });
  for await (const event of pull.monitor()) {
    if (event.kind !== 'refused') continue;
    assert.match(event.reason, /NN_PUB/);
    assert.ok(event.error);
    break;
  }
  const pair = new Pair({ reconnectInterval: 10 });
  const monitor = pair.monitor();
  pair.connect(`ipc://${scratch}/nobody`);
  let event;
  do event = await monitor.receive();
  while (!event.retry);
  assert.deepEqual([event.kind, event.error, event.retry], ['connect_failed', 'ENOENT', 10]);
  await Promise.all([pull, pub, pair].map((socket) => socket.close()));
});

test('a monitor ends with its socket, and can be closed', async () => {
  const pair = new Pair({ bind: 'inproc://ends' });
  const [monitor, other] = [pair.monitor(), pair.monitor()];
  const waiting = assert.rejects(other.receive(), code('EBADF'));
  other.close();
  other.close();
  await waiting;
  await pair.close();
  const kinds = [];
  for await (const event of monitor) kinds.push(event.kind);
  assert.deepEqual(kinds, ['stopped']);
  await assert.rejects(monitor.receive(), code('EBADF'));
});

test('an iterator of events ends while it waits', async () => {
  const pair = new Pair({ bind: 'inproc://monitor-iterator' });
  const events = pair.monitor()[Symbol.asyncIterator]();
  const over = { value: undefined, done: true };
  const pending = events.next();
  assert.deepEqual(await events.return(), over);
  assert.deepEqual(await pending, over);
  await pair.close();
});

test('waiting for peers', async () => {
  const pub = new Pub({ bind: 'inproc://peers' });
  await assert.rejects(pub.waitPeers(1, { timeout: 5 }), code('ETIMEDOUT'));
  const here = pub.waitPeers(2);
  const subs = [0, 1].map(() => new Sub({ connect: 'inproc://peers', subscribe: '' }));
  await here;
  await pub.waitPeers();
  await pub.send('news');
  for (const sub of subs) assert.equal(String(await sub.receive()), 'news');
  const controller = new AbortController();
  const aborted = assert.rejects(pub.waitPeers(3, { signal: controller.signal }), { name: 'AbortError' });
  controller.abort();
  await aborted;
  await Promise.all([pub, ...subs].map((socket) => socket.close()));
});

test('what a socket is like', async () => {
  const rep = new Rep({ name: 'desk' });
  const { address } = rep.bind('tcp://127.0.0.1:0');
  const req = new Req({ connect: address });
  await rep.waitPeers();
  const told = rep.describe();
  assert.deepEqual([told.name, told.pipes.length, told.endpoints[0].address], ['desk', 1, address]);
  await Promise.all([rep.close(), req.close()]);
});

test('a monitor does not keep the process alive unless somebody waits for it', () => {
  const program = "const { Pair } = require('millrace-nanomsg'); const m = new Pair().monitor(); m.receive(); m.unref();";
  assert.equal(spawnSync(process.execPath, ['-e', program], { timeout: 20000 }).status, 0);
});

test('options that nanomsg has not', async () => {
  const pair = new Pair({ keepAlive: 30000, acceptFrom: '127.0.0.0/8', acceptMax: 5, ipcMode: 0o600, coalesce: false });
  assert.deepEqual([pair.keepAlive, pair.acceptFrom, pair.acceptMax, pair.ipcMode, pair.coalesce], [30000, '127.0.0.0/8', 5, 0o600, false]);
  assert.deepEqual([pair.connectTimeout, pair.dscp, pair.bindDevice, pair.tcpUserTimeout], [10000, -1, '', 0]);
  assert.deepEqual([pair.tlsMinVersion, pair.tlsAuth, pair.tlsInsecureNoVerification], [12, 0, false]);
  assert.throws(() => (pair.tlsCaFile = '/nowhere/ca.pem'), (error) => error.code === 'ENOENT' && /tlsCaFile/.test(error.message));
  assert.throws(() => (pair.tlsCert = 'no certificate'), code('EINVAL'));
  await pair.close();
});
