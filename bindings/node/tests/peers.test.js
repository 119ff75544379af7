'use strict';
// Who sent a message, and sending to one peer.

const assert = require('node:assert');
const { spawnSync } = require('node:child_process');
const { test } = require('node:test');
const { Bus, MillraceError, Pair, Rep, Req, Socket } = require('millrace-nanomsg');

let names = 0;
const code = (code) => (error) => error instanceof MillraceError && error.code === code;
const closed = (...sockets) => Promise.all(sockets.map((socket) => socket.close()));

/** A bus, its guests, and their connections as the bus sees them. */
async function room(address = `inproc://peers-${++names}`) {
  const bus = new Bus({ bind: address, receivePeer: true, receiveTimeout: 20000 });
  const guests = [new Bus({ connect: address }), new Bus({ connect: address })];
  const peers = [];
  for (const [at, guest] of guests.entries()) {
    await guest.waitPeers(1, { timeout: 20000 });
    await guest.send(String(at));
    const message = await bus.receiveMessage();
    assert.equal(String(message.body), String(at));
    peers.push(message.peer);
  }
  return { bus, guests, peers };
}

/** Sends until the peer takes no more; how many it took, and the one that waits. */
async function fill(bus, peer) {
  for (let sent = 0; ; sent++) {
    let done = false;
    const sending = bus.sendTo(peer, Buffer.alloc(100000, sent)).finally(() => (done = true));
    // Its outcome is looked at by who asked; not to be looked at in between is no error.
    sending.catch(() => {});
    await new Promise(setImmediate);
    if (!done) return { sent, sending };
  }
}

test('a message tells who sent it', async () => {
  const { bus, guests, peers } = await room(`ipc:///tmp/millrace-node-peers-${process.pid}`);
  assert.notEqual(peers[0].connection, peers[1].connection);
  assert.deepEqual(peers[0].process, { pid: process.pid, uid: process.geteuid(), gid: process.getegid() });
  assert.match(peers[0].address, new RegExp(String(process.pid)));
  assert.equal(peers[0].subject, undefined);
  assert.equal(bus.receivePeer, true);
  bus.receivePeer = false;
  await guests[0].send('who?');
  const message = await bus.receiveMessage();
  assert.deepEqual([String(message.body), message.header.length, message.peer], ['who?', 0, undefined]);
  await closed(bus, ...guests);
});

test('what was fetched with others has no peer, and is not lost', async () => {
  const one = new Pair({ bind: `inproc://peers-${++names}` });
  const other = new Pair({ connect: `inproc://peers-${names}` });
  await one.sendMany(['1', '2', '3']);
  assert.equal(String(await other.receive()), '1');
  other.receivePeer = true;
  await one.send('4');
  const messages = [await other.receiveMessage(), await other.receiveMessage(), await other.receiveMessage()];
  assert.deepEqual(messages.map(({ body }) => String(body)), ['2', '3', '4']);
  assert.ok(messages[2].peer.connection > 0);
  await closed(one, other);
});

test('one peer is answered alone', async () => {
  const { bus, guests, peers } = await room();
  await bus.sendTo(peers[1], 'you alone');
  await bus.sendTo(peers[0].connection, Buffer.from('and you'));
  assert.deepEqual([String(await guests[0].receive()), String(await guests[1].receive())], ['and you', 'you alone']);
  await guests[0].close();
  await assert.rejects(async () => {
    for (;;) await bus.sendTo(peers[0], 'late');
  }, code('EHOSTUNREACH'));
  await assert.rejects(bus.sendTo('1', 'x'), TypeError);
  const req = new Req();
  await assert.rejects(req.sendTo(1, 'x'), code('ENOTSUP'));
  await closed(bus, guests[1], req);
});

test('a raw reply goes where it is told', async () => {
  const server = new Socket(new Rep().protocol, { raw: true, receivePeer: true });
  const client = new Req({ connect: server.bind('tcp://127.0.0.1:0').address });
  await client.send('question');
  const { header, peer } = await server.receiveMessage();
  assert.equal(header.length, 8);
  await assert.rejects(server.sendTo(peer, 'without a header'), code('EINVAL'));
  await server.sendTo(peer, 'answer', { header });
  assert.equal(String(await client.receive()), 'answer');
  await closed(server, client);
});

test('what is for one peer waits for it, in order', async () => {
  const { bus, guests: [slow, quick], peers } = await room();
  const { sent, sending } = await fill(bus, peers[0]);
  const second = bus.sendTo(peers[0], 'second');
  const abort = new AbortController();
  const aborted = bus.sendTo(peers[0], 'aborted', { signal: abort.signal });
  await assert.rejects(bus.sendTo(peers[0], 'late', { timeout: 5 }), code('ETIMEDOUT'));
  abort.abort();
  await assert.rejects(aborted, { name: 'AbortError' });
  await bus.sendTo(peers[1], 'meanwhile');
  assert.equal(String(await quick.receive()), 'meanwhile');
  for (let at = 0; at <= sent; at++) assert.equal((await slow.receive())[0], at & 255);
  assert.equal(String(await slow.receive()), 'second');
  await Promise.all([sending, second]);
  await bus.sendTo(peers[0], 'last');
  assert.equal(String(await slow.receive()), 'last');
  await closed(bus, slow, quick);
});

test('closing ends the wait', async () => {
  const { bus, guests, peers } = await room();
  const { sending } = await fill(bus, peers[0]);
  bus.linger = 0;
  await bus.close();
  await assert.rejects(sending, code('EBADF'));
  await closed(...guests);
});

test('a process ends although an unreferenced socket waits for a peer', () => {
  const script = `
    const { Bus } = require('millrace-nanomsg');
    (async () => {
      const bus = new Bus({ bind: 'inproc://quiet', receivePeer: true, linger: 0 }).unref();
      const guest = new Bus({ connect: 'inproc://quiet', linger: 0 });
      await guest.send('hello');
      const { peer } = await bus.receiveMessage();
      for (;;) await bus.sendTo(peer, Buffer.alloc(100000));
    })();`;
  const ended = spawnSync(process.execPath, ['-e', script], { cwd: __dirname, timeout: 60000, encoding: 'utf8' });
  assert.deepEqual([ended.status, ended.stderr], [0, '']);
});
