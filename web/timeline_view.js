// @ts-check
// timeline_view.js: the whole run, or a part of it: lanes with marks, gaps and the moment shown.
// Click seeks, drag selects, the wheel zooms, shift and wheel or drag moves along.

import { byId, el, fitCanvas } from './dom.js';
import { bytes, clock, rate } from './format.js';
import { collections } from './findings.js';
import { LanesImage } from './lanes_view.js';
import { columns, lanes, tickText, ticks, toTs, toX, within, zoom } from './timeline.js';
import { colours, theme } from './theme.js';
import { gapText } from './warnings.js';

const TALL_LANE_PX = 20;
const LOW_LANE_PX = 14;
/** a window lower than this has low lanes */
const LOW_WINDOW_PX = 700;
/** the lane on top: marks with their names, what went wrong, gaps */
const TOP_PX = 18;
const FINDING_PX = 3;
const MARK_GAP_PX = 12;
const GAP_HOLE_PX = 1.5;
const SHORT_GAP_PX = 5;
const AXIS_PX = 16;
const LABEL_PX = 116;
const DRAG_PX = 4;
/** a gap is never narrower, and has lines so far apart */
const GAP_LEAST_PX = 3;
const HATCH_PX = 4;
const DOUBLE_MS = 500;
const WHEEL_FACTOR = 1.0016;
/** @type {Record<string, {colour: string, format: (v: number) => string}>} */
const LANES = {
  'req/s': { colour: 'c1', format: rate },
  'err/s': { colour: 'bad', format: rate },
  'pool %': { colour: 'c2', format: (v) => `${Math.floor(v)} %` },
  heap: { colour: 'c4', format: bytes },
  RSS: { colour: 'c5', format: bytes },
};

/** The series of the page that go on where the overview ends. @type {Record<string, string[]>} */
const TAILS = { 'req/s': ['req'], 'err/s': ['e4', 'e5'], 'pool %': ['worst'], heap: ['heap_bytes'], RSS: ['rss'] };

/** @typedef {import('./state.js').State} State */

/**
 * @param {State} state
 * @param {{seek: (ts: number) => void, select: (span: [number, number] | null) => void, view: (span: [number, number] | null) => void, tip: (text: string | null, x?: number, y?: number) => void, look: (pick: State['pick']) => void}} actions
 */
