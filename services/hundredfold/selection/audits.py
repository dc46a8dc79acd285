"""Proving the target: asks for audits, certifies those that passed, and sees whether the proof still stands.

What the ledger says of an audit is the truth; only what is to be asked next is remembered, before it is
asked, so that a service that is killed asks the same again, under the same request id.
"""

import math
from contextlib import suppress
from dataclasses import dataclass, replace

import numpy as np

from hundredfold.chassis.costs import CostModel
from hundredfold.chassis.errors import Conflict, NotFound
from hundredfold.chassis.stages import stages
from hundredfold.selection.domain import forecast, stopping
from hundredfold.selection.domain.forecast import Far, Forecast
from hundredfold.selection.domain.pool import Pool
from hundredfold.selection.domain.stopping import Begun, Terms, Trust
from hundredfold.selection.peers import Audit, Ledger, request_id
from hundredfold.selection.place import Place
from hundredfold.selection.state import Auditing, LoopState

LATE = 200
"""Newest events that say how people work."""


@dataclass(frozen=True)
class Checked:
    """Images of the random stream that people labelled, of steps that are complete.

    Attributes:
        images: how many.
        wrong: of them guessed wrongly by the head in use.
        expected: how many wrong ones it expected.
    """

    images: int = 0
    wrong: int = 0
    expected: float = 0.0


@dataclass(frozen=True)
class Known:
    """What a forecast is made from.

    Attributes:
        pool: the images that need an answer.
        people: labels that people gave.
        machine: labels that a model gave under a certificate.
        machine_wrong: how many of them the head takes for wrong.
        aside: images set aside.
        asked: images that an open audit waits for.
        total: images to label.
        checked: of the random stream.
    """

    pool: Pool
    people: int
    machine: int
    machine_wrong: float
    aside: int
    asked: int
    total: int
    checked: Checked

    @property
    def beside(self) -> int:
        """Images beside the pool for which an audit answers: nobody labelled them, or only a model."""
        return self.aside + self.machine

    @property
    def beside_wrong(self) -> float:
        """How many of them are expected to be wrong: all that were set aside."""
        return self.aside + self.machine_wrong

    def far(self, seconds: float = 0.0, pace: float = 1.0) -> Far:
        """How far the work is, people having worked for so many seconds."""
        labelled = self.people + self.machine
        return Far(labelled, self.total, seconds, pace, self.machine_wrong)


