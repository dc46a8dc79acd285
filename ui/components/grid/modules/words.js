// All text that a person reads, from the catalogue that the server has too (`ui/words`).

const answer = await fetch("/words");
if (!answer.ok) throw new Error("the texts of the labelling UI can't be read");
const { language, texts } = await answer.json();
const forms = new Intl.PluralRules(language);
const numbers = new Intl.NumberFormat(language);
const percents = new Intl.NumberFormat(language, { minimumFractionDigits: 1, maximumFractionDigits: 1 });
const pieces = new Map(); // text -> [words, name of a value, words, ...]

// The text of a key with its values; one that depends on a number is chosen by `count`.
export function say(key, values = {}) {
  return phrase(key, values).join("");
}

// The same in parts, for `append`: a value may be an element, such as a name in bold, wherever the language puts it.
export function phrase(key, values = {}) {
  return piecesOf(textOf(key, values.count)).map((piece, place) => (place % 2 ? written(values[piece]) : piece));
}

// A share as the language, and the server, write it.
export function percent(share) {
  return say("common.percent", { amount: percents.format(100 * share) });
}

function textOf(key, count) {
  const text = texts[key];
  if (text === undefined) throw new Error(`there is no text ${key}`);
  return typeof text === "string" ? text : text[forms.select(count)] ?? text.other;
}

function piecesOf(text) {
  if (!pieces.has(text)) pieces.set(text, text.split(/\{(\w+)\}/));
  return pieces.get(text);
}

function written(value) {
  if (value instanceof Node) return value;
  return typeof value === "number" ? numbers.format(value) : String(value);
}
