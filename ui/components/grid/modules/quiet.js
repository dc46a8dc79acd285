// Streamlit tells of a lost connection by a dialog that takes the keys. The foot line tells it already and work
// goes on meanwhile, so that dialog is closed as soon as it opens.

const TITLE = "Connection error"; // as Streamlit has it, in every language

export function keepQuiet() {
  new MutationObserver(close).observe(document.body, { childList: true });
}

function close() {
  for (const dialog of document.querySelectorAll("[data-testid=stDialog]")) {
    if (dialog.querySelector("h2")?.textContent === TITLE) dialog.querySelector("[aria-label=Close]")?.click();
  }
}