class Audits:
    """The audits of a loop. Used by its thread, `outlook` by any.

    Args:
        place: of the loop.
        ledger: that owns audits.
        costs: of a person's actions.
    """

    def __init__(self, place: Place, ledger: Ledger, costs: CostModel) -> None:
        self._place = place
        self._ledger = ledger
        self._costs = costs

    def settle(self) -> None:
        """Look how the audit stands; ask again for one that was being asked for, certify those that passed."""
        state = self._place.now
        self._label_clusters(state.collection)
        if state.auditing.model:
            state = self._draw(state)
        if not state.auditing.audit_id or state.auditing.lapsed:
            return
        try:
            audit = self._ledger.audit(state.collection, state.auditing.audit_id)
            if audit.state == "PASSED" and not state.auditing.certified:
                audit = self._certify(state, audit)
        except NotFound:
            # Another ledger, or the labels of another collection of the name.
            self._place.change(state, auditing=Auditing(number=state.auditing.number))
            return
        after = _settled(state.auditing, audit, allowed=1 - state.target_accuracy)
        if after != state.auditing:
            self._place.change(state, auditing=after)

    def _label_clusters(self, collection: str) -> None:
        """Let the rest of a cluster be labelled whose audit somebody asked for, and which passed."""
        for audit_id in self._ledger.passed_clusters(collection):
            key = request_id(collection, "certify", audit_id)
            # A certificate that was taken back stays so: the same request writes nothing. A conflict
            # is an answer that was undone meanwhile.
            with suppress(Conflict):
                self._ledger.certify(collection, request_id=key, audit_id=audit_id, auto_label=True)

    def forget(self) -> None:
        """Begin anew: what audits found says nothing about labels that were cleared."""
        state = self._place.now
        after = Auditing(number=state.auditing.number)
        if state.auditing != after:
            self._place.change(state, auditing=after)

    def proved(self, known: Known) -> bool:
        """Whether the proof covers the collection as it is: if not, it is forgotten and work goes on.

        It does not when images were added, or when more of them need an answer than before: labels were
        taken away.
        """
        state = self._place.now
        auditing = state.auditing
        if not auditing.proved:
            return False
        left = len(known.pool)
        if known.total <= auditing.total and (auditing.left < 0 or left <= auditing.left):
            if left != auditing.left:
                self._place.change(state, auditing=replace(auditing, left=left))
            return True
        lapsed = replace(auditing, lapsed=True, proved=0.0, wrong=0.0, left=-1)
        self._place.change(state, auditing=lapsed)
        return False

    def start(self, known: Known) -> bool:
        """Ask for an audit, if one is likely to prove the target and no later one would be cheaper."""
        state = self._place.now
        belief = self.belief(known)
        wrong = belief.mean * forecast.expected_wrong(known.pool) + known.beside_wrong
        if not self._may_pass(state, known, wrong):
            return False
        found = self.outlook(state, known, state.target_accuracy, seconds=0.0)
        if not found.ready:
            return False
        population = len(known.pool) + known.beside
        asked = replace(
            state.auditing,
            number=state.auditing.number + 1,
            model=known.pool.model,
            sample=found.sample,
            audit_id="",
            wrong=wrong,
            expected=found.sample * forecast.expected_wrong(known.pool) / max(population, 1),
            short=0,
            certified=False,
            lapsed=False,
            proved=0.0,
            left=-1,
        )
        self._draw(self._place.change(state, auditing=asked))
        return True

    def outlook(
        self, state: LoopState, known: Known, target: float, *, seconds: float, pace: float = 1.0
    ) -> Forecast:
        """The work until a target is proved, people having worked for so many seconds.

        An audit that did not pass by little does so sooner than a new one: see `Auditing.short`.
        """
        far = known.far(seconds, pace)
        if known.asked and state.auditing.open:
            return self._answering(state, known, far)
        found = forecast.proving(
            known.pool,
            far,
            self._terms(state, known, target, state.auditing.look + 1),
            self.belief(known),
            page_size=state.page_size,
            costs=self._costs,
        )
        short = state.auditing.short if target == state.target_accuracy else 0
        return forecast.mending(found, far, short, costs=self._costs)

    def _answering(self, state: LoopState, known: Known, far: Far) -> Forecast:
        """The work until the open audit has ended."""
        audit = self._ledger.audit(state.collection, state.auditing.audit_id)
        terms = self._terms(state, known, state.target_accuracy, audit.look)
        belief = self.belief(known)
        planned = stages(audit.most_sample, terms.classes)
        before = [each for each in planned if each < audit.sample]
        begun = Begun(
            audit.population,
            state.auditing.wrong / belief.mean,
            (*before, audit.sample, *(each for each in planned if each > audit.sample)),
            stage=len(before),
            left=known.asked,
        )
        return forecast.answering(
            known.pool,
            far,
            terms,
            belief,
            begun,
            page_size=state.page_size,
            costs=self._costs,
        )

    def belief(self, known: Known) -> Trust:
        """How far to trust the head, by all that was labelled at random."""
        checked = known.checked
        failed = self._place.now.auditing.evidence
        evidence = [(wrong, expected) for _, wrong, expected in failed]
        if checked.images:
            evidence.append((float(checked.wrong), checked.expected))
        return stopping.trust(evidence)

    def _may_pass(self, state: LoopState, known: Known, wrong: float) -> bool:
        """What is quick to see: an audit could pass, and enough has changed since the last one."""
        allowed = (1 - state.target_accuracy) * known.total
        # A sample of all images that are left passes also when more are wrong: found ones are put right.
        few = len(known.pool) + known.beside <= 2 * state.page_size
        return (wrong <= stopping.OVER * allowed or few) and stopping.may_look_again(
            wrong, state.auditing.wrong
        )

    def _terms(self, state: LoopState, known: Known, target: float, look: int) -> Terms:
        return Terms(
            total=known.total,
            allowed=(1 - target) * known.total,
            slips=self._slips(state, known),
            alpha=stopping.alpha(state.confidence, look),
            classes=len(np.unique(known.pool.top)),
            beside=known.beside,
            beside_wrong=known.beside_wrong,
        )

    def _slips(self, state: LoopState, known: Known) -> float:
        if state.auditing.people_error >= 0:
            return state.auditing.people_error * known.people
        pages = self._ledger.answered(state.collection, max(0, state.seen_seq - LATE))
        shown = sum(len(page.odd) for page in pages if not page.single)
        odd = sum(int(page.odd.sum()) for page in pages if not page.single)
        missed = self._ledger.miss_rate(state.collection)
        return stopping.slips(known.people, odd, shown, missed)

    def _draw(self, state: LoopState) -> LoopState:
        """StartAudit as it is kept; what can't be audited any more is forgotten."""
        asked = state.auditing
        try:
            audit = self._ledger.start_audit(
                state.collection,
                request_id=request_id(state.collection, state.request_id, "audit", asked.number),
                model=asked.model,
                allowed_error=1 - state.target_accuracy,
                confidence=state.confidence,
                sample=asked.sample,
            )
        except (NotFound, Conflict):
            # The head was replaced, or all images got labels meanwhile: the next round looks again.
            return self._place.change(state, auditing=replace(asked, model="", wrong=0.0))
        after = replace(
            asked, model="", audit_id=audit.audit_id, open=audit.state == "OPEN", look=audit.look
        )
        return self._place.change(state, auditing=after)

    def _certify(self, state: LoopState, audit: Audit) -> Audit:
        key = request_id(state.collection, "certify", audit.audit_id)
        try:
            self._ledger.certify(
                state.collection,
                request_id=key,
                audit_id=audit.audit_id,
                auto_label=state.auto_label,
            )
        except Conflict as error:
            if error.reason == "BOUND_NOT_MET":
                return replace(audit, state="FAILED")
            # An answer was undone since: how it stands now the next line reads.
        return self._ledger.audit(state.collection, audit.audit_id)


def _settled(before: Auditing, audit: Audit, *, allowed: float) -> Auditing:
    """Where the proof stands after the ledger has said how the audit does."""
    after = replace(before, open=audit.state == "OPEN", look=audit.look, proved=0.0, short=0)
    if audit.state in ("PASSED", "FAILED", "CERTIFIED"):
        after = replace(after, people_error=audit.people_error)
    if audit.state == "CERTIFIED":
        return replace(after, certified=True, proved=1 - audit.bound, total=audit.total)
    if audit.state == "FAILED":
        after = replace(after, short=max(1, math.ceil((audit.bound - allowed) * audit.total)))
    if audit.state == "FAILED" and before.open:
        share = before.expected * audit.sample / max(before.sample, 1)
        others = [each for each in before.evidence if each[0] != audit.audit_id]
        found = (audit.audit_id, float(audit.errors), share)
        # The head may have been too sure: as many as the sample says are what must have become fewer.
        wrong = max(before.wrong, audit.errors / max(audit.sample, 1) * audit.population)
        after = replace(after, evidence=(*others, found), wrong=wrong)
    return after
