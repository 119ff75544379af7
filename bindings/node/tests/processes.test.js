'use strict';

const assert = require('node:assert');
const { spawn } = require('node:child_process');
const fs = require('node:fs');
const { once } = require('node:events');
const { test } = require('node:test');
const { Worker } = require('node:worker_threads');
const { Pair, Pull, Push, Rep, Req } = require('millrace-nanomsg');
const qi = require('millrace-nanomsg/qi');

const prelude = `
  const millrace = require(${JSON.stringify(require.resolve('millrace-nanomsg'))});
  const qi = require(${JSON.stringify(require.resolve('millrace-nanomsg/qi'))});`;

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
  // A time limit is no reason to stay.
  const long = '{ timeout: 3600000 }';
  await run(`const s = new millrace.Pull({ receiveTimeout: 3600000 }); s.receive(); s.unref()`);
  await run(`const s = new millrace.Push(); s.send('x', ${long}); s.monitor().unref().receive(${long}); s.unref()`);
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
  // There may be fewer: the thread that closes sockets of an earlier test ends when it likes.
  assert.ok(threads() <= before);
  await Promise.all([first, ...sockets].map((socket) => socket.close()));
  assert.ok((await Promise.all(waiting)).every((code) => code === 'EBADF'));
});

/** Descriptors and memory when the collector has done its work. */
async function settle() {
  assert.ok(global.gc, 'run with --expose-gc');
  for (let round = 0; round < 10; round++) {
    global.gc();
    await new Promise(setImmediate);
  }
  return [fs.readdirSync('/proc/self/fd').length, process.memoryUsage().rss];
}

class Desk {
  said = new qi.Signal('(i)');
  echo(value) {
    return value;
  }
  never() {
    return new Promise(() => {});
  }
}

test('a process ends when nothing of the bus is under way, however it ends', async (t) => {
  const session = await qi.serve('tcp://127.0.0.1:0');
  t.after(() => session.close());
  await session.register('Desk', new Desk());
  const client = (then) => `(async () => {
    const session = await qi.connect(${JSON.stringify(session.url)});
    const desk = await session.service('Desk');
    ${then}
  })();`;
  await run(client(''));
  await run(client(`await desk.echo(1);`));
  await run(client(`desk.on('said', () => {}); await desk.subscribed(); desk.unref();`));
  await run(client(`desk.never().catch(() => {}); desk.on('said', () => {}); process.exit(3);`), 3);
  await run(client(`await session.register('Other', { method() {} }); session.unref();`));
  await run(client(`await session.register('Other', { method() {} }); await session.close();`));
  await run(client(`session.service('Nobody', { timeout: 0 }).catch(() => {});`));
  const printed = await run(client(`
    desk.once('said', (number) => console.log(number));
    await desk.subscribed();
    setTimeout(() => desk.said.emit(7), 20).unref();`));
  assert.equal(printed, '7\n');
  const served = await run(`(async () => {
    const session = await qi.serve('tcp://127.0.0.1:0');
    setTimeout(() => session.close().then(() => console.log('closed')), 20).unref();
  })();`);
  assert.equal(served, 'closed\n');
});

test('workers with services end in every state', async (t) => {
  const session = await qi.serve('tcp://127.0.0.1:0');
  t.after(() => session.close());
  const source = `${prelude}
    const { workerData, parentPort } = require('node:worker_threads');
    class Desk { echo(value) { return value; } never() { return new Promise(() => {}); } }
    (async () => {
      const session = await qi.connect(workerData.url);
      await session.register(workerData.name, new Desk());
      parentPort.postMessage('ready');
    })();`;
  for (let round = 0; round < 3; round++) {
    const worker = new Worker(source, { eval: true, workerData: { url: session.url, name: `Desk${round}` } });
    const exit = once(worker, 'exit');
    await once(worker, 'message');
    const desk = await session.service(`Desk${round}`);
    assert.deepEqual(await Promise.all([1, 2, 3].map((value) => desk.echo(value))), [1, 2, 3]);
    // Calls that have no answer yet get one, whatever it is.
    const calls = [desk.never(), ...Array.from({ length: 100 }, () => desk.echo(1))].map((call) => call.catch((error) => error.code));
    await worker.terminate();
    await exit;
    const [never] = await Promise.all(calls);
    assert.ok(['ERR_REMOTE', 'ENOTCONN'].includes(never), never);
  }
});

test('no thread for each call, listener or service', async (t) => {
  const session = await qi.serve('tcp://127.0.0.1:0');
  t.after(() => session.close());
  const desk = new Desk();
  await session.register('Desk', desk);
  const proxy = await session.service('Desk');
  const threads = () => fs.readdirSync('/proc/self/task').length;
  await proxy.echo(1);
  const subscriptions = await Promise.all(Array.from({ length: 100 }, () => proxy.said.subscribe()));
  const calls = Array.from({ length: 1000 }, () => proxy.never().catch((error) => error.code));
  for (let number = 0; number < 100; number++) await session.register(`Desk${number}`, new Desk());
  await Promise.all(Array.from({ length: 500 }, () => proxy.echo(1)));
  // Node's own, the engine's, and a bounded number that wait for what cannot be asked without waiting.
  assert.ok(threads() < 60, `${threads()} threads`);
  for (const events of subscriptions) events.close();
  await session.close();
  assert.ok((await Promise.all(calls)).every((code) => code === 'ERR_REMOTE' || code === 'ENOTCONN'));
});

test('the bus leaks nothing', async (t) => {
  const session = await qi.serve('tcp://127.0.0.1:0');
  t.after(() => session.close());
  const desk = new Desk();
  await session.register('Desk', desk);
  const proxy = await session.service('Desk');
  const work = async (count) => {
    for (let index = 0; index < count; index++) {
      await proxy.echo({ index, data: 'x'.repeat(100) });
      if (index % 20 === 0) {
        const events = await proxy.said.subscribe();
        desk.said.emit(index);
        await events.next();
        events.close();
        await (await qi.connect(session.url)).close();
      }
      if (index % 100 === 0) await settle();
    }
    return settle();
  };
  await work(1000);
  const [descriptors, memory] = await work(200);
  const [descriptorsLater, memoryLater] = await work(10000);
  assert.ok(descriptorsLater <= descriptors + 8, `${descriptors} descriptors, later ${descriptorsLater}`);
  assert.ok(memoryLater - memory < 32 << 20, `${memory} bytes, later ${memoryLater}`);
});

test('nothing leaks', async () => {
  const sockets = async (count, close) => {
    for (let index = 0; index < count; index++) {
      const address = `inproc://leak-${index}`;
      const [one, two] = [new Pair({ bind: address }), new Pair({ connect: address })];
      const got = two.receive();
      await one.send('x');
      await got;
      if (close) await Promise.all([one.close(), two.close()]);
      if (index % 1000 === 0) await settle();
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
    [(count) => sockets(count, true), 500, 50000, 32 << 20],
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
