// The way in. Streamlit calls `mount` again at every run of its script, often with the same element: what is there is
// kept.

import { View } from "./view.js";

const LEFT_MS = 500;
let shown = null; // {root, id, view}

export function mount({ parentElement, data: { collection, annotator, role } }) {
  const root = parentElement.querySelector(".hfx");
  const id = JSON.stringify([collection, annotator, role]);
  if (shown?.root !== root || shown.id !== id) {
    shown?.view.leave();
    shown = { root, id, view: new View(root, collection, annotator, role) };
  }
  shown.view.dress();
  return () => setTimeout(() => {
    if (shown?.root !== root || root.isConnected) return;
    shown.view.leave();
    shown = null;
  }, LEFT_MS);
}
