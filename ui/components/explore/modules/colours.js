// What a point is coloured by. The colours can be told apart by colour-blind eyes (after Okabe and Ito, and Tol), and
// each has its name in the legend.

const LIGHT = ["#0072b2", "#d55e00", "#00875f", "#c25a94", "#9a7400", "#332288", "#44a0a0", "#882255", "#7a8b00", "#5b8fd6", "#7d3b1e", "#6f4fb0"];
const DARK = ["#56b4e9", "#e69f00", "#2bd4a4", "#f0a3cc", "#f0e442", "#a797f5", "#7adbcf", "#ff8fa3", "#c3d94e", "#a9c8f5", "#d9a38c", "#da7fd0"];
const LIGHT_RAMP = ["#b7c9e6", "#6f86c6", "#6a3d9a", "#4a0f3a"];
const DARK_RAMP = ["#46557c", "#7a5ba8", "#e0719a", "#ffd166"];
export const LISTED = 12; // so many names have a colour of their own where colours say names
const NONE = { light: "#a3abb9", dark: "#5d6678" };
const MOST_UNSURE = 700;

export class Colours {
  constructor(isDark) {
    this.names = (isDark ? DARK : LIGHT).map(bytes);
    this.ramp = (isDark ? DARK_RAMP : LIGHT_RAMP).map(bytes);
    this.none = bytes(isDark ? NONE.dark : NONE.light);
    this.css = isDark ? DARK : LIGHT;
    this.noneCss = isDark ? NONE.dark : NONE.light;
    this.rampCss = isDark ? DARK_RAMP : LIGHT_RAMP;
  }

  // One colour a place: Uint8Array [4n]. `ranked`: which values have a colour of their own, in order.
  paint(values, ranked) {
    const rank = new Map(ranked.slice(0, LISTED).map((value, at) => [value, at]));
    return this.#all(values, (value) => (rank.has(value) ? this.names[rank.get(value)] : this.none));
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
