"""How often the certificate of one class is wrong where an image may be of several: audits drawn again and again."""

from dataclasses import replace
from functools import cache

import numpy as np
import pytest

from hundredfold.labels.domain import sampling, sequential
from hundredfold.labels.domain.audit import AuditState, Drawn, Plan, Proof, groups_of
from hundredfold.labels.domain.bounds import Stratum, look_alpha
from hundredfold.labels.domain.class_view import NOT, ClassView
from hundredfold.labels.domain.event import Event, EventKind, Judgement, Verdict
from hundredfold.labels.domain.page import Page, PageKind
from hundredfold.labels.domain.pair_fold import PairFold
from hundredfold.labels.domain.proving import mended, outcome, people_of, prove, state_of
from hundredfold.labels.domain.schema import Schema

REDRAWS = 200
IMAGES, SAMPLE, STAGES = 2000, 300, (89, 134, 200, 300)
HAT, BAG = 1, 2
SCHEMA = Schema({HAT: "hat", BAG: "bag"}, several=True)


@cache
def nominal(population: int) -> float:
    return sequential.level(population, STAGES, IMAGES // 20, look_alpha(0.95, 1))


class Life:
    """A collection of which people answer two classes; a head says the rest of one, partly under an old certificate."""

    def __init__(self, seed: int, error: float, misses: float) -> None:
        self.random = np.random.default_rng(seed)
        self.misses = misses
        self.truth = {each: self.random.random(IMAGES) < 0.3 for each in (HAT, BAG)}
        wrong = self.random.random(IMAGES) < error
        self.guess = np.where(self.truth[HAT] ^ wrong, HAT, NOT).astype(np.int32)
        self.fold = PairFold(schema=SCHEMA)
        self.hats = ClassView(self.fold, HAT)

    def add(self, kind: EventKind, class_id: int, rows: np.ndarray, yes: np.ndarray) -> None:
        """Rows [n] are of a class, or not."""
        said = (
            Judgement(class_id, Verdict.IS, rows[yes]),
            Judgement(class_id, Verdict.IS_NOT, rows[~yes]),
        )
        page = Page("p", PageKind.VERIFY, rows, class_id, several=True)
        decided = kind is EventKind.DECISION
        seq = self.fold.seq + 1
        event = Event(
            kind, "ann" if decided else "", str(seq), b"", page if decided else None, said, 1.0
        )
        self.fold.apply(replace(event, seq=seq))

    def answer(self, class_id: int, rows: np.ndarray, expected: np.ndarray) -> None:
        """What differs from what is expected of the rows of a page is noticed, but for some."""
        odd = self.truth[class_id][rows] != expected
        noticed = odd & (self.random.random(len(rows)) >= self.misses)
        self.add(EventKind.DECISION, class_id, rows, expected ^ noticed)

    def audit(self) -> tuple[Plan, list[tuple[Proof, float]]]:
        """Audit; what it proves at once and after further work, beside the true error."""
        rest = np.flatnonzero(~self.hats.by_people(np.arange(IMAGES)))
        places = sampling.in_order(len(rest), SAMPLE, self.random)
        turns = np.argsort(places, kind="stable")
        rows = rest[places[turns]]
        drawn = Drawn(rows, self.guess[rows], np.ones(SAMPLE, np.float32), turns)
        plan = self.plan(self.guess[rest], drawn)
        for class_id in (HAT, NOT):
            some = rows[drawn.class_ids == class_id]
            self.answer(HAT, some, np.full(len(some), class_id == HAT))
        proofs = [(self.prove(plan, drawn, rest), self.error())]
        for _ in range(2):
            left = rest[~self.hats.by_people(rest)][:150]
            self.answer(HAT, left, self.guess[left] == HAT)
            proofs.append((self.prove(plan, drawn, rest), self.error()))
        return plan, proofs

    def plan(self, class_ids: np.ndarray, drawn: Drawn) -> Plan:
        alpha = look_alpha(0.95, 1)
        return Plan(
            audit_id="a",
            model="head@1",
            cluster="",
            allowed_error=0.05,
            confidence=0.95,
            look=1,
            alpha=alpha,
            total=IMAGES,
            population=len(class_ids),
            sample=SAMPLE,
            by_class=False,
            find_threshold=False,
            groups=groups_of(class_ids, drawn.class_ids),
            strata=(Stratum(len(class_ids), SAMPLE),),
            steps=(),
            stages=STAGES,
            level=nominal(len(class_ids)),
            class_id=HAT,
        )

    def prove(self, plan: Plan, drawn: Drawn, rest: np.ndarray) -> Proof:
        since = mended(self.hats, SCHEMA, rest, self.guess[rest])
        return prove(plan, drawn, outcome(self.hats, SCHEMA, drawn), people_of(self.hats), since)

    def error(self) -> float:
        """The true share of wrong yes and no of the class when the head says what is left."""
        everything = np.arange(IMAGES)
        said = self.hats.class_of(everything)
        yes = np.where(self.hats.by_people(everything), said, self.guess) == HAT
        return float((yes != self.truth[HAT]).mean())


@pytest.mark.parametrize("misses", [0.0, 0.025])
def test_a_certificate_of_a_class_is_wrong_in_at_most_five_of_a_hundred_collections(
    misses: float,
) -> None:
    """People's slips and labels of an older certificate included, with heads that are just about good enough."""
    wrong = passed = later = 0
    for seed in range(REDRAWS):
        life = Life(seed, 0.02 + 0.0004 * seed, misses)
        for begin in range(0, 600, 200):
            rows = np.arange(begin, begin + 200)
            life.answer(HAT, rows, life.guess[rows] == HAT)
            life.answer(BAG, rows, np.zeros(200, np.bool_))
        certified = np.arange(1000, 1700)
        life.add(EventKind.CERTIFICATE, HAT, certified, life.guess[certified] == HAT)
        plan, proofs = life.audit()
        wrong += any(error > proof.bound for proof, error in proofs)
        states = [state_of(plan, proof) for proof, _ in proofs]
        passed += states[-1] is AuditState.PASSED
        later += states[0] is AuditState.FAILED and states[-1] is AuditState.PASSED
    assert wrong <= REDRAWS * 0.05
    assert passed > REDRAWS / 4
    assert later  # those that did not pass do once enough is put right