export function createTimelineView(state, actions) {
  const root = byId('timeline');
  const canvas = /** @type {HTMLCanvasElement} */ (el('canvas', { class: 'timeline', role: 'img', 'aria-label': 'The run over time: request rate, errors, fullest pool, heap, resident memory, marks and gaps. Use the slider to move.' }));
  const cursor = el('div', { class: 'cursor', 'aria-hidden': 'true' });
  root.append(canvas, cursor);
  const context = /** @type {CanvasRenderingContext2D} */ (canvas.getContext('2d'));
  let width = 0;
  let lanePx = TALL_LANE_PX;
  new ResizeObserver(() => { width = root.clientWidth; drawnKey = ''; state.changed(); }).observe(root);
  /** @type {import('./timeline.js').Lane[]} */
  let shown = [];
  /** @type {number[]} */
  let collected = [];
  let drawnKey = '';
  /** @type {any} the overview that the lanes are made of */
  let preparedOf = null;
  let preparedFor = -1;
  let lanesVersion = 0;
  const image = new LanesImage();
  let imageKey = '';
  /** the picture that is begun: its key, its span and columns, and which lane is next @type {{key: string, now: [number, number], across: number, lane: number} | null} */
  let begun = null;

  const span = () => /** @type {[number, number]} */ (state.view ?? [0, Math.max(1e9, state.endTs)]);
  const plot = () => Math.max(1, width - LABEL_PX);
  const tsAt = (/** @type {MouseEvent} */ event) => toTs(event.clientX - root.getBoundingClientRect().left - LABEL_PX, span(), plot());

  /** All that the picture is made of, but the cursor. */
  const key = () => `${lanesVersion} ${preparedFor} ${state.version.marks} ${state.view ?? ''} ${state.selected ?? ''} ${width} ${theme.version} ${state.view && state.mode !== 'live' ? '' : Math.floor(state.endTs / 5e8)}`;
  /** @type {string | null} */
  let cursorPlace = '';

  gestures();

  function gestures() {
    /** @type {{x: number, ts: number, span: [number, number], moved: boolean, pan: boolean} | null} */
    let drag = null;
    /** what the first click of a double one took away @type {[number, number] | null} */
    let cleared = null;
    let clickedMs = -Infinity;
    canvas.addEventListener('pointerdown', (event) => {
      if (event.button !== 0) return;
      canvas.setPointerCapture(event.pointerId);
      drag = { x: event.clientX, ts: tsAt(event), span: span(), moved: false, pan: event.shiftKey };
    });
    canvas.addEventListener('pointermove', (event) => {
      const ts = tsAt(event);
      actions.tip(ts < 0 ? null : tipText(ts), event.clientX, event.clientY);
      if (!drag) return;
      if (Math.abs(event.clientX - drag.x) > DRAG_PX) drag.moved = true;
      if (!drag.moved) return;
      if (drag.pan) {
        const by = ((drag.x - event.clientX) / plot()) * (drag.span[1] - drag.span[0]);
        actions.view(within([drag.span[0] + by, drag.span[1] + by], state.endTs));
      } else {
        actions.select([Math.max(0, Math.min(drag.ts, ts)), Math.min(state.endTs, Math.max(drag.ts, ts))]);
      }
    });
    canvas.addEventListener('pointerup', (event) => {
      if (drag && !drag.moved) {
        if (event.timeStamp - clickedMs > DOUBLE_MS) cleared = state.selected;
        clickedMs = event.timeStamp;
        if (state.selected) actions.select(null);
        const mark = markAt(event);
        actions.seek(mark ? mark.ts : tsAt(event));
        if (mark) actions.look({ mark: mark.mark_id });
      }
      drag = null;
    });
    canvas.addEventListener('pointerleave', () => actions.tip(null));
    canvas.addEventListener('dblclick', () => {
      actions.view(cleared);
    });
    canvas.addEventListener('wheel', (event) => {
      event.preventDefault();
      const old = span();
      if (event.shiftKey || Math.abs(event.deltaX) > Math.abs(event.deltaY)) {
        const by = ((event.deltaX || event.deltaY) / plot()) * (old[1] - old[0]);
        actions.view(within([old[0] + by, old[1] + by], state.endTs));
      } else {
        actions.view(zoom(old, tsAt(event), WHEEL_FACTOR ** event.deltaY, Math.max(1e9, state.endTs)));
      }
    }, { passive: false });
  }

  /** The mark in the top lane under the pointer. @param {MouseEvent} event */
  function markAt(event) {
    if (event.clientY - canvas.getBoundingClientRect().top > TOP_PX) return undefined;
    const x = event.clientX - root.getBoundingClientRect().left - LABEL_PX;
    return state.marks.findLast((mark) => {
      const from = toX(mark.ts, span(), plot());
      return x >= from - 6 && x <= from + 4 + context.measureText(mark.label).width + MARK_GAP_PX;
    });
  }

  /** A part's value; where parts are finer than frames, that of the frame before. @param {Float64Array} values @param {number} part @param {number} reach */
  function valueAt(values, part, reach) {
    for (let i = part; i >= 0 && i > part - Math.max(1, reach); i -= 1) if (!Number.isNaN(values[i])) return values[i];
    return undefined;
  }

  /** @param {number} ts */
  function tipText(ts) {
    const out = [clock(ts)];
    const overview = preparedOf;
    if (overview) {
      for (const lane of shown) {
        const value = valueAt(lane.high, Math.floor(((ts - overview.from) / (overview.to - overview.from)) * lane.high.length), Math.ceil((state.intervalNs * 1.6 * lane.high.length) / (overview.to - overview.from)));
        if (value !== undefined) out.push(`${lane.name} ${LANES[lane.name].format(value)}`);
      }
    }
    const near = ((span()[1] - span()[0]) / plot()) * 5;
    for (const mark of state.marks) if (Math.abs(mark.ts - ts) < near) out.push(`▲ ${mark.label}`);
    for (const finding of state.findings) if (finding.kind !== 'gap' && finding.kind !== 'growth' && ts >= finding.ts - near && ts <= finding.end + near) out.push(`${finding.level === 'critical' ? '■' : '▲'} ${finding.text}`);
    const gaps = state.gaps.filter((gap) => ts >= gap.ts - near && ts <= gap.ts + gap.dur + near);
    if (gaps.length > 0) out.push(`${gaps.length > 1 ? `${gaps.length} gaps, the first: ` : 'gap: '}${gapText(gaps[0])}`);
    return out.join(' · ');
  }

  function drawAll() {
    // The room that most runs need, until it is known: what is above must not move.
    const height = TOP_PX + lanePx * (state.overview ? Math.max(1, shown.length) : Object.keys(LANES).length) + AXIS_PX;
    fitCanvas(canvas, width, height);
    const ratio = window.devicePixelRatio || 1;
    context.setTransform(ratio, 0, 0, ratio, 0, 0);
    context.clearRect(0, 0, width, height);
    context.font = `${lanePx === TALL_LANE_PX ? 11 : 10}px system-ui, sans-serif`;
    const now = span();
    drawGaps(now, height);
    drawLabels();
    if (shown.length > 0) context.drawImage(image.canvas, LABEL_PX, TOP_PX, plot(), lanePx * shown.length);
    drawCollections(now);
    drawAxis(now, height);
    drawFindings(now);
    drawMarks(now, height);
    if (state.selected) {
      const from = LABEL_PX + Math.max(0, toX(state.selected[0], now, plot()));
      const to = LABEL_PX + Math.min(plot(), toX(state.selected[1], now, plot()));
      context.globalAlpha = 0.22;
      context.fillStyle = colours.accent;
      if (to > from) context.fillRect(from, 0, to - from, height);
      context.globalAlpha = 1;
    }
  }

  /** Names and tops of the lanes, at their left. */
  function drawLabels() {
    context.fillStyle = colours.dim;
    context.textBaseline = 'middle';
    shown.forEach((lane, i) => {
      const y = TOP_PX + (i + 0.5) * lanePx;
      context.fillText(lane.name, 4, y);
      context.textAlign = 'right';
      context.fillText(`≤ ${LANES[lane.name].format(lane.top)}`, LABEL_PX - 6, y);
      context.textAlign = 'left';
    });
  }

  /** Paint a lane's values, when they, their place or the colours are others. @returns {boolean} whether one was painted */
  function paintLane() {
    begun ??= beginLanes();
    if (!begun) return false;
    const { now, across, lane: i } = begun;
    const lane = shown[i];
    const { from, to } = preparedOf;
    const step = (to - from) / lane.high.length;
    // Where pixels are finer than frames, a frame stands until the next one.
    columns(image.low, image.high, lane, toX(from, now, across), toX(now[0] + step, now, across), Math.ceil((state.intervalNs * 1.6) / step));
    image.paint(i, lane.top, colours[LANES[lane.name].colour], 0, across);
    if (state.isLiveRun && state.mode === 'live') drawTail(i, lane, from, step, now, across);
    begun.lane += 1;
    return true;
  }

  /** @returns {typeof begun} null: the lanes stand */
  function beginLanes() {
    const ratio = window.devicePixelRatio || 1;
    lanePx = window.innerHeight < LOW_WINDOW_PX ? LOW_LANE_PX : TALL_LANE_PX;
    const now = span();
    const across = Math.max(1, Math.round(plot() * ratio));
    const wanted = `${lanesVersion} ${now} ${across} ${lanePx} ${ratio} ${theme.version} ${state.mode === 'live' ? state.ts : ''}`;
    if (shown.length === 0 || wanted === imageKey) return null;
    imageKey = wanted;
    image.begin(across, shown.length, lanePx, ratio);
    return { key: key(), now, across, lane: 0 };
  }

  /**
   * Live, the store is some seconds behind: what came since is in the page's own series.
   * @param {number} index @param {import('./timeline.js').Lane} lane @param {number} from of the overview @param {number} step of its parts
   * @param {[number, number]} now @param {number} across
   */
  function drawTail(index, lane, from, step, now, across) {
    let last = lane.high.length - 1;
    while (last >= 0 && Number.isNaN(lane.high[last])) last -= 1;
    const begin = from + (last + 1) * step;
    const left = Math.max(0, Math.floor(toX(begin, now, across)));
    const right = Math.min(across, Math.ceil(toX(state.ts, now, across)));
    if (right <= left) return;
    const lows = image.low.subarray(left, right);
    const highs = image.high.subarray(left, right);
    for (const series of TAILS[lane.name]) {
      state.history.envelope(series, begin, state.ts + 1, lows, highs);
      for (let x = 1; x < highs.length; x += 1) {
        if (!Number.isNaN(highs[x])) continue;
        highs[x] = highs[x - 1];
        lows[x] = highs[x - 1];
      }
      image.paint(index, lane.top, colours[LANES[lane.name].colour], left, right);
    }
  }

  /** Where nothing was recorded is hatched. @param {[number, number]} now @param {number} height */
  function drawGaps(now, height) {
    const hatched = hatch(colours.line, colours.dim);
    if (hatched) context.fillStyle = hatched;
    let drawn = -Infinity;
    for (const gap of state.gaps) {
      const x = LABEL_PX + toX(gap.ts, now, plot());
      const exact = toX(gap.ts + gap.dur, now, plot()) - toX(gap.ts, now, plot());
      // What is too short to be seen as a hole of the lanes stands in the top lane alone.
      const isHole = exact >= GAP_HOLE_PX;
      const w = Math.max(GAP_LEAST_PX, exact);
      if (x + w < LABEL_PX || x > width || (!isHole && x < drawn + 1)) continue;
      const [top, bottom] = isHole ? [0, height - AXIS_PX] : [TOP_PX - SHORT_GAP_PX, TOP_PX];
      drawn = x;
      context.fillRect(Math.max(LABEL_PX, x), top, w, bottom - top);
    }
  }

  /** A line every so many pixels, as one fill. @param {string} ground @param {string} lines */
  function hatch(ground, lines) {
    const tile = document.createElement('canvas');
    [tile.width, tile.height] = [1, HATCH_PX];
    const draw = /** @type {CanvasRenderingContext2D} */ (tile.getContext('2d'));
    draw.fillStyle = ground;
    draw.fillRect(0, 0, 1, HATCH_PX);
    draw.fillStyle = lines;
    draw.fillRect(0, HATCH_PX / 2, 1, 1);
    return context.createPattern(tile, 'repeat');
  }

  /** @param {[number, number]} now @param {number} height */
  function drawAxis(now, height) {
    const at = ticks(now, Math.max(2, Math.floor(plot() / 90)));
    const step = at.length > 1 ? at[1] - at[0] : 1e9;
    context.fillStyle = colours.dim;
    context.textBaseline = 'bottom';
    for (const ts of at) {
      const x = LABEL_PX + toX(ts, now, plot());
      context.fillRect(x, height - AXIS_PX, 1, 4);
      const text = tickText(ts, step);
      if (x + 3 + context.measureText(text).width <= width) context.fillText(text, x + 3, height - 1);
    }
  }

  /** A tick below the heap's lane for each collection. @param {[number, number]} now */
  function drawCollections(now) {
    const lane = shown.findIndex((l) => l.name === 'heap');
    if (lane < 0) return;
    const y = TOP_PX + (lane + 1) * lanePx;
    context.fillStyle = colours.text;
    for (const ts of collected) {
      const x = LABEL_PX + toX(ts, now, plot());
      if (x >= LABEL_PX && x <= width) context.fillRect(x, y - 5, 1, 4);
    }
  }

  /** What went wrong, as a line along the upper edge. @param {[number, number]} now */
  function drawFindings(now) {
    for (const finding of [...state.findings].reverse()) {
      if (finding.kind === 'gap' || finding.kind === 'growth') continue;
      const from = LABEL_PX + Math.max(0, toX(finding.ts, now, plot()));
      const to = LABEL_PX + Math.min(plot(), toX(finding.end, now, plot()));
      if (to < LABEL_PX || from > width) continue;
      context.fillStyle = finding.level === 'critical' ? colours.bad : colours.warn;
      context.fillRect(from, 0, Math.max(4, to - from), finding.level === 'critical' ? FINDING_PX + 2 : FINDING_PX);
    }
  }

  /** Marks over all lanes; their names in the top one, as far as there is room. @param {[number, number]} now @param {number} height */
  function drawMarks(now, height) {
    context.fillStyle = colours.dim;
    context.textBaseline = 'middle';
    context.fillText('marks', 4, TOP_PX / 2 + 2);
    const xs = state.marks.map((mark) => LABEL_PX + toX(mark.ts, now, plot()));
    state.marks.forEach((mark, i) => {
      const x = xs[i];
      if (x < LABEL_PX || x > width) return;
      context.fillStyle = colours.c3;
      if (mark.dur > 0) {
        context.globalAlpha = 0.2;
        context.fillRect(x, FINDING_PX, Math.max(1, toX(mark.ts + mark.dur, now, plot()) - toX(mark.ts, now, plot())), height - AXIS_PX - FINDING_PX);
        context.globalAlpha = 1;
      }
      context.fillRect(x, TOP_PX, 1, height - AXIS_PX - TOP_PX);
      context.beginPath();
      context.moveTo(x - 4, FINDING_PX + 3);
      context.lineTo(x + 4, FINDING_PX + 3);
      context.lineTo(x, TOP_PX);
      context.fill();
      const room = (xs.slice(i + 1).find((next) => next > x) ?? width) - x - 2 * MARK_GAP_PX;
      if (room < 24) return;
      context.fillStyle = colours.text;
      context.textBaseline = 'middle';
      context.fillText(shortened(mark.label, room), x + 8, TOP_PX / 2 + 2);
    });
  }

  /** @param {string} text @param {number} room */
  function shortened(text, room) {
    let out = text.slice(0, 80);
    while (out.length > 1 && context.measureText(out).width > room) out = `${out.slice(0, Math.max(1, Math.floor(out.length * 0.8) - 1))}…`;
    return out;
  }

  /** Where the moment shown is; null: nowhere. */
  function placeOfCursor() {
    const x = toX(state.ts, span(), plot());
    return !state.doc || x < 0 || x > plot() + 1 ? null : `translateX(${Math.round(LABEL_PX + Math.min(plot(), x))}px)`;
  }

  return {
    /** Whether the moment shown is at another place than the cursor. */
    hasMoved: () => width > 0 && placeOfCursor() !== cursorPlace,
    placeCursor() {
      cursorPlace = placeOfCursor();
      if (cursor.hidden !== (cursorPlace === null)) cursor.hidden = cursorPlace === null;
      if (cursorPlace !== null) cursor.style.transform = cursorPlace;
    },
    /** Whether there are lanes to be shown, and none yet. */
    isAwaited: () => width > 0 && shown.length === 0 && state.overview !== preparedOf && state.overview !== null,
    /** Whether another overview has come. */
    isBehind: () => state.version.overview !== preparedFor,
    /** Make lanes of the overview, before they are drawn. */
    prepare() {
      preparedFor = state.version.overview;
      if (state.overview === preparedOf) return; // but for what went wrong in it
      preparedOf = state.overview;
      const capacity = new Map((state.run?.sources ?? []).filter((/** @type {any} */ s) => s.kind === 'slab').map((/** @type {any} */ s) => [s.name, s.slot_count]));
      shown = state.overview ? lanes(state.overview, capacity, state.isLiveRun) : [];
      collected = state.overview ? collections(state.overview) : [];
      lanesVersion += 1;
      begun = null;
    },
    /** Whether it has to be drawn anew. */
    isStale: () => width > 0 && key() !== drawnKey,
    /** Draw a lane of it, or, when these stand, all. @param {boolean} [whole] all now, and anew */
    draw(whole = false) {
      if (whole) {
        begun = null;
        imageKey = '';
      }
      while (paintLane() && begun && begun.lane < shown.length) if (!whole) return;
      if (begun) {
        image.rule(shown.length);
        image.end();
      }
      drawnKey = begun?.key ?? key();
      begun = null;
      drawAll();
    },
  };
}
