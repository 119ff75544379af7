// Looked at by `tsc --strict` (tests/bindings_node.rs), never run.
import { Bus, Context, MonitorEvent, ReqContext, Endpoint, MillraceError, Pair, Pub, Rep, Req, Socket, Sub, Surveyor, device } from 'millrace-nanomsg';
import * as qi from 'millrace-nanomsg/qi';

class Heater {
  static qi = { methods: { warm: ['(i)s', '(d)s'], cool: '()', burnt: false } } satisfies qi.ServiceTypes<Heater>;
  level = new qi.Property<number>('i', 3);
  burnt = new qi.Signal<[part: string]>('(s)');

  warm(degrees: number): string {
    this.burnt.emit('plug');
    return `${(this.level.value += degrees)}`;
  }

  async cool(): Promise<number> {
    const signal: AbortSignal | undefined = qi.context()?.signal;
    return signal?.aborted ? 0 : 1;
  }
}

async function bus(): Promise<void> {
  const server: qi.Session = await qi.serve(['tcp://127.0.0.1:0'], { users: { robot: 'secret' } });
  const number: number = await server.register('Heater', new Heater());
  const session = await qi.connect(server.url, { user: 'robot', token: 'secret', reconnect: true, signal: AbortSignal.timeout(5) });
  session.on('disconnected', (reason) => reason.trim()).unref().ref();
  const heater = await session.service<Heater>('Heater');
  const text: string = await heater.warm(3);
  const cooled: number = await heater.cool();
  const level: number = await heater.level.get({ timeout: 3 });
  for await (const [part] of heater.burnt) part.trim();
  const events = await heater.level.subscribe({ queue: 3 });
  const next = await events.next({ timeout: 3 });
  if (!next.done) next.value.toFixed(events.missed);
  heater.on('burnt', (part) => part).unref();
  await heater.subscribed();
  const any = await session.waitForService('Other', { timeout: 3 });
  await any.method(1, qi.typed('f', 1), qi.tuple(1, 'a'));
  await any.call('method', [1], { signal: AbortSignal.timeout(5) });
  await any.post('method');
  const names: string[] = (await session.services()).map((service) => service.name);
  await server.unregister(number);
  console.log(text, cooled, level, names, heater.meta.methods[0]?.result);
  // @ts-expect-error the argument is a number
  await heater.warm('x');
  // @ts-expect-error there is no such method
  await heater.boil();
  // @ts-expect-error a service is an object
  await server.register('Wrong', 3);
}

// @ts-expect-error there is no such method
({ methods: { wram: '(i)s' } }) satisfies qi.ServiceTypes<Heater>;
// @ts-expect-error that is not a method's types
({ methods: { warm: 'i' } }) satisfies qi.ServiceTypes<Heater>;
// @ts-expect-error a property has its types in itself
({ methods: { level: '()i' } }) satisfies qi.ServiceTypes<Heater>;
// @ts-expect-error it is called methods
({ method: {} }) satisfies qi.ServiceTypes;

async function all(): Promise<void> {
  const req = new Req({ connect: ['tcp://127.0.0.1:1', 'inproc://x'], resendInterval: 5, receiveTimeout: Infinity });
  await req.send('text', { signal: AbortSignal.timeout(5), timeout: 3 });
  const reply: Buffer = await req.receive();
  const maybe: Buffer | null = req.tryReceive();
  const sent: boolean = req.trySend(reply);
  await req.sendMany([reply, 'x', new Uint16Array(2), new ArrayBuffer(3)]);
  const many: Buffer[] = await req.receiveMany(10);
  for await (const message of req) message.readInt8();
  const context: ReqContext = req.context({ receiveTimeout: 5, resendInterval: 3 });
  context.resendInterval = 4;
  await context.send('x');
  context.cancel();
  await context.close();
  const answering: Context = new Rep().context();
  for await (const question of answering) await answering.send(question);
  await req.waitPeers(1, { timeout: 5 });
  const monitor = req.monitor().unref();
  const event: MonitorEvent = await monitor.receive({ signal: AbortSignal.timeout(5) });
  console.log(event.kind === 'lost', event.time.getTime(), req.describe().pipes);
  monitor.close();
  // @ts-expect-error contexts have no addresses
  context.bind('inproc://x');
  // @ts-expect-error contexts are opened by sockets
  new Context();
  const sub = new Sub({ subscribe: ['a', Buffer.from('b')] });
  sub.on('message', (message) => message.subarray(1)).unref().ref();
  const endpoint: Endpoint = sub.bind('tcp://127.0.0.1:0');
  endpoint.close();
  sub.readable({ highWaterMark: 3 }).pipe(new Pub().writable());
  const { header, body } = await new Socket(48, { raw: true }).receiveRaw();
  const hub = new Bus({ receivePeer: true });
  const { body: question, peer } = await hub.receiveMessage({ timeout: 5 });
  const uid: number | undefined = peer?.process?.uid;
  if (peer) await hub.sendTo(peer, question, { header: 'h', signal: AbortSignal.timeout(5) });
  await hub.sendTo(event.connection, 'welcome');
  console.log(uid, hub.receivePeer);
  // @ts-expect-error an address is not a peer
  await hub.sendTo('tcp://127.0.0.1:1', 'x');
  await device(new Socket(16, { raw: true }));
  const count: number = sub.statistics.messagesReceived;
  try {
    await new Pair().close();
  } catch (error) {
    if (error instanceof MillraceError) console.log(error.code.length, error.errno.toFixed());
  }
  console.log(maybe, sent, many, header, body, count, new Surveyor({ deadline: 3 }).deadline, new Bus().closed);
  // @ts-expect-error there is no such option
  new Pair({ recieveTimeout: 3 });
  // @ts-expect-error not a message
  await req.send(7);
  // @ts-expect-error only a subscriber subscribes
  new Pair().subscribe('x');
  // @ts-expect-error read only
  req.closed = true;
}

void all;
void bus;

export async function disposed(): Promise<void> {
  await using pair = new Pair({ bind: 'inproc://types' });
  await using server = await qi.serve('tcp://127.0.0.1:0');
  console.log(pair.closed, server.connected);
}
