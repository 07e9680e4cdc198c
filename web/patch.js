// @ts-check
// patch.js: JSON Merge Patch (RFC 7396), what every delta of a stream is.
// Never: follows or sets a prototype; a pool may be called "__proto__".

/** @param {unknown} value @returns {value is Record<string, any>} */
function isObject(value) {
  return value !== null && typeof value === 'object' && !Array.isArray(value);
}

/** @param {Record<string, any>} object @param {string} key @param {unknown} value */
function setOwn(object, key, value) {
  if (key === '__proto__') {
    Object.defineProperty(object, key, { value, writable: true, enumerable: true, configurable: true });
  } else {
    object[key] = value;
  }
}

/**
 * Apply `patch` to `target` and return the result. An object target is changed in place; what the
 * patch holds is copied, so that neither can change the other afterwards.
 * @param {any} target
 * @param {any} patch
 * @returns {any}
 */
export function mergePatch(target, patch) {
  if (!isObject(patch)) return Array.isArray(patch) ? structuredClone(patch) : patch;
  const out = isObject(target) ? target : {};
  for (const key of Object.keys(patch)) {
    const value = patch[key];
    if (value === null) delete out[key];
    else setOwn(out, key, isObject(value) || Array.isArray(value) ? mergePatch(ownValue(out, key), value) : value);
  }
  return out;
}

/**
 * A member of an object that is its own; undefined for what it inherits.
 * @param {any} object
 * @param {string} key
 */
export function ownValue(object, key) {
  return object !== null && object !== undefined && Object.hasOwn(object, key) ? object[key] : undefined;
}
