// @ts-check
// first_asks.js: what a run's first moment and its whole timeline are asked with: early.js asks so, while
// the page's other scripts are on their way, and the page the same, which has the answers then.

/** what the timeline shows */
const TIMELINE_SERIES = ['slab/*/used', 'heap/*/used_bytes', 'heap/*/gc_count', 'process/*/rss_bytes', 'owner/*/requests', 'owner/*/client_errors', 'owner/*/server_errors'];
/** what findings.js reads */
export const FINDING_SERIES = ['slab/*/used', 'slab/*/overflow', 'arena/*/used_bytes', 'arena/*/overflow', 'heap/*/used_bytes', 'owner/*/requests', 'owner/*/server_errors'];
export const OVERVIEW_PX = 1200;
/** a quarter of the parts is had in a quarter of the time: where a recording is longer than some hours, those come first */
const COARSE_PX = 300;
const LONG_NS = 4 * 3600e9;
const LEAST_NS = 1e9;

/** The run of a link, or the live one, or the newest. @param {any[]} runs as /api/runs has them @param {import('./url.js').Place} place @returns {any} undefined: there is none */
export function chosenRun(runs, place) {
  return runs.find((run) => run.run === place.run) ?? runs.find((run) => run.live) ?? runs[runs.length - 1];
}

/** The span that the timeline shows of a whole run. @param {number} endTs @returns {[number, number]} */
export const wholeRun = (endTs) => [0, Math.max(LEAST_NS, endTs)];

/** Whether a timeline is better drawn from fewer parts until all of them are there. @param {[number, number]} span */
export const isLong = ([from, to]) => to - from > LONG_NS;

/** @param {[number, number]} span */
export function coarseQuery([from, to]) {
  return { from, to, px: COARSE_PX, series: TIMELINE_SERIES.join(',') };
}

/** @param {[number, number]} span @param {boolean} withFindings whether it is looked through for what went wrong, too */
export function overviewQuery([from, to], withFindings) {
  return { from, to, px: OVERVIEW_PX, series: [...new Set([...TIMELINE_SERIES, ...(withFindings ? FINDING_SERIES : [])])].join(',') };
}
