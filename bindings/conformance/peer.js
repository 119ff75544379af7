'use strict';
// The peer of the conformance list for Node.js (see README.md).

const readline = require('node:readline');
const millrace = require('millrace-nanomsg');

const TIMES = new Set([
  ...['linger', 'send_timeout', 'recv_timeout', 'reconnect_interval', 'reconnect_interval_max', 'resend_interval', 'deadline'],
  ...['connect_timeout', 'keepalive', 'tcp_user_timeout'],
]);
const FLAGS = new Set(['ipv4_only', 'tcp_no_delay', 'ws_text', 'spin', 'coalesce', 'recv_peer', 'tls_insecure_no_verification']);
const TEXTS = new Set(['accept_from', 'bind_device', 'tls_server_name', 'tls_ca', 'tls_key', 'tls_ca_file', 'tls_cert_file', 'tls_key_file']);

const attribute = (option) =>
  option.replace(/^recv/, 'receive').replace('keepalive', 'keep_alive').replace(/_(.)/g, (_, letter) => letter.toUpperCase());

function body(size, seed) {
  const bytes = Buffer.alloc(size);
  for (let index = 0; index < size; index++) bytes[index] = (seed + 7 * index) % 251;
  return bytes;
}

const sockets = {};

async function run(name, command, first, second) {
  if (command === 'open') {
    sockets[name] = new millrace[first[0].toUpperCase() + first.slice(1)]();
    return '';
  }
  if (command === 'context') {
    sockets[name] = sockets[first].context();
    return '';
  }
  const socket = sockets[name];
  switch (command) {
    case 'bind':
      return socket.bind(first).address;
    case 'connect':
      return void socket.connect(first);
    case 'subscribe':
      return socket.subscribe('');
    case 'send':
      return socket.send(body(Number(first), Number(second)));
    case 'recv': {
      const message = await socket.receive();
      if (!message.equals(body(Number(first), Number(second)))) throw new RangeError(`${message.length} bytes`);
      return '';
    }
    case 'connections':
      return socket.statistics.currentConnections;
    case 'set': {
      let value = TEXTS.has(first) ? second : Number(second);
      if (TIMES.has(first) && value < 0) value = Infinity;
      if (FLAGS.has(first)) value = Boolean(value);
      socket[attribute(first)] = value;
      return '';
    }
    case 'get': {
      const value = socket[attribute(first)];
      if (TEXTS.has(first)) return value;
      return value === Infinity ? -1 : Number(value);
    }
    default:
      return socket.close();
  }
}

async function main() {
  for await (const line of readline.createInterface({ input: process.stdin })) {
    try {
      console.log(`ok ${(await run(...line.split(' '))) ?? ''}`.trim());
    } catch (error) {
      console.log(error.errno ? `error ${error.errno}` : `wrong ${error.message}`);
    }
  }
  process.exit();
}

main();
