// mock_data.mjs: a made-up run, tick by tick, for work on the page without the program.
// One simulated server: five pools (one of 262,144 slots), waves of load, collections, an incident.

const LETTERS = 'abcdefghijklmnopqrstuvwxyzABCDEFGHIJKLMNOPQRSTUVWXYZ0123456789';
const PAGE = 1024;
const SECTIONS = ['pools', 'owners', 'arenas', 'heaps', 'metrics', 'process', 'connections', 'servers', 'routes', 'recorder'];

/** A small generator of random numbers, the same for the same seed. */
export function random(seed) {
  let x = seed >>> 0 || 1;
  return () => {
    x ^= x << 13; x >>>= 0; x ^= x >>> 17; x ^= x << 5; x >>>= 0;
    return x / 4294967296;
  };
}

class Slab {
  constructor(name, slots, bytes, ownersKept, states) {
    Object.assign(this, { name, slots, bytes, ownersKept, states });
    this.state = Buffer.alloc(slots, '.');
    this.owner = Buffer.alloc(slots, '.');
    this.used = 0; this.high = 0; this.allocs = 0; this.frees = 0; this.overflow = 0;
    this.changed = new Set();
    this.cursor = 0;
  }
  set(slot, letter, owner) {
    const old = this.state[slot];
    const now = letter.charCodeAt(0);
    if (old === 46 && now !== 46) { this.used += 1; this.allocs += 1; }
    if (old !== 46 && now === 46) { this.used -= 1; this.frees += 1; }
    this.state[slot] = now;
    this.owner[slot] = now === 46 ? 46 : (owner ?? 'a').charCodeAt(0);
    this.high = Math.max(this.high, this.used);
    this.changed.add(Math.floor(slot / PAGE));
  }
  take(letter, owner) {
    for (let i = 0; i < this.slots; i += 1) {
      const slot = (this.cursor + i) % this.slots;
      if (this.state[slot] === 46) { this.cursor = slot + 1; this.set(slot, letter, owner); return slot; }
    }
    this.overflow += 1;
    return -1;
  }
  page(i) { return this.state.toString('latin1', i * PAGE, Math.min(this.slots, (i + 1) * PAGE)); }
  ownerPage(i) { return this.owner.toString('latin1', i * PAGE, Math.min(this.slots, (i + 1) * PAGE)); }
  json(pages) {
    const out = { used: this.used, free: this.slots - this.used, capacity: this.slots, high_water: this.high, allocs: this.allocs, frees: this.frees, overflow: this.overflow };
    const list = [...pages].sort((a, b) => a - b);
    if (list.length) out.pages = Object.fromEntries(list.map((i) => [i, this.page(i)]));
    if (list.length && this.ownersKept) out.owners = Object.fromEntries(list.map((i) => [i, this.ownerPage(i)]));
    return out;
  }
}

function diff(before, after) {
  const out = {};
  for (const key of Object.keys(after)) {
    const a = before?.[key];
    const b = after[key];
    if (b && typeof b === 'object') {
      const inner = a && typeof a === 'object' ? diff(a, b) : b;
      if (Object.keys(inner).length) out[key] = inner;
    } else if (a !== b) out[key] = b;
  }
  for (const key of Object.keys(before ?? {})) if (!(key in after)) out[key] = null;
  return out;
}

