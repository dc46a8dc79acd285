"""Odd images that stand on a page to see whether they are found."""

from dataclasses import replace

import numpy as np
import pytest

from hundredfold.selection.domain.discovery import Discovery
from hundredfold.selection.domain.page import Kind
from hundredfold.selection.domain.planting import SHARE, plant
from hundredfold.selection.domain.policies import POLICIES
from hundredfold.selection.domain.policies.predicted import single_page, verify_page
from hundredfold.selection.domain.rounds import Standing, compose
from tests.unit.selection.pools import NO_CLUSTERS, asked, labels_of, make_pool, vectors_of

NOBODY = np.empty(0, np.int64)
LABELLED = 2_000 + np.arange(60)
LABELS = labels_of(LABELLED, [1] * 20 + [2] * 20 + [3] * 20)


def pages_of(count, size=40):
    pool = make_pool([1] * size, np.linspace(0.5, 0.9, size))
    return [verify_page(pool, np.arange(size), 1.0 - number / count) for number in range(count)]


def planted(pages, labels=LABELS, doubtful=NOBODY, share=1.0, seed=0):
    random = np.random.default_rng(seed)
    return plant(pages, labels, doubtful, vectors_of, random, share=share)


def test_about_one_image_of_two_hundred_is_planted():
    many = labels_of(np.arange(2_000, 6_000), [2] * 4_000)
    made = planted(pages_of(1_000), many, share=SHARE)
    assert sum(len(page.planted) for page in made) / (1_000 * 40) == pytest.approx(1 / 200, rel=0.2)


def test_a_planted_image_is_of_another_class_and_takes_the_place_of_the_surest():
    (before,) = pages_of(1)
    (page,) = planted([before])
    (row,) = page.planted
    assert LABELS.class_ids[np.searchsorted(LABELS.rows, row)] != page.class_id
    assert row in page.rows
    assert set(before.rows) - set(page.rows) == {before.rows[before.probability.argmax()]}
    assert len(page.rows) == len(page.second) == len(page.probability) == len(before.rows)
    assert (page.score, page.class_id, page.kind) == (before.score, before.class_id, Kind.VERIFY)


def test_it_stands_anywhere_on_the_page():
    places = {
        int(np.flatnonzero(page.rows == page.planted[0])[0])
        for seed in range(200)
        for page in planted(pages_of(1), seed=seed)
    }
    assert len(places) > 35


def test_the_same_image_is_not_on_two_pages():
    made = planted(pages_of(30))
    rows = np.concatenate([page.planted for page in made])
    assert len(np.unique(rows)) == len(rows)


def test_labels_that_may_be_wrong_or_are_a_models_are_not_planted():
    doubtful = LABELLED[20:40]
    origins = [2] * 40 + [127] * 20
    labels = labels_of(LABELLED, LABELS.class_ids, origins)
    made = planted(pages_of(5), labels, doubtful)
    assert not sum(len(page.planted) for page in made)


def test_it_looks_rather_like_the_page_but_is_not_what_looks_most_like_it():
    labels = labels_of(np.arange(50) * 10 + 1_000, [2] * 50)
    likeness = vectors_of(labels.rows) @ vectors_of(pages_of(1)[0].rows).mean(0)
    rank = np.empty(50, int)
    rank[np.argsort(-likeness)] = np.arange(50)
    for seed in range(30):
        (page,) = planted(pages_of(1), labels, seed=seed)
        assert 1 <= rank[np.searchsorted(labels.rows, page.planted[0])] < 6


def test_single_images_small_pages_and_pages_without_labels_are_left_alone():
    pool = make_pool([1] * 8, [0.5] * 8)
    alone = single_page(pool, np.arange(8), 0.0)
    small = verify_page(pool, np.arange(7), 0.0)
    assert planted([alone, small]) == [alone, small]
    none = labels_of([], [])
    assert not len(planted(pages_of(1), none)[0].planted)
    same = labels_of([1, 2], [1, 1])
    assert not len(planted(pages_of(1), same)[0].planted)


def test_the_same_seed_plants_the_same():
    first, second = (planted(pages_of(10), share=0.01, seed=4) for _ in range(2))
    assert [page.rows.tolist() for page in first] == [page.rows.tolist() for page in second]


def test_a_round_plants_as_much_as_it_is_asked_to():
    pool = make_pool([1] * 400, [0.8] * 400)
    standing = Standing(pool, LABELS, NO_CLUSTERS, Discovery())
    for share, some in ((0.0, False), (1.0, True)):
        wanted = replace(asked(page_size=40), planted_share=share)
        made = compose(standing, POLICIES["errors-per-second"], wanted)
        assert any(len(page.planted) for page in made.pages) == some
    without = replace(standing, without=frozenset({"planting"}))
    made = compose(without, POLICIES["errors-per-second"], replace(asked(), planted_share=1.0))
    assert not any(len(page.planted) for page in made.pages)
