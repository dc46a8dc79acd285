"""The random stream."""

from dataclasses import replace

import numpy as np
from hypothesis import given, settings
from hypothesis import strategies as st

from hundredfold.chassis.costs import CostModel
from hundredfold.chassis.holdout import FIRST_SAMPLE, in_stream
from hundredfold.selection.domain.discovery import Discovery
from hundredfold.selection.domain.page import Draft, Kind
from hundredfold.selection.domain.policies import POLICIES
from hundredfold.selection.domain.rounds import Phase, Standing, compose
from hundredfold.selection.domain.stream import due, early, measurable, riding, stream_pages
from tests.unit.selection.pools import (
    NO_CLUSTERS,
    NO_LABELS,
    asked,
    labels_of,
    make_pool,
    plain_pool,
    pool_at,
)

ALL = np.arange(20_000, dtype=np.int64)
STREAM = ALL[in_stream(ALL)]
OTHERS = ALL[~in_stream(ALL)]


AT_ONCE = early(ALL, tried=True)


def due_at(done):
    return due(STREAM, len(STREAM), done, AT_ONCE)


def round_of(pool, labels=NO_LABELS, without=(), policy="errors-per-second", **wanted):
    standing = Standing(pool, labels, NO_CLUSTERS, Discovery(), without=frozenset(without))
    return compose(standing, POLICIES[policy], asked(**wanted))


@given(st.floats(0, 1), st.floats(0, 1))
@settings(max_examples=50)
def test_what_is_due_stays_due_and_is_about_the_share_that_is_done(one, other):
    less, more = sorted((one, other))
    first, later = (due_at(done) for done in (less, more))
    assert not (first & ~later).any()
    assert abs(first.mean() - max(less, FIRST_SAMPLE / len(STREAM))) < 0.12


def test_at_the_end_all_of_it_is_due_and_in_the_beginning_the_first_ones():
    assert due_at(1.0).all()
    assert abs(due_at(0.0).sum() - FIRST_SAMPLE) < FIRST_SAMPLE / 3


def test_before_the_first_backbone_was_tried_fewer_come_at_once():
    first = early(ALL, tried=False)
    assert first.images < AT_ONCE.images
    assert AT_ONCE.within(STREAM[first.within(STREAM)]).all()
    assert 0 < first.needed < first.images
    assert early(ALL[:1_000], tried=True).images <= 1.5 * FIRST_SAMPLE
    assert early(ALL[:100], tried=True).needed == 0
    assert early(ALL[:0], tried=False).images == 0


def test_it_falls_due_in_steps():
    counts = {int(due_at(done).sum()) for done in np.linspace(0, 1, 1_000)}
    assert len(counts) <= len(STREAM) // 8 + 1


def test_due_images_are_asked_about_by_predicted_class():
    pool = make_pool([1, 2, 1, 2, 0], [0.9] * 4 + [0.0])
    pages = stream_pages(pool, 48, CostModel())
    kinds = sorted((page.kind, page.class_id, len(page.rows)) for page in pages)
    assert kinds == [(Kind.AUDIT, 1, 2), (Kind.AUDIT, 2, 2), (Kind.SINGLE, 0, 1)]
    assert {page.audit_id for page in pages} == {""}


def test_no_policy_ever_chooses_an_image_of_the_stream():
    later = STREAM[~in_stream(STREAM, 0.008)][:10]
    labelled = np.setdiff1d(STREAM, later)
    pool, labels = (
        pool_at(np.union1d(OTHERS[:7000], later)),
        labels_of(labelled, [1] * len(labelled)),
    )
    for name in POLICIES:
        made = round_of(pool, labels, policy=name, limit=64)
        chosen = [page.rows for page in made.pages if page.kind is not Kind.AUDIT]
        assert not np.isin(later, np.concatenate(chosen)).any()


def test_it_comes_as_fast_as_the_rest_gets_labels():
    half = len(OTHERS) // 2
    pool = pool_at(np.sort(np.concatenate([OTHERS[half:], STREAM])))
    labels = labels_of(OTHERS[:half], [1] * half)
    made = round_of(pool, labels, limit=400)
    shown = np.concatenate([page.rows for page in made.pages])
    shown = shown[in_stream(shown)]
    assert abs(len(shown) / len(STREAM) - 0.5) < 0.12
    # Once those are labelled no more come until the rest has more.
    later = pool.without(shown)
    known = labels_of([*labels.rows, *shown], [1] * (half + len(shown)))
    assert Kind.AUDIT not in {page.kind for page in round_of(later, known, limit=400).pages}


