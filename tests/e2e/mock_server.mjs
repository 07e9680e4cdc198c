// mock_server.mjs: speaks the dashboard's HTTP API from made-up data: for work on the page alone.
// Usage: node mock_server.mjs [PORT]   prints "dashboard http://127.0.0.1:PORT". Run 1 is recorded
// (1,200 ticks), run 2 is live. No TLS, no compression, no doors: the program has those.

import { createServer } from 'node:http';
import { readFile } from 'node:fs/promises';
import { fileURLToPath } from 'node:url';
import path from 'node:path';
import { mergePatch } from '../../web/patch.js';
import { Program } from './mock_data.mjs';

const ROOT = path.resolve(path.dirname(fileURLToPath(import.meta.url)), '../..');
const CSP = "default-src 'none'; script-src 'self'; style-src 'self'; connect-src 'self'; img-src 'self' data: blob:; base-uri 'none'; form-action 'none'; frame-ancestors 'none'";
const TYPES = { '.js': 'text/javascript; charset=utf-8', '.css': 'text/css; charset=utf-8', '.html': 'text/html; charset=utf-8' };
const KEY_EVERY = 50;

/** A run kept in memory: every delta as text, a keyframe now and then. */
class Run {
  constructor(id, label, options, live) {
    this.program = new Program(options);
    this.live = live;
    this.stopped = false;
    this.frames = [];
    this.marks = [];
    this.gaps = [];
    this.listeners = new Set();
    this.info = { run: String(id), run_id: id, file: 'mock.db', label, host: 'mockhost', pid: 4242, program: '/usr/bin/app', build: 'abcdef0', live, start_wall_ns: Date.now() * 1e6 - (live ? 0 : 7.2e12), first_ts: 0, end_ts: 0, exit: live ? null : 'exit 0', interval_ns: 1e8 };
  }
  step() {
    if (this.stopped) {
      this.program.stalled += 1e8;
      Object.assign(this.program.scalar.process, { state: 'T', stalled_ns: this.program.stalled });
      const frame = { ts: this.program.ts += 1e8, delta: JSON.stringify({ ts: this.program.ts, process: { state: 'T', stalled_ns: this.program.stalled } }), events: [] };
      this.keep(frame);
      return;
    }
    this.program.stalled = 0;
    const out = this.program.step();
    const key = this.frames.length % KEY_EVERY === 0 ? JSON.stringify(this.program.keyframe()) : null;
    if (out.mark) this.marks.push(out.mark);
    if (out.gap) this.gaps.push(out.gap);
    this.keep({ ts: out.ts, delta: JSON.stringify(out.delta), events: out.events, key, mark: out.mark, gap: out.gap, row: this.row() });
  }
  row() {
    const s = this.program.scalar;
    const out = { 'heap/lisp/used_bytes': s.heaps.lisp.used_bytes, 'connections/connections/open': s.connections.open, 'connections/connections/active': s.connections.by_state.active };
    for (const f of ['rss_bytes', 'pss_bytes', 'anon_bytes', 'cpu_user_ns', 'cpu_system_ns']) out[`process/process/${f}`] = s.process[f];
    for (const slab of this.program.slabs) out[`slab/${slab.name}/used`] = slab.used;
    for (const [name, server] of Object.entries(s.servers)) for (const f of ['requests', 'client_errors', 'server_errors', 'p50_ns', 'p95_ns', 'p99_ns']) out[`owner/${name}/${f}`] = server[f] ?? null;
    return out;
  }
  keep(frame) {
    if (!frame.row) frame.row = this.frames.at(-1)?.row ?? this.row();
    this.frames.push(frame);
    this.info.end_ts = frame.ts;
    if (this.info.first_ts === 0) this.info.first_ts = frame.ts;
    for (const fn of this.listeners) fn(frame);
  }
  end(exit) {
    this.live = this.info.live = false;
    this.info.exit = exit;
    for (const fn of this.listeners) fn(null);
  }
  /** index of the newest frame with ts <= t, or -1 */
  indexAt(t) {
    let low = 0, high = this.frames.length;
    while (low < high) { const m = (low + high) >> 1; if (this.frames[m].ts <= t) low = m + 1; else high = m; }
    return low - 1;
  }
  document(index) {
    let key = index;
    while (!this.frames[key].key) key -= 1;
    let doc = JSON.parse(this.frames[key].key);
    for (let i = key + 1; i <= index; i += 1) doc = mergePatch(doc, JSON.parse(this.frames[i].delta));
    return doc;
  }
  runEvent() {
    const { run_id, label, host, pid, program, build, start_wall_ns, interval_ns } = this.info;
    return { run_id, label, host, pid, program, build, start_wall_ns, interval_ns, sources: this.program.sources() };
  }
}

