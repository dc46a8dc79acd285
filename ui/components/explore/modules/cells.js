// Points of a plane in the cells of a grid, so that what is near a place or inside a shape is found without looking
// at all of them.

const PER_CELL = 8;

export class Cells {
  // points: Float32Array [2n] within -1 to 1.
  constructor(points) {
    this.points = points;
    const count = points.length / 2;
    this.side = Math.max(1, Math.min(1024, Math.ceil(Math.sqrt(count / PER_CELL))));
    const cells = this.side * this.side;
    const cellOf = new Uint32Array(count);
    this.starts = new Uint32Array(cells + 1);
    for (let place = 0; place < count; place += 1) {
      cellOf[place] = this.#index(points[2 * place + 1]) * this.side + this.#index(points[2 * place]);
      this.starts[cellOf[place] + 1] += 1;
    }
    for (let cell = 0; cell < cells; cell += 1) this.starts[cell + 1] += this.starts[cell];
    const next = this.starts.slice(0, cells);
    this.places = new Uint32Array(count);
    for (let place = 0; place < count; place += 1) this.places[next[cellOf[place]]++] = place;
  }

  // The place of the point nearest to x, y within a distance, of those that count; -1 when there is none.
  nearest(x, y, within, counts = () => true) {
    let best = -1;
    let least = within * within;
    this.#each(x - within, y - within, x + within, y + within, (place) => {
      const dx = this.points[2 * place] - x;
      const dy = this.points[2 * place + 1] - y;
      const apart = dx * dx + dy * dy;
      if (apart < least && counts(place)) { least = apart; best = place; }
    });
    return best;
  }

  // The places inside a polygon [x0, y0, x1, y1, ..]: even-odd rule.
  inside(polygon) {
    let [left, bottom, right, top] = [Infinity, Infinity, -Infinity, -Infinity];
    for (let at = 0; at < polygon.length; at += 2) {
      left = Math.min(left, polygon[at]); right = Math.max(right, polygon[at]);
      bottom = Math.min(bottom, polygon[at + 1]); top = Math.max(top, polygon[at + 1]);
    }
    const found = [];
    this.#each(left, bottom, right, top, (place) => {
      if (within(polygon, this.points[2 * place], this.points[2 * place + 1])) found.push(place);
    });
    return Uint32Array.from(found);
  }

  #index(value) {
    return Math.max(0, Math.min(this.side - 1, Math.floor((value + 1) / 2 * this.side)));
  }

  #each(left, bottom, right, top, tell) {
    const [first, last] = [this.#index(left), this.#index(right)];
    for (let row = this.#index(bottom); row <= this.#index(top); row += 1) {
      const to = this.starts[row * this.side + last + 1];
      for (let at = this.starts[row * this.side + first]; at < to; at += 1) tell(this.places[at]);
    }
  }
}

function within(polygon, x, y) {
  let inside = false;
  for (let at = 0, before = polygon.length - 2; at < polygon.length; before = at, at += 2) {
    const [ax, ay, bx, by] = [polygon[at], polygon[at + 1], polygon[before], polygon[before + 1]];
    if ((ay > y) !== (by > y) && x < (bx - ax) * (y - ay) / (by - ay) + ax) inside = !inside;
  }
  return inside;
}
