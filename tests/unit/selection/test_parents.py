"""Pages that ask for a parent class first."""

from dataclasses import replace
from itertools import pairwise

import numpy as np
from hypothesis import given, settings
from hypothesis import strategies as st

from hundredfold.selection.domain.discovery import Discovery
from hundredfold.selection.domain.page import Kind
from hundredfold.selection.domain.parents import Families, families_of, parent_pages
from hundredfold.selection.domain.policies import POLICIES
from hundredfold.selection.domain.pool import Guesses, Said, open_pool
from hundredfold.selection.domain.rounds import Standing, compose
from tests.unit.selection.pools import (
    NO_CLUSTERS,
    asked,
    labels_of,
    make_pool,
    random_pool,
    vectors_of,
)

VEHICLE, CAR = 50, 60
# 20 classes: 1 to 5 are vehicles, of which 1 and 2 are cars.
PARENT_OF = {1: CAR, 2: CAR, 3: VEHICLE, 4: VEHICLE, 5: VEHICLE, CAR: VEHICLE}
FAMILIES = families_of(PARENT_OF, [*range(1, 21), VEHICLE, CAR])


def with_parents(pool, parent, sure):
    count = len(pool)
    return replace(
        pool,
        parent=np.full(count, parent, np.int32),
        parent_probability=np.full(count, sure, np.float32),
    )


def pool_of(likeliest, sure, *, count=24, parent=VEHICLE):
    top = np.arange(count) % 5 + 1
    return with_parents(make_pool(top, np.full(count, likeliest)), parent, sure)


def test_families_count_the_classes_without_children():
    assert (FAMILIES.total, dict(FAMILIES.beneath)) == (20, {CAR: 2, VEHICLE: 5})


def test_sure_of_the_parent_but_not_of_the_child_the_parent_is_asked_for():
    pool = pool_of(0.25, 0.95)
    (first, second), left = parent_pages(pool, FAMILIES, asked(page_size=12))
    assert {(page.kind, page.class_id, len(page)) for page in (first, second)} == {
        (Kind.VERIFY, VEHICLE, 12)
    }
    assert sorted([*first.rows, *second.rows]) == pool.rows.tolist()
    assert not len(left)
    assert (first.probability > 0.9).all()
    assert np.isin(first.second, [1, 2, 3, 4, 5]).all()


def test_sure_of_the_child_the_child_is_asked_for():
    pages, left = parent_pages(pool_of(0.95, 0.97), FAMILIES, asked())
    assert not pages
    assert len(left) == 24


def test_sure_of_nothing_no_parent_is_asked_for():
    assert parent_pages(pool_of(0.05, 0.1), FAMILIES, asked())[0] == []


def test_where_no_class_has_children_nothing_changes():
    pool = random_pool(40)
    assert parent_pages(pool, Families(), asked()) == ([], pool)


def test_a_parent_that_has_lost_its_children_is_not_asked_for():
    assert parent_pages(pool_of(0.25, 0.95, parent=99), FAMILIES, asked())[0] == []


def test_few_images_do_not_pay_for_a_page():
    assert parent_pages(pool_of(0.25, 0.95, count=7), FAMILIES, asked())[0] == []


@settings(max_examples=60)
@given(st.integers(0, 120), st.integers(0, 2**32 - 1), st.integers(1, 8))
def test_every_image_is_on_one_page_of_a_parent_or_left(count, seed, limit):
    random = np.random.default_rng(seed)
    pool = random_pool(count, 5, seed)
    pool = replace(
        pool,
        parent=random.choice(np.array([0, CAR, VEHICLE], np.int32), count),
        parent_probability=np.maximum(pool.probability, random.random(count)).astype(np.float32),
    )
    pages, left = parent_pages(pool, FAMILIES, asked(limit, 12))
    everything, rest = parent_pages(pool, FAMILIES, asked(1000, 12))
    rows = [row for page in everything for row in page.rows.tolist()]
    assert sorted([*rows, *left.rows.tolist()]) == pool.rows.tolist()
    assert len(rest) == len(left)
    assert [page.score for page in pages] == [page.score for page in everything[:limit]]
    assert all(a.score >= b.score > 0 for a, b in pairwise(pages))


def standing(pool):
    return Standing(
        pool, labels_of([0, 1, 2], [1, 2, 3]), NO_CLUSTERS, Discovery(), families=FAMILIES
    )


def test_a_round_asks_for_parents_beside_children_and_plants_nothing_on_their_pages():
    unsure, sure = pool_of(0.25, 0.95, count=48), pool_of(0.9, 0.95, count=48)
    rows = np.arange(96, dtype=np.int64) * 3 + 10
    names = ("top", "second", "probability", "margin", "kicks", "parent", "parent_probability")
    both = {name: np.concatenate([getattr(unsure, name), getattr(sure, name)]) for name in names}
    pool = replace(unsure, rows=rows, **both)
    wanted = replace(asked(64, 12), planted_share=1.0)
    without = frozenset({"stream", "discovery"})
    made = compose(
        replace(standing(pool), without=without), POLICIES["errors-per-second"], wanted
    ).pages
    of_parent = [page for page in made if page.class_id == VEHICLE]
    assert {row for page in of_parent for row in page.rows.tolist()} == set(rows[:48].tolist())
    assert not any(len(page.planted) for page in of_parent)
    assert any(1 <= page.class_id <= 5 for page in made)
    shown = [row for page in made for row in np.setdiff1d(page.rows, page.planted).tolist()]
    assert len(shown) == len(set(shown))


def test_other_policies_are_left_as_they_are():
    made = compose(
        replace(standing(pool_of(0.25, 0.95)), without=frozenset({"stream", "discovery"})),
        POLICIES["margin"],
        asked(64, 12),
    ).pages
    assert not any(page.class_id == VEHICLE for page in made)


def test_the_pool_has_what_the_head_says_of_parents_and_what_people_said():
    rows = np.arange(6, dtype=np.int64)
    number = np.arange(6, dtype=np.float32) / 10
    guesses = Guesses(
        "head-x@1",
        rows,
        *(rows.astype(np.int32),) * 2,
        number,
        number,
        rows.astype(np.int32),
        number,
    )
    said = Said(
        labels_of([1], [3]), rows[:0], rows[:0], possible_rows=np.array([2, 2, 4], np.int64)
    )
    pool = open_pool(rows, said, vectors_of, guesses)
    assert pool.parent.tolist() == [0, 2, 3, 4, 5]
    assert pool.kicks.tolist() == [0, 1, 0, 1, 0]
    assert pool.take(pool.rows > 3).parent_probability.tolist() == number[4:].tolist()
