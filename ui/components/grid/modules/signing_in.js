// Signing in: a form that fills the page, a panel over whatever is shown when a login has ended, and the
// name in the bar. What is on the screen stays as it is under the panel: nothing is loaded again.

import { element, pause, text } from "./dom.js";
import { post, refusalOf } from "./http.js";
import { say } from "./words.js";

const ANSWERS = "hundredfold:answer:";
const RELOADED = "hundredfold:reloaded";
const STYLE = new URL("signing_in.css", import.meta.url).href;
const COLOURS = ["--st-primary-color", "--st-text-color", "--st-background-color", "--st-secondary-background-color", "--st-font"];
const LOOK_AGAIN_MS = 2000;
const STRAY_KEYS_MS = 700;     // keys that were meant for the page when the panel opened
const RELOAD_AGAIN_MS = 10_000;
const COUNT_MS = 3000;
const IN_USE_MS = 60_000;      // what he does is told so often, so that his login goes on
const GIVE_BACK_MS = 3000;     // for the pages of one who signs out

const NOBODY = { name: "", role: "nobody" };

// Told to the window before somebody signs out; whoever holds something adds his promise to its detail.
export const LEAVING = "hundredfold:leaving";

let known = { name: "", local: true, provider: false };
let bar = null;                // where the theme's colours are read from
let page = null;               // the form that fills the page, while it does
let waiting = null;            // the promise of all who wait for a login
let toldAt = 0;                // when it was told last that he does something

// Until somebody has signed in again. Whoever asks while the panel is open waits for the same.
export function signedIn() {
  waiting ??= openPanel().finally(() => { waiting = null; });
  return waiting;
}

// Who is signed in: {name, role}; null when nobody is, or nobody answers.
async function present() {
  try {
    const answer = await fetch("/api/session");
    const who = answer.ok ? await answer.json() : NOBODY;
    return who.role === NOBODY.role ? null : who;
  } catch {
    return null;
  }
}

// --- the panel

async function openPanel() {
  while (page?.isConnected) await pause(LOOK_AGAIN_MS); // that form loads the page again
  const panel = element("dialog", "sign-in panel");
  panel.setAttribute("aria-labelledby", "sign-in-title");
  style(document.head);
  const theme = bar ? getComputedStyle(bar) : null;
  for (const each of theme ? COLOURS : []) panel.style.setProperty(each, theme.getPropertyValue(each));
  const form = new Form({ title: say("sign_in.again"), why: say("sign_in.again_why"), inPlace: true });
  panel.append(form.root);
  document.body.append(panel);
  panel.addEventListener("cancel", (event) => event.preventDefault());
  guard(panel);
  panel.showModal();
  form.focus();
  const who = await Promise.race([form.done, elsewhere(panel)]);
  panel.close();
  panel.remove();
  if (known.name && who.name !== known.name) {
    location.reload(); // another person has pages of his own
    await new Promise(() => {});
  }
}

// Keys that came as the panel opened were meant for the page: they are not typed into it.
function guard(panel) {
  const until = performance.now() + STRAY_KEYS_MS;
  panel.addEventListener("keydown", (event) => {
    if (performance.now() < until && event.key !== "Tab") event.preventDefault();
  }, { capture: true });
  // Nor do keys that are typed into it reach the page.
  for (const kind of ["keydown", "keyup", "keypress"]) panel.addEventListener(kind, (event) => event.stopPropagation());
}

// He may as well sign in in another window.
async function elsewhere(panel) {
  for (;;) {
    await pause(LOOK_AGAIN_MS);
    const who = panel.isConnected ? await present() : null;
    if (who) return who;
  }
}

for (const kind of ["pointerdown", "keydown"]) {
  window.addEventListener(kind, () => {
    if (!known.name || waiting || Date.now() - toldAt < IN_USE_MS) return;
    toldAt = Date.now();
    present();
  }, { capture: true, passive: true });
}

// --- the form

class Form {
  constructor({ title, why = "", note = "", inPlace = false, toProvider = null }) {
    this.done = new Promise((resolve) => { this.resolve = resolve; });
    this.root = element("form", "sign-in form", { noValidate: true });
    this.trouble = element("p", "trouble", { role: "alert" });
    this.root.append(Object.assign(text("h1", "", title), { id: "sign-in-title" }));
    if (why) this.root.append(text("p", "why", why));
    const unsent = inPlace ? countsByName().get(known.name) : 0;
    if (unsent) this.root.append(text("p", "waiting", say("sign_in.waiting", { count: unsent })));
    if (known.local) this.#fields();
    this.root.append(this.trouble);
    if (known.local) this.root.append(this.button);
    if (known.provider) this.#provider(toProvider);
    this.tell(note);
    this.root.addEventListener("submit", (event) => { event.preventDefault(); this.#submit(); });
  }

  tell(message) {
    this.trouble.textContent = message;
    this.trouble.hidden = !message;
  }

  focus() {
    (this.name?.value ? this.words : this.name ?? this.root.querySelector("button"))?.focus();
  }

  #fields() {
    this.name = element("input", "", { name: "username", autocomplete: "username", value: known.name, maxLength: 60, autocapitalize: "none", spellcheck: false });
    this.words = element("input", "", { name: "password", type: "password", autocomplete: "current-password", maxLength: 1000 });
    this.button = element("button", "primary", { type: "submit" });
    this.button.append(text("span", "", say("sign_in.enter")), text("kbd", "", "Enter"));
    const show = element("button", "show", { type: "button", textContent: say("sign_in.show") });
    show.setAttribute("aria-pressed", "false");
    show.addEventListener("click", () => {
      const hidden = this.words.type === "password";
      this.words.type = hidden ? "text" : "password";
      show.textContent = say(hidden ? "sign_in.hide" : "sign_in.show");
      show.setAttribute("aria-pressed", String(hidden));
    });
    this.root.append(field(say("sign_in.name"), this.name), field(say("sign_in.passphrase"), this.words, show));
  }

  #provider(toProvider) {
    if (known.local) this.root.append(text("p", "or", say("sign_in.or")));
    const go = element("button", known.local ? "" : "primary", { type: "button", textContent: say("sign_in.provider") });
    // Over a page that is to stay, in a window of its own.
    go.addEventListener("click", toProvider ?? (() => window.open(location.origin, "_blank", "noopener")));
    this.root.append(go);
  }

