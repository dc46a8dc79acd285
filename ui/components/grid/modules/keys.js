// From keys to actions.

const FIELDS = "input, textarea, select, [contenteditable]";
const CONTROLS = "button, a, summary, [role=menu], [role=dialog], [role=combobox], [role=option]";

// Listen until `signal` ends. In the capture phase: Streamlit has keys of its own (C, R).
export function listen(view, signal) {
  window.addEventListener("keydown", (event) => {
    if (!view.root.isConnected || event.ctrlKey || event.metaKey || event.altKey || event.isComposing) return;
    if (belongsToAnother(event)) return;
    const action = actionOf(view, event);
    if (!action) return;
    event.preventDefault();
    event.stopImmediatePropagation();
    action();
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
  const { session, overlay, palette } = view;
  const once = (act) => (event.repeat ? () => {} : act); // a key held down confirms one page
  const always = { "?": () => overlay.help(), Escape: () => view.escape() };
  if (always[event.key]) return always[event.key];
  if (overlay.showing === "help") return null;
  if (overlay.showing === "group") return event.key === "Enter" ? once(() => overlay.begin()) : null;
  const move = (by) => () => session.change((page) => page.move(by));
  const actions = {
    " ": once(() => session.confirm()), enter: once(() => session.confirm()),
    arrowleft: move(-1), arrowright: move(1), arrowup: move(-view.columns), arrowdown: move(view.columns),
    x: () => session.change((page) => page.toggle(page.focus, event.shiftKey)),
    i: () => session.change((page) => page.invert()), u: () => session.change((page) => page.doubt()),
    g: () => session.change((page) => page.guess()), s: once(() => session.skip()),
    z: () => session.undo(), backspace: () => session.undo(),
    a: once(() => overlay.group()), n: () => palette.focus(), "/": () => palette.focus(), v: () => overlay.image(),
  };
  const named = palette.byKey(event.key);
  if (named) return once(() => session.change((page) => page.choose(named.class_id)));
  return actions[event.key.toLowerCase()];
}
