"""Where an image may be of several classes the fold equals a plain reading of its rules, whatever the order of events."""

from collections.abc import Sequence
from dataclasses import replace

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from hundredfold.labels.domain import folds, rules
from hundredfold.labels.domain.copies import Copies, inherited_pairs
from hundredfold.labels.domain.event import (
    JUDGING,
    Event,
    EventKind,
    Judgement,
    Mark,
    Verdict,
    standing,
)
from hundredfold.labels.domain.page import NO_ROWS, Page, PageKind
from hundredfold.labels.domain.pair_fold import PairFold
from hundredfold.labels.domain.progress import Outside
from hundredfold.labels.domain.schema import Schema

ROWS = 6
PLAIN = Schema({1: "hat", 2: "bag"}, several=True)
KIN = Schema(
    {1: "shoe", 2: "boot", 3: "bag", 4: "sack"}, merged={4: 3}, parents={2: 1}, several=True
)
IS, IS_NOT, UNSURE = Verdict


def said(class_id: int, verdict: Verdict, *rows: int) -> Judgement:
    return Judgement(class_id, verdict, np.array(rows, np.int64))


def event(
    seq: int,
    *judgements: Judgement,
    of: int = 1,
    undo: int = 0,
    many: Sequence[int] = (),
    clear: bool = False,
) -> Event:
    kind = EventKind.UNDO if undo else EventKind.CLEAR if clear else EventKind.DECISION
    kind = EventKind.UNDO_MANY if many else kind
    page = Page("p", PageKind.VERIFY, np.arange(ROWS), of, several=True)
    return Event(
        kind=kind,
        page=page if kind is EventKind.DECISION else None,
        actor="ann",
        request_id=str(seq),
        body=b"",
        judgements=judgements,
        seconds=1.5,
        undone_seq=undo,
        rows=np.array(sorted(many), np.int64),
        seq=seq,
        created_at=1000.0 + seq,
    )


def marks(events: Sequence[Event]) -> list[Mark]:
    marking = [e for e in events if e.taken_back or e.kind is EventKind.CLEAR]
    return [Mark(e.seq, e.kind, e.taken_back) for e in marking]


@st.composite
def ledgers(draw: st.DrawFn) -> list[Event]:
    events: list[Event] = []
    for seq in range(1, draw(st.integers(1, 14)) + 1):
        stands = standing(marks(events))
        counting = [e.seq for e in events if stands.counts(e.seq, e.kind)]
        choice = draw(st.sampled_from(["decide"] * 6 + ["undo"] * 3 + ["many"] * 2 + ["clear"]))
        if choice == "undo" and counting:
            events.append(event(seq, undo=draw(st.sampled_from(counting))))
        elif choice == "many" and (
            judging := [e.seq for e in events if e.seq in counting and e.kind in JUDGING]
        ):
            events.append(event(seq, many=draw(st.sets(st.sampled_from(judging), min_size=1))))
        elif choice == "clear":
            events.append(event(seq, clear=True))
        else:
            of = draw(st.integers(1, 4))
            judgements = [
                said(0 if verdict is UNSURE else draw(st.integers(1, 4)), verdict, *sorted(rows))
                for verdict in Verdict
                if (rows := draw(st.sets(st.integers(0, ROWS - 1), max_size=3)))
            ]
            events.append(event(seq, *judgements, of=of))
    return events


def plainly(events: Sequence[Event], schema: Schema) -> dict[tuple[int, int], Verdict]:
    """What is known of each image and class in use, said as plainly as it can be."""
    stands = standing(marks(events))
    newest: dict[tuple[int, int], tuple[int, Verdict]] = {}
    for each in events:
        if not stands.counts(each.seq, each.kind) or each.kind not in JUDGING:
            continue
        for verdict in (IS_NOT, UNSURE, IS):
            for one in (one for one in each.judgements if one.verdict is verdict):
                of = each.page.class_id if verdict is UNSURE and each.page else one.class_id
                newest.update({(row, of): (each.seq, verdict) for row in one.rows.tolist()})
    known: dict[tuple[int, int], Verdict] = {}
    for class_id in schema.used.tolist():
        for row in range(ROWS):
            follows = [
                (seq, said_of is IS)
                for (at, given), (seq, said_of) in newest.items()
                if at == row and _speaks_of(schema, given, class_id, said_of)
            ]
            aside = any(
                at == row and schema.in_use(given) == class_id and verdict is UNSURE
                for (at, given), (_, verdict) in newest.items()
            )
            if follows:
                known[row, class_id] = IS if max(follows)[1] else IS_NOT
            elif aside:
                known[row, class_id] = UNSURE
    return known


