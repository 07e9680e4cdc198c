// @ts-check
// palette.js: the colour of a slot's state letter, told apart by colour-blind people (Okabe and Ito;
// Tol's muted scheme for letters of the program's own), for a dark and a light page.

import { FLASH_LEVELS, FREE } from './pool_map.js';

/** @typedef {[number, number, number]} Rgb */

/** @type {Record<string, Record<string, Rgb>>} letters with a fixed meaning */
const FIXED = {
  dark: { A: [0, 178, 130], I: [86, 180, 233], C: [240, 165, 20], N: [214, 138, 178], '.': [42, 48, 58] },
  light: { A: [0, 128, 94], I: [40, 132, 198], C: [214, 130, 0], N: [178, 76, 130], '.': [224, 227, 232] },
};
/** @type {Rgb[]} for other letters, in the order in which the run names them */
const OTHERS = [
  [86, 180, 233], [230, 159, 0], [0, 158, 115], [204, 121, 167], [213, 94, 0], [148, 132, 235],
  [240, 228, 66], [68, 170, 153], [170, 68, 153], [153, 153, 51], [221, 136, 119], [120, 150, 190],
  [136, 204, 120], [190, 140, 90],
];
export const FIXED_NAMES = { '.': 'free', A: 'active', I: 'idle', C: 'closing', N: 'connecting' };

/** @param {Rgb} from @param {Rgb} to @param {number} part @returns {Rgb} */
function mix(from, to, part) {
  return /** @type {Rgb} */ (from.map((v, i) => Math.round(v + (to[i] - v) * part)));
}

/**
 * The colour of a letter.
 * @param {string} letter
 * @param {string} letters the letters that the slab named itself, in order
 * @param {'dark' | 'light'} theme
 * @returns {Rgb}
 */
export function letterColour(letter, letters, theme) {
  const fixed = FIXED[theme];
  if (Object.hasOwn(fixed, letter) && !(letter !== '.' && letters.includes(letter))) return fixed[letter];
  const place = letters.indexOf(letter);
  const colour = OTHERS[(place >= 0 ? place : letter.charCodeAt(0)) % OTHERS.length];
  return theme === 'light' ? mix(colour, [0, 0, 0], 0.15) : colour;
}

/** @param {Rgb} colour */
export function css(colour) {
  return `rgb(${colour[0]} ${colour[1]} ${colour[2]})`;
}

/**
 * Colours of every letter at every level of flash, as little-endian RGBA words:
 * table[(level << 7) | letter].
 * @param {string} letters
 * @param {'dark' | 'light'} theme
 */
export function paletteTable(letters, theme) {
  const table = new Uint32Array((FLASH_LEVELS + 1) * 128);
  /** @type {Rgb} */
  const flash = theme === 'dark' ? [255, 255, 255] : [20, 20, 30];
  for (let letter = 0; letter < 128; letter += 1) {
    const base = letterColour(String.fromCharCode(letter), letters, theme);
    for (let level = 0; level <= FLASH_LEVELS; level += 1) {
      const strength = (level / FLASH_LEVELS) * (letter === FREE ? 0.45 : 0.75);
      const [r, g, b] = mix(base, flash, strength);
      table[(level << 7) | letter] = ((255 << 24) | (b << 16) | (g << 8) | r) >>> 0;
    }
  }
  return table;
}
