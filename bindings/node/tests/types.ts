// Looked at by `tsc --strict` (tests/bindings_node.rs), never run.
import { Bus, Endpoint, MillraceError, Pair, Pub, Req, Socket, Sub, Surveyor, device } from 'millrace-nanomsg';

async function all(): Promise<void> {
  const req = new Req({ connect: ['tcp://127.0.0.1:1', 'inproc://x'], resendInterval: 5, receiveTimeout: Infinity });
  await req.send('text', { signal: AbortSignal.timeout(5), timeout: 3 });
  const reply: Buffer = await req.receive();
  const maybe: Buffer | null = req.tryReceive();
  const sent: boolean = req.trySend(reply);
  await req.sendMany([reply, 'x', new Uint16Array(2), new ArrayBuffer(3)]);
  const many: Buffer[] = await req.receiveMany(10);
  for await (const message of req) message.readInt8();
  const sub = new Sub({ subscribe: ['a', Buffer.from('b')] });
  sub.on('message', (message) => message.subarray(1)).unref().ref();
  const endpoint: Endpoint = sub.bind('tcp://127.0.0.1:0');
  endpoint.close();
  sub.readable({ highWaterMark: 3 }).pipe(new Pub().writable());
  const { header, body } = await new Socket(48, { raw: true }).receiveRaw();
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
