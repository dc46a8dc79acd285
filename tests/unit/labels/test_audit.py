"""Audits without a server: what people miss, what that does to bounds, and how often a certificate is wrong."""

import json
from collections.abc import Sequence
from dataclasses import asdict, replace

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st
from scipy.stats import binom

from hundredfold.labels.domain import sampling, sequential
from hundredfold.labels.domain.audit import (
    AuditState,
    Drawn,
    Mended,
    Outcome,
    People,
    Plan,
    Proof,
    groups_of,
)
from hundredfold.labels.domain.audit_pages import pages
from hundredfold.labels.domain.bounds import Stratum, look_alpha
from hundredfold.labels.domain.event import Event, EventKind, Judgement, Verdict, labels_by_class
from hundredfold.labels.domain.fold import Fold
from hundredfold.labels.domain.page import Page, PageKind
from hundredfold.labels.domain.people import (
    Counts,
    counts_of,
    from_table,
    miss_rate,
    table,
    wrong_labels,
)
from hundredfold.labels.domain.proving import mended, people_of, prove, state_of
from hundredfold.labels.domain.schema import Schema
from hundredfold.labels.domain.thresholds import Step

REDRAWS = 200
PERFECT = People(0.0, 0.0, 100)


def said(class_id: int, verdict: Verdict, *rows: int) -> Judgement:
    return Judgement(class_id, verdict, np.array(rows, np.int64))


def event(
    kind: PageKind,
    *judgements: Judgement,
    class_id: int = 1,
    planted: Sequence[int] = (),
    seq: int = 1,
    actor: str = "ann",
) -> Event:
    page = Page("p", kind, np.arange(50), class_id, planted=np.array(planted, np.int64))
    return Event(
        EventKind.DECISION, actor, str(seq), b"", page, judgements, 2.5, seq=seq, created_at=1.0
    )


@pytest.mark.parametrize(
    ("kind", "kicked", "corrected"),
    [
        (PageKind.VERIFY, 3, 0),
        (PageKind.AUDIT, 3, 0),
        (PageKind.CLUSTER, 3, 0),
        (PageKind.SINGLE, 0, 0),
        (PageKind.REVIEW, 0, 3),
    ],
)
def test_images_that_did_not_belong_are_counted_once(
    kind: PageKind, kicked: int, corrected: int
) -> None:
    answer = event(
        kind,
        said(1, Verdict.IS, 0, 1, 2, 3, 4),
        said(1, Verdict.IS_NOT, 5, 6),
        said(2, Verdict.IS, 6, 7),
        said(0, Verdict.UNSURE, 8),
    )
    counts = counts_of(answer)
    assert (counts.kicked, counts.corrected) == (kicked, corrected)
    assert (counts.decisions, counts.images, counts.microseconds) == (1, 9, 2_500_000)


def test_planted_images_are_found_or_missed_and_count_nowhere_else() -> None:
    answer = event(
        PageKind.VERIFY,
        said(1, Verdict.IS, 0, 1, 2),
        said(1, Verdict.IS_NOT, 3, 4),
        planted=[2, 3, 5],
    )
    counts = counts_of(answer)
    assert (counts.planted, counts.found) == (2, 1)
    assert (counts.images, counts.kicked) == (3, 1)


def test_the_miss_rate_begins_at_one_of_forty_and_learns() -> None:
    assert Counts().miss_rate == 0.025
    assert Counts(planted=100, found=90).miss_rate == pytest.approx(10.5 / 120)
    low, high = Counts(planted=100, found=90).interval
    assert low < 0.0875 < high
    assert miss_rate([]) == 0.025
    people = [Counts(images=300, planted=180, found=180), Counts(images=100, planted=180, found=90)]
    assert miss_rate(people) == pytest.approx(0.75 * 0.5 / 200 + 0.25 * 90.5 / 200)


def test_wrong_labels_follow_from_kicks_and_reviews_take_some_away() -> None:
    half = Counts(kicked=30, planted=180, found=90)
    assert wrong_labels({"ann": half}) == pytest.approx(30 * 90.5 / 109.5)
    reviewed = {"ann": half, "bob": Counts(corrected=20)}
    assert wrong_labels(reviewed) == pytest.approx(30 * 90.5 / 109.5 - 20)
    assert wrong_labels({"bob": Counts(corrected=20)}) == pytest.approx(20 / 39)


