"""The fold equals a plain reading of its rules, whatever the order of events."""

from collections.abc import Sequence
from dataclasses import replace

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from hundredfold.labels.domain.copies import Copies, inherited
from hundredfold.labels.domain.event import (
    JUDGING,
    Event,
    EventKind,
    Judgement,
    Mark,
    Verdict,
    standing,
)
from hundredfold.labels.domain.fold import Fold
from hundredfold.labels.domain.page import Page, PageKind
from tests.unit.labels.plain_fold import agrees, read

ROWS = 12
CLASSES = 3


def marks(events: Sequence[Event]) -> list[Mark]:
    return [
        Mark(e.seq, e.kind, e.taken_back)
        for e in events
        if e.taken_back or e.kind is EventKind.CLEAR
    ]


def refolded(events: Sequence[Event], base: Fold | None = None) -> Fold:
    fold = base or Fold()
    fold.stand(standing(marks(events)))
    for event in events[fold.seq :]:
        fold.refold(event, fold.standing)
    return fold


def check(fold: Fold, events: Sequence[Event]) -> None:
    reading, state = read(events), fold.state()
    labels = state.labels()
    assert agrees(labels, events)
    assert fold.decisions == reading.decisions
    assert fold.microseconds == round(reading.seconds * 1e6)
    assert fold.tally.labelled == len(labels.rows)
    assert fold.tally.unsure == len(labels.unsure_rows)
    by_class = np.bincount(labels.class_ids, minlength=CLASSES + 1)
    assert fold.tally.by_class == {c: int(n) for c, n in enumerate(by_class) if n}
    assert state.same_as(refolded(events).state())


def said(class_id: int, verdict: Verdict, *rows: int) -> Judgement:
    return Judgement(class_id, verdict, np.array(rows, np.int64))


def event(
    seq: int,
    *judgements: Judgement,
    undo: int = 0,
    many: Sequence[int] = (),
    clear: bool = False,
    certify: bool = False,
    kind_of_page: PageKind | None = None,
    planted: Sequence[int] = (),
) -> Event:
    kind = EventKind.UNDO if undo else EventKind.CLEAR if clear else EventKind.DECISION
    kind = EventKind.UNDO_MANY if many else kind
    page = None
    if kind_of_page:
        page = Page("p", kind_of_page, np.arange(ROWS), 1, planted=np.array(planted, np.int64))
    return Event(
        kind=EventKind.CERTIFICATE if certify else kind,
        page=page,
        actor="ann",
        request_id=str(seq),
        body=b"",
        judgements=judgements,
        seconds=1.5 if kind is EventKind.DECISION else 0,
        undone_seq=undo,
        rows=np.array(sorted(many), np.int64),
        seq=seq,
        created_at=1000.0 + seq,
    )


def folded(*events: Event) -> Fold:
    fold = Fold()
    for each in events:
        assert fold.apply(each)
    return fold


@st.composite
def ledgers(draw: st.DrawFn) -> list[Event]:
    """Events as a service would take them: only what counts is taken back."""
    events: list[Event] = []
    for seq in range(1, draw(st.integers(1, 25)) + 1):
        stand = standing(marks(events))
        counting = [e.seq for e in events if stand.counts(e.seq, e.kind)]
        choice = draw(
            st.sampled_from(["decide"] * 6 + ["undo"] * 4 + ["many"] * 2 + ["clear", "certify"])
        )
        if choice == "undo" and counting:
            latest = draw(st.sampled_from([counting[-1:], counting]))
            events.append(event(seq, undo=draw(st.sampled_from(latest))))
        elif choice == "many" and (judging := judging_of(events, counting)):
            events.append(event(seq, many=draw(st.sets(st.sampled_from(judging), min_size=1))))
        elif choice == "clear":
            events.append(event(seq, clear=True))
        elif choice == "certify":
            rows = sorted(draw(st.sets(st.integers(0, ROWS - 1))))
            half = len(rows) // 2
            labels = said(1, Verdict.IS, *rows[:half]), said(2, Verdict.IS, *rows[half:])
            events.append(event(seq, *labels, certify=True))
        else:
            page = draw(st.sampled_from([None, *PageKind]))
            planted = sorted(draw(st.sets(st.integers(0, ROWS - 1), max_size=2)))
            events.append(event(seq, *draw(judgements()), kind_of_page=page, planted=planted))
    return events


