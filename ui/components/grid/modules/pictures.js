// Images that can be painted at once: decoded before they are needed. One that can't be shown has no `src`.

export async function pictures(blobs) {
  return Promise.all(blobs.map(async (blob) => {
    const image = new Image();
    image.alt = "";
    image.draggable = false;
    if (!blob.size) return image;
    image.src = URL.createObjectURL(blob);
    try {
      await image.decode();
    } catch { /* shown as an image that can't be shown */ }
    URL.revokeObjectURL(image.src);
    return image;
  }));
}