def _speaks_of(schema: Schema, given: int, class_id: int, verdict: Verdict) -> bool:
    if verdict is UNSURE:
        return False
    if schema.in_use(given) == class_id:
        return True
    if verdict is IS:
        return class_id in schema.above(given)
    return schema.in_use(given) in schema.above(class_id)


def known_of(fold: PairFold) -> dict[tuple[int, int], Verdict]:
    labels = fold.labels()
    pairs = (
        (IS, labels.rows, labels.class_ids),
        (IS_NOT, labels.negative_rows, labels.negative_class_ids),
        (UNSURE, labels.unsure_rows, labels.unsure_class_ids),
    )
    return {
        pair: verdict
        for verdict, rows, class_ids in pairs
        for pair in zip(rows.tolist(), class_ids.tolist(), strict=True)
        if pair[1]
    }


def refolded(events: Sequence[Event], schema: Schema, base: PairFold | None = None) -> PairFold:
    fold = base or PairFold(schema=schema)
    fold.stand(standing(marks(events)))
    for each in events[fold.seq :]:
        fold.refold(each, fold.standing)
    return fold


def folded(*events: Event, schema: Schema = PLAIN) -> PairFold:
    fold = PairFold(schema=schema)
    for each in events:
        assert fold.apply(each)
    return fold


def check(fold: PairFold, events: Sequence[Event], schema: Schema) -> None:
    known = plainly(events, schema)
    assert known_of(fold) == known
    for counts, verdict in ((fold.yes, IS), (fold.no, IS_NOT), (fold.unsure, UNSURE)):
        for class_id in schema.used.tolist():
            found = sum(k[1] == class_id and v is verdict for k, v in known.items())
            assert counts.get(class_id, 0) == found
    whole = [
        row
        for row in range(ROWS)
        if all(known.get((row, c), UNSURE) is not UNSURE for c in schema.used.tolist())
    ]
    assert fold.complete == len(whole)
    assert fold.state().same_as(refolded(events, schema).state())


@settings(max_examples=80)
@given(ledgers(), st.sampled_from([PLAIN, KIN]))
def test_any_ledger_folds_to_what_its_rules_say(events: list[Event], schema: Schema) -> None:
    fold = PairFold(schema=schema)
    for count, each in enumerate(events, 1):
        if not fold.apply(each):
            fold = refolded(events[:count], schema)
    check(fold, events, schema)


@settings(max_examples=40)
@given(ledgers())
def test_another_schema_reads_the_same_words_otherwise(events: list[Event]) -> None:
    fold = refolded(events, PLAIN)
    fold.heed(KIN)
    check(fold, events, KIN)
    fold.heed(PLAIN)
    check(fold, events, PLAIN)


@settings(max_examples=40)
@given(ledgers(), st.integers(0, 14))
def test_a_state_taken_on_the_way_continues_to_the_same_end(events: list[Event], at: int) -> None:
    state = refolded(events[:at], KIN).state()
    undone_later = any(min(e.taken_back) <= at for e in events[at:] if e.taken_back)
    again = folds.taken_up(state, KIN, None)
    assert isinstance(again, PairFold)
    assert again.state().same_as(state)
    if not undone_later and standing(marks(events)).cleared <= at:
        check(refolded(events, KIN, again), events, KIN)


def test_an_image_has_as_many_classes_as_people_say() -> None:
    fold = folded(event(1, said(1, IS, 0, 1), said(1, IS_NOT, 2)), event(2, said(2, IS, 0), of=2))
    assert known_of(fold) == {(0, 1): IS, (1, 1): IS, (2, 1): IS_NOT, (0, 2): IS}
    assert fold.complete == 1


def test_unsure_sets_aside_under_the_class_of_the_page_alone() -> None:
    fold = folded(event(1, said(0, UNSURE, 3), of=2), event(2, said(1, IS, 3)))
    assert known_of(fold) == {(3, 2): UNSURE, (3, 1): IS}


