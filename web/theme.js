// @ts-check
// theme.js: dark or light, and the colours that canvases paint with, read from the style sheet.

const query = window.matchMedia('(prefers-color-scheme: light)');
const NAMES = ['bg', 'panel', 'line', 'text', 'dim', 'accent', 'good', 'warn', 'bad', 'c1', 'c2', 'c3', 'c4', 'c5', 'c6'];

/** @type {Record<string, string>} */
export const colours = {};
export const theme = { name: /** @type {'dark' | 'light'} */ ('dark'), version: 0 };

function read() {
  theme.name = query.matches ? 'light' : 'dark';
  theme.version += 1;
  const style = getComputedStyle(document.documentElement);
  for (const name of NAMES) colours[name] = style.getPropertyValue(`--${name}`).trim();
}

/** @param {() => void} changed */
export function watchTheme(changed) {
  read();
  query.addEventListener('change', () => {
    read();
    changed();
  });
}

export const reducedMotion = window.matchMedia('(prefers-reduced-motion: reduce)');