/** Two patches in one; a null in the later one stays a removal. */
function combine(a, b) {
  for (const [k, v] of Object.entries(b)) {
    a[k] = v && typeof v === 'object' && a[k] && typeof a[k] === 'object' ? combine(a[k], v) : v;
  }
  return a;
}

function stream(run, query, req, res) {
  const limit = Number(query.get('events') ?? 1000);
  const rawSpeed = query.get('speed') ?? '1';
  const speed = rawSpeed === 'max' ? Infinity : Number(rawSpeed);
  const last = req.headers['last-event-id'] ?? query.get('last_event_id');
  const live = run.live && !query.has('from') && !query.has('speed');
  res.writeHead(200, { 'Content-Type': 'text/event-stream', 'Cache-Control': 'no-store' });
  const send = (event, data, id) => res.write(`event: ${event}\n${id === undefined ? '' : `id: ${id}\n`}data: ${data}\n\n`);
  const extras = (frame) => {
    if (frame.mark) send('mark', JSON.stringify(frame.mark));
    if (frame.gap) send('gap', JSON.stringify(frame.gap));
    if (limit > 0 && frame.events.length) send('events', JSON.stringify({ ts: frame.ts, events: frame.events.slice(0, limit), ...(frame.events.length > limit ? { more: frame.events.length - limit } : {}) }));
  };
  res.write('retry: 1000\n\n');
  send('run', JSON.stringify(run.runEvent()));
  if (live) {
    if (!last) { const i = run.frames.length - 1; send('keyframe', JSON.stringify(run.document(i)), run.frames[i].ts); }
    else for (let i = run.indexAt(Number(last)) + 1; i < run.frames.length; i += 1) { send('delta', run.frames[i].delta, run.frames[i].ts); extras(run.frames[i]); }
    const listener = (frame) => {
      if (!frame) { send('end', JSON.stringify({ ts: run.info.end_ts, exit: run.info.exit })); res.end(); return; }
      send('delta', frame.delta, frame.ts);
      extras(frame);
    };
    run.listeners.add(listener);
    res.on('close', () => run.listeners.delete(listener));
    return;
  }
  const to = Number(query.get('to') ?? Infinity);
  let index = last ? run.indexAt(Number(last)) + 1 : Math.max(0, run.indexAt(Number(query.get('from') ?? 0)));
  const base = run.frames[Math.min(index, run.frames.length - 1)].ts;
  let virtual = base;
  if (!last) { send('keyframe', JSON.stringify(run.document(index)), run.frames[index].ts); extras(run.frames[index]); index += speed < 0 ? -1 : 1; }
  const finish = () => { clearInterval(timer); if (!run.live) { send('end', JSON.stringify({ ts: run.info.end_ts, exit: run.info.exit })); } res.end(); };
  const coalesce = query.get('coalesce') !== '0';
  let before = performance.now();
  const timer = setInterval(() => {
    if (res.writableLength > 4e6) return;
    const now = performance.now();
    virtual = speed === Infinity ? virtual + 6e11 : virtual + (now - before) * 1e6 * speed;
    before = now;
    if (speed < 0) {
      let seen = false;
      while (index >= 0 && run.frames[index].ts >= virtual) { index -= 1; seen = true; }
      if (seen) send('keyframe', JSON.stringify(run.document(index + 1)), run.frames[index + 1].ts);
      if (index < 0) finish();
      return;
    }
    let patch = null;
    while (index < run.frames.length && run.frames[index].ts <= virtual && run.frames[index].ts <= to) {
      const frame = run.frames[index++];
      if (coalesce) { patch = patch ? combine(patch, JSON.parse(frame.delta)) : JSON.parse(frame.delta); extras(frame); }
      else { send('delta', frame.delta, frame.ts); extras(frame); }
    }
    if (patch) send('delta', JSON.stringify(patch), patch.ts);
    if (index >= run.frames.length ? !run.live : run.frames[index].ts > to) finish();
  }, 16);
  res.on('close', () => clearInterval(timer));
}

function overview(run, query) {
  const from = Number(query.get('from') ?? 0);
  const to = Number(query.get('to') ?? run.info.end_ts);
  const px = Math.min(4000, Number(query.get('px') ?? 600));
  const names = (query.get('series') ?? Object.keys(run.frames[0].row).join(',')).split(',')
    .flatMap((n) => (n.includes('/*/') ? Object.keys(run.frames[0].row).filter((o) => o.startsWith(n.split('*')[0]) && o.endsWith(n.split('*')[1])) : n))
    .filter((n) => n in run.frames[0].row);
  const series = names.map((name) => ({ kind: name.slice(0, name.indexOf('/')), source: name.slice(name.indexOf('/') + 1, name.lastIndexOf('/')), field: name.slice(name.lastIndexOf('/') + 1), min: Array(px).fill(null), max: Array(px).fill(null) }));
  for (let i = Math.max(0, run.indexAt(from)); i < run.frames.length && run.frames[i].ts < to; i += 1) {
    const bin = Math.floor(((run.frames[i].ts - from) / (to - from)) * px);
    if (bin < 0 || bin >= px) continue;
    names.forEach((name, k) => {
      const v = run.frames[i].row[name];
      if (v === null) return;
      series[k].min[bin] = Math.min(series[k].min[bin] ?? Infinity, v);
      series[k].max[bin] = Math.max(series[k].max[bin] ?? -Infinity, v);
    });
  }
  return { from, to, px, series };
}