def test_yes_to_a_child_is_yes_to_its_parent_and_no_to_a_parent_is_no_to_its_child() -> None:
    fold = folded(event(1, said(2, IS, 0), of=2), event(2, said(1, IS_NOT, 1)), schema=KIN)
    assert known_of(fold) == {(0, 2): IS, (0, 1): IS, (1, 1): IS_NOT, (1, 2): IS_NOT}
    assert fold.apply(event(3, said(1, IS_NOT, 0)))  # the newer word
    assert known_of(fold)[0, 2] is IS_NOT


def test_a_page_of_a_class_has_the_images_of_which_that_class_is_unknown() -> None:
    fold = folded(event(1, said(1, IS, 0), said(1, IS_NOT, 1), said(0, UNSURE, 2)))
    rows = np.arange(4)
    hats = Page("a", PageKind.VERIFY, rows, 1, several=True)
    bags = replace(hats, class_id=2)
    cluster = replace(hats, class_id=0, kind=PageKind.CLUSTER)
    assert folds.still_open(fold, hats, PLAIN, "").tolist() == [False, False, False, True]
    assert folds.still_open(fold, bags, PLAIN, "").all()
    assert folds.still_open(fold, cluster, PLAIN, "").tolist() == [False, False, False, True]
    assert folds.open_again(fold, hats, PLAIN, 1).all()
    assert not folds.still_open(fold, replace(hats, several=False), PLAIN, "").any()


def test_progress_counts_each_pair_once_and_images_beside_them() -> None:
    fold = folded(event(1, said(1, IS, 0, 1), said(1, IS_NOT, 2)), event(2, said(2, IS, 0), of=2))
    leased = Page("a", PageKind.VERIFY, np.array([1, 2]), 2, several=True).cells
    ready = Page("b", PageKind.VERIFY, np.array([2, 3, 4]), 2, several=True).cells
    cluster = Page("c", PageKind.CLUSTER, np.array([5]), several=True).cells
    outside = Outside(6, leased, np.concatenate([ready, cluster]), 2)
    found = folds.progress(fold, outside, PLAIN, 1001.0)
    assert (found.total, found.images, found.images_labelled) == (12, 6, 1)
    assert (found.labelled, found.leased, found.ready, found.pool) == (4, 2, 2, 4)
    assert found.labels_by_class == {1: 2, 2: 1}


def test_a_class_that_comes_later_opens_complete_images_again() -> None:
    schema = Schema({1: "hat"}, several=True)
    fold = folded(event(1, said(1, IS, 0)), schema=schema)
    assert fold.complete == 1
    fold.heed(PLAIN)
    assert fold.complete == 0


def test_copies_have_what_their_representative_has() -> None:
    fold = folded(event(1, said(1, IS, 0), said(1, IS_NOT, 3)), event(2, said(2, IS, 0, 1), of=2))
    copies = Copies(np.array([0, 0, 0, 3], np.int64))
    fold.project(copies)
    assert fold.labelled_with_copies() == 3
    found = inherited_pairs(fold.labels(), copies)
    pairs = zip(found.rows.tolist(), found.class_ids.tolist(), strict=True)
    assert list(pairs) == [(0, 1), (0, 2), (1, 1), (1, 2), (2, 1), (2, 2)]
    assert found.negative_rows.tolist() == [3]


@pytest.mark.parametrize("kind", [PageKind.SINGLE, PageKind.REVIEW])
def test_pages_that_take_one_class_an_image_are_refused(kind: PageKind) -> None:
    page = Page("p", kind, np.array([1]), 1)
    with pytest.raises(rules.InvalidArgument, match="one class"):
        rules.pages_of_pairs([page], PLAIN)


def test_pages_of_unknown_classes_or_with_planted_images_are_refused() -> None:
    page = Page("p", PageKind.VERIFY, np.array([1, 2]), 9)
    with pytest.raises(rules.InvalidArgument, match="not in the schema"):
        rules.pages_of_pairs([page], PLAIN)
    planted = replace(page, class_id=1, planted=np.array([2]))
    with pytest.raises(rules.InvalidArgument, match="planted"):
        rules.pages_of_pairs([planted], PLAIN)
    with pytest.raises(rules.InvalidArgument, match="cluster"):
        rules.pages_of_pairs([replace(page, kind=PageKind.CLUSTER, class_id=1)], PLAIN)


def test_without_a_class_there_is_nothing_to_label() -> None:
    fold = PairFold(schema=Schema(several=True))
    found = folds.progress(fold, Outside(6, NO_ROWS, NO_ROWS, 0), Schema(several=True), 0.0)
    assert (found.total, found.images, found.images_labelled) == (0, 6, 0)
