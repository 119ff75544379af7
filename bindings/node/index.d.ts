/// <reference types="node" />
import { EventEmitter } from 'node:events';
import { Readable, ReadableOptions, Writable, WritableOptions } from 'node:stream';

/** What can be sent: bytes, or a string, which goes out as UTF-8. What must wait is copied, so it may be changed, or given to a worker, at once. */
export type Data = string | NodeJS.ArrayBufferView | ArrayBufferLike;

export interface WaitOptions {
  /** Ends the wait: the promise is rejected with an `AbortError`; nothing was sent or taken. One signal may be given to any number. */
  signal?: AbortSignal;
  /**
   * Milliseconds, at least 0 (else a RangeError), `Infinity` for ever; more than 24.8 days (2³¹ - 1) are that many. The promise is rejected
   * with `ETIMEDOUT` then. Without it, `sendTimeout` or `receiveTimeout` of the socket is the limit; of monitors and `waitPeers` there is none.
   */
  timeout?: number;
}

/** Time limits, which sockets and contexts have. Milliseconds, at most 2³¹ - 1; `Infinity` is for ever. */
export interface TimeLimits {
  /** How long `send` waits for a peer that takes the message; `Infinity` at first. */
  sendTimeout?: number;
  /** How long `receive` waits for a message; `Infinity` at first. */
  receiveTimeout?: number;
}

/** Options, which are attributes of the socket as well. Times are milliseconds; `Infinity` is for ever. */
export interface Options extends TimeLimits {
  /** How long `close` waits until what was accepted is handed to the system; 1000 at first. */
  linger?: number;
  /** Bytes of the send buffer of each connection made later; 131072 at first. */
  sendBuffer?: number;
  /** Bytes of the receive buffer of each connection made later; 131072 at first. */
  receiveBuffer?: number;
  /** Pause before a lost connection is tried again; 100 at first. */
  reconnectInterval?: number;
  /** The pause doubles up to this; 0 at first: it stays the same. */
  reconnectIntervalMax?: number;
  /** 1 (first) to 16 (last): order of the peers of endpoints made later; 8 at first. */
  sendPriority?: number;
  /** 1 (first) to 16 (last): order of the peers of endpoints made later; 8 at first. */
  receivePriority?: number;
  /** False allows IPv6 addresses too; true at first. */
  ipv4Only?: boolean;
  /** At most 63 bytes; used in error output. */
  name?: string;
  /** Bytes; a peer that sends a larger message is disconnected. -1: no limit. 1048576 at first. */
  receiveMaxSize?: number;
  /** 1 to 255: a request that has crossed more devices is dropped; 8 at first. */
  maxTtl?: number;
  /** Whether calls that wait in other threads look a few times before they sleep; true at first. */
  spin?: boolean;
  /** Of connections over tcp made later; false at first. */
  tcpNoDelay?: boolean;
  /** Messages over ws are sent as text frames; false at first. */
  wsText?: boolean;
  /** Small messages of a stream that has lasted are put together; true at first. */
  coalesce?: boolean;
  /** What an attempt to connect may take; 10000 at first, `Infinity`: what the system allows. */
  connectTimeout?: number;
  /** After so long a silence the system asks whether the peer is still there; 60000 at first, 0: never. */
  keepAlive?: number;
  /** Whether `receiveMessage` tells who sent a message; false at first. */
  receivePeer?: boolean;
  /** Networks that bound addresses take connections from, as `127.0.0.1, 10.0.0.0/8`; '' at first: all. */
  acceptFrom?: string;
  /** Connections that a bound address has at a time; -1 at first: no limit. */
  acceptMax?: number;
  /** 0 to 63: class of the packets of connections made later; -1 at first: the system's. */
  dscp?: number;
  /** The network interface of connections made later; '' at first: any. */
  bindDevice?: string;
  /** How long a peer may leave what was sent unacknowledged; 0 at first: the system's limit. */
  tcpUserTimeout?: number;
  /** Permissions of the file of an ipc address, as 0o600; -1 at first: what the umask leaves. */
  ipcMode?: number;
  /** User id of the owner of that file; -1 at first: who runs the program. */
  ipcOwner?: number;
  /** Group id of that file; -1 at first: the program's. */
  ipcGroup?: number;
  /** The certificate that peers are shown, PEM, with those between it and its authority. It can be replaced, not taken back. */
  tlsCert?: string;
  /** The same from a file, which is read now. It cannot be read back. */
  tlsCertFile?: string;
  /** The private key of `tlsCert`, PEM. It cannot be read back. */
  tlsKey?: string;
  /** The same from a file, which is read now. It cannot be read back. */
  tlsKeyFile?: string;
  /** The certificates of the authorities that are believed, PEM; '' at first: those of the system. They can be replaced,
   *  not taken back: an empty text, which may be what an empty file held, is refused. */
  tlsCa?: string;
  /** The same from a file, which is read now. It cannot be read back. */
  tlsCaFile?: string;
  /** Whom the server's certificate must be for; '' at first: the host of the address. */
  tlsServerName?: string;
  /** Whether clients must show a certificate: 0 no (at first), 1 they may, 2 they must. */
  tlsAuth?: number;
  /** The oldest version of TLS that is spoken: 12 (at first) or 13. */
  tlsMinVersion?: number;
  /** Believes every certificate: for tests only. False at first. */
  tlsInsecureNoVerification?: boolean;
}

