// The way in. Streamlit calls `mount` again at every run of its script, often with the same element: what is
// there is kept.

import { View } from "./view.js";

const LEFT_MS = 500;
let shown = null; // {root, id, view}

export function mount({ parentElement, data: { collection, annotator } }) {
  const root = parentElement.querySelector(".hf-review");
  const id = JSON.stringify([collection, annotator]);
  if (shown?.root !== root || shown.id !== id) {
    shown?.view.leave();
    shown = { root, id, view: new View(root, collection, annotator) };
  }
  return () => setTimeout(() => {
    if (shown?.root !== root || root.isConnected) return;
    shown.view.leave();
    shown = null;
  }, LEFT_MS);
}
