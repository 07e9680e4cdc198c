// program_lib.mjs: the real program for browser tests: started, under load, asked, stopped.

import { execFileSync, spawn } from 'node:child_process';
import { existsSync, mkdtempSync, rmSync } from 'node:fs';
import { request } from 'node:http';
import { tmpdir } from 'node:os';
import path from 'node:path';
import { BUILD, ROOT, sleep, until } from './page_lib.mjs';

const MEMCAM = path.join(BUILD, 'memcam');
const STOP_MS = 20000;
export const APP = path.join(ROOT, 'tests/demo/app.scm');
/** For stores and the runtime directory; gone with stopAll. */
export const folder = mkdtempSync(path.join(tmpdir(), 'memcam-browser-'));
/** @type {Set<import('node:child_process').ChildProcess>} */
const children = new Set();

if (!existsSync(MEMCAM)) {
  console.log(`FAILED: ${MEMCAM} is not built`);
  process.exit(1);
}

/** Compile a C program of this folder that writes traces. @param {string} name @returns {string} its path */
export function compileWriter(name) {
  const target = path.join(folder, name);
  const sanitize = /asan/.test(BUILD) ? ['-fsanitize=address,undefined'] : [];
  execFileSync('gcc', ['-O1', '-g', '-D_GNU_SOURCE', '-I.', ...sanitize, '-o', target, `tests/e2e/${name}.c`, path.join(BUILD, 'store.a'), path.join(BUILD, 'tracer.a'), '-lzstd', '-lsqlite3', '-lm', '-pthread'], { cwd: ROOT });
  return target;
}

/** End what start() started, and with it what that records; kill what does not end. */
export async function stopAll() {
  for (const child of children) child.kill('SIGTERM');
  for (let end = Date.now() + STOP_MS; children.size > 0 && Date.now() < end;) await sleep(20);
  for (const child of children) child.kill('SIGKILL');
  rmSync(folder, { recursive: true, force: true });
}

/**
 * Start memcam and wait for its lines.
 * @param {string[]} args @param {string[]} lines the words that begin the lines waited for
 */
export async function start(args, lines) {
  const child = spawn(MEMCAM, args, { stdio: ['ignore', 'pipe', 'pipe'], env: { ...process.env, XDG_RUNTIME_DIR: folder } });
  children.add(child);
  let out = '';
  let err = '';
  child.stdout.on('data', (data) => { out += data; });
  child.stderr.on('data', (data) => { err += data; });
  const exited = new Promise((resolve) => { child.on('exit', (code, signal) => { children.delete(child); resolve(code ?? signal); }); });
  /** @type {Record<string, string>} */
  const urls = {};
  await until(() => {
    for (const line of out.split('\n')) {
      const [word, url] = line.split(' ');
      if (lines.includes(word) && url) urls[word] = url;
    }
    return lines.every((word) => urls[word]);
  }, `memcam ${args[0]} says where it listens`);
  if (!lines.every((word) => urls[word])) throw new Error(`memcam ${args.join(' ')}: ${out}${err}`);
  return { child, urls, exited, stderr: () => err };
}

/** Requests to the app, some at a time, until stopped. @param {string} base */
export function load(base) {
  let on = true;
  const paths = ['/hello', '/hello', '/item/7?q=x', '/alloc', '/nowhere'];
  let turn = 0;
  const next = () => {
    if (!on) return;
    turn += 1;
    const asked = request(base + paths[turn % paths.length], { timeout: 15000 }, (response) => {
      response.resume();
      response.on('end', () => setTimeout(next, 20));
    });
    asked.on('error', () => setTimeout(next, 200));
    asked.on('timeout', () => asked.destroy());
    asked.end();
  };
  for (let i = 0; i < 4; i += 1) next();
  return () => { on = false; };
}

/** @param {string} url */
export async function getJson(url) {
  return (await fetch(url)).json();
}

/** @param {string} base @param {string} sql */
export async function query(base, sql) {
  const response = await fetch(`${base}/api/query`, { method: 'POST', headers: { 'Content-Type': 'application/json' }, body: JSON.stringify({ sql, limit: 100 }) });
  return response.json();
}
