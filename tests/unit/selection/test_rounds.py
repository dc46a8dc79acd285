"""From what is known to the pages of a round."""

import numpy as np
from hypothesis import given, settings
from hypothesis import strategies as st

from hundredfold.selection.domain.clusters import Clusters
from hundredfold.selection.domain.discovery import Discovery
from hundredfold.selection.domain.page import Kind
from hundredfold.selection.domain.policies import POLICIES
from hundredfold.selection.domain.pool import Labels
from hundredfold.selection.domain.rounds import Phase, Standing, compose
from tests.unit.selection.pools import asked, make_pool, plain_pool, random_pool

POLICY = POLICIES["errors-per-second"]
NO_LABELS = Labels(np.empty(0, np.int64), np.empty(0, np.int32))
NO_CLUSTERS = Clusters("run", np.empty(0, np.int64), np.array([0]))


def even_clusters(rows, count):
    return Clusters("run", rows, np.linspace(0, len(rows), count + 1).astype(np.int64))


def round_of(pool, clusters=NO_CLUSTERS, limit=16, page_size=12):
    standing = Standing(pool, NO_LABELS, clusters, Discovery())
    return compose(standing, POLICY, asked(limit, page_size))


def test_nothing_left_is_the_end():
    made = round_of(make_pool([], []))
    assert (made.phase, made.pages) == (Phase.DONE, [])


def test_many_unanswered_clusters_are_all_that_is_offered():
    pool = plain_pool(np.arange(400, dtype=np.int64))
    made = round_of(pool, even_clusters(pool.rows, 40))
    assert made.phase is Phase.SEED
    assert len(made.pages) == 40
    assert {page.kind for page in made.pages} == {Kind.CLUSTER}


def test_while_the_last_clusters_wait_there_is_more_below_them():
    pool = random_pool(200)
    seed_rows = pool.rows[:40]
    made = round_of(pool, even_clusters(seed_rows, 4))
    assert made.phase is Phase.SEED
    seeds = [page for page in made.pages if page.cluster]
    rest = [page for page in made.pages if not page.cluster]
    assert len(seeds) == 4
    assert rest
    assert min(page.score for page in seeds) > max(page.score for page in rest)


def test_answered_clusters_are_followed_by_predicted_classes():
    made = round_of(make_pool([1] * 40, [0.8] * 40))
    assert made.phase is Phase.VERIFY
    assert {page.kind for page in made.pages} == {Kind.VERIFY}


def test_only_single_images_are_leftovers():
    assert round_of(make_pool([0] * 3, [0.0] * 3)).phase is Phase.LEFTOVERS


def test_a_pool_without_clusters_and_head_still_gets_pages():
    made = round_of(plain_pool(np.arange(30, dtype=np.int64)))
    assert made.phase is Phase.SEED
    assert sum(len(page.rows) for page in made.pages) == 30


def test_often_kicked_images_bring_a_page_that_asks_what_they_are():
    pool = make_pool([1] * 60, [0.8] * 60, kicks=[2] * 20 + [0] * 40)
    made = round_of(pool)
    first = made.pages[0]
    assert first.kind is Kind.CLUSTER
    assert first.score > made.pages[1].score
    assert made.discovery.rows == tuple(first.rows)


@given(st.integers(0, 200), st.integers(1, 30), st.integers(0, 2**32 - 1), st.booleans())
@settings(max_examples=40, deadline=None)
def test_no_image_is_on_two_pages_and_work_never_stops(count, clusters, seed, head):
    pool = random_pool(count, seed=seed)
    if not head:
        pool = plain_pool(pool.rows)
    made = round_of(pool, even_clusters(pool.rows, clusters))
    rows = np.concatenate([np.empty(0, np.int64), *(page.rows for page in made.pages)])
    assert len(np.unique(rows)) == len(rows)
    assert np.isin(rows, pool.rows).all()
    assert bool(made.pages) == bool(count)
    assert len(made.pages) <= 256
