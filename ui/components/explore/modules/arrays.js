// Reading what the routes send packed: what it is, the rows, and their points or values.

export function unpack(buffer) {
  const view = new DataView(buffer);
  const pieces = [];
  for (let at = 0; at < buffer.byteLength;) {
    const size = view.getUint32(at, true);
    pieces.push({ at: at + 4, size });
    at += 4 + size;
  }
  const [about, rows, values] = pieces;
  return {
    about: JSON.parse(new TextDecoder().decode(new Uint8Array(buffer, about.at, about.size))),
    rows: new Uint32Array(buffer, rows.at, rows.size / 4),
    points: new Float32Array(buffer, values.at, values.size / 4),
    values: new Int32Array(buffer, values.at, values.size / 4),
  };
}

export function fromBase64(text) {
  const letters = atob(text);
  const bytes = new Uint8Array(letters.length);
  for (let at = 0; at < letters.length; at += 1) bytes[at] = letters.charCodeAt(at);
  return bytes.buffer;
}

export function toBase64(buffer) {
  const bytes = new Uint8Array(buffer);
  let letters = "";
  for (let at = 0; at < bytes.length; at += 8192) letters += String.fromCharCode(...bytes.subarray(at, at + 8192));
  return btoa(letters);
}
