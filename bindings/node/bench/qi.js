'use strict';
// Calls and events of the object bus, two processes over tcp on 127.0.0.1: middle of three rounds.   node bench/qi.js

const { fork } = require('node:child_process');
const { once } = require('node:events');
const qi = require('../lib/qi/index.js');

class Desk {
  static qi = { methods: { add: '(ii)i', flood: '(i)v' } };
  fired = new qi.Signal('(i)');

  add(a, b) {
    return a + b;
  }

  async flood(count) {
    for (let number = 0; number < count; number++) {
      this.fired.emit(number);
      if (number % 256 === 255) await new Promise(setImmediate);
    }
  }
}

async function serve() {
  const server = await qi.serve('tcp://127.0.0.1:0');
  await server.register('Desk', new Desk());
  process.send(server.url);
  await once(process, 'disconnect');
  process.exit();
}

async function timed(work) {
  const started = process.hrtime.bigint();
  await work();
  return Number(process.hrtime.bigint() - started) / 1e9;
}

async function main() {
  const child = fork(__filename, ['serve']);
  const [url] = await once(child, 'message');
  const session = await qi.connect(url);
  const desk = await session.service('Desk');
  const rows = {
    'call, round trip (µs)': async () => {
      const count = 5000;
      const calls = async () => {
        for (let number = 0; number < count; number++) await desk.add(number, 1);
      };
      return ((await timed(calls)) / count) * 1e6;
    },
    'calls, 100 at the same time (calls/s)': async () => {
      const calls = async () => {
        for (let round = 0; round < 100; round++) await Promise.all(Array.from({ length: 100 }, () => desk.add(1, 2)));
      };
      return 10000 / (await timed(calls));
    },
    'events to one listener (events/s)': async () => {
      const count = 50000;
      const events = await desk.fired.subscribe({ queue: count });
      const flood = async () => {
        const flooding = desk.flood(count);
        for (let number = 0; number < count; number++) await events.next();
        await flooding;
      };
      const seconds = await timed(flood);
      events.close();
      return count / seconds;
    },
  };
  console.log('| | millrace |\n|---|---|');
  for (const [name, row] of Object.entries(rows)) {
    await row();
    const results = [await row(), await row(), await row()].sort((one, other) => one - other);
    console.log(`| ${name} | ${results[1] < 1000 ? results[1].toFixed(1) : Math.round(results[1])} |`);
  }
  child.disconnect();
  await session.close();
}

if (process.argv[2] === 'serve') serve();
else main();