export interface SocketOptions extends Options {
  /** Addresses to listen at, as `tcp://127.0.0.1:5555`, `ipc:///tmp/x`, `inproc://name` or `ws://*:8080`. */
  bind?: string | readonly string[];
  /** Addresses to connect to, now and again whenever the connection is lost. */
  connect?: string | readonly string[];
  /** Whether the protocol's state and headers are left to the program. */
  raw?: boolean;
}

/** Counted since the socket was opened. */
export interface Statistics {
  establishedConnections: number;
  acceptedConnections: number;
  droppedConnections: number;
  brokenConnections: number;
  connectErrors: number;
  bindErrors: number;
  acceptErrors: number;
  currentConnections: number;
  connectionsInProgress: number;
  endpointErrors: number;
  messagesSent: number;
  messagesReceived: number;
  bytesSent: number;
  bytesReceived: number;
}

/** What this package throws and rejects with. */
export class MillraceError extends Error {
  /**
   * As `EADDRINUSE`, `ETIMEDOUT`, `EBADF` (the socket is closed), `EFSM` (not possible in this state), `ENOTSUP`. Of the object bus also
   * `ERR_REMOTE` (the method has failed; the text is its own), `ERR_NO_SERVICE`, `ENOTCONN`, `EINVAL` (a value of a wrong type, no such member).
   */
  readonly code: string;
  /** The number of the C library. */
  readonly errno: number;
  private constructor(errno: number, what?: string);
}

/** One address that a socket is bound or connected to. */
export class Endpoint {
  private constructor();
  /** The address; of a bind to port 0, with the port that the system has chosen. */
  readonly address: string;
  /** Takes the address away from the socket. What was accepted for its connections is still sent. */
  close(): void;
}

/** The other end of a connection. */
export interface Peer {
  /** The connection, by a number that is not used again soon; the same that events have. */
  readonly connection: number;
  /** An IP address with its port, over ipc the process with its user and group in words; empty if it is not known, or in this process. */
  readonly address: string;
  /** The process, over ipc and its like, as the kernel vouches for it. Numbers of processes are used again: decide by the user. */
  readonly process?: { readonly pid: number; readonly uid: number; readonly gid: number };
  /** Whom the certificate names that a TLS peer has shown, as `CN=sensor 7,O=Example`. */
  readonly subject?: string;
}

/** A message with all that is known of it. */
export interface Message {
  readonly body: Buffer;
  /** The protocol's header; empty, unless the socket is raw. */
  readonly header: Buffer;
  /** Who sent it; undefined if it came while `receivePeer` was false. */
  readonly peer?: Peer;
}

/** What sockets and their contexts have in common: messages, and waiting for them. */
export abstract class Messages extends EventEmitter implements AsyncIterable<Buffer> {
  protected constructor();

