// What a point is coloured by. Each colour has its name in the legend.

import { colourOf, palette } from "/grid/class_colours.js";

const LIGHT_RAMP = ["#b7c9e6", "#6f86c6", "#6a3d9a", "#4a0f3a"];
const DARK_RAMP = ["#46557c", "#7a5ba8", "#e0719a", "#ffd166"];
const NONE = { light: "#a3abb9", dark: "#5d6678" };
const MOST_UNSURE = 700;

export class Colours {
  constructor(isDark) {
    this.isDark = isDark;
    this.names = palette(isDark).map(bytes);
    this.ramp = (isDark ? DARK_RAMP : LIGHT_RAMP).map(bytes);
    this.none = bytes(isDark ? NONE.dark : NONE.light);
    this.noneCss = isDark ? NONE.dark : NONE.light;
    this.rampCss = isDark ? DARK_RAMP : LIGHT_RAMP;
  }

  // The colour of the class at a place of the schema.
  of(given, place) {
    return colourOf(given, place, this.isDark) || this.noneCss;
  }

  // Whether it is one of its own.
  isListed(given, place) {
    return this.of(given, place) !== this.noneCss;
  }

  // The classes' colours for their numbers: Uint8Array [4n].
  paint(values, classes) {
    const known = new Map(classes.map((each, place) => [each.class_id, bytes(this.of(each, place))]));
    return this.#all(values, (value) => known.get(value) ?? this.none);
  }

  // Numbers share the colours in turn; those below 0 have none.
  paintNumbers(values) {
    return this.#all(values, (value) => (value < 0 ? this.none : this.names[value % this.names.length]));
  }

  // Thousandths of doubt, those below 0 unknown.
  paintUnsure(values) {
    const steps = Array.from({ length: 101 }, (_, step) => this.#between(step / 100));
    return this.#all(values, (value) => (value < 0 ? this.none : steps[Math.min(100, Math.round(100 * value / MOST_UNSURE))]));
  }

  #between(share) {
    const at = Math.min(this.ramp.length - 2, Math.floor(share * (this.ramp.length - 1)));
    const part = share * (this.ramp.length - 1) - at;
    return this.ramp[at].map((from, channel) => Math.round(from + part * (this.ramp[at + 1][channel] - from)));
  }

  #all(values, of) {
    const painted = new Uint8Array(4 * values.length);
    for (let place = 0; place < values.length; place += 1) {
      const [red, green, blue] = of(values[place]);
      painted[4 * place] = red; painted[4 * place + 1] = green; painted[4 * place + 2] = blue; painted[4 * place + 3] = 255;
    }
    return painted;
  }
}

export function bytes(hex) {
  return [1, 3, 5].map((at) => Number.parseInt(hex.slice(at, at + 2), 16));
}
