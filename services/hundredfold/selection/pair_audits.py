"""Proving the target class by class: asks for audits, and certifies those that passed."""

from dataclasses import replace

from hundredfold.chassis.costs import CostModel
from hundredfold.chassis.errors import Conflict, NotFound
from hundredfold.selection.domain.pair_pool import ClassStanding
from hundredfold.selection.domain.pair_proving import ClassAudit, Proofs
from hundredfold.selection.domain.stopping import NO_EVIDENCE, Terms, alpha, best_outlay
from hundredfold.selection.peers import Audit, Ledger, request_id
from hundredfold.selection.place import Place
from hundredfold.selection.state import LoopState


class PairAudits:
    """The audits of a loop whose images may be of several classes. Used by its thread alone.

    Args:
        place: of the loop.
        ledger: that owns audits.
        costs: of a person's actions.
    """

    def __init__(self, place: Place, ledger: Ledger, costs: CostModel) -> None:
        self._place = place
        self._ledger = ledger
        self._costs = costs

    def settle(self, state: LoopState, images: int) -> Proofs:
        """Certify what passed, and tell where the proof of each class stands."""
        if not state.target_accuracy:
            return Proofs()
        newest: dict[int, ClassAudit] = {}
        audits = self._ledger.audits(state.collection)
        for audit in reversed(audits):
            looks = newest[audit.class_id].looks + 1 if audit.class_id in newest else 1
            newest[audit.class_id] = _class_audit(audit, looks)
        for class_id, each in newest.items():
            if each.state == "PASSED" and each.is_enough(state.target_accuracy):
                newest[class_id] = self._certified(state, each)
        last = audits[0].audit_id if audits else ""
        return Proofs(newest, last, state.target_accuracy, images, state.auto_label)

    def has_ended(self, state: LoopState, proofs: Proofs) -> bool:
        """Whether the audit that waited for answers when they were settled has all by now."""
        waited = proofs.open
        if waited is None:
            return False
        return self._ledger.audit(state.collection, waited.audit_id).state != "OPEN"

    def forget(self, state: LoopState) -> None:
        """Begin anew: what audits found says nothing about labels that were cleared."""
        if state.auditing.evidence:
            self._place.change(state, auditing=replace(state.auditing, evidence=()))

    def start(self, state: LoopState, proofs: Proofs, due: ClassStanding) -> None:
        """Ask for the audit of a class."""
        others = [each for each in state.auditing.evidence if each[0] != str(due.class_id)]
        before = proofs.newest.get(due.class_id)
        looks = before.looks if before else 0
        drawn = (str(due.class_id), due.expected_wrong, float(looks + 1))
        state = self._place.change(
            state, auditing=replace(state.auditing, evidence=(*others, drawn))
        )
        try:
            self._ledger.start_audit(
                state.collection,
                request_id=request_id(
                    state.collection, due.pool.model, "audit", due.class_id, looks
                ),
                model=due.pool.model,
                allowed_error=1 - state.target_accuracy,
                confidence=state.confidence,
                sample=self._sample(state, proofs, due, before.look + 1 if before else 1),
                class_id=due.class_id,
            )
        except (NotFound, Conflict):
            # The head was replaced, or everything got known meanwhile: the next round looks again.
            return

    def _sample(self, state: LoopState, proofs: Proofs, due: ClassStanding, look: int) -> int:
        """How many images to draw; 0 = as many as the ledger takes for right."""
        unanswered = len(due.pool) + due.rest + due.certified
        terms = Terms(
            total=proofs.images,
            allowed=(1 - state.target_accuracy) * proofs.images,
            slips=0.0,
            alpha=alpha(state.confidence, look),
            classes=2,
            beside=due.aside,
            beside_wrong=float(due.aside),
        )
        wrong = proofs.ratio(wrong_then(state)) * due.expected_wrong
        found = best_outlay(
            terms, unanswered, wrong, NO_EVIDENCE, page_size=state.page_size, costs=self._costs
        )
        return found.sample if found else 0

    def _certified(self, state: LoopState, passed: ClassAudit) -> ClassAudit:
        try:
            self._ledger.certify(
                state.collection,
                request_id=request_id(state.collection, "certify", passed.audit_id),
                audit_id=passed.audit_id,
                auto_label=state.auto_label,
            )
        except Conflict as error:
            if error.reason == "BOUND_NOT_MET":
                return replace(passed, state="FAILED")
            # An answer was undone since: how it stands now the next line reads.
        return _class_audit(self._ledger.audit(state.collection, passed.audit_id), passed.looks)


def wrong_then(state: LoopState) -> dict[int, float]:
    """Class -> images expected to be wrong when it was audited last."""
    return {int(class_id): wrong for class_id, wrong, _ in state.auditing.evidence}


def _class_audit(audit: Audit, looks: int) -> ClassAudit:
    return ClassAudit(
        audit.class_id,
        audit.audit_id,
        audit.state,
        audit.bound,
        audit.total,
        audit.population,
        audit.answered,
        audit.errors,
        looks,
        # One that was abandoned is most often of labels that were cleared, and counts for nothing.
        0 if audit.state == "ABANDONED" else audit.look,
    )
