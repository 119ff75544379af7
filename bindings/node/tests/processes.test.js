'use strict';

const assert = require('node:assert');
const { spawn } = require('node:child_process');
const fs = require('node:fs');
const { once } = require('node:events');
const { test } = require('node:test');
const { Worker } = require('node:worker_threads');
const { Pair, Pull, Push, Rep, Req } = require('millrace-nanomsg');

const root = require.resolve('millrace-nanomsg');
const prelude = `const millrace = require(${JSON.stringify(root)});`;

/** Runs a program; gives what it prints. It must end by itself. */
async function run(program, status = 0) {
  const child = spawn(process.execPath, ['-e', prelude + program], { stdio: ['ignore', 'pipe', 'inherit'] });
  let text = '';
  child.stdout.on('data', (data) => (text += data));
  const [code] = await once(child, 'close');
  assert.equal(code, status, program);
  return text;
}

test('a process ends when nothing waits, or only what is unref’d', async () => {
  await run(`new millrace.Pull({ bind: 'tcp://127.0.0.1:0' })`);
  await run(`new millrace.Pull({ bind: 'tcp://127.0.0.1:0' }).unref().receive()`);
  await run(`const s = new millrace.Pull({ bind: 'tcp://127.0.0.1:0' }); s.on('message', () => {}); s.receive(); s.unref()`);
  await run(`const s = new millrace.Pull({ bind: 'tcp://127.0.0.1:0' }); s.on('message', () => {}); setTimeout(() => s.removeAllListeners('message'), 10)`);
  await run(`const s = new millrace.Push(); s.unref(); s.send('x')`);
});

test('a process does not end while something waits', async () => {
  const printed = await run(`
    const pull = new millrace.Pull();
    const push = new millrace.Push({ connect: pull.bind('tcp://127.0.0.1:0').address });
    pull.receive().then((message) => console.log(String(message)));
    setTimeout(() => push.send('at last'), 50).unref();`);
  assert.equal(printed, 'at last\n');
});

test('what was accepted is handed over, however a process ends', async () => {
  for (const end of ['', 'process.exit(3)', 'push.close()', 'process.exitCode = 3']) {
    const pull = new Pull();
    const { address } = pull.bind('tcp://127.0.0.1:0');
    const child = run(
      `const push = new millrace.Push({ connect: ${JSON.stringify(address)} });
       push.sendMany(Array.from({ length: 3000 }, (_, index) => 'm' + index)).then(() => { ${end} });`,
      end.includes('3') ? 3 : 0,
    );
    for (let index = 0; index < 3000; index++) assert.equal(String(await pull.receive()), `m${index}`, end);
    await child;
    await pull.close();
  }
});

test('workers talk over inproc, and end in every state', async () => {
  const server = new Rep({ bind: 'inproc://workers' });
  const source = `${prelude}
    const { workerData, parentPort } = require('node:worker_threads');
    const client = new millrace.Req({ connect: 'inproc://workers' });
    (async () => {
      for (let index = 0; index < 100; index++) {
        await client.send(workerData + ':' + index);
        if (String(await client.receive()) !== workerData + ':' + index) throw new Error('another answer');
      }
      parentPort.postMessage('done');
      if (workerData === 'closes') await client.close();
      if (workerData === 'waits') client.receive().catch(() => {}), new millrace.Pull().on('message', () => {});
    })();`;
  const serving = (async () => {
    for await (const request of server) await server.send(request);
  })();
  for (let round = 0; round < 3; round++) {
    await Promise.all(
      ['closes', 'forgets', 'waits'].map(async (workerData) => {
        const worker = new Worker(source, { eval: true, workerData });
        const exit = once(worker, 'exit');
        assert.deepEqual(await once(worker, 'message'), ['done']);
        if (workerData === 'waits') await worker.terminate();
        await exit;
      }),
    );
  }
  await server.close();
  await serving;
});

test('no thread for each socket', async () => {
  const threads = () => fs.readdirSync('/proc/self/task').length;
  const first = new Pull({ bind: 'tcp://127.0.0.1:0' });
  first.receive().catch(() => {});
  const before = threads();
  const sockets = Array.from({ length: 100 }, () => new Pull({ bind: 'tcp://127.0.0.1:0' }));
  const waiting = sockets.map((socket) => socket.receive().catch((error) => error.code));
  assert.equal(threads(), before);
  await Promise.all([first, ...sockets].map((socket) => socket.close()));
  assert.ok((await Promise.all(waiting)).every((code) => code === 'EBADF'));
});

test('nothing leaks', async () => {
  assert.ok(global.gc, 'run with --expose-gc');
  const settle = async () => {
    for (let round = 0; round < 10; round++) {
      global.gc();
      await new Promise(setImmediate);
    }
    return [fs.readdirSync('/proc/self/fd').length, process.memoryUsage().rss];
  };
  const sockets = async (count, close) => {
    for (let index = 0; index < count; index++) {
      const address = `inproc://leak-${index}`;
      const [one, two] = [new Pair({ bind: address }), new Pair({ connect: address })];
      const got = two.receive();
      await one.send('x');
      await got;
      if (close) await Promise.all([one.close(), two.close()]);
      if (index % 100 === 0) await settle();
    }
  };
  const messages = async (count, size) => {
    const [one, two] = [new Pair({ bind: `inproc://leak-${size}` }), new Pair({ connect: `inproc://leak-${size}` })];
    const data = Buffer.alloc(size);
    for (let index = 0; index < count; index++) {
      await one.send(data);
      await two.receive();
    }
    await Promise.all([one.close(), two.close()]);
  };
  // A leak would be ten times what is allowed, which is what the collector leaves for later.
  for (const [what, few, many, allowed] of [
    [(count) => sockets(count, true), 500, 5000, 32 << 20],
    [(count) => messages(count, 64), 5000, 100000, 32 << 20],
    [(count) => messages(count, 1 << 20), 500, 3000, 300 << 20],
  ]) {
    await what(few);
    const [descriptors, memory] = await settle();
    await what(many);
    const [descriptorsLater, memoryLater] = await settle();
    assert.ok(descriptorsLater <= descriptors, `${what}: ${descriptors} descriptors, later ${descriptorsLater}`);
    assert.ok(memoryLater - memory < allowed, `${what}: ${memory} bytes, later ${memoryLater}`);
  }
  const [descriptors] = await settle();
  // Forgotten without close.
  await sockets(200, false);
  let left = Infinity;
  for (let round = 0; round < 500 && left > descriptors + 8; round++) {
    [left] = await settle();
    await new Promise((resolve) => setTimeout(resolve, 5));
  }
  assert.ok(left <= descriptors + 8, `${descriptors} descriptors, later ${left}`);
});