/** Start it. @returns {{server, runs, url, close}} with url known when listening */
export async function startMock({ port = 0, lispSlots = 262144, ticks = 1200, intervalMs = 100 } = {}) {
  const recorded = new Run(1, 'yesterday', { seed: 3, lispSlots }, false);
  for (let i = 0; i < ticks; i += 1) recorded.step();
  const live = new Run(2, 'demo', { seed: 11, lispSlots }, true);
  for (let i = 0; i < Math.min(ticks, 450); i += 1) live.step();
  const runs = [recorded, live];
  const timer = setInterval(() => { if (live.live) live.step(); }, intervalMs);
  const json = (res, status, body) => { res.writeHead(status, { 'Content-Type': 'application/json', 'Cache-Control': 'no-store' }); res.end(JSON.stringify(body)); };
  const server = createServer(async (req, res) => {
    const url = new URL(req.url, 'http://x');
    const asset = url.pathname === '/' ? 'web/index.html' : url.pathname.startsWith('/assets/uPlot.') ? `build/npm/node_modules/uplot/dist/${url.pathname.slice(8)}` : url.pathname.startsWith('/assets/') ? `web/${path.basename(url.pathname)}` : null;
    if (asset) {
      try {
        const body = await readFile(path.join(ROOT, asset));
        res.writeHead(200, { 'Content-Type': TYPES[path.extname(asset)] ?? 'application/octet-stream', 'Content-Security-Policy': CSP, 'X-Content-Type-Options': 'nosniff', 'Cache-Control': 'no-cache' });
        res.end(body);
      } catch { json(res, 404, { error: 'not found' }); }
      return;
    }
    if (url.pathname === '/api/runs') return json(res, 200, { runs: runs.map((r) => r.info) });
    if (url.pathname === '/api/query') {
      let body = '';
      for await (const part of req) body += part;
      if (!/select/i.test(JSON.parse(body).sql)) return json(res, JSON.parse(body).soft ? 200 : 400, { error: 'bad query', detail: 'near "x": syntax error' });
      return json(res, 200, { columns: ['ts', 'pool', 'used'], rows: live.frames.slice(-20).map((f) => [f.ts, 'tcp_buffers', f.row['slab/tcp_buffers/used']]), truncated: false, ms: 1.2 });
    }
    const match = /^\/api\/runs\/(\d+)\/(\w+)$/.exec(url.pathname);
    const run = match && runs.find((r) => r.info.run === match[1]);
    if (!run) return json(res, 404, { error: 'not found', detail: url.pathname });
    const q = url.searchParams;
    const inSpan = (x) => x.ts >= Number(q.get('from') ?? 0) && x.ts <= Number(q.get('to') ?? Infinity);
    switch (match[2]) {
      case 'stream': return stream(run, q, req, res);
      case 'state': return json(res, 200, run.document(Math.max(0, q.has('ts') ? run.indexAt(Number(q.get('ts'))) : run.frames.length - 1)));
      case 'overview': return json(res, 200, overview(run, q));
      case 'events': {
        const all = run.frames.flatMap((f) => (inSpan(f) ? f.events : [])).filter((e) => !q.has('conn') || e.conn_id === Number(q.get('conn')));
        const limit = Number(q.get('limit') ?? 1000);
        return json(res, 200, { events: all.slice(0, limit), truncated: all.length > limit });
      }
      case 'marks':
        if (req.method === 'POST') {
          let body = '';
          for await (const part of req) body += part;
          const mark = { mark_id: run.marks.length + 1, author: 'you', dur: 0, ...JSON.parse(body) };
          run.marks.push(mark);
          return json(res, 201, { mark_id: mark.mark_id });
        }
        return json(res, 200, { marks: run.marks.filter(inSpan) });
      case 'gaps': return json(res, 200, { gaps: run.gaps.filter(inSpan) });
      default: return json(res, 404, { error: 'not found' });
    }
  });
  await new Promise((resolve) => { server.listen(port, '127.0.0.1', resolve); });
  const close = () => { clearInterval(timer); server.closeAllConnections(); server.close(); };
  return { server, runs, live, url: `http://127.0.0.1:${server.address().port}`, close };
}

if (process.argv[1] === fileURLToPath(import.meta.url)) {
  const mock = await startMock({ port: Number(process.argv[2] ?? 7071) });
  console.log(`dashboard ${mock.url}`);
}
