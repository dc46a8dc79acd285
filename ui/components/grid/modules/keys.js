// From keys to actions.

import { isLabelView } from "./dom.js";
import { ANSWERS } from "./pair_page.js";

const FIELDS = "input, textarea, select, [contenteditable]";
const CONTROLS = "button, a, summary, [role=menu], [role=dialog], [role=combobox], [role=option]";
// What means a class, or what is like an image: nothing where pairs are judged.
const OF_CLASSES = new Set(["find", "one", "guess", "neighbours", "guidelines", "group", "split"]);
// What can be done while one image is shown large.
const WITH_ZOOM = new Set(["left", "right", "up", "down", "kick", "unsure", "guess", "zoom"]);

// Listen until `signal` ends. In the capture phase: Streamlit has keys of its own (C, R).
export function listen(view, signal) {
  window.addEventListener("keydown", (event) => {
    if (event.ctrlKey || event.metaKey || event.altKey || event.isComposing) return;
    if (!isLabelView() || belongsToAnother(event)) return;
    const action = actionOf(view, event);
    if (!action) return;
    event.preventDefault();
    event.stopImmediatePropagation();
    if (!(event.repeat && action.once)) action.run(event);
  }, { capture: true, signal });
  window.addEventListener("keyup", (event) => {
    if (view.keymap.action(event.key) === "zoom") view.zoom.release();
  }, { capture: true, signal });
}

// Text is being typed, or a control has the focus that the key means.
function belongsToAnother(event) {
  const target = event.composedPath()[0];
  if (!target.closest) return false;
  if (target.closest(FIELDS)) return true;
  return ["Enter", " "].includes(event.key) && target.closest(CONTROLS) !== null;
}

function actionOf(view, event) {
  const { overlay, actions, keymap } = view;
  if (overlay.asking) return null; // a key is to be chosen
  if (event.key === "Escape") return { run: () => view.escape() };
  const name = keymap.action(event.key);
  if (overlay.showing === "zoom") return WITH_ZOOM.has(name) ? actions[name] : classOf(view, event);
  if (overlay.showing) return name === overlay.showing ? { run: () => overlay.close(), once: true } : null;
  if (view.session.page?.isPairs && OF_CLASSES.has(name)) return null;
  return classOf(view, event) ?? actions[name];
}

// A class: of the page, or with Shift of the image in focus alone.
function classOf({ session, palette }, event) {
  if (session.page?.isPairs) return answerOf(session, ANSWERS[event.key]);
  const plain = palette.byKey(event.key);
  if (plain) return { run: () => session.change((page) => page.choose(plain.class_id)), once: true };
  const one = event.shiftKey && palette.byKey(/^Digit\d$/.test(event.code) ? event.code.at(-1) : event.key.toLowerCase());
  return one ? { run: () => session.nameOne(one.class_id), once: true } : null;
}

// What is said of the pair in focus. A page of classes may come before a key that was pressed ahead.
function answerOf(session, answer) {
  return answer ? { run: () => session.change((page) => page.isPairs && page.answer(answer)), once: true } : undefined;
}