def test_a_loop_without_a_stream_chooses_among_all_images():
    pool = pool_at(STREAM)
    made = round_of(pool, without=["stream"], limit=100)
    assert {page.kind for page in made.pages} <= {Kind.VERIFY, Kind.SINGLE}


def test_the_last_images_are_those_of_the_stream():
    labels = labels_of(OTHERS, [1] * len(OTHERS))
    made = round_of(pool_at(STREAM), labels)
    assert made.phase is not Phase.DONE
    assert {page.kind for page in made.pages} == {Kind.AUDIT}


def test_a_collection_of_nothing_but_the_stream_is_asked_about_image_by_image():
    made = round_of(plain_pool(STREAM[:3]))
    assert [page.kind for page in made.pages] == [Kind.SINGLE]
    assert made.phase is Phase.SEED


def verify(rows, class_id):
    second, probability = np.zeros(len(rows), np.int32), np.full(len(rows), 0.5, np.float32)
    return Draft(Kind.VERIFY, np.array(rows), 1.0, class_id, second, probability)


def test_a_few_due_images_stand_on_the_first_page_of_their_class_in_place_of_its_surest():
    pages = [verify([1, 2, 3], 7), verify([4, 5, 6], 8), verify([7, 8, 9], 7)]
    ridden = riding(pages, [verify([100, 101], 7), verify([102], 9)], 4)
    assert [page.rows.tolist() for page in ridden] == [[2, 3, 100, 101], [4, 5, 6], [7, 8, 9]]
    assert all(len(page.rows) == len(page.second) == len(page.probability) for page in ridden)


def test_no_page_is_made_of_a_few_images_of_the_stream_while_there_are_others():
    labels = labels_of(OTHERS[:500], [1] * 500)
    pool = pool_at(np.sort(np.concatenate([OTHERS[500:1000], STREAM[:12]])))
    made = round_of(pool, labels, without=["fine-tuning"])
    assert all(len(page) >= 6 for page in made.pages if page.kind is Kind.AUDIT)


def test_kicked_images_are_asked_about_alone_in_haste():
    pool = make_pool([1, 1, 2, 2], [0.9] * 4)
    pool = replace(pool, kicks=np.array([1, 0, 1, 1], np.int32))
    pages = stream_pages(pool, 48, CostModel(), haste=2)
    assert [(page.kind, page.rows.tolist()) for page in pages[:1]] == [
        (Kind.SINGLE, pool.rows[[0, 2]].tolist())
    ]
    assert {page.kind for page in pages[1:]} == {Kind.AUDIT}
    assert sorted(np.concatenate([page.rows for page in pages])) == pool.rows.tolist()


def test_haste_lasts_until_a_backbone_can_be_measured():
    total = 3_000
    at_once = early(ALL[:total], tried=False)
    sample = ALL[:total][at_once.within(ALL[:total])]
    needed = at_once.needed
    for labelled, few in ((needed - 1, True), (needed, False)):
        known = sample[:labelled]
        pool, labels = pool_at(np.setdiff1d(ALL[:total], known)), labels_of(known, [1] * labelled)
        pages = round_of(pool, labels, limit=64).pages
        assert any(len(page) < 6 for page in pages if page.kind is Kind.AUDIT) is few


def test_it_is_measured_by_the_steps_of_which_every_image_has_an_answer():
    before, after = (due_at(done) for done in (0.5, 0.6))
    missing = np.flatnonzero(after & ~before)[0]
    there = after.copy()
    there[missing] = False
    counted = STREAM[there][measurable(STREAM[there], STREAM[~there], len(STREAM))]
    assert len(STREAM[before]) - 8 <= len(counted) < len(STREAM[there])
    assert measurable(STREAM, STREAM[:0], len(STREAM)).all()
    assert not measurable(STREAM[:0], STREAM, len(STREAM)).any()


def test_what_is_answered_first_does_not_move_what_is_measured():
    """The easy half of each step is answered long before the other."""
    easy = STREAM % 2 == 0
    due_now = due_at(0.5)
    answered = due_now & easy | due_at(0.4)
    counted = measurable(STREAM[answered], STREAM[~answered], len(STREAM))
    assert abs(easy[answered].mean() - easy.mean()) > 0.05
    assert np.array_equal(STREAM[answered][counted], STREAM[due_at(0.4)])
