// @ts-check
// chart_view.js: charts with axes over the last minutes, by uPlot; one is drawn at a time.

// @ts-ignore: it is beside this file only where the page is served
import uPlot from './uPlot.esm.js';
import { byId, el, setText, visible, widthOf } from './dom.js';
import { bytes, clock, count, duration, isKnown, rate } from './format.js';
import { colours, theme } from './theme.js';

const HEIGHT = 150;
const PARTS = 240;
const SPAN_NS = 180e9;
const MIN_SPAN_NS = 10e9;
const REDRAW_MS = 250;
/** moments farther apart are not joined: nothing is known between them */
const BRIDGED_NS = 1e9;

/** @typedef {import('./state.js').State} State */
/** @typedef {{title: string, unit: (v: unknown) => string, series: [string, string, string][], top?: number}} ChartOptions series: name, label, colour */

/** @typedef {{state: State, span: (span: [number, number]) => [number, number] | null}} Beside the run drawn dashed over this one, and its span for one of this; null: none */

/** @type {ChartOptions[]} */
const CHARTS = [
  { title: 'Requests per second', unit: rate, series: [['req', 'requests', 'c1'], ['e4', '4xx', 'warn'], ['e5', '5xx', 'bad']] },
  { title: 'Latency, slowest server', unit: duration, series: [['p50', 'p50', 'good'], ['p95', 'p95', 'c3'], ['p99', 'p99', 'bad']] },
  { title: 'Connections', unit: count, series: [['open', 'open', 'c6'], ['active', 'active', 'c4']] },
  { title: 'Process memory', unit: bytes, series: [['rss', 'RSS', 'c5'], ['pss', 'PSS', 'c2'], ['anon', 'anonymous', 'c4']] },
  { title: 'CPU, percent of a core', unit: (v) => (isKnown(v) ? `${Math.round(v * 10) / 10} %` : '–'), series: [['cpu', 'process', 'c1'], ['recorder_cpu', 'recorder', 'c3']] },
  { title: 'Fullest pool and heap, percent', unit: (v) => (isKnown(v) ? `${Math.round(v)} %` : '–'), series: [['worst', 'fullest pool', 'c2'], ['heap', 'heap', 'c4']], top: 100 },
];

/** bytes have round numbers of their own */
const BYTE_STEPS = Array.from({ length: 50 }, (_, power) => 2 ** power);

const low = new Float64Array(PARTS);
const high = new Float64Array(PARTS);

/** The last minutes, or all of a run that is shorter. @param {State} state @returns {[number, number]} */
function shownSpan(state) {
  const from = Math.max(0, state.ts - SPAN_NS);
  return [from, Math.max(state.ts, from + MIN_SPAN_NS)];
}

/**
 * Fill the parts between two moments that follow each other; where nothing was recorded stays empty.
 * @param {Float64Array} lows @param {Float64Array} highs @param {[number, number]} span @param {State} of
 */
function bridge(lows, highs, span, of) {
  const part = (span[1] - span[0]) / lows.length;
  const most = Math.max(BRIDGED_NS, 3 * of.intervalNs, 2 * part);
  let last = -1;
  for (let i = 0; i < lows.length; i += 1) {
    if (Number.isNaN(lows[i])) continue;
    const from = span[0] + (last + 1) * part;
    const to = span[0] + i * part;
    const hole = last < 0 || to - from > most || of.gaps.some((gap) => gap.dur > 2 * of.intervalNs && gap.ts < to && gap.ts + gap.dur > from);
    for (let k = last + 1; !hole && k < i; k += 1) lows[k] = highs[k] = highs[last] + ((lows[i] - highs[last]) * (k - last)) / (i - last);
    last = i;
  }
}

/**
 * @param {ChartOptions} options @param {State} state @param {(ts: number) => void} seek
 * @param {Beside} beside
 */