/** The simulated program. step() gives {ts, delta, events, mark?, gap?}; keyframe() the document. */
export class Program {
  constructor({ seed = 7, lispSlots = 262144, intervalNs = 1e8 } = {}) {
    this.rand = random(seed);
    this.intervalNs = intervalNs;
    this.tick = 0; this.ts = 0; this.conn = 0;
    this.slabs = [
      new Slab('lval', lispSlots, 32, false, { p: 'pair', s: 'string', y: 'symbol', n: 'number', c: 'closure', v: 'vector', e: 'environment' }),
      new Slab('connections', 2056, 512, true, {}),
      new Slab('tcp_buffers', 400, 16384, true, {}),
      new Slab('request_arenas', 64, 65536, true, {}),
      new Slab('timers', 128, 64, false, {}),
    ];
    this.conns = new Map();
    this.routes = {}; this.servers = {}; this.gc = 0; this.peak = 0; this.live = 0;
    for (const route of ['GET /hello', 'GET /item/:id', 'GET /slow', 'POST /echo', 'GET /leak']) {
      this.routes[route] = { requests: 0, client_errors: 0, server_errors: 0, bytes_in: 0, bytes_out: 0 };
    }
    for (const server of ['app', 'dashboard']) {
      this.servers[server] = { open: 0, accepted: 0, closed: 0, requests: 0, client_errors: 0, server_errors: 0, bytes_in: 0, bytes_out: 0 };
    }
    this.closed = 0; this.overflows = 0; this.errors = 0;
    this.stalled = 0;
    this.scalar = this.scalars();
  }

  sources() {
    let id = 0;
    const out = this.slabs.map((s) => ({ source_id: id++, kind: 'slab', name: s.name, unit: '', slot_count: s.slots, slot_bytes: s.bytes, capacity_bytes: s.slots * s.bytes, states: s.states }));
    const more = (kind, name, extra) => out.push({ source_id: id++, kind, name, unit: '', slot_count: 0, slot_bytes: 0, capacity_bytes: 0, states: {}, ...extra });
    more('arena', 'scratch', { capacity_bytes: 1 << 20 });
    more('heap', 'lisp', { capacity_bytes: this.slabs[0].slots * 32 });
    more('counter', 'evals'); more('gauge', 'queue_depth'); more('histogram', 'loop_busy', { unit: 'ns' });
    more('process', 'process'); more('connections', 'connections'); more('recorder', 'recorder');
    for (const name of Object.keys(this.servers)) more('owner', name);
    for (const name of Object.keys(this.routes)) more('route', name);
    return out;
  }

  scalars() {
    const lval = this.slabs[0];
    const t = this.tick;
    const by = { active: 0, idle: 0, closing: 0, connecting: 0, other: 0 };
    const names = { A: 'active', I: 'idle', C: 'closing', N: 'connecting' };
    for (const byte of this.slabs[1].state) if (byte !== 46) by[names[String.fromCharCode(byte)] ?? 'other'] += 1;
    const busy = this.load ?? 0;
    const latency = 2e5 + busy * 4e5;
    const percentiles = busy > 0 ? { p50_ns: Math.round(latency), p95_ns: Math.round(latency * 3), p99_ns: Math.round(latency * 8), max_ns: Math.round(latency * 20) } : {};
    const total = Object.values(this.servers).reduce((n, s) => n + s.open, 0);
    this.peak = Math.max(this.peak, lval.used * 32);
    return {
      owners: { a: 'app', b: 'dashboard' },
      arenas: { scratch: { used_bytes: Math.round(4e5 * (1 + Math.sin(t / 20))), capacity_bytes: 1 << 20, high_water_bytes: 8e5, overflow: 0, resets: t } },
      heaps: { lisp: { used_bytes: lval.used * 32, capacity_bytes: lval.slots * 32, peak_bytes: this.peak, threshold_bytes: Math.round(lval.slots * 32 * 0.75), gc_count: this.gc } },
      metrics: { evals: { value: t * 31000 }, queue_depth: { value: Math.round(busy * 7) }, loop_busy: { count: t * 40, sum: t * 4e6, ...(busy > 0 ? { p50: 21000, p95: 90000, p99: 400000, p9999: 2e6, max: 3e6 } : {}) } },
      process: { state: this.stalled > 0 ? 'T' : busy > 0.5 ? 'R' : 'S', stalled_ns: this.stalled, rss_bytes: 3e7 + lval.used * 40 + t * 900, pss_bytes: 2.6e7 + lval.used * 40 + t * 900, anon_bytes: 2e7 + lval.used * 40 + t * 900, file_bytes: 9e6, shmem_bytes: 1e6, minor_faults: 9000 + t * 3, major_faults: 12, cpu_user_ns: t * 2.1e7, cpu_system_ns: t * 8e6, fd_count: 40 + total, thread_count: 3, cgroup_used_bytes: 9e7, cgroup_limit_bytes: 5.12e8, pressure_some_us: 0, pressure_full_us: 0 },
      connections: { open: total, by_state: by, by_owner: { app: this.servers.app.open, dashboard: this.servers.dashboard.open }, accepted: this.conn, closed: this.closed, errors: this.errors, overflows: this.overflows },
      servers: Object.fromEntries(Object.entries(this.servers).map(([k, v]) => [k, { ...v, ...percentiles }])),
      routes: Object.fromEntries(Object.entries(this.routes).map(([k, v], i) => [k, { ...v, ...(busy > 0 ? Object.fromEntries(Object.entries(percentiles).map(([p, n]) => [p, n * (1 + i)])) : {}) }])),
      recorder: { cpu_ns: t * 4e5, rss_bytes: 1.4e7, tick_ns: 310000 + (t % 7) * 9000, late_ns: 40000, events: t * 300, events_lost: 0 },
    };
  }

