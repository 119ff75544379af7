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

function writable(socket, options = {}) {
  const ended = new AbortController();
  return new Writable({
    objectMode: true,
    ...options,
    write(message, _encoding, done) {
      socket.send(message, { signal: ended.signal }).then(() => done(), done);
    },
    writev(chunks, done) {
      socket.sendMany(chunks.map(({ chunk }) => chunk), { signal: ended.signal }).then(() => done(), done);
    },
    destroy(error, done) {
      ended.abort();
      done(error);
    },
  });
}

module.exports = { readable, writable };
