"""Finding classes that nobody has named yet."""

from dataclasses import replace

import numpy as np

from hundredfold.selection.domain.discovery import FIRST_AT, Discovery, look, suspicious
from hundredfold.selection.domain.page import Kind
from hundredfold.selection.domain.pool import Labels
from tests.unit.selection.pools import make_pool

NO_LABELS = Labels(np.empty(0, np.int64), np.empty(0, np.int32))


def pool_with(kicked, count=60, kicks=2):
    each = np.zeros(count, np.int32)
    each[kicked] = kicks
    return make_pool([1] * count, [0.5] * count, kicks=each)


def labels(rows, class_ids):
    order = np.argsort(rows)
    return Labels(np.asarray(rows, np.int64)[order], np.asarray(class_ids, np.int32)[order])


OLD = labels([1, 2, 4, 5, 7, 8] * 2 + [0], [1] * 13)


def test_images_kicked_twice_or_from_every_class_are_suspicious():
    pool = make_pool([1, 1, 0, 0], [0.5, 0.5, 0, 0], kicks=[2, 1, 1, 0])
    assert suspicious(pool).tolist() == [True, False, True, False]


def test_few_suspicious_images_are_no_reason():
    after, page = look(Discovery(), pool_with(range(FIRST_AT - 1)), OLD, 48)
    assert page is None
    assert after == Discovery()


def test_enough_of_them_make_a_page_that_asks_what_they_are():
    pool = pool_with(range(FIRST_AT))
    after, page = look(Discovery(), pool, OLD, 48)
    assert page.kind is Kind.CLUSTER
    assert page.class_id == 0
    assert set(page.rows) <= set(pool.rows[:FIRST_AT])
    assert after.rows == tuple(page.rows)


def test_the_page_waits_until_it_is_answered():
    pool = pool_with(range(20))
    waiting, page = look(Discovery(), pool, OLD, 48)
    again, same = look(waiting, pool, OLD, 48)
    assert again == waiting
    assert same.rows.tolist() == page.rows.tolist()


def test_images_that_others_answered_leave_the_waiting_page():
    pool = pool_with(range(20))
    waiting, page = look(Discovery(), pool, OLD, 48)
    _, fewer = look(waiting, pool.without(page.rows[:3]), OLD, 48)
    assert fewer.rows.tolist() == page.rows[3:].tolist()


def test_after_a_class_that_is_known_well_it_waits_for_more():
    pool = pool_with(range(20))
    waiting, page = look(Discovery(), pool, OLD, 48)
    known = labels([*OLD.rows, *page.rows], [1] * (len(OLD.rows) + len(page.rows)))
    after, none = look(waiting, pool.without(page.rows), known, 48)
    assert none is None
    assert after.rows == ()


def test_after_a_class_with_hardly_any_labels_it_looks_again_at_once():
    pool = pool_with(range(40))
    waiting, page = look(Discovery(), pool, OLD, 20)
    new = labels([*OLD.rows, *page.rows], [1] * len(OLD.rows) + [7] * len(page.rows))
    _, next_page = look(waiting, pool.without(page.rows), new, 20)
    assert next_page is not None
    assert not set(next_page.rows) & set(page.rows)


def test_a_page_of_which_all_was_kicked_is_answered():
    pool = pool_with(range(30))
    waiting, page = look(Discovery(), pool, OLD, 48)
    kicks = pool.kicks.copy()
    kicks[np.searchsorted(pool.rows, page.rows)] += 1
    after, none = look(waiting, replace(pool, kicks=kicks), OLD, 48)
    assert none is None
    assert after.next_at == round(1.3 * 30)


def test_what_looks_like_labelled_images_is_shown_last():
    # Two groups of suspicious images; those with the small rows have labelled look-alikes.
    pool = pool_with([*range(20), *range(50, 70)], count=70)
    near = labels([11, 14, 17, 20, 23, 26, 29, 32, 35, 38, 41, 44], [1] * 12)
    _, page = look(Discovery(), pool, near, 48)
    assert page.rows.min() >= pool.rows[50]


def test_cleared_labels_end_the_search_so_far():
    pool = pool_with(range(30))
    waiting, _ = look(Discovery(), pool, OLD, 48)
    after, page = look(waiting, pool_with([]), NO_LABELS, 48)
    assert page is None
    assert after == Discovery()


def test_without_any_labels_it_shows_what_stands_closest():
    _, page = look(Discovery(), pool_with(range(20)), NO_LABELS, 12)
    assert len(page.rows) == 12


def test_thousands_of_suspicious_images_are_sampled():
    pool = pool_with(range(3000), count=3000)
    _, page = look(Discovery(), pool, OLD, 48)
    assert len(page.rows) == 20


def two_groups(apart, count=60):
    """A pool of which the last images lie together, far from all labels, and labels among the others."""
    rows = np.arange(count, dtype=np.int64)
    random = np.random.default_rng(0).normal(scale=0.3, size=(2 * count, 6))

    def vectors_of(wanted):
        wanted = np.asarray(wanted)
        far = (wanted >= count - apart) & (wanted < count)
        made = random[wanted] + np.where(far[:, None], [0, 0, 0, 0, 0, 4.0], [0, 2.0, 0, 0, 0, 0])
        return (made / np.linalg.norm(made, axis=1, keepdims=True)).astype(np.float32)

    pool = replace(make_pool([1] * count, [0.9] * count), rows=rows, vectors_of=vectors_of)
    return pool, labels(rows + count, [1] * count)


def test_a_class_of_the_schema_without_a_label_is_looked_for_where_nothing_was_kicked():
    pool, known = two_groups(apart=20)
    after, page = look(Discovery(), pool, known, 48, missing=1)
    assert page.kind is Kind.CLUSTER
    assert page.rows.min() >= 40
    assert after.rows == tuple(page.rows)
    assert look(Discovery(), pool, known, 48, missing=0)[1] is None


def test_where_no_image_is_unlike_the_labels_it_is_looked_for_later():
    pool, known = two_groups(apart=0)
    after, page = look(Discovery(), pool, known, 48, missing=1)
    assert page is None
    assert after.labels_at > len(known)
    assert look(after, pool, known, 48, missing=1) == (after, None)


def test_after_a_page_of_a_class_that_had_labels_it_waits():
    pool, known = two_groups(apart=20)
    after, page = look(Discovery(), pool, known, 48, missing=1)
    wrong = labels([*known.rows, *page.rows], [1] * (len(known) + len(page)))
    later, none = look(after, pool.without(page.rows), wrong, 48, missing=1)
    assert none is None
    assert later.labels_at > len(wrong)
    right = labels([*known.rows, *page.rows], [1] * len(known) + [2] * len(page))
    sooner, _ = look(after, pool.without(page.rows), right, 48, missing=1)
    assert sooner.next_at == FIRST_AT
