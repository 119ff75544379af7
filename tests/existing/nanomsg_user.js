// npm's nanomsg at work, unmodified: patterns over transports, options. NANOMSG_INSTALLED is where npm has put it.
//     node nanomsg_user.js DIRECTORY PORT
'use strict';
const assert = require('assert');
const path = require('path');
const { createRequire } = require('module');
const nano = createRequire(path.join(process.env.NANOMSG_INSTALLED, 'x.js'))('nanomsg');

const [directory, port] = process.argv.slice(2);
const addresses = ['inproc://here', `ipc://${directory}/socket`, `tcp://127.0.0.1:${port}`];

const next = (socket) => new Promise((resolve) => socket.once('data', (data) => resolve(String(data))));

/** Two sockets at an address, one of them bound. */
function two(one, other, address) {
  // A send waits for the peer, as it does not at first.
  const sockets = [one, other].map((type) => nano.socket(type, { dontwait: false, sndtimeo: 20000 }));
  assert(sockets[0].bind(address) > 0 && sockets[1].connect(address) > 0);
  return sockets;
}

async function oneWay(from, to, address) {
  const [sender, receiver] = two(from, to, address);
  if (to === 'sub') {
    // Nobody hears what is published before the connection is there.
    const heard = next(receiver);
    const again = setInterval(() => sender.send('published'), 5);
    assert.strictEqual(await heard, 'published');
    clearInterval(again);
  } else {
    const got = next(receiver);
    sender.send('one way');
    assert.strictEqual(await got, 'one way');
  }
  sender.close();
  receiver.close();
}

async function thereAndBack(asking, answering, address) {
  const [server, client] = two(answering, asking, address);
  server.on('data', (data) => server.send(`${data}, answered`));
  // Until somebody is there, a survey finds nobody.
  const answer = next(client);
  client.send('asked');
  const again = asking === 'surveyor' ? setInterval(() => client.send('asked'), 200) : undefined;
  assert.strictEqual(await answer, 'asked, answered');
  clearInterval(again);
  client.close();
  server.close();
}

async function main() {
  for (const address of addresses) {
    await oneWay('push', 'pull', address);
    await oneWay('pub', 'sub', address);
    await oneWay('pair', 'pair', address);
    await thereAndBack('req', 'rep', address);
    await thereAndBack('surveyor', 'respondent', address);
  }
  const socket = nano.socket('pair');
  for (const name of ['reconn', 'sndbuf', 'rcvbuf', 'sndtimeo', 'rcvtimeo']) {
    socket[name](4000);
    assert.strictEqual(socket[name](), 4000, name);
  }
  socket.close();
  console.log('ok');
}

process.on('unhandledRejection', (error) => { throw error; });
main();
