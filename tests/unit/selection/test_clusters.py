"""Cluster pages."""

import numpy as np
import pytest

from hundredfold.selection.domain.clusters import Clusters, remaining_pages, seed_pages, wanted
from hundredfold.selection.domain.page import Kind
from tests.unit.selection.pools import make_pool, plain_pool

ROWS = np.arange(30, dtype=np.int64)
CLUSTERS = Clusters("run", ROWS, np.array([0, 6, 20, 22, 30]))


def numbers(pages):
    return [int(page.cluster.partition("/")[2]) for page in pages]


@pytest.mark.parametrize(
    ("classes", "images", "count"), [(10, 3781, 20), (101, 3030, 202), (3, 10, 2), (5, 1, 1)]
)
def test_two_clusters_a_class_but_none_smaller_than_a_page_is_worth(classes, images, count):
    assert wanted(classes, images) == count


def test_the_largest_clusters_come_first_and_tiny_ones_not_at_all():
    pages = seed_pages(CLUSTERS, plain_pool(ROWS), 48)
    assert numbers(pages) == [1, 3, 0]
    assert [page.score for page in pages] == [3, 2, 1]
    assert {page.kind for page in pages} == {Kind.CLUSTER}
    assert pages[0].cluster == "run/1"


def test_a_page_has_the_images_nearest_to_the_centre():
    pages = seed_pages(CLUSTERS, plain_pool(ROWS), 5)
    assert pages[0].rows.tolist() == [6, 7, 8, 9, 10]


def test_a_cluster_is_answered_once_half_of_its_page_is():
    some_left = np.setdiff1d(ROWS, [6, 7])
    assert numbers(seed_pages(CLUSTERS, plain_pool(some_left), 5)) == [1, 3, 0]
    few_left = np.setdiff1d(ROWS, [6, 7, 8])
    assert numbers(seed_pages(CLUSTERS, plain_pool(few_left), 5)) == [3, 0]


def test_a_kick_is_an_answer():
    kicks = np.zeros(30, np.int32)
    kicks[6:11] = 1
    assert numbers(seed_pages(CLUSTERS, plain_pool(ROWS, kicks), 5)) == [3, 0]


def test_what_was_answered_is_left_out_of_the_page():
    left = np.setdiff1d(ROWS, [6, 7])
    assert seed_pages(CLUSTERS, plain_pool(left), 5)[0].rows.tolist() == [8, 9, 10]


def test_a_head_that_is_rather_sure_names_the_page():
    pool = make_pool([2] * 30, [0.9] * 30)
    clusters = Clusters("run", pool.rows, CLUSTERS.starts)
    assert {page.class_id for page in seed_pages(clusters, pool, 48)} == {2}
    unsure = make_pool([2] * 30, [0.3] * 30)
    assert {page.class_id for page in seed_pages(clusters, unsure, 48)} == {0}


def test_without_a_head_pages_go_on_until_every_image_had_one():
    pool = plain_pool(np.arange(40, dtype=np.int64))
    seen = []
    while len(pool):
        pages = remaining_pages(CLUSTERS, pool, 5, 3)
        assert 1 <= len(pages) <= 3
        rows = np.concatenate([page.rows for page in pages])
        assert len(np.unique(rows)) == len(rows)
        seen += rows.tolist()
        pool = pool.without(rows)
    assert sorted(seen) == list(range(40))


def test_each_row_knows_its_cluster():
    clusters = Clusters("run", np.array([7, 2, 5]), np.array([0, 1, 3]))
    assert clusters.numbers(np.array([2, 3, 5, 7, 900])).tolist() == [1, -1, 1, 0, -1]
    nobody = Clusters("run", ROWS[:0], np.array([0]))
    assert nobody.numbers(np.array([0, 3])).tolist() == [-1, -1]