@given(
    st.dictionaries(
        st.text(st.characters(exclude_categories=["C"]), min_size=1, max_size=128),
        st.builds(Counts, *[st.integers(0, 1 << 40)] * 7),
    )
)
def test_what_people_did_survives_a_snapshot(people: dict[str, Counts]) -> None:
    assert from_table(*table(people)) == people


def plan_of(class_ids: np.ndarray, drawn: np.ndarray, **fields: object) -> Plan:
    plan = Plan(
        audit_id="a",
        model="head@1",
        cluster="",
        allowed_error=0.05,
        confidence=0.95,
        look=1,
        alpha=look_alpha(0.95, 1),
        total=len(class_ids),
        population=len(class_ids),
        sample=len(drawn),
        by_class=False,
        find_threshold=False,
        groups=groups_of(class_ids, drawn),
        strata=(Stratum(len(class_ids), len(drawn)),),
        steps=(),
    )
    return replace(plan, **fields)  # type: ignore[arg-type]


def drawn_of(class_ids: np.ndarray) -> Drawn:
    rows = np.arange(len(class_ids), dtype=np.int64)
    return Drawn(rows, class_ids, np.linspace(0.5, 1, len(class_ids), dtype=np.float32))


def test_a_plan_and_a_proof_survive_the_ledger() -> None:
    class_ids = np.array([1, 1, 2], np.int32)
    step = Step(0.1 + 0.2, Stratum(3, 2))
    plan = plan_of(class_ids, class_ids[:2], steps=(step,), abandons="b")
    assert Plan.of(json.loads(json.dumps(plan.document()))) == plan
    drawn = drawn_of(class_ids[:2])
    proof = prove(plan, drawn, Outcome(np.ones(2, bool), np.zeros(2, bool)), PERFECT, Mended())
    assert Proof.of(json.loads(json.dumps(asdict(proof)))) == proof


def test_plans_and_proofs_of_before_there_were_stages_are_read() -> None:
    class_ids = np.ones(1000, np.int32)
    plan, drawn = plan_of(class_ids, class_ids[:300]), drawn_of(class_ids[:300])
    document = {k: v for k, v in plan.document().items() if k not in {"stages", "level"}}
    assert Plan.of(document) == plan
    proof = prove(plan, drawn, Outcome(np.ones(300, bool), np.zeros(300, bool)), PERFECT, Mended())
    assert (proof.sample, state_of(plan, proof)) == (300, AuditState.PASSED)
    old = {k: v for k, v in asdict(proof).items() if k not in {"sample", "ended"}}
    assert Proof.of(old) == replace(proof, sample=0, ended=False)


def staged(errors: Sequence[int]) -> tuple[AuditState, Proof]:
    """What comes of 300 images in stages of 89, 134, 200 and 300 when those drawn at some turns are wrong."""
    class_ids = np.ones(1000, np.int32)
    sizes = (89, 134, 200, 300)
    nominal = sequential.level(1000, sizes, 50, look_alpha(0.95, 1))
    plan = plan_of(class_ids, class_ids[:300], stages=sizes, level=nominal)
    turns = np.random.default_rng(1).permutation(300)
    drawn = replace(drawn_of(class_ids[:300]), turns=turns)
    proof = prove(
        plan,
        drawn,
        Outcome(np.ones(300, bool), np.isin(turns, errors)),
        PERFECT,
        Mended(300, len(errors)),
    )
    return state_of(plan, proof), proof


def test_the_first_stage_that_can_decides() -> None:
    state, proof = staged([])
    assert (state, proof.sample, proof.answered) == (AuditState.PASSED, 89, 89)
    state, proof = staged([3, 10, 20])
    assert (state, proof.errors) == (AuditState.PASSED, 3)
    assert 89 < proof.sample < 300
    state, proof = staged(range(0, 300, 10))
    assert (state, proof.sample) == (AuditState.FAILED, proof.answered)
    state, proof = staged(range(60))
    assert (state, proof.sample, proof.ended) == (AuditState.FAILED, 89, True)


