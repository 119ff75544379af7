'use strict';
// Sockets as streams of messages.

const { Readable, Writable } = require('node:stream');

function readable(socket, options = {}) {
  const ended = new AbortController();
  return new Readable({
    objectMode: true,
    ...options,
    async read() {
      try {
        this.push(await socket.receive({ signal: ended.signal }));
      } catch (error) {
        if (socket.closed) this.push(null);
        else if (!ended.signal.aborted) this.destroy(error);
      }
    },
    destroy(error, done) {
      ended.abort();
      done(error);
    },
  });
}

/** What a string with an encoding stands for: streams that take objects leave that to us, and tell the default of none. */
function encoded(stream, chunk, encoding) {
  const given = encoding ?? stream._writableState?.defaultEncoding;
  return typeof chunk === 'string' && Buffer.isEncoding(given) ? Buffer.from(chunk, given) : chunk;
}

function writable(socket, options = {}) {
  const ended = new AbortController();
  return new Writable({
    objectMode: true,
    ...options,
    write(message, encoding, done) {
      socket.send(encoded(this, message, encoding), { signal: ended.signal }).then(() => done(), done);
    },
    writev(chunks, done) {
      socket.sendMany(chunks.map(({ chunk, encoding }) => encoded(this, chunk, encoding)), { signal: ended.signal }).then(() => done(), done);
    },
    destroy(error, done) {
      ended.abort();
      done(error);
    },
  });
}

module.exports = { readable, writable };
