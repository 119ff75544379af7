'use strict';
// The native half: this directory's own, or what `npm install` has put there.

const path = require('node:path');

const file = path.join(__dirname, '..', 'millrace.node');

try {
  module.exports = require(file);
} catch (cause) {
  const message =
    `millrace-nanomsg: its native part cannot be loaded (${cause.message.split('\n')[0]}).\n` +
    'If npm was told to run no install scripts, run them for this package: npm rebuild millrace-nanomsg --ignore-scripts=false. ' +
    'It is for Linux; building it needs a checkout of Millrace and a Rust toolchain (https://rustup.rs).';
  throw new Error(message, { cause });
}
