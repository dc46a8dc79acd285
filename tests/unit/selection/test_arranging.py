"""The order of the images on a page."""

import numpy as np
from hypothesis import given, settings
from hypothesis import strategies as st

from hundredfold.selection.domain.arranging import walk
from tests.unit.selection.pools import make_pool, random_pool


@given(st.integers(1, 60), st.integers(0, 2**32 - 1))
@settings(max_examples=40)
def test_every_image_stands_once(count, seed):
    pool = random_pool(60)
    places = np.random.default_rng(seed).permutation(60)[:count]
    assert sorted(walk(pool, places)) == sorted(places)


def test_it_begins_with_the_surest():
    pool = make_pool([1] * 5, [0.5, 0.6, 0.95, 0.7, 0.4])
    assert walk(pool, np.arange(5))[0] == 2


def test_two_groups_that_look_different_are_not_mixed():
    pool = make_pool([1] * 40, [0.7] * 40)
    places = np.array([0, 30, 2, 32, 1, 31, 3, 33])
    group = walk(pool, places) >= 20
    assert np.abs(np.diff(group.astype(int))).sum() == 1


def test_of_images_that_look_alike_those_with_the_same_second_guess_stand_together():
    pool = make_pool([1] * 12, [0.5] * 12, second=[2, 3] * 6, margin=[0.1] * 12)
    pool = type(pool)(
        **{**vars(pool), "vectors_of": lambda rows: np.ones((len(rows), 1), np.float32)}
    )
    seconds = pool.second[walk(pool, np.arange(12))]
    assert np.count_nonzero(np.diff(seconds)) == 1