def test_slips_of_people_raise_the_bound_and_what_was_put_right_lowers_it() -> None:
    class_ids = np.ones(1000, np.int32)
    plan, drawn = plan_of(class_ids, class_ids[:300]), drawn_of(class_ids[:300])
    found = Outcome(np.ones(300, bool), np.arange(300) < 6)
    right = prove(plan, drawn, found, PERFECT, Mended(300, 6))
    missing = prove(plan, drawn, found, People(0.2, 0.0, 300), Mended(300, 6))
    slips = prove(plan, drawn, found, People(0.0, 3.0, 300), Mended(300, 6))
    assert right.bound < missing.bound
    assert slips.bound == pytest.approx(right.bound + 3 / 1000)
    for put_right in (0, 4, 9):  # in the sample or not
        later = prove(plan, drawn, found, PERFECT, Mended(320, put_right))
        assert later.bound == pytest.approx(right.bound + (6 - put_right) / 1000)
    everything = plan_of(class_ids, class_ids)
    census = Outcome(np.ones(1000, bool), np.arange(1000) < 60)
    after = Mended(1000, 60)
    assert prove(everything, drawn_of(class_ids), census, PERFECT, after).bound == 0


def test_an_audit_that_did_not_pass_does_once_enough_is_put_right() -> None:
    class_ids = np.ones(1000, np.int32)
    plan, drawn = plan_of(class_ids, class_ids[:300]), drawn_of(class_ids[:300])
    found = Outcome(np.ones(300, bool), np.arange(300) < 12)
    proofs = [prove(plan, drawn, found, PERFECT, Mended(300 + k, k)) for k in range(60)]
    states = [state_of(plan, proof) for proof in proofs]
    assert states[0] is AuditState.FAILED
    assert states[-1] is AuditState.PASSED
    assert states == sorted(states, reverse=True)


def test_where_people_refuse_most_of_a_sample_nothing_they_put_right_counts() -> None:
    class_ids = np.ones(1000, np.int32)
    plan, drawn = plan_of(class_ids, class_ids[:300]), drawn_of(class_ids[:300])
    for wrong, fewer in ((150, True), (151, False)):
        found = Outcome(np.ones(300, bool), np.arange(300) < wrong)
        before = prove(plan, drawn, found, PERFECT, Mended(300, 0)).bound
        after = prove(plan, drawn, found, PERFECT, Mended(900, 800)).bound
        assert (after < before) is fewer


def test_a_stage_is_the_last_when_the_next_would_hardly_pass() -> None:
    """With as many errors again as so far 300 would not pass; with none of them they would."""
    state, proof = staged(range(0, 89, 6))
    assert (state, proof.sample, proof.ended) == (AuditState.FAILED, 89, True)


def test_contradictions_are_slips() -> None:
    fold = Fold()
    kicked = said(1, Verdict.IS_NOT, 0, 1, 2, 3)
    fold.apply(event(PageKind.VERIFY, kicked))
    given = said(1, Verdict.IS, 0, 1, 2), said(2, Verdict.IS, 3)
    fold.apply(event(PageKind.SINGLE, *given, seq=2))
    assert fold.contradictions == 3
    assert Fold.of(fold.state()).contradictions == 3
    without = people_of(fold).wrong - 3
    assert without == pytest.approx(wrong_labels(fold.people))


def test_an_image_is_always_on_the_same_page() -> None:
    class_ids = np.repeat(np.array([1, 2], np.int32), [100, 10])
    plan, drawn = plan_of(class_ids, class_ids), drawn_of(class_ids)
    schema = Schema({1: "a", 2: "b"})
    every = pages(plan, drawn, np.ones(110, bool), schema)
    assert [(p.class_id, len(p.rows)) for p in every] == [(1, 48), (1, 48), (1, 4), (2, 10)]
    assert all((np.diff(page.probability) <= 0).all() for page in every)
    some = pages(plan, drawn, np.arange(110) < 5, schema)
    assert [(p.page_id, sorted(p.rows.tolist())) for p in some] == [
        (every[1].page_id, [4]),
        (every[2].page_id, [0, 1, 2, 3]),
    ]


