// What a key or a button does, by name. `once` = a key that is held down does it one time only.

import { askFlag } from "./flag.js";
import { askGroup } from "./group.js";
import { help } from "./help.js";
import { neighbours } from "./neighbours.js";

export function actionsOf(view) {
  const { session, overlay, palette, zoom, guidelines } = view;
  const page = (run) => ({ run: () => session.change(run) });
  const once = (run) => ({ run, once: true });
  return {
    confirm: once(() => session.confirm()),
    undo: { run: () => session.undo() },
    skip: once(() => session.skip()),
    group: once(() => askGroup(overlay, session)),
    split: once(() => session.split()),
    flag: once(() => askFlag(overlay, session)),
    kick: { run: (event) => session.change((shown) => shown.toggle(shown.focus, event?.shiftKey)) },
    invert: page((shown) => shown.invert()),
    unsure: page((shown) => shown.doubt()),
    one: once(() => palette.focusOne()),
    guess: { run: () => session.guess() },
    left: page((shown) => shown.move(-1)),
    right: page((shown) => shown.move(1)),
    up: page((shown) => shown.move(-view.tiles.columns)),
    down: page((shown) => shown.move(view.tiles.columns)),
    find: once(() => palette.focus()),
    zoom: once((event) => zoom.toggle(event?.type === "keydown")),
    neighbours: once(() => neighbours(overlay, session)),
    guidelines: once(() => guidelines.toggle()),
    help: once(() => help(overlay, view.keymap)),
  };
}
