'use strict';
// Values that JavaScript has no type for.

/** A value of a type of the bus, by its signature: `typed('f', 1)`. */
class Typed {
  constructor(signature, value) {
    this.signature = signature;
    this.value = value;
  }
}

class Tuple {
  constructor(members) {
    this.members = members;
  }
}

const typed = (signature, value) => new Typed(String(signature), value);
const tuple = (...members) => new Tuple(members);

module.exports = { Typed, Tuple, typed, tuple };
