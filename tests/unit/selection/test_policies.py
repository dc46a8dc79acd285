"""The ways of choosing pages, and what each of them is for."""

from dataclasses import replace

import numpy as np
import pytest

from hundredfold.chassis.costs import CostModel
from hundredfold.selection.domain.page import Kind
from hundredfold.selection.domain.policies import DEFAULT, POLICIES
from hundredfold.selection.domain.policies.cluster_margin import CLUSTER_MARGIN
from hundredfold.selection.domain.policies.cluster_pages import CLUSTER_PAGES
from hundredfold.selection.domain.policies.committee import COMMITTEE, vote_entropy
from hundredfold.selection.domain.policies.entropy import ENTROPY, entropy
from hundredfold.selection.domain.policies.errors_per_second import ERRORS_PER_SECOND
from hundredfold.selection.domain.policies.k_center import K_CENTER, farthest
from hundredfold.selection.domain.policies.margin import MARGIN
from hundredfold.selection.domain.policies.predicted_class import PREDICTED_CLASS
from hundredfold.selection.domain.policies.random_pages import RANDOM
from hundredfold.selection.domain.policies.random_singles import RANDOM_SINGLES
from hundredfold.selection.domain.policies.typiclust import TYPICLUST, typicality
from hundredfold.selection.domain.policies.uherding import UHERDING, herd
from tests.unit.selection.policy_contract import PolicyContract, even_clusters, rows_of, shown
from tests.unit.selection.pools import labels_of, make_pool, random_pool


def test_every_policy_keeps_to_the_contract():
    tested = {each.policy.name for each in PolicyContract.__subclasses__()}
    assert tested == set(POLICIES)


def unit_vectors(count, width=8, seed=0):
    vectors = np.random.default_rng(seed).standard_normal((count, width)).astype(np.float32)
    return vectors / np.linalg.norm(vectors, axis=1, keepdims=True)


