'use strict';
// A service with a property on the object bus, and a client that sets it and watches it change.   node examples/qi_service.js
//
// The two would usually be two programs; the client gets the directory's address then.

const qi = require('millrace-nanomsg/qi');

/** Warms the room. */
class Heater {
  static qi = { description: 'Warms the room.', methods: { warm: '(i)s' } };

  level = new qi.Property('i');

  warm(degrees) {
    this.level.value += degrees;
    return `${this.level.value} degrees`;
  }
}

async function main() {
  const server = await qi.serve('tcp://127.0.0.1:0');
  await server.register('Heater', new Heater());

  const client = await qi.connect(server.url);
  const heater = await client.service('Heater');
  const changes = await heater.level.subscribe();
  await heater.level.set(5);
  console.log(`level ${(await changes.next()).value} was seen`);
  changes.close();
  console.log(await heater.warm(1));
  await client.close();
  await server.close();
}

main();
