/// <reference types="node" />
import { EventEmitter } from 'node:events';
import { MillraceError } from './index.js';

export { MillraceError };

/**
 * What goes over the bus. From JavaScript: whole numbers are 64-bit integers, others doubles; a BigInt is an integer; Buffers and
 * Uint8Arrays are raw data, other typed arrays lists of their type; arrays are lists; plain objects are maps from strings, and structs where
 * the method wants one; instances of other classes become objects that the peer can call. Numbers are converted to what a method
 * declares; `typed` says another type. `undefined` and `null` are nothing (void).
 *
 * To JavaScript: integers beyond 2^53 are BigInts; structs with field names are objects, other tuples arrays; a map whose keys are all strings
 * is an object, else a Map; raw data is a Buffer; an object is a RemoteObject; nothing is undefined.
 */
export type Value = any;

export interface WaitOptions {
  /** Ends the wait: the promise is rejected with an `AbortError`. The peer is asked to cancel a call. */
  signal?: AbortSignal;
  /** Milliseconds, at least 0 (else a RangeError); `Infinity`, as at first, is for ever. Then the promise is rejected with `ETIMEDOUT`. */
  timeout?: number;
}

export interface CallOptions extends WaitOptions {
  /** Milliseconds, `Infinity` for ever; 5 minutes at first. */
  timeout?: number;
}

/** A value of a type of the bus, which its signature says: `typed('f', 1)`. */
export function typed(signature: string, value: Value): Value;
/** A tuple, where a list would be something else. */
export function tuple(...members: Value[]): Value;

export interface ConnectOptions {
  user?: string;
  token?: string;
  /** Connects again when the connection is lost; proxies and listeners go on then. False at first. */
  reconnect?: boolean;
  /** Milliseconds for connecting; 10000 at first, `Infinity` is as long as the system tries. */
  timeout?: number;
  signal?: AbortSignal;
  /** Where services of this session are reached; at first any port of the address from which it has reached the directory. */
  listen?: string | readonly string[];
}

/**
 * Connects to the directory at `url`: `tcp://host:port`, or `tcps://` with TLS; without a port, 9559. Rejected with
 * `ECONNREFUSED`, `EACCES` (wrong user or token), `ETIMEDOUT`, `EINVAL` (no address).
 */
export function connect(url?: string, options?: ConnectOptions): Promise<Session>;

export interface ServeOptions {
  /** Who is let in, with which token; without it, everybody. */
  users?: Readonly<Record<string, string>>;
}

/** Becomes a directory that listens at `url`, or at several; port 0 is any free one. Gives a session with it. */
export function serve(url?: string | readonly string[], options?: ServeOptions): Promise<Session>;

/** The types of a method, `(parameters)result`: `'(is)s'`, or `'(is)'` if it may give anything. */
export type MethodSignature = `(${string})${string}`;

/**
 * What `static qi` of a class `T` says of its objects: `static qi = { methods: { add: '(ii)i' } } satisfies ServiceTypes<Adder>`. Methods that are
 * not there, and what is not a method's types, are errors.
 */
export interface ServiceTypes<T extends object = any> {
  description?: string;
  /** By name: several for a method that takes one or the other; false hides a member. A method that is not named takes anything. */
  methods?: { readonly [K in keyof T]?: (T[K] extends (...values: any[]) => any ? MethodSignature | readonly MethodSignature[] : never) | false };
}

export interface ServiceInfo {
  name: string;
  serviceId: number;
  machineId: string;
  processId: number;
  endpoints: string[];
  sessionId: string;
}

/**
 * A connection to a directory, and to the services that it leads to. It belongs to the thread that made it.
 *
 * Calls under way, listeners and services of the session keep the process alive; the connection alone does not.
 */
export class Session extends EventEmitter {
  private constructor();
  /** The directory's address. */
  readonly url: string;
  readonly connected: boolean;
  /** Addresses at which services of this session are reached. */
  readonly endpoints: string[];

  /** A proxy of the service; rejected with `ERR_NO_SERVICE`. */
  service<T extends object = {}>(name: string, options?: WaitOptions): Promise<Remote<T>>;
  /** The same, when the service is there. */
  waitForService<T extends object = {}>(name: string, options?: WaitOptions): Promise<Remote<T>>;
  services(options?: WaitOptions): Promise<ServiceInfo[]>;

  /**
   * Makes an object the service of this name; gives its number. Its methods can be called, and its fields that are a Signal or
   * a Property listened to. What begins with `_` is private. `static qi = { description, methods: { add: '(ii)i', hidden: false } }` in its
   * class says the types of methods ({@link ServiceTypes}); one that is not named there takes anything. A method may be async; calls begin in the order of
   * their arrival.
   */
  register(name: string, instance: object): Promise<number>;
  /** Takes a service back. */
  unregister(number: number): Promise<void>;

