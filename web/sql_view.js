// @ts-check
// sql_view.js: questions to the recording in SQL: schema, history, a table that sorts, CSV.

import { ApiError, postQuery } from './api.js';
import { el, scrollBox } from './dom.js';
import { clock, countExact } from './format.js';
import { keep, recall } from './keep.js';
import { csv, sortRows } from './table.js';

/** so many rows are asked for and kept, for sorting and CSV */
const LIMIT = 10000;
/** so many are put into the page at a time */
const ROWS_A_TIME = 250;
const HISTORY_KEPT = 20;
const HISTORY_KEY = 'memcam.sql';
/** The tables as the recording has them. @type {[string, string][]} */
const SCHEMA = [
  ['run', 'run_id, label, host, pid, program, build, start_wall_ns, end_ts, exit, interval_ns, config'],
  ['source', 'run_id, source_id, kind, name, unit, slot_count, slot_bytes, capacity_bytes'],
  ['pool_sample', 'run_id, ts, pool, used, free, capacity, high_water, allocs, frees, overflow'],
  ['arena_sample', 'run_id, ts, arena, used_bytes, capacity_bytes, high_water_bytes, overflow'],
  ['heap_sample', 'run_id, ts, heap, used_bytes, capacity_bytes, peak_bytes, threshold_bytes, gc_count'],
  ['gc_event', 'run_id, ts, dur, heap, kind, before_bytes, after_bytes'],
  ['metric_sample', 'run_id, ts, metric, value'],
  ['process_sample', 'run_id, ts, rss_bytes, pss_bytes, anon_bytes, file_bytes, shmem_bytes, minor_faults, major_faults, cpu_user_ns, cpu_system_ns, fd_count'],
  ['slot_change', 'run_id, ts, pool, slot, old_state, new_state, owner, conn_id'],
  ['event', 'run_id, ts, type, conn_id, stream_id, dur, status, bytes_in, bytes_out, detail'],
  ['mark', 'run_id, ts, dur, label, author'],
  ['gap', 'run_id, ts, dur, reason, lost'],
  ['conn', 'run_id, conn_id, ts, dur, peer, owner, requests, errors, bytes_in, bytes_out, first_ts, last_ts, reason'],
  ['request', 'run_id, ts, dur, conn_id, stream_id, route, status, bytes_in, bytes_out'],
];
/** Names with another first question. @type {[string, string, (run: number, ts: number) => string][]} */
const QUESTIONS = [
  ['slot_state(run, pool, ts)', 'slot, state, owner, conn_id: the whole map at a moment', (run, ts) => `SELECT owner, conn_id, count(*) AS slots FROM slot_state(${run}, 'POOL', ${ts}) WHERE state <> '.' GROUP BY 1, 2 ORDER BY 3 DESC LIMIT 20`],
  ['pool_high_water', 'the most slots that each pool ever used, and when', (run) => `SELECT * FROM pool_high_water WHERE run_id = ${run}`],
  ['slot_lifetime', 'how long slots are held', (run) => `SELECT * FROM slot_lifetime WHERE run_id = ${run} LIMIT 100`],
  ['leak_suspect', 'pools that only grow', (run) => `SELECT * FROM leak_suspect WHERE run_id = ${run}`],
  ['stall', 'when the program stood still', (run) => `SELECT * FROM stall WHERE run_id = ${run}`],
];

/** The fullest pool, whose slots a person may want to ask about. @param {any} doc */
function fullest(doc) {
  let name = '';
  let part = -1;
  for (const [pool, { used, capacity }] of Object.entries(doc?.pools ?? {})) {
    if (!(used / capacity > part)) continue;
    part = used / capacity;
    name = pool;
  }
  return name.replaceAll("'", "''");
}

/** @returns {string[]} newest first */
function readHistory() {
  try {
    const list = JSON.parse(recall(HISTORY_KEY));
    return Array.isArray(list) ? list.filter((q) => typeof q === 'string').slice(0, HISTORY_KEPT) : [];
  } catch {
    return [];
  }
}

/** @param {string} sql */
function remember(sql) {
  keep(HISTORY_KEY, JSON.stringify([sql, ...readHistory().filter((q) => q !== sql)].slice(0, HISTORY_KEPT)));
}

