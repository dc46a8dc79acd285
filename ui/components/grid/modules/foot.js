// The foot line: whether all is saved, how far the work is, what is in the way.

import { element, text } from "./dom.js";
import { percent, say } from "./words.js";

export class Foot {
  constructor(session) {
    this.session = session;
    this.badge = element("span", "badge");
    this.done = element("span", "count");
    this.bar = element("span", "bar", { role: "progressbar", ariaLabel: say("label.progress"), ariaValueMin: 0 });
    this.fill = this.bar.appendChild(element("i"));
    this.share = element("span", "count");
    this.aside = element("span", "count dim");
    this.pairs = element("span", "count pairs");
    this.ahead = element("span", "dim");
    this.trouble = element("span", "trouble");
    this.pace = element("span", "count");
    this.box = element("footer", "foot");
    this.box.append(this.badge, this.done, this.bar, this.share, this.aside, this.pairs, this.ahead, this.trouble, element("span", "spring"), this.pace);
  }

  draw() {
    const { progress, trouble, away, outbox, keys, page } = this.session;
    this.#drawBadge(outbox.waiting.length, Boolean(outbox.trouble || away));
    this.bar.hidden = !progress;
    if (progress) this.#drawProgress(progress);
    write(this.ahead, page && keys.length ? say("label.pressed_ahead", { count: keys.length }) : "");
    write(this.trouble, away || outbox.trouble || trouble);
    this.trouble.title = this.trouble.textContent;
  }

  #drawBadge(unsent, offline) {
    const [look, words] = offline
      ? ["offline", unsent ? say("label.offline_unsent", { count: unsent }) : say("label.offline")]
      : unsent ? ["busy", say("label.unsent", { count: unsent })] : ["saved", say("label.saved")];
    if (!write(this.badge, words)) return;
    this.badge.className = `badge ${look}`;
    this.badge.title = unsent ? say("label.unsent_title") : say("label.saved_title");
  }

  #drawProgress({ total, labelled, unsure, labels_per_minute: pace, images, images_labelled: whole, pairs_judged: judged, pairs_open: open }) {
    const { several, page } = this.session;
    write(this.pairs, page?.isPairs ? say("pairs.progress", { judged, open }) : "");
    const done = several
      ? say("label.done_several", { done: labelled, total, whole, images }) : say("label.done", { done: labelled, total });
    write(this.pace, several ? say("label.pace_several", { count: Math.round(pace) }) : say("label.pace", { count: Math.round(pace) }));
    if (!write(this.done, done)) return;
    write(this.share, total ? percent(labelled / total) : "");
    write(this.aside, unsure ? say("label.set_aside", { count: unsure }) : "");
    this.fill.style.width = `${total ? 100 * labelled / total : 0}%`;
    this.bar.ariaValueNow = labelled;
    this.bar.ariaValueMax = total;
  }
}

// Whether the words are new.
function write(place, words) {
  if (place.textContent === words) return false;
  place.textContent = words;
  return true;
}