  keyframe() {
    const pools = Object.fromEntries(this.slabs.map((s) => [s.name, s.json(Array.from({ length: Math.ceil(s.slots / PAGE) }, (_, i) => i))]));
    return { ts: this.ts, pools, ...structuredClone(this.scalar) };
  }

  step() {
    const before = this.scalar;
    const beforePools = this.slabs.map((s) => s.json([]));
    this.tick += 1;
    this.ts = this.tick * this.intervalNs + Math.floor(this.rand() * 90000);
    for (const slab of this.slabs) slab.changed.clear();
    const events = this.work();
    this.scalar = this.scalars();
    const pools = {};
    this.slabs.forEach((slab, i) => {
      const now = slab.json(slab.changed);
      const { pages, owners, ...numbers } = now;
      const changed = { ...diff(beforePools[i], numbers), ...(pages ? { pages } : {}), ...(owners ? { owners } : {}) };
      if (Object.keys(changed).length) pools[slab.name] = changed;
    });
    const rest = diff(before, this.scalar);
    const delta = { ts: this.ts };
    if (Object.keys(pools).length) delta.pools = pools;
    for (const section of SECTIONS.slice(1)) if (rest[section]) delta[section] = rest[section];
    const out = { ts: this.ts, delta, events };
    if (this.tick % 400 === 250) out.mark = { mark_id: Math.floor(this.tick / 400) + 1, ts: this.ts, dur: 0, label: 'deploy', author: 'mock' };
    if (this.tick % 600 === 333) out.gap = { ts: this.ts, dur: 3e8, reason: 'recorder late', lost: 3 };
    return out;
  }

