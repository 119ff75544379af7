'use strict';
// Exceptions: one class, told apart by `code`, as Node does.

const { constants } = require('node:os');
const native = require('./native.js');

// nanomsg's own numbers, and ENOTSUP, which Node calls by its other name.
const NAMES = new Map(Object.entries(constants.errno).map(([name, number]) => [number, name]));
NAMES.set(156384712 + 53, 'ETERM').set(156384712 + 54, 'EFSM').set(constants.errno.EOPNOTSUPP, 'ENOTSUP').set(constants.errno.EAGAIN, 'EAGAIN');

/** What an errno is called. */
const name = (errno) => NAMES.get(errno) ?? `E${errno}`;

/** What this package throws and rejects with. */
class MillraceError extends Error {
  constructor(errno, what, text = native.errorText(errno)) {
    super(what ? `${what}: ${text}` : text);
    this.name = 'MillraceError';
    this.errno = errno;
    this.code = name(errno);
  }
}

/** A failure of the bus: its code is an errno in digits, or a name of its own. */
function busError(code, text) {
  const error = new MillraceError(Number(code) || constants.errno.EPROTO, '', text);
  if (!Number(code)) error.code = code;
  return error;
}

/** Passes a number on, or throws what a negative one stands for. */
function check(number, what) {
  if (number < 0) throw new MillraceError(-number, what);
  return number;
}

/** The same of what is done with an address: says what is most often wrong with one. */
function checkAddress(number, what, address) {
  if (number !== -constants.errno.EINVAL) return check(number, `${what} ${address}`);
  let hint = '';
  if (!address.includes('://')) hint = ' (an address begins with its transport, as tcp://)';
  else if (what === 'bind' && /^(tls\+tcp|wss):/.test(address)) hint = ' (without tlsCert and tlsKey, or their files, nobody can connect by TLS)';
  throw new MillraceError(-number, `${what} ${address}`, native.errorText(-number) + hint);
}

/** Calls what throws with an errno as its code. */
function translate(call, what) {
  try {
    return call();
  } catch (error) {
    const errno = Number(error.code);
    throw errno ? new MillraceError(errno, what) : error;
  }
}

/** What an aborted operation rejects with: as Node's own functions do. */
function aborted(signal) {
  const error = new Error('The operation was aborted', { cause: signal.reason });
  error.name = 'AbortError';
  error.code = 'ABORT_ERR';
  return error;
}

const { EAGAIN, ETIMEDOUT, EBADF, ENOTCONN } = constants.errno;
const EFSM = 156384712 + 54;

module.exports = { MillraceError, name, busError, check, checkAddress, translate, aborted, EAGAIN, ETIMEDOUT, EBADF, ENOTCONN, EFSM };
