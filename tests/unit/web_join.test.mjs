// web_join.test.mjs: modules that are joined into one do what the same modules do singly.

import assert from 'node:assert/strict';
import { execFileSync, spawnSync } from 'node:child_process';
import { mkdtempSync, rmSync, writeFileSync } from 'node:fs';
import { tmpdir } from 'node:os';
import path from 'node:path';
import test from 'node:test';
import { fileURLToPath, pathToFileURL } from 'node:url';

const ROOT = path.resolve(path.dirname(fileURLToPath(import.meta.url)), '../..');

/** @param {Record<string, string>} files @param {string} entry @param {(dir: string, joined: {status: number | null, stdout: string, stderr: string}) => any} look */
async function joined(files, entry, look) {
  const dir = mkdtempSync(path.join(tmpdir(), 'memcam-join-'));
  try {
    for (const [name, text] of Object.entries(files)) writeFileSync(path.join(dir, name), text);
    const { status, stdout, stderr } = spawnSync('awk', ['-v', `dir=${dir}`, '-v', `entry=${entry}`, '-f', path.join(ROOT, 'server/web_join.awk')], { encoding: 'utf8' });
    await look(dir, { status, stdout, stderr });
  } finally {
    rmSync(dir, { recursive: true });
  }
}

const ORDER = 'globalThis.order ??= []; ';
const MODULES = {
  'main.js': `import { twice as double, Point } from './maths.js';
import lib from './lib.min.js';
import { count, rise } from './state.js';
import { log } from './a-b.js';

${ORDER}order.push('main');
const local = 'import { x } from y; export const z';
rise();
rise();
globalThis.seen = [double(21), new Point(1, 2).sum(), lib(3), count.n, log\`x\`, local, import.meta.url.endsWith('main.js')];
`,
  'maths.js': `import { count, FACTOR$ } from './state.js';
${ORDER}order.push('maths');
const local = 2;
export function twice(x) {
  count.n += 1;
  return x * local * FACTOR$;
}
export class Point {
  constructor(x, y) { this.x = x; this.y = y; }
  sum() { return this.x + this.y; }
}
`,
  'state.js': `${ORDER}order.push('state');
export const count = { n: 0 };
export const FACTOR$ = 1;
const local = 5;
export const rise = () => { count.n += local; };
`,
  'lib.min.js': `var lib = function () { return function (x) { return x * 100; }; }();
export default lib;
`,
  'a-b.js': `import { count } from './state.js';
import lib from './lib.min.js';
export async function later() { return lib(count.n); }
export function log([text]) { return text + count.n; }
`,
};

test('joined modules run in the same order and give the same as single ones', async () => {
  await joined(MODULES, 'main.js', async (dir, out) => {
    assert.equal(out.status, 0, out.stderr);
    writeFileSync(path.join(dir, 'package.json'), '{"type":"module"}');
    const runOf = (/** @type {string} */ file) => execFileSync(process.execPath, ['--input-type=module', '-e', `await import(${JSON.stringify(pathToFileURL(file).href)}); console.log(JSON.stringify([seen, order]));`], { encoding: 'utf8' });
    const single = runOf(path.join(dir, 'main.js'));
    const one = path.join(dir, 'one');
    execFileSync('mkdir', [one]);
    writeFileSync(path.join(one, 'package.json'), '{"type":"module"}');
    writeFileSync(path.join(one, 'main.js'), out.stdout);
    assert.equal(runOf(path.join(one, 'main.js')), single);
    const [seen, order] = JSON.parse(single);
    assert.deepEqual(seen, [42, 3, 300, 11, 'x11', 'import { x } from y; export const z', true]);
    assert.deepEqual(order, ['state', 'maths', 'main']);
    assert.doesNotMatch(out.stdout, /^(import|export)\b(?!\.)/m);
  });
});

/** @type {[string, Record<string, string>, RegExp][]} what can't be joined is refused where it stands */
const REFUSED = [
  ['a binding that changes', { 'main.js': "import { n } from './n.js';\n", 'n.js': 'const a = 1;\nexport let n = a;\n' }, /^n\.js:2: an export of another form/],
  ['a list of exports', { 'main.js': "import { n } from './n.js';\n", 'n.js': 'const n = 1;\nexport { n };\n' }, /^n\.js:2: /],
  ['a default without a name', { 'main.js': "import n from './n.js';\n", 'n.js': 'export default 5;\n' }, /^n\.js:1: an export of another form/],
  ['all of a module', { 'main.js': "const a = 1;\nimport * as n from './n.js';\n", 'n.js': '' }, /^main\.js:2: an import of another form/],
  ['an import for its effect', { 'main.js': "import './n.js';\n", 'n.js': '' }, /^main\.js:1: /],
  ['an import over several lines', { 'main.js': "import {\n  n,\n} from './n.js';\n", 'n.js': '' }, /^main\.js:1: /],
  ['a module from elsewhere', { 'main.js': "import { n } from 'n';\n" }, /^main\.js:1: /],
  ['a file that is not there', { 'main.js': "\nimport { n } from './n.js';\n" }, /^main\.js:2: n\.js can't be read/],
  ['a ring', { 'main.js': "import { a } from './a.js';\n", 'a.js': "import { b } from './b.js';\nexport const a = 1;\n", 'b.js': "import { a } from './a.js';\nexport const b = 1;\n" }, /^b\.js:1: modules import each other: a\.js/],
];

for (const [what, files, message] of REFUSED) {
  test(`refused: ${what}`, () => joined(files, 'main.js', (dir, out) => {
    assert.equal(out.status, 1);
    assert.match(out.stderr, message);
  }));
}