  async #submit() {
    if (!known.local || this.button.disabled) return;
    const name = this.name.value.trim();
    if (!name || !this.words.value) {
      this.tell(say("sign_in.empty"));
      (name ? this.words : this.name).focus();
      return;
    }
    this.button.disabled = true;
    this.tell("");
    this.button.firstChild.textContent = say("sign_in.checking");
    const { who, message } = await enter({ name, passphrase: this.words.value });
    this.button.disabled = false;
    this.button.firstChild.textContent = say("sign_in.enter");
    if (who) {
      this.resolve(who);
      return;
    }
    this.tell(`${message}.`);
    this.words.select();
    this.words.focus();
  }
}

function field(label, input, ...more) {
  const box = element("label", "field");
  const line = element("span", "line");
  line.append(input, ...more);
  box.append(text("span", "", label), line);
  return box;
}

// {who} or {message}, why not.
async function enter(proof) {
  try {
    const answer = await fetch("/api/sign-in", post(proof));
    return answer.ok ? { who: await answer.json() } : await refusalOf(answer);
  } catch {
    return { message: say("sign_in.away") };
  }
}

function style(parent) {
  if (parent.querySelector(`link[href="${STYLE}"]`)) return;
  parent.append(element("link", "", { rel: "stylesheet", href: STYLE }));
}

// --- mounted by Streamlit, again at every run

// The form that fills the page.
export async function mountForm({ parentElement, data, setTriggerValue }) {
  const root = parentElement.querySelector(".sign-in-page");
  if (root.firstChild) return;
  page = root;
  bar = root;
  known = { name: "", local: data.local, provider: data.provider };
  style(parentElement);
  const form = new Form({ title: say("sign_in.title"), note: data.note, toProvider: () => setTriggerValue("provider", true) });
  root.append(form.root);
  form.focus();
  if (data.ticket) {
    const { who, message } = await enter({ ticket: data.ticket });
    if (who) form.resolve(who); else form.tell(`${message}.`);
  } else if (await present() && mayReload()) {
    location.reload(); // this browser has a login by now: the script's connection is older than it
  }
  await form.done;
  location.reload();
}

// Once in a while: a login that the script does not take must not be tried for ever.
function mayReload() {
  const last = Number(sessionStorage.getItem(RELOADED) ?? 0);
  sessionStorage.setItem(RELOADED, String(Date.now()));
  return Date.now() - last > RELOAD_AGAIN_MS;
}

// The name in the bar.
export function mountPerson({ parentElement, data, setTriggerValue }) {
  const root = parentElement.querySelector(".person");
  known = { name: data.name, local: data.local, provider: data.provider };
  bar = root;
  page = null;
  style(parentElement);
  const who = element("span", "who", { title: data.told });
  who.append(text("b", "", data.name), text("span", "role", data.role));
  const others = element("span", "others");
  const out = element("button", "", { type: "button", textContent: data.out });
  out.addEventListener("click", () => leave(data.vouched ? () => setTriggerValue("out", true) : () => location.reload()));
  root.replaceChildren(others, who, out);
  const count = () => drawOthers(others, data.name);
  count();
  const timer = setInterval(() => (root.isConnected ? count() : clearInterval(timer)), COUNT_MS);
  return () => clearInterval(timer);
}

async function leave(then) {
  const leaving = []; // pages are given back while that is allowed
  window.dispatchEvent(new CustomEvent(LEAVING, { detail: leaving }));
  await Promise.race([Promise.all(leaving), pause(GIVE_BACK_MS)]);
  await fetch("/api/sign-out", post({})).catch(() => {});
  then();
}

function drawOthers(place, mine) {
  const told = [...countsByName()].filter(([name]) => name && name !== mine)
    .map(([name, count]) => ({ mark: `↑ ${count} · ${name}`, words: say("people.others_wait", { count, name }) }));
  place.textContent = told.map((each) => each.mark).join(", ");
  place.title = told.map((each) => each.words).join("\n");
  place.hidden = !told.length;
  if (told.length) place.ariaLabel = place.title;
}

// How many answers of whom are kept in this browser.
function countsByName() {
  const counts = new Map();
  for (const key of Object.keys(localStorage).filter((each) => each.startsWith(ANSWERS))) {
    try {
      const name = JSON.parse(localStorage.getItem(key)).annotator ?? "";
      counts.set(name, (counts.get(name) ?? 0) + 1);
    } catch { /* not one of ours */ }
  }
  return counts;
}