class Life:
    """A collection labelled by a person who overlooks odd images, then audited, then certified."""

    def __init__(self, seed: int, images: int, error: float, misses: float) -> None:
        self.random = np.random.default_rng(seed)
        self.misses = misses
        self.truth = self.random.integers(1, 6, images).astype(np.int32)
        self.guess = self.truth.copy()
        wrong = self.random.random(images) < error
        self.guess[wrong] = self.guess[wrong] % 5 + 1
        self.fold = Fold()

    def label(self, rows: np.ndarray, kind: PageKind) -> None:
        """Confirm pages of the predicted class; kicked images are put right one by one."""
        for class_id in range(1, 6):
            some = rows[self.guess[rows] == class_id]
            planted = self.plant(class_id) if kind is PageKind.VERIFY else some[:0]
            shown = np.concatenate([some, planted])
            odd = shown[self.truth[shown] != class_id]
            kicked = odd[self.random.random(len(odd)) >= self.misses]
            stay = np.setdiff1d(shown, kicked)
            page = Page("p", kind, shown, class_id, planted=planted)
            self.add(
                page, said(class_id, Verdict.IS, *stay), said(class_id, Verdict.IS_NOT, *kicked)
            )
            fixed = np.setdiff1d(kicked, planted)
            self.add(Page("s", PageKind.SINGLE, fixed), *labels_by_class(fixed, self.truth[fixed]))

    def plant(self, class_id: int) -> np.ndarray:
        labels = self.fold.state()
        others = labels.rows[self.truth[labels.rows] != class_id]
        return self.random.choice(others, min(len(others), 40), replace=False)

    def add(self, page: Page, *judgements: Judgement) -> None:
        seq = self.fold.seq + 1
        self.fold.apply(
            Event(EventKind.DECISION, "ann", str(seq), b"", page, judgements, 1.0, seq=seq)
        )

    def audit(self, sample: int, allowed: float) -> tuple[Plan, list[tuple[Proof, float]]]:
        """Audit; what it proves at once and what after further work, beside the true error."""
        rest = np.flatnonzero(~self.fold.done(np.arange(len(self.truth))))
        places = sampling.simple(len(rest), sample, self.random)
        plan = plan_of(
            self.guess[rest], self.guess[rest[places]], total=len(self.truth), allowed_error=allowed
        )
        drawn = Drawn(rest[places], self.guess[rest[places]], np.ones(sample, np.float32))
        wrong = self.truth[drawn.rows] != self.guess[drawn.rows]
        seen = wrong & (self.random.random(sample) >= self.misses)
        self.label_sample(drawn, seen)
        proofs = [(self.prove(plan, drawn, seen, rest), self.error())]
        self.label(np.setdiff1d(rest, drawn.rows)[:200], PageKind.VERIFY)
        proofs.append((self.prove(plan, drawn, seen, rest), self.error()))
        return plan, proofs

    def label_sample(self, drawn: Drawn, seen: np.ndarray) -> None:
        stay, kicked = drawn.rows[~seen], drawn.rows[seen]
        for each in labels_by_class(stay, self.guess[stay]):
            out = kicked[self.guess[kicked] == each.class_id]
            page = Page("a", PageKind.AUDIT, np.concatenate([each.rows, out]), each.class_id)
            self.add(page, each, said(each.class_id, Verdict.IS_NOT, *out))
        self.add(Page("s", PageKind.SINGLE, kicked), *labels_by_class(kicked, self.truth[kicked]))

    def prove(self, plan: Plan, drawn: Drawn, seen: np.ndarray, rest: np.ndarray) -> Proof:
        found = Outcome(np.ones(len(seen), bool), seen)
        since = mended(
            self.fold, Schema({each: str(each) for each in range(1, 6)}), rest, self.guess[rest]
        )
        return prove(plan, drawn, found, people_of(self.fold), since)

    def error(self) -> float:
        """The true share of wrong labels when the head labels what is left."""
        everything = np.arange(len(self.truth))
        labels = np.where(self.fold.done(everything), self.fold.class_of(everything), self.guess)
        return float((labels != self.truth).mean())


@pytest.mark.parametrize("misses", [0.0, 0.05])
def test_a_certificate_is_wrong_in_at_most_five_of_a_hundred_collections(misses: float) -> None:
    """People's slips included, over collections in which the head is just about good enough."""
    wrong = passed = 0
    for seed in range(REDRAWS):
        life = Life(seed, 2000, 0.02 + 0.0004 * seed, misses)
        for begin in range(0, 600, 200):
            life.label(np.arange(begin, begin + 200), PageKind.VERIFY)
        plan, proofs = life.audit(300, 0.05)
        wrong += any(error > proof.bound for proof, error in proofs)
        passed += state_of(plan, proofs[-1][0]) is AuditState.PASSED
    assert wrong <= int(binom.ppf(0.999, REDRAWS, 0.05)), f"{wrong} of {REDRAWS}"
    assert passed > REDRAWS / 4
