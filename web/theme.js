// @ts-check
// theme.js: dark or light, as the system has it unless one is chosen, always light on paper; and the
// colours that canvases paint with, read from the style sheet.

import { keep, recall } from './keep.js';

const KEY = 'memcam.theme';
const query = window.matchMedia('(prefers-color-scheme: light)');
const NAMES = ['bg', 'panel', 'line', 'text', 'dim', 'accent', 'good', 'warn', 'bad', 'c1', 'c2', 'c3', 'c4', 'c5', 'c6'];
/** 'light', 'dark', anything else for the system's */
let chosen = recall(KEY);
let paper = false;
/** @type {() => void} */
let changed;

/** @type {Record<string, string>} */
export const colours = {};
export const theme = { name: /** @type {'dark' | 'light'} */ ('dark'), version: 0 };

function read() {
  const system = query.matches ? 'light' : 'dark';
  theme.name = paper ? 'light' : chosen === 'light' || chosen === 'dark' ? chosen : system;
  theme.version += 1;
  const root = document.documentElement;
  root.style.colorScheme = theme.name;
  const style = getComputedStyle(root);
  // As written: light-dark(#light, #dark).
  for (const name of NAMES) colours[name] = (style.getPropertyValue(`--${name}`).match(/#\w+/g) ?? [])[theme.name === 'light' ? 0 : 1];
  changed();
}

/** @param {() => void} then after each change, and at once */
export function watchTheme(then) {
  changed = then;
  read();
  query.addEventListener('change', read);
}

/** The other of dark and light; the system's own choice is not kept, so that the page follows it again. */
export function switchTheme() {
  const other = theme.name === 'light' ? 'dark' : 'light';
  chosen = other === (query.matches ? 'light' : 'dark') ? '' : other;
  keep(KEY, chosen);
  read();
}

/** Colours for paper, or for the screen again. @param {boolean} on */
export function setPaper(on) {
  paper = on;
  read();
}

export const reducedMotion = window.matchMedia('(prefers-reduced-motion: reduce)');
