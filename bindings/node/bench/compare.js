'use strict';
// The same exchanges through this package and npm's zeromq 6, if it is installed, in one run; two processes over tcp on 127.0.0.1.
// Prints a table: middle of three rounds, which take turns.   node bench/compare.js
//
// zeromq is looked for from the current directory on: npm install --no-save zeromq@6

const { fork } = require('node:child_process');
const { once } = require('node:events');

function millrace() {
  const { Pair, Pull, Push } = require('..');
  const sizes = (buffers) => ({ receiveMaxSize: -1, sendBuffer: buffers, receiveBuffer: buffers });
  const one = (Socket) => ({
    bind: (buffers) => {
      const socket = new Socket(sizes(buffers));
      return [socket, socket.bind('tcp://127.0.0.1:0').address];
    },
    connect: (address, buffers) => new Socket({ ...sizes(buffers), connect: address }),
  });
  return {
    pair: one(Pair),
    push: one(Push),
    pull: one(Pull),
    send: (socket, data) => socket.send(data),
    receive: (socket) => socket.receive(),
    sendMany: (socket, list) => socket.sendMany(list),
  };
}

function zeromq() {
  const { Pair, Pull, Push } = require(require.resolve('zeromq', { paths: [process.cwd(), __dirname] }));
  // Without limits, as nothing is lost here either.
  const open = (Socket, buffers) => {
    const socket = new Socket();
    // Only who sends has a size to send with.
    if (buffers && Socket !== Pull) socket.sendBufferSize = buffers;
    if (buffers && Socket !== Push) socket.receiveBufferSize = buffers;
    if (Socket !== Pull) socket.sendHighWaterMark = 0;
    if (Socket !== Push) socket.receiveHighWaterMark = 0;
    return socket;
  };
  const one = (Socket) => ({
    bind: async (buffers) => {
      const socket = open(Socket, buffers);
      await socket.bind('tcp://127.0.0.1:*');
      return [socket, socket.lastEndpoint];
    },
    connect: (address, buffers) => {
      const socket = open(Socket, buffers);
      socket.connect(address);
      return socket;
    },
  });
  return {
    pair: one(Pair),
    push: one(Push),
    pull: one(Pull),
    send: (socket, data) => socket.send(data),
    receive: async (socket) => (await socket.receive())[0],
    sendMany: async (socket, list) => {
      for (const data of list) await socket.send(data);
    },
  };
}

const LIBRARIES = { millrace, zeromq };

const ROWS = {
  'round trip, 64 B (µs)': { kind: 'pingpong', size: 64, count: 10000 },
  'round trip, 1 MiB (µs)': { kind: 'pingpong', size: 1 << 20, count: 300 },
  'round trip, 1 MiB, buffers of 4 MiB (µs)': { kind: 'pingpong', size: 1 << 20, count: 300, buffers: 4 << 20 },
  'one way, 64 B (messages/s)': { kind: 'oneway', size: 64, count: 200000 },
  'one way, 64 B, lists of 1000 (messages/s)': { kind: 'batches', size: 64, count: 500000 },
  'one way, 64 KiB (messages/s)': { kind: 'oneway', size: 1 << 16, count: 10000 },
  'one way, 64 KiB, buffers of 4 MiB (messages/s)': { kind: 'oneway', size: 1 << 16, count: 10000, buffers: 4 << 20 },
  'one way, 1 MiB (messages/s)': { kind: 'oneway', size: 1 << 20, count: 1000 },
  'one way, 1 MiB, buffers of 4 MiB (messages/s)': { kind: 'oneway', size: 1 << 20, count: 1000, buffers: 4 << 20 },
};

/** The other process: sends back, or takes and says when it has everything. */
async function peer({ library, kind, count, buffers }) {
  const { pair, pull, send, receive } = LIBRARIES[library]();
  const [socket, address] = await (kind === 'pingpong' ? pair : pull).bind(buffers);
  process.send(address);
  for (let index = 0; index < count + 1; index++) {
    const message = await receive(socket);
    if (kind === 'pingpong') await send(socket, message);
    // The first shows that the connection stands.
    else if (index === 0) process.send('ready');
  }
  process.send('done');
  await once(process, 'disconnect');
  process.exit();
}

async function measure(library, { kind, size, count, buffers }) {
  const child = fork(__filename, [JSON.stringify({ library, kind, count, buffers })]);
  const said = async () => (await once(child, 'message'))[0];
  const address = await said();
  const { pair, push, send, receive, sendMany } = LIBRARIES[library]();
  const socket = await (kind === 'pingpong' ? pair : push).connect(address, buffers);
  const data = Buffer.alloc(size, 1);
  const ready = kind === 'pingpong' ? null : said();
  await send(socket, data);
  await (kind === 'pingpong' ? receive(socket) : ready);
  const done = said();
  const started = process.hrtime.bigint();
  if (kind === 'pingpong') {
    for (let index = 0; index < count; index++) {
      await send(socket, data);
      await receive(socket);
    }
  } else if (kind === 'batches') {
    const list = Array(1000).fill(data);
    for (let index = 0; index < count; index += 1000) await sendMany(socket, list);
  } else {
    for (let index = 0; index < count; index++) await send(socket, data);
  }
  await done;
  const seconds = Number(process.hrtime.bigint() - started) / 1e9;
  child.disconnect();
  await once(child, 'exit');
  await socket.close();
  return kind === 'pingpong' ? (seconds / count) * 1e6 : count / seconds;
}

async function main() {
  const libraries = Object.keys(LIBRARIES).filter((library) => {
    try {
      return LIBRARIES[library]();
    } catch (error) {
      console.error(`without ${library}: ${error.message.split('\n')[0]}`);
      return false;
    }
  });
  console.log(`| | ${libraries.join(' | ')} |\n|---|${'---|'.repeat(libraries.length)}`);
  for (const [name, row] of Object.entries(ROWS)) {
    const results = libraries.map(() => []);
    for (let round = 0; round < 3; round++) {
      for (const [index, library] of libraries.entries()) results[index].push(await measure(library, row));
    }
    const middle = results.map((list) => list.sort((a, b) => a - b)[1]);
    console.log(`| ${name} | ${middle.map((result) => (result < 1000 ? result.toFixed(1) : Math.round(result))).join(' | ')} |`);
  }
}

if (process.argv[2]) peer(JSON.parse(process.argv[2]));
else main();