  work() {
    const events = [];
    const [lval, handles, buffers, arenas] = this.slabs;
    const rand = this.rand;
    const phase = this.tick % 600;
    const incident = phase > 420 && phase < 470;
    this.load = incident ? 1 : Math.max(0, Math.sin(this.tick / 60)) * 0.7 + (this.tick % 100 < 30 ? 0.2 : 0);
    const at = (part) => this.ts - Math.floor(this.intervalNs * (1 - part)) + 1000;
    // Connections come, work, idle and go.
    for (let i = 0; i < 3 + this.load * 10; i += 1) {
      const owner = rand() < 0.85 ? 'app' : 'dashboard';
      const slot = handles.take('N', owner === 'app' ? 'a' : 'b');
      if (slot < 0) { this.overflows += 1; continue; }
      this.conn += 1;
      this.conns.set(this.conn, { slot, owner, until: this.tick + 5 + Math.floor(rand() * (incident ? 400 : 80)), buffer: -1 });
      this.servers[owner].accepted += 1;
      this.servers[owner].open += 1;
      events.push({ ts: at(i / 40), type: 'accept', conn_id: this.conn, peer: `10.0.0.${this.conn % 250}:${40000 + (this.conn % 20000)}`, owner });
    }
    const names = Object.keys(this.routes);
    for (const [id, c] of this.conns) {
      const letter = c.owner === 'app' ? 'a' : 'b';
      if (this.tick >= c.until) {
        const state = String.fromCharCode(handles.state[c.slot]);
        if (state !== 'C') { handles.set(c.slot, 'C', letter); continue; }
        handles.set(c.slot, '.', letter);
        if (c.buffer >= 0) buffers.set(c.buffer, '.', letter);
        this.conns.delete(id);
        this.servers[c.owner].open -= 1; this.servers[c.owner].closed += 1; this.closed += 1;
        events.push({ ts: at(0.9), type: 'close', conn_id: id, detail: 'peer closed', bytes_in: 700, bytes_out: 4200 });
        continue;
      }
      if (rand() < 0.15 + this.load * 0.3) {
        handles.set(c.slot, 'A', letter);
        if (c.buffer < 0) {
          c.buffer = buffers.take('A', letter);
          if (c.buffer < 0) { this.overflows += 1; events.push({ ts: at(0.4), type: 'overflow', conn_id: id, stream_id: 1, detail: 'tcp_buffers' }); }
        }
        const route = names[Math.floor(rand() * rand() * names.length)];
        const [method, path] = route.split(' ');
        const status = c.buffer < 0 ? 503 : rand() < 0.01 ? 404 : 200;
        const r = this.routes[route];
        r.requests += 1; r.bytes_in += 90; r.bytes_out += 300;
        const s = this.servers[c.owner];
        s.requests += 1; s.bytes_in += 90; s.bytes_out += 300;
        if (status === 503) { r.server_errors += 1; s.server_errors += 1; }
        if (status === 404) { r.client_errors += 1; s.client_errors += 1; }
        events.push({ ts: at(0.5), type: 'request', conn_id: id, stream_id: this.tick, method, route: path });
        events.push({ ts: at(0.7), type: 'response', conn_id: id, stream_id: this.tick, method, route: path, status, bytes_in: 90, bytes_out: 300, dur: Math.round(1e5 * Math.exp(rand() * 5)), arena_bytes: 4096 });
      } else if (rand() < 0.3) {
        handles.set(c.slot, 'I', letter);
        if (c.buffer >= 0) { buffers.set(c.buffer, rand() < 0.5 ? 'I' : '.', letter); if (buffers.state[c.buffer] === 46) c.buffer = -1; }
      }
    }
    for (let i = 0; i < 6; i += 1) {
      const slot = Math.floor(rand() * arenas.slots);
      arenas.set(slot, arenas.state[slot] === 46 && rand() < 0.3 + this.load / 2 ? 'A' : '.', 'a');
    }
    this.slabs[4].set(Math.floor(rand() * 128), rand() < 0.4 ? 'A' : '.');
    // The heap fills from the bottom; a collection frees most of it.
    const kinds = 'ppppssyynncve';
    for (let i = 0; i < 900 + this.load * 2600; i += 1) lval.take(kinds[Math.floor(rand() * kinds.length)]);
    if (lval.used > lval.slots * 0.75) {
      const usedBefore = lval.used;
      for (let slot = 0; slot < lval.slots; slot += 1) if (lval.state[slot] !== 46 && rand() < 0.6 && slot % 7 !== 0) lval.set(slot, '.');
      this.gc += 1;
      lval.cursor = 0;
      events.push({ ts: at(0.95), type: 'gc', heap: 'lisp', detail: 'full', before_bytes: usedBefore * 32, after_bytes: lval.used * 32, dur: Math.round(2e6 + rand() * 6e6) });
    }
    return events.sort((a, b) => a.ts - b.ts);
  }
}

export { LETTERS };
