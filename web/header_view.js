// @ts-check
// header_view.js: the line on top: which run, what state, what time, how many warnings.

import { byId, el, setText } from './dom.js';
import { clock, wallTime } from './format.js';

/** @param {any} run an entry of /api/runs */
function runTitle(run) {
  const name = run.label || run.program || `run ${run.run}`;
  return `${run.live ? '● ' : ''}${run.run} · ${name} · ${wallTime(run.start_wall_ns)}${run.live ? ' · live' : run.exit ? ` · ${run.exit}` : ''}`;
}

/** @param {{openRun: (run: string) => void, filter: (text: string) => void, showWarnings: () => void}} actions */
export function createHeaderView(actions) {
  const picker = byId('run-picker');
  const filter = byId('filter');
  picker.addEventListener('change', () => actions.openRun(picker.value));
  filter.addEventListener('input', () => actions.filter(filter.value));
  byId('warnings-button').addEventListener('click', actions.showWarnings);
  const seen = { runs: -1, run: -1 };

  return {
    /** @param {import('./state.js').State} state @param {import('./status.js').Status} status @param {import('./warnings.js').Warning[]} warnings */
    draw(state, status, warnings) {
      if (seen.runs !== state.version.runs && state.runs) {
        seen.runs = state.version.runs;
        const titles = state.runs.map(runTitle).join('\n');
        if (picker.dataset.titles !== titles) {
          picker.dataset.titles = titles;
          picker.replaceChildren(...[...state.runs].reverse().map((run) => el('option', { value: run.run }, runTitle(run))));
        }
      }
      if (state.runKey !== null && picker.value !== state.runKey) picker.value = state.runKey;
      const run = state.run ?? state.entry;
      const program = run ? [run.host, run.program, run.pid ? `pid ${run.pid}` : '', run.build].filter(Boolean).join(' · ') : '';
      setText(byId('program'), program);
      byId('program').title = program;
      if (document.body.dataset.status !== status.id) document.body.dataset.status = status.id;
      setText(byId('badge-word'), status.word);
      const banner = byId('banner');
      setText(banner, status.text);
      if (banner.hidden !== (status.text === '')) banner.hidden = status.text === '';
      const clockNode = byId('clock');
      setText(clockNode, state.doc ? clock(state.ts) : '–');
      if (state.doc) clockNode.dataset.value = String(state.ts);
      setText(byId('wall'), run && state.doc ? wallTime(run.start_wall_ns + state.ts) : '');
      const rows = state.findingRows;
      const critical = rows.filter((row) => row.level === 'critical').length;
      const button = byId('warnings-button');
      // What is wrong at this moment, and, of the whole run, the worst there is.
      const now = warnings.length === 0 ? 'no warnings' : `${warnings.length} warning${warnings.length === 1 ? '' : 's'}`;
      setText(byId('warnings-count'), now);
      setText(byId('warnings-run'), rows.length > 0 ? ` · ${critical > 0 ? `${critical} critical` : rows.length} in the run` : '');
      button.dataset.level = critical > 0 || warnings.some((w) => w.level === 'critical') ? 'critical' : warnings.length > 0 || rows.length > 0 ? 'warning' : '';
      if (filter.value !== state.filter && document.activeElement !== filter) filter.value = state.filter;
      const title = `${status.word} · ${run?.label || run?.program || 'memcam'}`;
      if (document.title !== title) document.title = title;
    },
  };
}
