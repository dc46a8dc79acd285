// Images that can be painted at once: decoded before they are needed. One that can't be shown has no `src`.

import { pause } from "./dom.js";

const AT_ONCE = 12;     // then a key may come in between
const CHUNK = 1 << 15;  // bytes that one call takes as arguments

// Of arrays of bytes. As `data:` addresses: to make one of a Blob, the browser asks another process and waits.
export async function pictures(pieces) {
  const made = [];
  for (const [place, bytes] of pieces.entries()) {
    if (place && place % AT_ONCE === 0) await pause(0);
    made.push(picture(bytes));
  }
  return Promise.all(made);
}

async function picture(bytes) {
  const image = new Image();
  image.alt = "";
  image.draggable = false;
  if (!bytes.length) return image;
  image.src = `data:image/jpeg;base64,${base64(bytes)}`;
  try {
    await image.decode();
  } catch { /* shown as an image that can't be shown */ }
  return image;
}

function base64(bytes) {
  if (bytes.toBase64) return bytes.toBase64();
  let binary = "";
  for (let at = 0; at < bytes.length; at += CHUNK) binary += String.fromCharCode(...bytes.subarray(at, at + CHUNK));
  return btoa(binary);
}