def pool_of(vectors, margin=None):
    """A pool with these vectors, rows 10, 13, 16 ..., and labelled rows at their end."""
    pool = make_pool([1] * len(vectors), [0.5] * len(vectors), margin=margin)
    return replace(pool, vectors_of=lambda rows: vectors[(np.asarray(rows) - 10) // 3])


class TestErrorsPerSecond(PolicyContract):
    policy = ERRORS_PER_SECOND

    def test_it_is_the_default(self):
        assert self.policy.name == DEFAULT

    def test_doubtful_pages_come_before_sure_ones(self):
        pool = make_pool([1] * 12 + [2] * 12, [0.99] * 12 + [0.6] * 12)
        assert [page.class_id for page in self.choose(pool)] == [2, 1]

    def test_a_class_is_cut_by_confidence(self):
        pool = make_pool([1] * 24, np.linspace(0.3, 0.99, 24))
        doubtful, sure = self.choose(pool)
        assert doubtful.probability.max() < sure.probability.min()

    def test_a_label_that_costs_less_alone_is_asked_for_alone(self):
        pool = make_pool([1, 2, 3], [0.05] * 3)
        assert {page.kind for page in self.choose(pool)} == {Kind.SINGLE}

    def test_dear_single_labels_keep_images_on_pages(self):
        pool = make_pool([1, 2, 3], [0.05] * 3)
        pages = self.choose(pool, costs=CostModel(single_seconds=60))
        assert {page.kind for page in pages} == {Kind.VERIFY}

    def test_free_actions_are_no_error(self):
        assert self.choose(random_pool(50), costs=CostModel(0, 0, 0, 0, None, 0))


class TestPredictedClass(PolicyContract):
    policy = PREDICTED_CLASS

    def test_sure_pages_come_before_doubtful_ones(self):
        pool = make_pool([1] * 12 + [2] * 12, [0.99] * 12 + [0.6] * 12)
        assert [page.class_id for page in self.choose(pool)] == [1, 2]


class TestClusterPages(PolicyContract):
    policy = CLUSTER_PAGES

    def test_images_that_look_alike_are_on_one_page(self):
        groups = unit_vectors(2, seed=3).repeat(10, axis=0)
        pages = self.choose(pool_of(groups), page_size=10, limit=2)
        sides = [set((page.rows - 10) // 3 >= 10) for page in pages]
        assert all(len(side) == 1 for side in sides)


class TestMargin(PolicyContract):
    policy = MARGIN

    def test_it_begins_with_the_least_decided(self):
        pool = make_pool([1] * 20, [0.5] * 20, margin=np.linspace(0.9, 0.0, 20))
        (page,) = self.choose(pool, limit=1)
        assert page.rows.tolist() == pool.rows[::-1][:8].tolist()


class TestEntropy(PolicyContract):
    policy = ENTROPY

    def test_with_two_classes_it_is_the_entropy(self):
        first = np.linspace(0.5, 1, 20)
        pool = make_pool([1] * 20, first, second=[2] * 20, margin=2 * first - 1)
        rest = np.maximum(1 - first, 1e-30)
        dense = -(first * np.log(first) + rest * np.log(rest))
        np.testing.assert_allclose(entropy(pool, 2), dense, atol=1e-5)

    def test_it_is_never_less_than_that_of_the_whole_distribution(self):
        random = np.random.default_rng(0)
        whole = -np.sort(-random.dirichlet(np.ones(6) / 2, 200), axis=1)
        pool = make_pool([1] * 200, whole[:, 0], margin=whole[:, 0] - whole[:, 1])
        dense = -(whole * np.log(np.maximum(whole, 1e-30))).sum(1)
        assert (entropy(pool, 6) >= dense - 1e-4).all()

    def test_it_begins_with_the_most_uncertain(self):
        pool = make_pool([1] * 20, np.linspace(0.5, 1, 20), margin=np.linspace(0.0, 1, 20))
        assert self.choose(pool, limit=1)[0].rows.tolist() == pool.rows[:8].tolist()


class TestCommittee(PolicyContract):
    policy = COMMITTEE

    def test_vote_entropy_is_that_of_the_counts(self):
        votes = np.random.default_rng(0).integers(0, 4, (7, 50))
        counts = np.stack([(votes == each).sum(0) for each in range(4)]) / 7
        dense = -(counts * np.log(np.maximum(counts, 1e-30))).sum(0)
        np.testing.assert_allclose(vote_entropy(votes), dense, atol=1e-12)

    def test_images_between_two_classes_come_before_those_in_the_middle_of_one(self):
        random = np.random.default_rng(1)
        ends = np.eye(4, dtype=np.float32)[:2]
        labelled = np.repeat(ends, 30, axis=0) + 0.1 * random.standard_normal((60, 4))
        between = np.tile(ends.mean(0), (8, 1)) + 0.1 * random.standard_normal((8, 4))
        inside = np.repeat(ends, 20, axis=0) + 0.1 * random.standard_normal((40, 4))
        vectors = np.concatenate([inside, between, labelled]).astype(np.float32)
        vectors /= np.linalg.norm(vectors, axis=1, keepdims=True)
        pool = pool_of(vectors).take(np.arange(48))
        labels = labels_of(10 + 3 * np.arange(48, 108), [1] * 30 + [2] * 30)
        (page,) = self.choose(pool, labels, limit=1)
        assert np.isin(page.rows, pool.rows[40:]).sum() >= 6


class TestClusterMargin(PolicyContract):
    policy = CLUSTER_MARGIN

    def test_clusters_take_turns_and_the_smallest_begins(self):
        pool = make_pool([1] * 30, [0.5] * 30, margin=np.linspace(0, 0.5, 30))
        clusters = even_clusters(pool.rows, 3)
        rows = rows_of(self.choose(pool, clusters=clusters, limit=1, page_size=6))
        assert sorted((rows - 10) // 3 // 10) == [0, 0, 1, 1, 2, 2]


class TestKCenter(PolicyContract):
    policy = K_CENTER

    def test_it_chooses_as_the_plain_algorithm_does(self):
        vectors, centres = unit_vectors(400), unit_vectors(5, seed=1)
        gap, plain = (2 - 2 * vectors @ centres.T).min(1), []
        for _ in range(60):
            plain.append(int(gap.argmax()))
            gap = np.minimum(gap, 2 - 2 * vectors @ vectors[plain[-1]])
        chosen, distances = farthest(vectors, centres, 60)
        assert chosen.tolist() == plain
        assert (np.diff(distances) <= 0).all()


class TestTypiClust(PolicyContract):
    policy = TYPICLUST

    def test_typicality_is_one_over_the_mean_distance_to_the_nearest(self):
        vectors = unit_vectors(60)
        apart = np.linalg.norm(vectors[:, None] - vectors[None], axis=2)
        dense = 1 / np.sort(apart, axis=1)[:, :21].mean(1)
        np.testing.assert_allclose(typicality(vectors), dense, rtol=1e-2)

    def test_where_labels_are_is_asked_about_last(self):
        groups = unit_vectors(2, seed=3).repeat(30, axis=0) + 0.02 * unit_vectors(60, seed=4)
        vectors = groups / np.linalg.norm(groups, axis=1, keepdims=True)
        pool = pool_of(vectors)
        labels = labels_of(pool.rows[:20], [1] * 20)
        left = pool.take(np.arange(20, 60))
        first = [self.choose(left, labels, limit=1, page_size=4, seed=seed)[0] for seed in range(5)]
        assert np.mean(rows_of(first) >= pool.rows[30]) > 0.7


class TestUHerding(PolicyContract):
    policy = UHERDING

    def test_it_chooses_as_the_plain_algorithm_does(self):
        vectors, weights = unit_vectors(300), np.random.default_rng(2).random(300)
        near = vectors @ vectors.T
        np.fill_diagonal(near, -1)
        width = np.median(np.sqrt(2 - 2 * near.max(1)))
        kernel = np.exp((vectors @ vectors.T - 1) * 2 / width**2)
        covered, plain = np.zeros(300), []
        for _ in range(40):
            gains = np.maximum(kernel - covered, 0) @ weights
            plain.append(int(gains.argmax()))
            covered = np.maximum(covered, kernel[plain[-1]])
        chosen, gains = herd(vectors, vectors, weights, vectors[:0], 40)
        assert chosen.tolist() == plain
        assert (np.diff(gains) <= 0).all()

    def test_what_is_decided_is_not_covered_first(self):
        groups = unit_vectors(2, seed=3).repeat(20, axis=0) + 0.1 * unit_vectors(40, seed=4)
        vectors = groups / np.linalg.norm(groups, axis=1, keepdims=True)
        pool = pool_of(vectors, margin=[1.0] * 20 + [0.0] * 20)
        (page,) = self.choose(pool, limit=1, page_size=4)
        assert (page.rows >= pool.rows[20]).all()


class TestRandom(PolicyContract):
    policy = RANDOM

    def test_it_differs_from_seed_to_seed(self):
        orders = [shown(self.choose(random_pool(150), seed=seed)) for seed in range(3)]
        assert orders[0] != orders[1] or orders[1] != orders[2]


class TestRandomSingles(PolicyContract):
    policy = RANDOM_SINGLES

    def test_every_image_is_as_likely(self):
        pool = make_pool([1] * 40, [0.5] * 40)
        chosen = [rows_of(self.choose(pool, limit=1, seed=seed)) for seed in range(500)]
        counts = np.bincount(np.searchsorted(pool.rows, np.concatenate(chosen)), minlength=40)
        assert counts.sum() == pytest.approx(500 * 8)
        assert counts.min() > 60
