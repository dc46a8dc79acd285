"""The images that still need an answer."""

import numpy as np
from hypothesis import given
from hypothesis import strategies as st

from hundredfold.selection.domain.pool import Guesses, Labels, Said, open_pool, places
from tests.unit.selection.pools import vectors_of

ROWS = np.array([2, 5, 7, 11], np.int64)
GUESSES = Guesses(
    "head-x@3",
    np.array([2, 5, 7, 8], np.int64),
    np.array([1, 2, 3, 4], np.int32),
    np.array([2, 3, 4, 5], np.int32),
    np.array([0.5, 0.6, 0.7, 0.8], np.float32),
    np.array([0.1, 0.2, 0.3, 0.4], np.float32),
)


def said(labelled=(), negatives=(), unsure=()):
    labels = Labels(np.array(labelled, np.int64), np.ones(len(labelled), np.int32))
    return Said(labels, np.array(negatives, np.int64), np.array(unsure, np.int64))


def test_labelled_images_and_those_set_aside_are_not_in_it():
    pool = open_pool(ROWS, said(labelled=[5], unsure=[11]), vectors_of, None)
    assert pool.rows.tolist() == [2, 7]
    assert pool.model == ""
    assert not pool.top.any()


def test_each_image_has_its_own_guesses():
    pool = open_pool(ROWS, said(labelled=[2]), vectors_of, GUESSES)
    assert pool.rows.tolist() == [5, 7]
    assert pool.top.tolist() == [2, 3]
    assert pool.second.tolist() == [3, 4]
    assert pool.model == "head-x@3"
    np.testing.assert_allclose(pool.probability, [0.6, 0.7])
    np.testing.assert_allclose(pool.margin, [0.2, 0.3])


def test_an_image_the_head_has_not_seen_waits_for_the_next_head():
    assert 11 not in open_pool(ROWS, said(), vectors_of, GUESSES).rows


def test_kicks_are_counted_and_those_of_others_ignored():
    pool = open_pool(ROWS, said(labelled=[2], negatives=[5, 5, 2, 99]), vectors_of, None)
    assert pool.kicks.tolist() == [2, 0, 0]


def test_taking_away_rows_leaves_the_others():
    pool = open_pool(ROWS, said(), vectors_of, None)
    assert pool.without(np.array([5, 11])).rows.tolist() == [2, 7]
    assert pool.without(np.empty(0, np.int64)) is pool


def test_an_empty_collection_is_an_empty_pool():
    assert len(open_pool(ROWS[:0], said(), vectors_of, None)) == 0


def test_labels_within_some_rows_keep_their_classes():
    labels = Labels(np.array([1, 4, 9]), np.array([7, 8, 9], np.int32)).within(np.array([4, 9, 12]))
    assert (labels.rows.tolist(), labels.class_ids.tolist()) == ([4, 9], [8, 9])


def test_images_of_an_open_audit_are_not_in_it():
    asked = Said(
        Labels(np.empty(0, np.int64), np.empty(0, np.int32)),
        np.empty(0, np.int64),
        np.empty(0, np.int64),
        np.array([5, 7]),
    )
    assert open_pool(ROWS, asked, vectors_of, GUESSES).rows.tolist() == [2]


def test_labels_of_people_are_those_that_no_model_gave():
    labels = Labels(
        np.array([1, 4, 9]), np.array([7, 8, 9], np.int32), np.array([2, 127, 0], np.uint8)
    )
    assert labels.of_people().rows.tolist() == [1, 9]
    assert labels.within(np.array([4, 9])).origins.tolist() == [127, 0]
    assert len(Labels(labels.rows, labels.class_ids).of_people()) == 3


@given(st.sets(st.integers(0, 50)), st.lists(st.integers(0, 50)))
def test_places_are_where_rows_stand(among, rows):
    ascending = np.array(sorted(among), np.int64)
    found = places(ascending, np.array(rows, np.int64))
    assert found.tolist() == [sorted(among).index(row) if row in among else -1 for row in rows]
