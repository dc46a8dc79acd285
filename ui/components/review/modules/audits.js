// The random checks: where each stands, what it found, and taking its certificate back.

import { element, text } from "../grid/dom.js";
import { say } from "../grid/words.js";
import { deed, empty, percent, state, waiting } from "./parts.js";

const STATES = {
  OPEN: () => state("busy", "…", say("review.audit_open")),
  PASSED: () => state("good", "✓", say("review.audit_passed")),
  FAILED: () => state("bad", "✕", say("review.audit_failed")),
  CERTIFIED: () => state("good", "★", say("review.audit_certified")),
  ABANDONED: () => state("off", "–", say("review.audit_abandoned")),
};

export class Audits {
  constructor(desk, dialogs, stage, tell) {
    Object.assign(this, { desk, dialogs, stage, tell });
    const head = element("header", "head");
    head.append(text("h1", "", say("review.audits")), text("p", "hint", say("review.audits_hint")));
    this.scroll = element("div", "scroll");
    this.stage.append(head, this.scroll);
  }

  leave() {
    this.gone = true;
  }

  async again() {
    this.scroll.replaceChildren(waiting(say("review.reading")));
    const found = await this.desk.try(async () => {
      const answer = await this.desk.server.call("review/audits");
      await this.desk.know(answer.audits.map((each) => each.class_id));
      return answer;
    });
    if (this.gone) return;
    if (!found?.audits.length) {
      this.scroll.replaceChildren(found ? empty(say("review.no_audits"), say("review.no_audits_hint")) : empty(say("review.away"), say("review.try_later")));
      return;
    }
    const cards = element("div", "cards");
    cards.append(...found.audits.map((each) => this.#card(each)));
    this.scroll.replaceChildren(cards);
    this.tell(say("review.audits_count", { count: found.audits.length }));
  }

  #card(audit) {
    const made = element("article", "audit");
    const head = element("div", "audit-head");
    head.append(text("strong", "", this.#what(audit)), STATES[audit.state]());
    const facts = element("dl", "facts");
    const add = (term, value) => facts.append(text("dt", "", term), text("dd", "", value));
    add(say("review.audit_answered"), say("review.of", { some: audit.answered, all: audit.sample }));
    add(say("review.audit_errors"), audit.errors.toLocaleString());
    add(say("review.audit_bound"), audit.bound < 1 ? percent(audit.bound) : say("review.not_yet"));
    add(say("review.audit_allowed"), say("review.allowed", { share: percent(audit.allowed), sure: percent(audit.confidence) }));
    add(say("review.audit_population"), audit.population.toLocaleString());
    made.append(head, facts);
    if (audit.certificate_seq) {
      const back = deed(say("review.take_certificate_back"), "", () => this.#takeBack(audit), "small");
      back.dataset.deed = "certificate";
      made.append(back);
    }
    return made;
  }

  #takeBack(audit) {
    this.dialogs.takeBack(say("review.ask_certificate", { what: this.#what(audit) }), { seqs: [audit.certificate_seq] });
  }

  #what(audit) {
    if (audit.cluster) return say("review.audit_cluster", { name: this.desk.name(audit.class_id) });
    if (audit.class_id) return say("review.audit_class", { name: this.desk.name(audit.class_id), look: audit.look });
    return say("review.audit_all", { look: audit.look });
  }
}
