"""Which classes are proved where an image may be of several, and which is to be audited next."""

from dataclasses import replace

import numpy as np
import pytest

from hundredfold.selection.domain.pair_pool import ClassStanding, pool_of
from hundredfold.selection.domain.pair_proving import CAUTIOUS, ClassAudit, Proofs

IMAGES = 1000
HAT, BAG = 1, 2
HEAD = {HAT: 0.01, BAG: 0.01}


def standing(class_id: int, likely: float = 0.2, unknown: int = 600, rest: int = 0):
    rows = np.arange(unknown, dtype=np.int64)
    chances = np.full(unknown, likely, np.float32)
    pool = pool_of(rows, chances, class_id, lambda rows: np.ones((len(rows), 2)), "head@1")
    known = IMAGES - unknown - rest
    return ClassStanding(class_id, known // 2, known - known // 2, 0, pool, rest, 0.01)


def audit(class_id: int, state: str = "CERTIFIED", **fields) -> ClassAudit:
    made = ClassAudit(class_id, f"audit-{class_id}", state, 0.04, IMAGES, 600, 60, 3)
    return replace(made, **fields)


def proofs(*audits: ClassAudit, target: float = 0.95, auto_label: bool = False) -> Proofs:
    newest = {each.class_id: each for each in audits}
    return Proofs(newest, "audit", target, IMAGES, auto_label)


def due(known: Proofs, *classes: ClassStanding, head=HEAD, wrong_then=None):
    found = known.due(classes, head, wrong_then or {}, 48)
    return found.class_id if found else None


def test_without_a_target_nothing_is_audited_or_proved() -> None:
    known = proofs(audit(HAT), target=0.0)
    assert due(known, standing(HAT, 0.01)) is None
    assert not known.is_proved(standing(HAT))


def test_a_class_is_due_when_few_enough_are_expected_to_be_wrong_the_surest_first() -> None:
    allowed = 0.05 * IMAGES
    much, little = (share * allowed / CAUTIOUS / 600 for share in (1.1, 0.9))
    assert due(proofs(), standing(HAT, much)) is None
    assert due(proofs(), standing(HAT, little)) == HAT
    assert due(proofs(), standing(HAT, little), standing(BAG, little / 2)) == BAG


def test_one_audit_at_a_time_and_none_of_a_class_that_no_head_knows() -> None:
    sure = standing(HAT, 0.06, 300)
    assert due(proofs(audit(BAG, "OPEN")), sure) is None
    assert due(proofs(), sure, head={BAG: 0.1}) is None


def test_a_class_of_which_nothing_is_left_to_ask_is_due_whatever_is_expected() -> None:
    assert due(proofs(), standing(HAT, 0.04, 900)) == HAT
    assert due(proofs(), standing(HAT, 0.5, 90)) == HAT
    assert due(proofs(), standing(HAT, unknown=0)) is None


def test_after_a_failure_fewer_must_be_expected_and_the_ratio_is_what_audits_found() -> None:
    failed = proofs(audit(HAT, "FAILED", errors=12, sample=60))
    assert due(failed, standing(HAT, 0.1), wrong_then={HAT: 60.0}) is None
    expected = 60.0 * 60 / 600
    ratio = (CAUTIOUS * 8 + 12) / (8 + expected)
    assert failed.ratio({HAT: 60.0}) == pytest.approx(ratio)
    assert due(failed, standing(HAT, 0.03, 600), wrong_then={HAT: 60.0}) == HAT


def test_a_certificate_proves_a_class_as_long_as_it_covers_it() -> None:
    assert proofs(audit(HAT)).is_proved(standing(HAT))
    assert not proofs(audit(HAT, bound=0.06)).is_proved(standing(HAT))
    assert not proofs(audit(HAT, total=IMAGES - 1)).is_proved(standing(HAT))
    assert not proofs(audit(HAT, "FAILED")).is_proved(standing(HAT))
    labelled = proofs(audit(HAT), auto_label=True)
    assert labelled.is_proved(standing(HAT, unknown=0))
    assert not labelled.is_proved(standing(HAT))  # images are open again


def test_all_is_proved_when_each_class_that_somebody_has_is() -> None:
    hat, bag = standing(HAT), standing(BAG)
    assert proofs(audit(HAT)).accuracy([hat, bag]) == 0.0
    both = proofs(audit(HAT), audit(BAG, bound=0.03))
    assert both.accuracy([hat, bag]) == pytest.approx(0.96)
    nobody = replace(bag, yes=0)
    assert proofs(audit(HAT)).accuracy([hat, nobody]) == pytest.approx(0.96)
    assert proofs(audit(HAT)).accuracy([hat, standing(BAG, unknown=0)]) == pytest.approx(0.96)


def test_what_an_older_certificate_said_is_audited_again_and_is_no_answer() -> None:
    weak = proofs(audit(HAT, bound=0.09), audit(BAG))
    said = replace(standing(HAT, unknown=0), certified=700)
    assert weak.accuracy([said, standing(BAG)]) == 0.0
    assert due(weak, said, standing(BAG)) == HAT
    answered = replace(said, certified=0)
    assert weak.accuracy([answered, standing(BAG)]) == pytest.approx(0.96)
    assert due(weak, answered, standing(BAG)) is None


def test_what_is_proved_or_being_audited_is_not_asked_about() -> None:
    known = proofs(audit(HAT), audit(BAG, "OPEN"))
    assert known.closed([standing(HAT), standing(BAG)]) == {HAT, BAG}
    assert proofs().closed([standing(HAT)]) == frozenset()
