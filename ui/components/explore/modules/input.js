// What comes in from outside the frame: keys, and images that are dropped or pasted.

import { say } from "/grid/words.js";
import { imageOf } from "./searching.js";

export function listen(view, signal) {
  // Also keys that nothing has the focus for.
  document.addEventListener("keydown", (event) => pressed(view, event), { signal });
  document.addEventListener("paste", (event) => pasted(view, event), { signal });
  listenForDrops(view, signal);
}

function pressed(view, event) {
  if (event.ctrlKey || event.metaKey || event.altKey || view.picker.showing) return;
  const [target] = event.composedPath();
  if (target !== document.body && !view.root.contains(target)) return;
  if (target.matches("input:not([type=checkbox]):not([type=range]), select")) return;
  const { buttons } = view;
  const press = {
    l: () => buttons.label.click(), p: () => buttons.page.click(), f: () => buttons.similar.click(),
    1: () => buttons.a.click(), 2: () => buttons.b.click(), s: () => buttons.separate.click(), u: () => view.gaps.click(),
    z: () => view.labelling.undo(), a: () => view.all.click(), w: () => view.widen(),
    q: () => view.tool("lasso"), r: () => view.tool("rectangle"), m: () => view.tool("move"), 0: () => view.map.fit(),
    escape: () => view.escape(),
  }[event.key.toLowerCase()];
  if (!press) return;
  event.preventDefault();
  event.stopPropagation();
  press();
}

function pasted(view, event) {
  const file = imageOf(event.clipboardData);
  if (!file || !view.model.space || !view.root.isConnected) return;
  event.preventDefault();
  view.acts.byImage(file);
}

function listenForDrops(view, signal) {
  const { root, drop } = view;
  const carries = (event) => [...(event.dataTransfer?.types ?? [])].includes("Files");
  let inside = 0;
  const cross = (by) => (event) => {
    if (!carries(event)) return;
    inside += by;
    drop.hidden = inside <= 0;
  };
  root.addEventListener("dragenter", cross(1), { signal });
  root.addEventListener("dragleave", cross(-1), { signal });
  root.addEventListener("dragover", (event) => { if (carries(event)) event.preventDefault(); }, { signal });
  root.addEventListener("drop", (event) => {
    if (!carries(event)) return;
    event.preventDefault();
    inside = 0;
    drop.hidden = true;
    const file = imageOf(event.dataTransfer);
    if (file) view.acts.byImage(file); else view.toast(say("explore.unreadable"), null);
  }, { signal });
}