  /** Services of this session keep the process alive again. */
  ref(): this;
  /** Services of this session keep the process alive no more. */
  unref(): this;
  /** Takes our services back and closes all connections; calls under way are answered before. */
  close(): Promise<void>;
  /** `close`, for `await using`. */
  [Symbol.asyncDispose](): Promise<void>;

  on(event: 'disconnected', listener: (reason: string) => void): this;
  on(event: string | symbol, listener: (...rest: any[]) => void): this;
}

/** A proxy with the members of `T`: methods give promises, the rest is as the bus has it. */
export type Remote<T extends object = {}> = RemoteObject &
  (keyof T extends never
    ? { readonly [member: string]: any }
    : {
        readonly [K in keyof T]: T[K] extends (...values: infer A) => infer R
          ? (...values: A) => Promise<Awaited<R>>
          : T[K] extends Property<infer V>
            ? RemoteProperty<V>
            : T[K] extends Signal<infer E>
              ? RemoteSignal<E>
              : never;
      });

/**
 * An object of another program. Its methods are async functions, its signals and properties members; those whose names an
 * EventEmitter has already are reached by `call`, `signal` and `property`.
 *
 * It emits an event for each of its signals, and of its properties' changes: `proxy.on('touched', (part) => …)`. 'error' is
 * emitted if that could not be listened to.
 */
export class RemoteObject extends EventEmitter {
  private constructor();
  /** Calls a method, by its name or by name and parameters: `call('add::(ii)', [1, 2])`. Rejected with `ERR_REMOTE` and the method's own text. */
  call(name: string, values?: readonly Value[], options?: CallOptions): Promise<Value>;
  /** Calls a method without wanting an answer; kept when it is on its way. */
  post(name: string, ...values: Value[]): Promise<void>;
  signal(name: string): RemoteSignal<any[]>;
  property(name: string): RemoteProperty<any>;
  /** Kept when all listeners that were added so far are known to the peer: no event is missed from then on. */
  subscribed(): Promise<void>;
  /** What the object can do. */
  readonly meta: {
    description: string;
    methods: { uid: number; name: string; parameters: string; result: string; description: string }[];
    signals: { uid: number; name: string; signature: string }[];
    properties: { uid: number; name: string; signature: string }[];
  };
  readonly connected: boolean;
  ref(): this;
  /** Listeners keep the process alive no more. */
  unref(): this;
}

export interface SubscribeOptions {
  /** Events that may wait; 1000. What comes while so many wait is dropped and counted. */
  queue?: number;
  signal?: AbortSignal;
}

/** Events one by one: the arrays of their values; of a property, the value. */
export interface Events<E> extends AsyncIterableIterator<E> {
  /** The next one; rejected with `ENOTCONN` after the last one of a connection. */
  next(options?: WaitOptions): Promise<IteratorResult<E, undefined>>;
  /** Events dropped so far. */
  readonly missed: number;
  close(): void;
}

/** A signal of another program's object. Iterating over it listens until the loop is left. */
export class RemoteSignal<E = any[]> implements AsyncIterable<E> {
  protected constructor();
  readonly name: string;
  /** Kept when the peer has accepted: no event is missed from then on, unless too many wait. */
  subscribe(options?: SubscribeOptions): Promise<Events<E>>;
  [Symbol.asyncIterator](): AsyncIterableIterator<E>;
  /** Has the object emit it to all who listen. */
  emit(...values: Value[]): Promise<void>;
}

/** A property of another program's object; as a signal it has its changes. */
export class RemoteProperty<V = any> extends RemoteSignal<V> {
  private constructor();
  get(options?: CallOptions): Promise<V>;
  set(value: V, options?: CallOptions): Promise<void>;
}

/** A signal of a service: a field of its class. */
export class Signal<E extends any[] = any[]> {
  /** The type of its values, as `(is)`; `m`, the default, is anything. */
  constructor(signature?: string);
  readonly signature: string;
  /** Tells all who listen. Whoever does not keep up misses events. */
  emit(...values: E): void;
  /** How many peers listen. */
  readonly subscribers: number;
}

/** A property of a service: a value that others read, set and listen to. */
export class Property<V = any> extends EventEmitter {
  /** The type of the value, as `i`; without a value it begins with 0, '' or what else is nothing. */
  constructor(signature?: string, value?: V);
  readonly signature: string;
  /** Setting it tells all who listen; throws `EINVAL` for what is not of the type. */
  value: V;
  readonly subscribers: number;
  /** A peer has set it. */
  on(event: 'change', listener: (value: V) => void): this;
  on(event: string | symbol, listener: (...rest: any[]) => void): this;
}

/** Of the call that a method has begun with, until its first `await`; undefined elsewhere. */
export function context(): { readonly signal: AbortSignal; readonly remote: string; readonly user?: string } | undefined;
