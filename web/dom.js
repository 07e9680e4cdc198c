// @ts-check
// dom.js: making elements and changing their text. Data enters a page only as text.

/**
 * @param {string} tag
 * @param {Record<string, string | number | boolean | undefined>} [attributes] "class" and others; false and undefined are left out
 * @param {...(Node | string)} children
 * @returns {HTMLElement}
 */
export function el(tag, attributes = {}, ...children) {
  const node = document.createElement(tag);
  for (const [name, value] of Object.entries(attributes)) {
    if (value === undefined || value === false) continue;
    node.setAttribute(name, value === true ? '' : String(value));
  }
  node.append(...children);
  return node;
}

/** @type {WeakMap<Node, {node: Text, text: string}>} what setText wrote last */
const texts = new WeakMap();

/** Change an element's text, when it is another: a text that changes is laid out sooner than a new one. @param {Element} node @param {string} text */
export function setText(node, text) {
  const last = texts.get(node);
  if (last?.text === text) return;
  if (last && last.node.parentNode === node) {
    last.node.data = last.text = text;
    return;
  }
  const made = new Text(text);
  node.replaceChildren(made);
  texts.set(node, { node: made, text });
}

/** @type {WeakMap<Element, unknown>} */
const values = new WeakMap();

/**
 * Show a number: its text for people, the number itself in data-value.
 * @param {Element} node @param {unknown} value @param {(value: unknown) => string} format
 */
export function setNumber(node, value, format) {
  if (values.get(node) === value && texts.has(node)) return;
  values.set(node, value);
  if (value === undefined || value === null || Number.isNaN(value)) node.removeAttribute('data-value');
  else node.setAttribute('data-value', String(value));
  setText(node, format(value));
}

/**
 * Show something made of a number, such as its rate, that changes when the number does not: the
 * number is in data-value.
 * @param {Element} node @param {unknown} value @param {string} text
 */
export function setDerived(node, value, text) {
  setNumber(node, value, () => text);
  setText(node, text);
}

/** @param {Element} node @param {string} name @param {boolean} on */
export function setClass(node, name, on) {
  if (node.classList.contains(name) !== on) node.classList.toggle(name, on);
}

/** @param {string} id @returns {any} */
export function byId(id) {
  const node = document.getElementById(id);
  if (!node) throw new Error(`the page has no #${id}`);
  return node;
}

/** A labelled number with its hook for tests. @param {string} label @param {string} field @param {string} [title] */
export function fact(label, field, title) {
  const value = el('dd', { 'data-field': field });
  const row = el('div', { class: 'fact', title }, el('dt', {}, label), value);
  return { row, value };
}

/**
 * Keep one element per name: make what is new, drop what is gone, order as given.
 * @template T
 */
export class Keyed {
  /** @param {Element} parent @param {(name: string) => T & {root: Element}} make */
  constructor(parent, make) {
    this.parent = parent;
    this.make = make;
    /** @type {Map<string, T & {root: Element}>} */
    this.items = new Map();
  }

  /** @param {string[]} names @returns {(T & {root: Element})[]} in that order */
  sync(names) {
    const wanted = new Set(names);
    for (const [name, item] of this.items) {
      if (wanted.has(name)) continue;
      item.root.remove();
      this.items.delete(name);
    }
    return names.map((name, index) => {
      let item = this.items.get(name);
      if (!item) {
        item = this.make(name);
        this.items.set(name, item);
      }
      if (this.parent.children[index] !== item.root) this.parent.insertBefore(item.root, this.parent.children[index] ?? null);
      return item;
    });
  }
}

/** A canvas as sharp as the screen; true when its size changed. @param {HTMLCanvasElement} canvas @param {number} width @param {number} height in CSS pixels */
export function fitCanvas(canvas, width, height) {
  const ratio = window.devicePixelRatio || 1;
  const w = Math.max(1, Math.round(width * ratio));
  const h = Math.max(1, Math.round(height * ratio));
  if (canvas.width === w && canvas.height === h) return false;
  canvas.width = w;
  canvas.height = h;
  canvas.style.width = `${width}px`;
  canvas.style.height = `${height}px`;
  return true;
}

/** Whether an element is on the screen, or nearly. Observed once, asked each frame. */
export class Visible {
  constructor() {
    /** @type {WeakMap<Element, boolean>} */
    this.seen = new WeakMap();
    /** what to do when something comes on or goes off the screen */
    this.changed = () => {};
    this.version = 0;
    /** for paper and pictures, what is off the screen counts as on it */
    this.forced = false;
    this.observer = new IntersectionObserver((list) => {
      for (const entry of list) this.seen.set(entry.target, entry.isIntersecting);
      this.version += 1;
      this.changed();
    }, { rootMargin: '80px' });
  }

  /** @param {Element} node */
  watch(node) {
    this.observer.observe(node);
  }

  /** @param {Element} node */
  is(node) {
    return this.forced || (this.seen.get(node) ?? true);
  }
}
export const visible = new Visible();

/** The width of an element as observed; where it was not yet laid out and is wanted all the same, as it is now. @param {number} observed @param {Element} node */
export function widthOf(observed, node) {
  return observed === 0 && visible.forced ? node.clientWidth : observed;
}

/** A box that scrolls where it is narrower than what is in it, by keys too. @param {string} label @param {Node[]} children */
export function scrollBox(label, ...children) {
  return el('div', { class: 'scroll', role: 'group', 'aria-label': label, tabindex: '0' }, ...children);
}
