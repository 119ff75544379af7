import assert from 'node:assert';
import { test } from 'node:test';
import * as esm from 'millrace-nanomsg';
import { createRequire } from 'node:module';

test('a module has the same names, however it is loaded', () => {
  const cjs = createRequire(import.meta.url)('millrace-nanomsg');
  for (const name of Object.keys(cjs)) assert.equal(esm[name], cjs[name], name);
  assert.equal(esm.default, cjs);
});
