// patch.test.mjs: JSON Merge Patch: the table of RFC 7396, appendix A, and hostile names.
import assert from 'node:assert/strict';
import { test } from 'node:test';
import { mergePatch, ownValue } from '../../web/patch.js';

const APPENDIX = [
  ['{"a":"b"}', '{"a":"c"}', '{"a":"c"}'],
  ['{"a":"b"}', '{"b":"c"}', '{"a":"b","b":"c"}'],
  ['{"a":"b"}', '{"a":null}', '{}'],
  ['{"a":"b","b":"c"}', '{"a":null}', '{"b":"c"}'],
  ['{"a":["b"]}', '{"a":"c"}', '{"a":"c"}'],
  ['{"a":"c"}', '{"a":["b"]}', '{"a":["b"]}'],
  ['{"a":{"b":"c"}}', '{"a":{"b":"d","c":null}}', '{"a":{"b":"d"}}'],
  ['{"a":[{"b":"c"}]}', '{"a":[1]}', '{"a":[1]}'],
  ['["a","b"]', '["c","d"]', '["c","d"]'],
  ['{"a":"b"}', '["c"]', '["c"]'],
  ['{"a":"foo"}', 'null', 'null'],
  ['{"a":"foo"}', '"bar"', '"bar"'],
  ['{"e":null}', '{"a":1}', '{"e":null,"a":1}'],
  ['[1,2]', '{"a":"b","c":null}', '{"a":"b"}'],
  ['{}', '{"a":{"bb":{"ccc":null}}}', '{"a":{"bb":{}}}'],
];

for (const [original, patch, result] of APPENDIX) {
  test(`${original} with ${patch}`, () => {
    assert.deepEqual(mergePatch(JSON.parse(original), JSON.parse(patch)), JSON.parse(result));
  });
}

test('a patch and what it made do not share arrays', () => {
  const patch = { a: [1, { b: 2 }] };
  const out = mergePatch({}, patch);
  patch.a[1].b = 3;
  assert.equal(out.a[1].b, 2);
});

test('names that objects inherit are ordinary names', () => {
  const out = mergePatch({}, JSON.parse('{"pools":{"__proto__":{"used":1},"constructor":{"used":2},"toString":{"used":3}}}'));
  assert.deepEqual(Object.keys(out.pools).sort(), ['__proto__', 'constructor', 'toString']);
  assert.equal(ownValue(out.pools, '__proto__').used, 1);
  assert.equal(out.pools.constructor.used, 2);
  assert.equal({}.used, undefined);
  assert.equal(Object.getPrototypeOf(out.pools), Object.prototype);
  mergePatch(out, JSON.parse('{"pools":{"__proto__":{"used":7}}}'));
  assert.equal(ownValue(out.pools, '__proto__').used, 7);
  mergePatch(out, JSON.parse('{"pools":{"__proto__":null}}'));
  assert.equal(ownValue(out.pools, '__proto__'), undefined);
});
