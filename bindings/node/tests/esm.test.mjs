import assert from 'node:assert';
import { test } from 'node:test';
import * as esm from 'millrace-nanomsg';
import * as esmQi from 'millrace-nanomsg/qi';
import { createRequire } from 'node:module';

test('a module has the same names, however it is loaded', () => {
  const require = createRequire(import.meta.url);
  for (const [cjs, module] of [[require('millrace-nanomsg'), esm], [require('millrace-nanomsg/qi'), esmQi]]) {
    for (const name of Object.keys(cjs)) assert.equal(module[name], cjs[name], name);
    assert.equal(module.default, cjs);
  }
});