def judging_of(events: Sequence[Event], seqs: Sequence[int]) -> list[int]:
    return [e.seq for e in events if e.seq in seqs and e.kind in JUDGING]


@st.composite
def judgements(draw: st.DrawFn) -> list[Judgement]:
    rows = st.sets(st.integers(0, ROWS - 1), max_size=4)
    classes = st.integers(1, CLASSES)
    what: dict[int, tuple[int, Verdict]] = {}
    for row in draw(rows):
        what[row] = draw(st.tuples(classes, st.sampled_from(list(Verdict))))
    found: dict[tuple[int, Verdict], list[int]] = {}
    for row, (class_id, verdict) in what.items():
        key = (0 if verdict is Verdict.UNSURE else class_id, verdict)
        found.setdefault(key, []).append(row)
    kicked = draw(classes), sorted(draw(rows) - {r for r, w in what.items() if w[1] is Verdict.IS})
    return [said(c, v, *each) for (c, v), each in found.items()] + [
        said(kicked[0], Verdict.IS_NOT, *kicked[1])
    ]


@settings(max_examples=120)
@given(ledgers())
def test_any_ledger_folds_to_what_its_rules_say(events: list[Event]) -> None:
    fold = Fold()
    for count, each in enumerate(events, 1):
        if not fold.apply(each):
            fold = refolded(events[:count])
    check(fold, events)


@settings(max_examples=120)
@given(ledgers())
def test_labels_of_a_divided_class_wait_for_finer_ones(events: list[Event]) -> None:
    divided = np.array([2], np.int32)
    fold = Fold(divided=divided)
    for count, each in enumerate(events, 1):
        if not fold.apply(each):
            fold = refolded(events[:count], Fold(divided=divided))
    labels, rows = fold.state().labels(divided), np.arange(ROWS)
    assert agrees(labels, events, divided={2})
    assert fold.tally.labelled == len(labels.rows)
    assert np.flatnonzero(fold.class_of(rows) > 0).tolist() == labels.rows.tolist()
    assert np.flatnonzero(fold.within(rows)).tolist() == labels.possible_rows.tolist()
    assert not fold.by_people(labels.possible_rows).any()


@settings(max_examples=60)
@given(ledgers())
def test_labels_are_whole_again_when_a_class_has_no_children_any_more(events: list[Event]) -> None:
    whole = refolded(events)
    before, counts = whole.state(), dict(whole.tally.by_class)
    whole.divide(np.array([1, 2, 3], np.int32))
    assert whole.tally.labelled == 0
    whole.divide(np.empty(0, np.int32))
    assert whole.tally.by_class == counts
    assert whole.state().same_as(before)


@settings(max_examples=50)
@given(ledgers(), st.integers(0, 25))
def test_a_state_taken_on_the_way_continues_to_the_same_end(events: list[Event], at: int) -> None:
    fold = refolded(events[:at])
    undone_later = any(min(e.taken_back) <= at for e in events[at:] if e.taken_back)
    again = Fold.of(fold.state())
    assert again.state().same_as(fold.state())
    if not undone_later and standing(marks(events)).cleared <= at:
        check(refolded(events, again), events)


def test_taking_back_the_newest_event_needs_no_refold() -> None:
    fold = folded(event(1, said(1, Verdict.IS, 0, 1), said(2, Verdict.IS_NOT, 2)))
    assert fold.apply(event(2, undo=1))
    assert fold.tally.labelled == 0
    assert not fold.refused(np.array([2]), 2).any()


def test_taking_back_what_a_later_event_builds_on_asks_for_a_refold() -> None:
    fold = folded(event(1, said(1, Verdict.IS, 0)), event(2, said(2, Verdict.IS, 0)))
    assert not fold.apply(event(3, undo=1))
    assert fold.seq == 2
    assert fold.class_of(np.array([0])).tolist() == [2]


