// Search by an image that is chosen, dropped or pasted: made small here, so that no more is sent than is looked at.

import { toBase64 } from "./arrays.js";

const SIDE = 640;
const QUALITY = 0.9;
const MOST_BYTES = 40 * 1024 * 1024;

export class Unreadable extends Error {}

// A JPEG of at most SIDE pixels a side, as base64.
export async function small(file) {
  if (file.size > MOST_BYTES) throw new Unreadable();
  let picture;
  try {
    picture = await createImageBitmap(file);
  } catch {
    throw new Unreadable();
  }
  const scale = Math.min(1, SIDE / Math.max(picture.width, picture.height));
  const canvas = new OffscreenCanvas(Math.max(1, Math.round(picture.width * scale)), Math.max(1, Math.round(picture.height * scale)));
  const context = canvas.getContext("2d");
  context.fillStyle = "#fff";
  context.fillRect(0, 0, canvas.width, canvas.height);
  context.drawImage(picture, 0, 0, canvas.width, canvas.height);
  picture.close();
  const blob = await canvas.convertToBlob({ type: "image/jpeg", quality: QUALITY });
  return toBase64(await blob.arrayBuffer());
}

// The first image of what was dropped or pasted.
export function imageOf(transfer) {
  return [...(transfer?.files ?? [])].find((each) => each.type.startsWith("image/")) ?? null;
}
