// The images most like the one in focus.

import { element, text } from "./dom.js";
import { pictures } from "./pictures.js";
import { say } from "./words.js";

const MOST = 48;

export async function neighbours(overlay, session) {
  const { page, server } = session;
  if (!page) return;
  const place = page.focus;
  const row = page.rows[place];
  const card = element("div", "card near");
  const found = element("div", "thumbs");
  const told = text("p", "dim", say("label.near_wait"));
  card.append(text("h2", "", say("label.near", { number: place + 1 })), told, found);
  overlay.open("neighbours", say("label.neighbours"), card);
  try {
    const { rows } = await server.call(`neighbours?row=${row}&limit=${MOST}`);
    const images = await pictures(await server.thumbnailBytes([row, ...rows]));
    found.replaceChildren(...[row, ...rows].map((each, at) => thumb(overlay, session, page, each, images[at], at === 0)));
    const here = rows.filter((each) => page.rows.includes(each)).length;
    told.textContent = rows.length ? say("label.near_what", { count: rows.length, here }) : say("label.near_none");
  } catch (error) {
    told.textContent = say("label.not_now", { why: error.message });
  }
}

// One that is on the page takes the focus there.
function thumb(overlay, session, page, row, image, isFirst) {
  const place = page.rows.indexOf(row);
  const made = element("button", `thumb${isFirst ? " first" : ""}${place >= 0 ? " here" : ""}`, { type: "button", disabled: place < 0 });
  image.alt = isFirst ? say("label.near_first") : place >= 0 ? say("label.near_here", { number: place + 1 }) : say("label.near_other");
  made.title = image.alt;
  made.append(image.src ? image : text("span", "broken", say("label.broken")));
  if (place >= 0) made.append(text("span", "chip", isFirst ? say("label.near_first") : say("label.near_here", { number: place + 1 })));
  made.addEventListener("click", () => {
    overlay.close();
    if (session.page === page) session.change((shown) => shown.moveTo(place));
  });
  return made;
}