@settings(max_examples=120)
@given(ledgers(), st.data())
def test_taking_many_back_is_taking_each_back(events: list[Event], data: st.DataObject) -> None:
    stands = standing(marks(events))
    judging = judging_of(events, [e.seq for e in events if stands.counts(e.seq, e.kind)])
    if not judging:
        return
    chosen = data.draw(st.sets(st.sampled_from(judging), min_size=1))
    head = len(events) + 1
    many = applied([*events, event(head, many=sorted(chosen))])
    singly = [event(at, undo=seq) for at, seq in enumerate(sorted(chosen), head)]
    one_by_one = applied([*events, *singly]).state()
    assert replace(many.state(), seq=one_by_one.seq).same_as(one_by_one)
    # And all of it back by one more event.
    back = applied([*events, event(head, many=sorted(chosen)), event(head + 1, undo=head)])
    before = applied(events).state()
    undone = np.append(before.undone, head)
    assert back.state().same_as(replace(before, seq=head + 1, undone=undone))


def test_taking_many_of_the_newest_back_needs_no_refold() -> None:
    fold = folded(
        event(1, said(1, Verdict.IS, 0, 1)),
        event(2, said(2, Verdict.IS, 0)),
        event(3, said(3, Verdict.IS, 5)),
        event(4, said(1, Verdict.IS_NOT, 2)),
    )
    assert fold.apply(event(5, many=[1, 2, 4]))
    assert fold.class_of(np.array([0, 1, 5])).tolist() == [0, 0, 3]
    assert not fold.refused(np.array([2]), 1).any()


def test_taking_many_back_of_which_one_is_built_upon_asks_for_a_refold() -> None:
    events = (
        event(1, said(1, Verdict.IS, 0)),
        event(2, said(2, Verdict.IS, 0)),
        event(3, said(3, Verdict.IS, 5)),
    )
    fold = folded(*events)
    assert not fold.apply(event(4, many=[1, 3]))
    assert fold.class_of(np.array([0, 5])).tolist() == [2, 3]
    assert fold.apply(event(4, many=[2, 3]))
    assert fold.class_of(np.array([0, 5])).tolist() == [1, 0]


def applied(events: Sequence[Event]) -> Fold:
    """As the ledger folds: again where an event asks for it."""
    fold = Fold()
    for count, each in enumerate(events, 1):
        if not fold.apply(each):
            fold = refolded(events[:count])
    return fold


def test_an_event_out_of_turn_is_an_error() -> None:
    with pytest.raises(ValueError, match="does not follow"):
        Fold().apply(event(2))


def test_copies_count_with_their_representative_and_strays_alone() -> None:
    # 0 stands for 0, 1 and 2; 3 is broken; 4 came after the run.
    copies = Copies(np.array([0, 0, 0, -1], np.int64))
    fold = Fold(copies)
    fold.apply(event(1, said(1, Verdict.IS, 0, 4)))
    assert fold.labelled_with_copies() == 4
    fold.apply(event(2, said(2, Verdict.IS, 1)))
    assert fold.labelled_with_copies() == 4, "the representative's label counts for the copy"
    fold.apply(event(3, undo=1))
    assert fold.labelled_with_copies() == 1
    rows = np.arange(5)
    assert inherited(rows, copies, fold.class_of).tolist() == [0, 1, 2, 3, 4]


@settings(max_examples=50)
@given(ledgers(), st.lists(st.integers(-1, ROWS - 1), min_size=ROWS, max_size=ROWS))
def test_the_running_count_of_copies_is_the_count(events: list[Event], drawn: list[int]) -> None:
    raw = np.array(drawn, np.int64)
    lowest = np.array([np.flatnonzero(raw == r).min() if r >= 0 else -1 for r in raw], np.int64)
    copies = Copies(lowest)
    fold = Fold(copies)
    for count, each in enumerate(events, 1):
        if not fold.apply(each):
            fold = refolded(events[:count])
            fold.project(copies)
    source = inherited(np.arange(ROWS), copies, fold.class_of)
    assert fold.labelled_with_copies() == int((fold.class_of(source) > 0).sum())