/** @param {import('./state.js').State} state @param {any} actions */
export function createSqlView(state, actions) {
  const input = /** @type {HTMLTextAreaElement} */ (el('textarea', { id: 'sql-input', rows: 5, spellcheck: 'false', 'aria-label': 'SQL', placeholder: 'SELECT …   Ctrl+Enter runs it' }));
  const run = el('button', { type: 'button', id: 'sql-run', class: 'primary' }, 'Run');
  const save = el('button', { type: 'button', disabled: true }, 'CSV');
  const past = /** @type {HTMLSelectElement} */ (el('select', { 'aria-label': 'Earlier questions' }));
  const note = el('p', { id: 'sql-note', class: 'dim', role: 'status' });
  const output = scrollBox('Rows');
  output.id = 'sql-output';
  const entry = (/** @type {string} */ table, /** @type {string} */ columns, /** @type {() => string} */ question) => {
    const name = el('button', { type: 'button', class: 'link', title: 'Ask about it' }, table);
    name.addEventListener('click', () => {
      input.value = question();
      input.focus();
    });
    return [el('dt', {}, name), el('dd', {}, columns)];
  };
  const runId = () => Number(state.entry?.run_id ?? 1);
  const schema = el('section', { class: 'schema', 'aria-label': 'Tables' }, el('h3', { class: 'small' }, 'Tables'), el('dl', {},
    ...SCHEMA.flatMap(([table, columns]) => entry(table, columns, () => `SELECT * FROM ${table} WHERE run_id = ${runId()} LIMIT 100`)),
    ...QUESTIONS.flatMap(([name, what, question]) => entry(name, what, () => question(runId(), Math.round(state.ts)).replace('POOL', fullest(state.doc))))));
  const root = el('div', { class: 'sql with-schema' }, el('div', { class: 'sql' }, input, el('div', { class: 'sql-bar' }, run, save, past), note, output), schema);
  /** @type {{columns: string[], rows: any[][]} | null} */
  let result = null;
  /** @type {{column: number, down: boolean} | null} */
  let sorted = null;

  run.addEventListener('click', ask);
  input.addEventListener('keydown', (event) => {
    if (event.key === 'Enter' && (event.ctrlKey || event.metaKey)) ask();
  });
  past.addEventListener('change', () => {
    if (past.value) input.value = past.value;
  });
  save.addEventListener('click', () => {
    if (!result) return;
    const url = URL.createObjectURL(new Blob([csv(result.columns, result.rows)], { type: 'text/csv' }));
    const anchor = el('a', { href: url, download: 'memcam.csv' });
    anchor.click();
    setTimeout(() => URL.revokeObjectURL(url), 1000);
  });

  async function ask() {
    const sql = input.value.trim();
    if (!sql) return;
    note.className = 'dim';
    note.textContent = 'asking…';
    try {
      const file = state.entry?.file;
      const answer = await postQuery(sql, LIMIT, typeof file === 'string' ? file : undefined, undefined, true);
      result = { columns: answer.columns, rows: answer.rows };
      sorted = null;
      note.textContent = `${countExact(answer.rows.length)} ${answer.rows.length === 1 ? 'row' : 'rows'}${answer.truncated ? `, the first; there are more than ${countExact(LIMIT)}` : ''}, in ${Math.round(answer.ms * 10) / 10} ms`;
      remember(sql);
      fillPast();
      drawTable();
    } catch (error) {
      result = null;
      output.replaceChildren();
      note.className = 'error';
      note.textContent = error instanceof ApiError || error instanceof Error ? error.message : String(error);
    }
    save.toggleAttribute('disabled', result === null);
  }

  /** Who scrolls down to the last row in the page gets more. */
  const below = new IntersectionObserver((seen) => {
    if (seen.some((entry) => entry.isIntersecting)) /** @type {HTMLElement} */ (seen[0].target).click();
  });

  function fillPast() {
    past.replaceChildren(el('option', { value: '' }, 'earlier…'), ...readHistory().map((q) => el('option', { value: q }, q.slice(0, 80))));
  }

  /** Show a moment, of another run of the file where the row says so. @param {number} ts @param {unknown} runOfRow */
  function goTo(ts, runOfRow) {
    const { entry: shown } = state;
    const other = typeof runOfRow === 'number' && runOfRow !== shown?.run_id ? state.runs?.find((r) => r.run_id === runOfRow && r.file === shown?.file) : null;
    if (other) actions.openRunAt(other.run, ts);
    else actions.seek(ts);
  }

  function drawTable() {
    if (!result) return;
    const { columns, rows } = result;
    const order = sorted ? sortRows(rows, sorted.column, sorted.down) : rows;
    const runColumn = columns.indexOf('run_id');
    const isTime = columns.map((name) => name === 'ts' || name.endsWith('_ts'));
    const heads = columns.map((name, column) => {
      const button = el('button', { type: 'button', class: 'link' }, name);
      button.addEventListener('click', () => {
        sorted = { column, down: sorted?.column === column ? !sorted.down : false };
        drawTable();
      });
      return el('th', { scope: 'col', class: typeof rows.find((row) => row[column] !== null)?.[column] === 'number' ? 'num' : '', 'aria-sort': sorted?.column === column ? (sorted.down ? 'descending' : 'ascending') : undefined }, button);
    });
    const body = el('tbody');
    const more = el('button', { type: 'button', class: 'more' });
    let drawn = 0;
    const grow = () => {
      body.append(...order.slice(drawn, drawn + ROWS_A_TIME).map((row) => el('tr', {}, ...row.map((value, column) => {
        if (isTime[column] && typeof value === 'number') {
          const button = el('button', { type: 'button', class: 'link', title: `Go to ${clock(value)}` }, String(value));
          button.addEventListener('click', () => goTo(value, row[runColumn]));
          return el('td', { class: 'num' }, button);
        }
        return el('td', { class: typeof value === 'number' ? 'num' : value === null ? 'dim' : '' }, value === null ? 'NULL' : String(value));
      }))));
      drawn = Math.min(order.length, drawn + ROWS_A_TIME);
      more.hidden = drawn === order.length;
      more.textContent = `Show more of the ${countExact(order.length)}`;
    };
    grow();
    more.addEventListener('click', grow);
    below.disconnect();
    below.observe(more);
    output.replaceChildren(el('table', { class: 'plain' }, el('thead', {}, el('tr', {}, ...heads)), body), more);
  }

  return {
    /** @param {HTMLElement} panel */
    mount(panel) {
      fillPast();
      if (!input.value) input.value = 'SELECT run_id, label, program, start_wall_ns, end_ts, exit FROM run';
      if (root.parentElement !== panel) panel.replaceChildren(root);
    },
  };
}