  /** The number of the protocol, as NN_PAIR. */
  readonly protocol: number;
  readonly raw: boolean;
  /** Whether `close` was called. */
  readonly closed: boolean;

  sendTimeout: number;
  receiveTimeout: number;

  /** Sends a message: at once if it can, else when a peer takes it. Then it is accepted: closing the socket sends it. */
  send(data: Data, options?: WaitOptions): Promise<void>;
  /** Sends at once, or gives false. */
  trySend(data: Data): boolean;
  /**
   * Sends messages in their order, several times faster than one by one. The time limit is for each that must wait. An error has `sent`: how
   * many were accepted.
   */
  sendMany(messages: Iterable<Data>, options?: WaitOptions): Promise<void>;
  /** Sends a message of a raw socket with the protocol's header, as `receiveRaw` gives it. */
  sendRaw(header: Data, body: Data, options?: WaitOptions): Promise<void>;

  /** Receives a message. Who calls first is served first; what is aborted or timed out has taken nothing. */
  receive(options?: WaitOptions): Promise<Buffer>;
  /** A message that is there, or null. */
  tryReceive(): Buffer | null;
  /** Waits for a message, and gives it with those that are there, up to a maximum (1000); with 0 it gives none, at once. */
  receiveMany(maximum?: number, options?: WaitOptions): Promise<Buffer[]>;
  /** Receives a message of a raw socket with the protocol's header. */
  receiveRaw(options?: WaitOptions): Promise<{ header: Buffer; body: Buffer }>;

  /** Receives a message with all that is known of it: its header, on a raw socket, and who sent it, while `receivePeer` is true. */
  receiveMessage(options?: WaitOptions): Promise<Message>;

  /** The messages that come; ends when the socket is closed. */
  [Symbol.asyncIterator](): AsyncIterableIterator<Buffer>;
  /**
   * A stream of the messages that come, which ends when the socket is closed. Destroying it, as `signal` does with an `AbortError`, leaves the
   * socket open; what it has read and nobody has taken from it is gone then: `highWaterMark` messages (16), at most.
   */
  readable(options?: ReadableOptions): Readable;
  /** A stream whose chunks are messages. Its end leaves the socket open. */
  writable(options?: WritableOptions): Writable;

  /**
   * Gives up the request or the survey that was sent last, or the request that was received last, as if it had not been: who waits for
   * an answer gets `EFSM`. `ENOTSUP` of raw sockets, and of other types than Req, Rep, Surveyor and Respondent.
   */
  cancel(): void;

  /** Sets an option by its numbers in the C interface, for those that have no attribute. Numbers are integers of 32 bits. */
  setOption(level: number, option: number, value: number | string | Uint8Array): void;
  getOption(level: number, option: number): number | Buffer;

  /** What waits for this keeps the process alive again. */
  ref(): this;
  /** What waits for this keeps the process alive no more. */
  unref(): this;

  /** Ends it; what waits for it is rejected with `EBADF`. Closing again gives the same promise. */
  close(): Promise<void>;
  /** `close`, for `await using`. */
  [Symbol.asyncDispose](): Promise<void>;

  /** 'message': each message that comes; of Req and Surveyor the answers to what was sent last. A listener keeps the process alive. */
  on(event: 'message', listener: (message: Buffer) => void): this;
  on(event: 'close', listener: () => void): this;
  on(event: 'error', listener: (error: Error) => void): this;
  on(event: string | symbol, listener: (...rest: any[]) => void): this;
  once(event: 'message', listener: (message: Buffer) => void): this;
  once(event: 'close', listener: () => void): this;
  once(event: 'error', listener: (error: Error) => void): this;
  once(event: string | symbol, listener: (...rest: any[]) => void): this;
}

/**
 * A socket of the protocol with this number; the classes below are one for each protocol.
 *
 * It belongs to the thread that made it; workers have sockets of their own, and talk over `inproc` addresses too. While something
 * waits for a socket (a `receive`, a `send`, a listener of 'message', an iterator) the process does not end, unless `unref` was
 * called. What a program has sent is handed to the system also if it ends without `close`.
 */
