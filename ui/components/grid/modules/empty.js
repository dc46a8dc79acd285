// What is said while there is no page: what is going on, and what to do.

import { button, element, text } from "./dom.js";
import { say } from "./words.js";

const ENDED = ["DONE", "NONE"]; // nothing comes by itself

export class Empty {
  constructor(session) {
    this.session = session;
    this.box = element("div", "empty", { role: "status", hidden: true });
  }

  draw() {
    const { page, phase, keys } = this.session;
    this.box.hidden = Boolean(page);
    if (page) return;
    const { title, lines = [], command } = this.#words();
    const pairs = ENDED.includes(phase) && !this.session.denied ? this.session.progress?.pairs_open : 0;
    const parts = [text("strong", "", title), ...lines.map((each) => text("p", "", each))];
    if (command) parts.splice(-1 + parts.length + Number(lines.length < 2), 0, text("code", "", command));
    if (pairs) parts.push(text("p", "pairs", say("pairs.wait", { count: pairs })), button(say("pairs.judge"), "", () => this.session.judgePairs()));
    if (keys.length) parts.push(text("p", "dim", say("label.keys_wait", { count: keys.length })));
    if (!ENDED.includes(phase) && !this.session.denied) parts.unshift(element("i", "spinner"));
    if (this.box.textContent !== parts.map((each) => each.textContent).join("")) this.box.replaceChildren(...parts);
  }

  #words() {
    const { phase, work, away, denied, collection, known, progress } = this.session;
    if (denied) return { title: say("label.denied"), lines: [`${denied}.`, say("label.denied_what")] };
    if (away) return { title: say("label.away"), lines: [`${away}.`, say("label.away_what")] };
    if (!known) return { title: say("label.loading") };
    if (phase === "DONE") return this.#done();
    if (phase === "NONE" && !work) {
      return { title: say("label.no_loop"), lines: [say("label.no_loop_what")], command: `hundredfold bootstrap FOLDER --collection ${collection}` };
    }
    if (progress.leased && !progress.pool) return { title: say("label.elsewhere"), lines: [say("label.elsewhere_what", { count: progress.leased })] };
    if (work) return { title: say("label.preparing"), lines: [work, say("label.preparing_what")] };
    return { title: say("label.making"), lines: [say("label.making_what")] };
  }

  #done() {
    const { proved, several, collection } = this.session;
    const title = proved ? say("label.proved", { share: proved }) : say("label.all_done");
    const why = proved ? say("label.proved_why") : several ? say("label.several_why") : say("label.all_why");
    return { title, lines: [`${why} ${say("label.take_out")}`, say("label.take_back")], command: `hundredfold export ${collection} --format csv --out labels.csv` };
  }
}
