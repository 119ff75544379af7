'use strict';
// Times in milliseconds; Infinity is for ever.

/** What timers of Node and options of the library take; 24 days. A timer with more would be over at once. */
const LONGEST = 0x7fffffff;

/** Whole milliseconds, what is less than one being one; or Infinity. */
function milliseconds(value, name) {
  if (typeof value !== 'number' || !(value >= 0)) {
    const given = typeof value === 'string' ? JSON.stringify(value) : String(value);
    throw new RangeError(`${name} is a number of milliseconds, at least 0, or Infinity: ${given}`);
  }
  return value === Infinity ? Infinity : Math.min(Math.ceil(value), LONGEST);
}

/** A call's own time limit, or else this one; undefined: none. */
function limit(value, otherwise) {
  const time = value ?? otherwise;
  if (time === undefined) return undefined;
  const whole = milliseconds(time, 'timeout');
  return whole === Infinity ? undefined : whole;
}

module.exports = { limit, milliseconds };