export class Socket extends Messages {
  constructor(protocol: number, options?: SocketOptions);

  linger: number;
  sendBuffer: number;
  receiveBuffer: number;
  reconnectInterval: number;
  reconnectIntervalMax: number;
  sendPriority: number;
  receivePriority: number;
  ipv4Only: boolean;
  name: string;
  receiveMaxSize: number;
  receivePeer: boolean;
  maxTtl: number;
  spin: boolean;
  tcpNoDelay: boolean;
  wsText: boolean;
  coalesce: boolean;
  connectTimeout: number;
  keepAlive: number;
  acceptFrom: string;
  acceptMax: number;
  dscp: number;
  bindDevice: string;
  tcpUserTimeout: number;
  ipcMode: number;
  ipcOwner: number;
  ipcGroup: number;
  tlsCert: string;
  tlsCertFile: string;
  tlsKey: string;
  tlsKeyFile: string;
  tlsCa: string;
  tlsCaFile: string;
  tlsServerName: string;
  tlsAuth: number;
  tlsMinVersion: number;
  tlsInsecureNoVerification: boolean;

  /** Listens at an address. Throws `EADDRINUSE`, `EINVAL`, `ENODEV`. */
  bind(address: string): Endpoint;
  /** Connects to an address, now and again whenever the connection is lost. */
  connect(address: string): Endpoint;

  /**
   * Opens a context, with the options that the socket has now, but without subscriptions. Throws `ENOTSUP` of raw sockets, and of
   * other types than Req, Rep, Surveyor, Respondent and Sub.
   */
  context(options?: TimeLimits): Context;

  /** What happens to its addresses and connections from now on. */
  monitor(): Monitor;
  /**
   * Sends a message to one peer alone: one that a message came from, or the `connection` of an event. Waits while that peer takes no more,
   * also where the socket would drop what one has no room for. `EHOSTUNREACH` if it is not there, or no more; `ENOTSUP` of Req, Rep, Surveyor
   * and Respondent unless they are raw. An answer of a raw Rep or Respondent needs the header of what it answers.
   */
  sendTo(peer: Peer | number, data: Data, options?: WaitOptions & { header?: Data }): Promise<void>;
  /** Waits until at least so many peers (1) are there: before a publish, say, which nobody would hear otherwise. */
  waitPeers(count?: number, options?: WaitOptions): Promise<void>;
  /** All that is known of the socket now: what it is, its options, statistics, endpoints and connections. More may come. */
  describe(): Record<string, any>;

  readonly statistics: Statistics;

  /**
   * Closes the socket and its contexts: what waits for them is rejected with `EBADF`. Kept when what was accepted is handed to the
   * system, or `linger` is over. Closing again gives the same promise.
   */
  close(): Promise<void>;
  /** `close`, for `await using`. */
  [Symbol.asyncDispose](): Promise<void>;
}

/**
 * What a socket remembers of its protocol, without the connections: any number of contexts ask, answer or subscribe for themselves
 * over those of one socket. A Req with ten contexts has ten requests under way.
 *
 * It sends and receives as a socket does. The socket can be used beside its contexts. Closing one gives up what it asked or was to
 * answer, and leaves the socket open.
 */
export class Context extends Messages {
  protected constructor();
  /** Whose context it is; it stays as long as its contexts do. */
  readonly socket: Socket;
}

/** A context of a Req: it has a request under way. */
export class ReqContext extends Context {
  /** As of its socket. */
  resendInterval: number;
}

/** A context of a Surveyor: it has a survey of its own. */
export class SurveyorContext extends Context {
  /** As of its socket. */
  deadline: number;
}

/** A context of a Sub: it has subscriptions and a queue of its own. */
export class SubContext extends Context {
  /** Wants messages that begin with these bytes; '' is all messages. */
  subscribe(topic: string | Uint8Array): void;
  /** Takes back a subscription. */
  unsubscribe(topic: string | Uint8Array): void;
}

