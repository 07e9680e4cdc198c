// @ts-check
// history.js: the last minutes of every number, in rings of doubles that never grow.
// Never: holds more than `rows` moments or `maxColumns` series; what comes after is not kept.

/** Rows are moments, in order of time; columns are named series. NaN is "not known then". */
export class History {
  /** @param {number} rows @param {number} maxColumns */
  constructor(rows, maxColumns) {
    this.rows = rows;
    this.maxColumns = maxColumns;
    this.ts = new Float64Array(rows);
    /** @type {Map<string, Float64Array>} */
    this.columns = new Map();
    this.first = 0;
    this.length = 0;
    /** where the span of the last rate began; -1: to be looked for */
    this.spanFrom = -1;
    this.spanNs = 0;
  }

  /** Forget all moments; the columns stay. */
  clear() {
    this.first = 0;
    this.length = 0;
    this.spanFrom = -1;
  }

  /** Forget moments at `ts` and later: time went back. @param {number} ts */
  truncate(ts) {
    while (this.length > 0 && this.ts[this.at(this.length - 1)] >= ts) this.length -= 1;
    this.spanFrom = -1;
  }

  /** @param {number} index 0 is the oldest */
  at(index) {
    return (this.first + index) % this.rows;
  }

  /** Where the newest moments without a hole among them begin. @param {number} holeNs what lies further apart has a hole between @returns {number} an index; 0 where there is none */
  tailIndex(holeNs) {
    let index = Math.max(0, this.length - 1);
    while (index > 0 && this.ts[this.at(index)] - this.ts[this.at(index - 1)] <= holeNs) index -= 1;
    return index;
  }

  /** Begin a moment, later than all before. @param {number} ts */
  push(ts) {
    if (this.length === this.rows) this.first = (this.first + 1) % this.rows;
    else this.length += 1;
    const row = this.at(this.length - 1);
    this.ts[row] = ts;
    this.spanFrom = -1;
    for (const column of this.columns.values()) column[row] = NaN;
  }

  /** Put a value into the newest moment. @param {string} name @param {unknown} value */
  set(name, value) {
    if (typeof value !== 'number' || this.length === 0) return;
    let column = this.columns.get(name);
    if (!column) {
      if (this.columns.size >= this.maxColumns) return;
      column = new Float64Array(this.rows).fill(NaN);
      this.columns.set(name, column);
    }
    column[this.at(this.length - 1)] = value;
  }

  /** The newest value of a series, NaN when there is none. @param {string} name */
  last(name) {
    const column = this.columns.get(name);
    return column && this.length > 0 ? column[this.at(this.length - 1)] : NaN;
  }

  /** @param {number} ts @returns {number} the index of the first moment at or after ts */
  indexOf(ts) {
    let low = 0;
    let high = this.length;
    while (low < high) {
      const middle = (low + high) >> 1;
      if (this.ts[this.at(middle)] < ts) low = middle + 1;
      else high = middle;
    }
    return low;
  }

  /**
   * How fast a total that only grows has grown over the last `spanNs`, per second. NaN when there
   * is less than two moments; 0 when it began anew.
   * @param {string} name
   * @param {number} spanNs
   */
  rate(name, spanNs) {
    const column = this.columns.get(name);
    if (!column || this.length < 2) return NaN;
    const newest = this.at(this.length - 1);
    const value = column[newest];
    if (this.spanFrom < 0 || this.spanNs !== spanNs) this.spanFrom = this.indexOf(this.ts[newest] - spanNs); // the same for all of a moment
    this.spanNs = spanNs;
    let index = Math.min(this.spanFrom, this.length - 2);
    while (index < this.length - 1 && Number.isNaN(column[this.at(index)])) index += 1;
    const oldest = this.at(index);
    const elapsed = this.ts[newest] - this.ts[oldest];
    return elapsed > 0 ? Math.max(0, ((value - column[oldest]) / elapsed) * 1e9) : NaN;
  }

  /**
   * The lowest and highest value of each of `low.length` equal parts of [from, to), NaN for a part
   * with none. No peak is lost, however narrow.
   * @param {string} name
   * @param {number} from
   * @param {number} to
   * @param {Float64Array} low
   * @param {Float64Array} high
   */
  envelope(name, from, to, low, high) {
    low.fill(NaN);
    high.fill(NaN);
    const column = this.columns.get(name);
    if (!column || to <= from) return;
    const scale = low.length / (to - from);
    for (let index = this.indexOf(from); index < this.length; index += 1) {
      const row = this.at(index);
      const part = Math.floor((this.ts[row] - from) * scale);
      if (part >= low.length) break;
      const value = column[row];
      if (Number.isNaN(value)) continue;
      if (!(low[part] <= value)) low[part] = value;
      if (!(high[part] >= value)) high[part] = value;
    }
  }
}

/** The newest `size` of what was put in, oldest first. @template T */
export class Recent {
  /** @param {number} size */
  constructor(size) {
    this.size = size;
    /** @type {T[]} */
    this.items = [];
    this.first = 0;
  }

  /** @param {T} item */
  push(item) {
    if (this.items.length < this.size) {
      this.items.push(item);
    } else {
      this.items[this.first] = item;
      this.first = (this.first + 1) % this.size;
    }
  }

  clear() {
    this.items = [];
    this.first = 0;
  }

  get length() {
    return this.items.length;
  }

  /** @param {number} index 0 is the newest */
  newest(index) {
    const count = this.items.length;
    return this.items[(this.first + count - 1 - index + count) % count];
  }
}
