// All text that a person reads, from the catalogue that the server has too (`ui/words`).

const answer = await fetch("/words");
if (!answer.ok) throw new Error("the texts of the labelling UI can't be read");
const { language, texts } = await answer.json();
const forms = new Intl.PluralRules(language);
const numbers = new Intl.NumberFormat(language);

// The text of a key with its values; one that depends on a number is chosen by `count`.
export function say(key, values = {}) {
  let text = texts[key];
  if (text === undefined) throw new Error(`there is no text ${key}`);
  if (typeof text !== "string") text = text[forms.select(values.count)] ?? text.other;
  return text.replace(/\{(\w+)\}/g, (_, name) => written(values[name]));
}

function written(value) {
  return typeof value === "number" ? numbers.format(value) : String(value);
}