/** Something happened to an address of a socket, or to a connection of one. */
export interface MonitorEvent {
  readonly kind:
    | 'listening' | 'stopped' | 'resolved' | 'connected' | 'accepted' | 'greeted'
    | 'refused' | 'lost' | 'connect_failed' | 'accept_failed';
  readonly time: Date;
  /** The address as it was given, a port that the system chose being filled in. */
  readonly address: string;
  /** The other end: an IP address with its port, over ipc the process with its user and group; '' if it is not known. */
  readonly peer: string;
  /** What happened, in words; '' if nothing went wrong. */
  readonly reason: string;
  /** The name of the error, as 'ECONNREFUSED', if there is one. */
  readonly error?: string;
  /** After how many milliseconds it tries to connect again, if it does. */
  readonly retry?: number;
  /** The connection: the same number in all events of it; 0 if it is about none. */
  readonly connection: number;
  /** How many events were dropped just before this one, since nobody read them: 1024 wait at most. */
  readonly dropped: number;
}

/** The events of a socket since `monitor` was called. Waiting for them keeps the process alive, unless `unref` was called. */
export class Monitor implements AsyncIterable<MonitorEvent> {
  private constructor();
  /** The next event. Rejected with `EBADF` when the socket is closed and all has been read, or the monitor was closed. */
  receive(options?: WaitOptions): Promise<MonitorEvent>;
  /** An event that is there, or null. */
  tryReceive(): MonitorEvent | null;
  /** The events that come; ends with the socket. */
  [Symbol.asyncIterator](): AsyncIterableIterator<MonitorEvent>;
  ref(): this;
  unref(): this;
  /** Ends it, and forgets its events. */
  close(): void;
}

/** Talks to exactly one peer, both ways. */
export class Pair extends Socket {
  constructor(options?: SocketOptions);
}

/** Sends every message to all subscribers; one that does not keep up loses messages. */
export class Pub extends Socket {
  constructor(options?: SocketOptions);
}

/** Receives what begins with one of its topics; without one, nothing comes. */
export class Sub extends Socket {
  constructor(options?: SocketOptions & { subscribe?: string | Uint8Array | readonly (string | Uint8Array)[] });
  /** Wants messages that begin with these bytes; '' is all messages. */
  subscribe(topic: string | Uint8Array): void;
  /** Takes back a subscription. */
  unsubscribe(topic: string | Uint8Array): void;
  context(options?: TimeLimits & { subscribe?: string | Uint8Array | readonly (string | Uint8Array)[] }): SubContext;
}

/** Sends a request and receives its reply; another request forgets the first. */
export class Req extends Socket {
  constructor(options?: SocketOptions & { resendInterval?: number });
  /** Milliseconds; a request without a reply is sent again after this; 60000 at first. */
  resendInterval: number;
  context(options?: TimeLimits & { resendInterval?: number }): ReqContext;
}

/** Receives a request and sends its reply, in turn. */
export class Rep extends Socket {
  constructor(options?: SocketOptions);
}

/** Gives each message to one of its peers, in turn. */
export class Push extends Socket {
  constructor(options?: SocketOptions);
}

/** Takes messages from all its peers, in turn. */
export class Pull extends Socket {
  constructor(options?: SocketOptions);
}

/** Asks all respondents and receives their answers until the deadline, when `receive` is rejected with `ETIMEDOUT`. */
export class Surveyor extends Socket {
  constructor(options?: SocketOptions & { deadline?: number });
  /** Milliseconds; how long answers are waited for; 1000 at first. */
  deadline: number;
  context(options?: TimeLimits & { deadline?: number }): SurveyorContext;
}

/** Receives a survey and may send an answer. */
export class Respondent extends Socket {
  constructor(options?: SocketOptions);
}

/** Sends every message to all peers it is connected with, and receives theirs. */
export class Bus extends Socket {
  constructor(options?: SocketOptions);
}

/**
 * Passes messages between two raw sockets, both ways if they can; with one, sends back to its peers what it receives. Each way ends
 * when the socket is closed that it receives from; the promise is kept when all ways have ended. The library does it in a thread of its own.
 * Until then it holds the process, also when the sockets were `unref`'d.
 */
export function device(one: Socket, other?: Socket): Promise<void>;