function createChart(options, state, seek, beside) {
  const holder = el('div', { class: 'chart-holder' });
  const values = options.series.map(([, label, colour]) => {
    const value = el('b');
    return { value, root: el('li', {}, el('span', { class: `swatch line bg-${colour}`, 'aria-hidden': 'true' }), label, ' ', value) };
  });
  const root = el('figure', { class: 'card chart' }, el('figcaption', {}, el('h3', {}, options.title), el('ul', { class: 'legend' }, ...values.map((v) => v.root))), holder);
  /** @type {(number | null)[][]} x, then each series twice a part: lowest and highest; then those of the run beside */
  const data = [new Array(PARTS * 2).fill(0), ...options.series.map(() => new Array(PARTS * 2).fill(null))];
  const rows = options.series.length;
  /** @type {any} */
  let plot = null;
  let madeFor = '';
  let width = 0;
  new ResizeObserver(() => { width = holder.clientWidth; }).observe(holder);
  visible.watch(root);

  function make() {
    plot?.destroy();
    madeFor = `${theme.version} ${data.length}`;
    const axis = { stroke: colours.dim, grid: { stroke: colours.line, width: 1 }, ticks: { stroke: colours.line, width: 1, size: 4 }, font: '11px system-ui, sans-serif' };
    plot = new uPlot({
      width: Math.max(120, width), height: HEIGHT,
      legend: { show: false },
      cursor: { sync: { key: 'memcam' }, drag: { x: false, y: false }, points: { show: false } },
      scales: { x: { time: false, range: () => shownSpan(state) }, y: { range: (/** @type {any} */ _, /** @type {number} */ min, /** @type {number} */ max) => [0, options.top ?? (max > 0 ? max * 1.08 : 1)] } },
      axes: [
        { ...axis, size: 22, space: 70, values: (/** @type {any} */ _, /** @type {number[]} */ at) => at.map((ts) => (ts < 0 ? '' : clock(ts).replace(/\.000$/, ''))) },
        { ...axis, size: 62, space: 32, ...(options.unit === bytes ? { incrs: BYTE_STEPS } : {}), values: (/** @type {any} */ _, /** @type {number[]} */ at) => at.map((v) => options.unit(v)) },
      ],
      series: [{}, ...data.slice(1).map((_, k) => {
        const [, label, colour] = options.series[k % rows];
        return { label, stroke: colours[colour], width: 1.25, dash: k >= rows ? [5, 3] : undefined, points: { show: false } };
      })],
    }, data, holder);
    plot.over.addEventListener('click', () => {
      const ts = plot.posToVal(plot.cursor.left, 'x');
      if (Number.isFinite(ts)) seek(ts);
    });
  }

  /** The envelope of a series into a row of the plot. @param {(number | null)[]} column @param {State} of @param {string} name @param {[number, number]} span */
  function fill(column, of, name, span) {
    of.history.envelope(name, span[0], span[1] + 1, low, high);
    bridge(low, high, span, of);
    for (let i = 0; i < PARTS; i += 1) {
      column[2 * i] = Number.isNaN(low[i]) ? null : low[i];
      column[2 * i + 1] = Number.isNaN(high[i]) ? null : high[i];
    }
  }

  return {
    root,
    drawn: 0,
    seen: '',
    isVisible: () => (width = widthOf(width, holder)) > 0 && visible.is(root),
    /** What the picture is made of. */
    key: () => `${state.version.doc} ${beside.state.version.doc} ${state.compare !== null} ${theme.version} ${width}`,
    draw() {
      const other = beside.span(shownSpan(state));
      data.length = 1 + rows * (other ? 2 : 1);
      const [from, to] = shownSpan(state);
      const part = (to - from) / PARTS;
      for (let i = 0; i < PARTS; i += 1) {
        data[0][2 * i] = from + part * (i + 0.33);
        data[0][2 * i + 1] = from + part * (i + 0.66);
      }
      options.series.forEach(([name], k) => {
        fill(data[k + 1], state, name, [from, to]);
        if (other) fill(data[1 + rows + k] ??= new Array(PARTS * 2).fill(null), beside.state, name, other);
        setText(values[k].value, options.unit(state.history.last(name)));
      });
      if (!plot || madeFor !== `${theme.version} ${data.length}`) {
        make();
      } else {
        if (plot.width !== width) plot.setSize({ width, height: HEIGHT });
        plot.setData(data);
      }
    },
  };
}

/** @param {State} state @param {{seek: (ts: number) => void}} actions @param {Beside} beside */
export function createChartView(state, actions, beside) {
  document.head.prepend(el('link', { rel: 'stylesheet', href: '/assets/uPlot.min.css' })); // not before the first paint, which does not need it
  const charts = CHARTS.map((options) => createChart(options, state, actions.seek, beside));
  byId('chart-cards').append(...charts.map((c) => c.root));
  setText(byId('charts-span'), `${duration(SPAN_NS)} up to the moment shown · click to go there`);
  let next = 0;
  /** @param {number} nowMs @returns {typeof charts[number] | undefined} the next one that is to be drawn */
  const wanted = (nowMs) => {
    for (let i = 0; i < charts.length; i += 1) {
      const chart = charts[(next + i) % charts.length];
      if (chart.isVisible() && nowMs - chart.drawn >= REDRAW_MS && chart.seen !== chart.key()) return chart;
    }
    return undefined;
  };
  return {
    /** All that there are, at once. */
    drawAll() {
      if (state.doc) for (const chart of charts) if (chart.isVisible()) chart.draw();
    },
    /** @param {number} nowMs */
    due: (nowMs) => state.doc !== null && wanted(nowMs) !== undefined,
    /** Draw one of them. @param {number} nowMs */
    draw(nowMs) {
      const chart = wanted(nowMs);
      if (!chart) return;
      next = charts.indexOf(chart) + 1;
      chart.draw();
      chart.drawn = nowMs;
      chart.seen = chart.key();
    },
  };
}
