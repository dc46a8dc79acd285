// Talking to the routes beside Streamlit.

import { post, refusalOf } from "./http.js";
import { signedIn } from "./signing_in.js";
import { say } from "./words.js";

// The server took the request and said no: sending it again is of no use.
export class Refused extends Error {}
// The person may not do that.
export class Denied extends Refused {}
// Nobody answered, or somebody behind the server is away: the same request may be taken later.
export class Away extends Error {}
// It was given by somebody else than the one who is signed in: it may be taken when he is again.
export class Anothers extends Away {}

const RETRY_MS = [250, 500, 1000, 2000, 5000];
const PICTURES = 100;

// How long to wait after so many failures.
export function patience(failures) {
  return RETRY_MS[Math.min(failures, RETRY_MS.length - 1)];
}

export class Server {
  // With an `annotator` everything is refused while another is signed in.
  constructor(collection, annotator = "") {
    this.base = `/api/collections/${encodeURIComponent(collection)}`;
    this.annotator = annotator;
  }

  image(row) {
    return `${this.base}/images/${row}`;
  }

  // GET without a body, POST with one; the JSON that comes back. A `signal` can abort it.
  async call(path, body, signal) {
    const options = body === undefined ? {} : post(body, this.annotator);
    return whole((await this.#ask(path, { ...options, signal })).json());
  }

  // A Blob for each row; an empty one for an image that can't be shown.
  async thumbnails(rows) {
    return (await this.thumbnailBytes(rows)).map((bytes) => new Blob([bytes], { type: "image/jpeg" }));
  }

  // The same as arrays of bytes.
  async thumbnailBytes(rows) {
    const found = [];
    for (let from = 0; from < rows.length; from += PICTURES) {
      const answer = await this.#ask(`thumbnails?rows=${rows.slice(from, from + PICTURES)}`);
      found.push(...unpacked(await whole(answer.arrayBuffer())));
    }
    return found;
  }

  // What a route sends that is not JSON: an ArrayBuffer.
  async bytes(path) {
    return (await this.#ask(path)).arrayBuffer();
  }

  // Sent even while the window closes, when nobody can wait for the answer.
  async release(tokens) {
    if (tokens.length) await fetch(`${this.base}/releases`, { ...post({ tokens }), keepalive: true }).catch(() => {});
  }

  // What is asked while nobody is signed in waits until somebody is, and is asked then.
  async #ask(path, options = {}) {
    for (;;) {
      const answer = await this.#fetch(path, options);
      if (answer.ok) return answer;
      const { reason, message } = await refusalOf(answer);
      if (answer.status === 401) await signedIn();
      else if (reason === "ANOTHERS") throw new Anothers(message);
      else if (answer.status === 403) throw new Denied(message);
      else throw answer.status >= 500 || answer.status === 429 ? new Away(message) : new Refused(message);
    }
  }

  async #fetch(path, options) {
    try {
      return await fetch(`${this.base}/${path}`, options);
    } catch {
      throw new Away(say("label.unreachable"));
    }
  }
}

// The body that was promised; it is half there when the server ended meanwhile.
async function whole(body) {
  try {
    return await body;
  } catch {
    throw new Away(say("label.unreachable"));
  }
}

function unpacked(buffer) {
  const view = new DataView(buffer);
  const pieces = [];
  for (let at = 0; at < buffer.byteLength;) {
    const size = view.getUint32(at, true);
    pieces.push(new Uint8Array(buffer, at + 4, size));
    at += 4 + size;
  }
  return pieces;
}
