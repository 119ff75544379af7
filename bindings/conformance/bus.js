'use strict';
// The object bus's part of the conformance list for Node.js (see README.md).
//
// node bus.js serve        prints "= URL", and serves until its input ends
// node bus.js check URL LIST

const assert = require('node:assert/strict');
const fs = require('node:fs');
const { once } = require('node:events');
const qi = require('millrace-nanomsg/qi');

class Proof {
  static qi = { methods: { add: '(ii)i', echo: '(m)m', halves: '([d])[d]', say: '(is)v', fail: '(s)v' } };

  said = new qi.Signal('(is)');
  level = new qi.Property('i', 7);

  add(a, b) {
    return a + b;
  }

  echo(value) {
    return value;
  }

  halves(values) {
    return values.map((value) => value / 2);
  }

  say(number, text) {
    this.said.emit(number, text);
  }

  fail(text) {
    throw new Error(text);
  }
}

async function serve() {
  const session = await qi.serve('tcp://127.0.0.1:0');
  await session.register('Proof', new Proof());
  console.log(`= ${session.url}`);
  process.stdin.resume();
  await once(process.stdin, 'end');
  await session.close();
}

async function check(url, cases) {
  const session = await qi.connect(url);
  const proof = await session.service('Proof');
  for (const { call, with: values, gives } of cases.calls) assert.deepEqual(await proof[call](...values), gives, call);
  for (const value of cases.echo) assert.deepEqual(await proof.echo(value), value);
  for (const { call, with: values, says } of cases.failures) {
    await assert.rejects(proof[call](...values), (error) => error.message.includes(says), call);
  }
  const said = await proof.said.subscribe();
  for (const event of cases.events) {
    await proof.say(...event);
    assert.deepEqual((await said.next()).value, event);
  }
  said.close();
  assert.equal(await proof.level.get(), cases.property.first);
  const changes = await proof.level.subscribe();
  for (const value of cases.property.set) {
    await proof.level.set(value);
    assert.equal((await changes.next()).value, value);
    assert.equal(await proof.level.get(), value);
  }
  changes.close();
  await session.close();
  console.log('ok');
}

const [, , mode, url, list] = process.argv;
if (mode === 'serve') serve();
else check(url, JSON.parse(fs.readFileSync(list)).bus);
