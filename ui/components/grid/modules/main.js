// The way in. Streamlit calls `mount` again at every run of its script, often with the same element:
// what is there is kept, so that no listener is added twice.

import { isLabelView } from "./dom.js";
import { Outbox, openTab } from "./outbox.js";
import { keepQuiet } from "./quiet.js";
import { Session } from "./session.js";
import { View } from "./view.js";

const ADOPT_MS = 60_000;
const LOOK_MS = 500;
const BACK_MS = 10_000;     // the frame may draw itself anew: after its connection was lost

keepQuiet();
const outbox = new Outbox(openTab());
outbox.adopt();
setInterval(() => outbox.adopt(), ADOPT_MS);
const sessions = new Map(); // by collection and annotator: what can be undone outlives the view
let shown = null;           // {root, session, view}

export function mount({ parentElement, data: { collection, annotator } }) {
  const root = parentElement.querySelector(".hf");
  const session = sessionOf(collection, annotator);
  outbox.annotator = annotator;
  if (shown?.root !== root || shown.session !== session) {
    shown?.view.leave();
    if (shown && shown.session !== session) shown.session.stop(); // the same one keeps its pages and keys
    shown = { root, session, view: new View(root, session) };
    session.start();
  }
  return () => whenGone(root, performance.now() + BACK_MS);
}

// Leave as soon as another view is shown, or the grid did not come back.
function whenGone(root, until) {
  setTimeout(() => {
    if (shown?.root !== root || root.isConnected) return;
    if (!isLabelView() || performance.now() > until) leave();
    else whenGone(root, until);
  }, LOOK_MS);
}

function sessionOf(collection, annotator) {
  const id = JSON.stringify([collection, annotator]);
  if (!sessions.has(id)) sessions.set(id, new Session(collection, annotator, outbox));
  return sessions.get(id);
}

function leave() {
  shown?.view.leave();
  shown?.session.stop();
  shown = null;
}
