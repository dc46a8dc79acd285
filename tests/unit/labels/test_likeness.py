"""What is said of pairs: the newest word on each that counts, however events come and go."""

import numpy as np
from hypothesis import given
from hypothesis import strategies as st

from hundredfold.labels.domain.event import (
    Event,
    EventKind,
    Judgement,
    Mark,
    Verdict,
    standing,
)
from hundredfold.labels.domain.fold import Fold
from hundredfold.labels.domain.folds import taken_up
from hundredfold.labels.domain.likeness import decided
from hundredfold.labels.domain.page import NO_ROWS, Page, PageKind, pair_keys, pair_rows
from hundredfold.labels.domain.schema import Schema

MOST = (1 << 31) - 1
ROW = st.integers(0, 5) | st.sampled_from([MOST - 1, MOST])
PAIR = st.tuples(ROW, ROW).filter(lambda pair: pair[0] != pair[1])
SAID = st.dictionaries(PAIR.map(lambda p: tuple(sorted(p))), st.sampled_from(list(Verdict)))
STEP = st.one_of(
    st.tuples(st.just("judge"), SAID, st.sets(ROW, max_size=2)),
    st.tuples(st.just("undo"), st.integers(1, 12)),
    st.tuples(st.just("undo many"), st.sets(st.integers(1, 12), min_size=1)),
    st.tuples(st.just("clear")),
)


def event(seq: int, kind: EventKind, **fields: object) -> Event:
    return Event(kind, "ann", str(seq), b"", seq=seq, created_at=float(seq), **fields)  # type: ignore[arg-type]


def judged(seq: int, said: dict[tuple[int, int], Verdict], kept: set[int]) -> Event:
    judgements = []
    for (left, right), verdict in said.items():
        turned = (right, left) if seq % 2 else (left, right)
        judgements.append(Judgement(0, verdict, np.array(turned[:1]), np.array(turned[1:])))
    return event(
        seq,
        EventKind.PAIRS,
        judgements=tuple(judgements),
        rows=np.array(sorted(kept), np.int64),
        seconds=1.5,
    )


def written(steps: list[tuple[object, ...]]) -> list[Event]:
    """A ledger as the service would write it: nothing is undone that does not count."""
    events: list[Event] = []
    for step in steps:
        seq, stands = len(events) + 1, standing(marks(events))
        counting = {each.seq for each in events if stands.counts(each.seq, each.kind)}
        if step[0] == "judge":
            events.append(judged(seq, step[1], step[2]))  # type: ignore[arg-type]
        elif step[0] == "clear":
            events.append(event(seq, EventKind.CLEAR))
        elif step[0] == "undo" and step[1] in counting:
            events.append(event(seq, EventKind.UNDO, undone_seq=step[1]))
        elif step[0] == "undo many":
            pairs = {each.seq for each in events if each.kind is EventKind.PAIRS}
            rows = sorted(step[1] & counting & pairs)  # type: ignore[operator]
            if rows:
                events.append(event(seq, EventKind.UNDO_MANY, rows=np.array(rows)))
    return events


def marks(events: list[Event]) -> list[Mark]:
    kinds = (EventKind.UNDO, EventKind.UNDO_MANY, EventKind.CLEAR)
    return [Mark(each.seq, each.kind, each.taken_back) for each in events if each.kind in kinds]


def plainly(events: list[Event]) -> tuple[dict[int, tuple[int, int]], dict[int, int], float]:
    """What they come to, by the rules alone."""
    stands = standing(marks(events))
    said: dict[int, tuple[int, int]] = {}
    kept: dict[int, int] = {}
    seconds = 0.0
    for each in events:
        if each.kind is EventKind.PAIRS and stands.counts(each.seq, each.kind):
            seconds += each.seconds
            kept |= dict.fromkeys(each.rows.tolist(), each.seq)
            for judgement in each.judgements:
                for key in pair_keys(judgement.rows, judgement.others).tolist():
                    said[key] = int(judgement.verdict), each.seq
    return said, kept, seconds


def folded(events: list[Event]) -> Fold:
    fold = Fold()
    for each in events:
        if not fold.apply(each):
            fold = Fold()
            stands = standing(marks(events[: each.seq]))
            fold.seq = stands.cleared
            fold.stand(stands)
            for earlier in events[stands.cleared : each.seq]:
                fold.refold(earlier, stands)
    return fold


@given(st.lists(STEP, max_size=12))
def test_the_newest_word_that_counts_is_what_is_known(steps: list[tuple[object, ...]]) -> None:
    events = written(steps)
    fold = folded(events)
    said, kept, seconds = plainly(events)
    table = fold.likeness.table().tolist()
    assert {key: (verdict, seq) for key, verdict, seq in table} == said
    assert table == sorted(table)
    assert dict(fold.likeness.kept().tolist()) == kept
    assert fold.pair_microseconds == seconds * 1e6


@given(st.lists(STEP, max_size=8))
def test_a_fold_at_rest_holds_it_all(steps: list[tuple[object, ...]]) -> None:
    state = folded(written(steps)).state()
    again = taken_up(state, Schema(), None).state()
    assert again.same_as(state)


@given(PAIR)
def test_a_pair_has_one_number_and_a_cell_that_is_of_no_image(pair: tuple[int, int]) -> None:
    left, right = np.array(pair[:1]), np.array(pair[1:])
    key = pair_keys(left, right)
    assert key == pair_keys(right, left)
    assert [int(each[0]) for each in pair_rows(key)] == sorted(pair)
    page = Page("p", PageKind.PAIR, left, others=right)
    assert (page.cells < 0).all()


def test_who_is_unsure_is_not_told_to_others() -> None:
    fold = Fold()
    fold.apply(judged(1, {(1, 2): Verdict.UNSURE, (3, 4): Verdict.IS_NOT}, set()))
    left, right, same = decided(fold.likeness.table())
    assert (left.tolist(), right.tolist(), same.tolist()) == ([3], [4], [False])
    assert fold.likeness.verdicts(NO_ROWS).size == 0
