"""Pools for the tests of the domain."""

from dataclasses import replace

import numpy as np
from hypothesis import strategies as st

from hundredfold.chassis.costs import CostModel
from hundredfold.selection.domain.clusters import Clusters
from hundredfold.selection.domain.policies import Asked
from hundredfold.selection.domain.pool import Labels, Pool

NO_LABELS = Labels(np.empty(0, np.int64), np.empty(0, np.int32))
NO_CLUSTERS = Clusters("run", np.empty(0, np.int64), np.array([0]))


def vectors_of(rows):
    """A vector of length 1 for any row: neighbours in number are neighbours in space."""
    angle = np.asarray(rows, np.float64) / 50
    return np.stack([np.cos(angle), np.sin(angle)], 1).astype(np.float32)


def labels_of(rows, class_ids, origins=()):
    """Labels, the rows in any order."""
    order = np.argsort(rows)
    origins = np.asarray(origins, np.uint8)
    return Labels(
        np.asarray(rows, np.int64)[order],
        np.asarray(class_ids, np.int32)[order],
        origins[order] if len(origins) else origins,
    )


def make_pool(top, probability, *, second=None, margin=None, kicks=None, model="head-x@1"):
    """A pool of rows 10, 13, 16 ..."""
    count = len(top)
    probability = np.asarray(probability, np.float32)
    return Pool(
        np.arange(count, dtype=np.int64) * 3 + 10,
        np.asarray(top, np.int32),
        np.zeros(count, np.int32) if second is None else np.asarray(second, np.int32),
        probability,
        probability / 2 if margin is None else np.asarray(margin, np.float32),
        np.zeros(count, np.int32) if kicks is None else np.asarray(kicks, np.int32),
        vectors_of,
        model,
    )


def random_pool(count, classes=4, seed=0):
    """Guesses at random, some images without any."""
    random = np.random.default_rng(seed)
    top = random.integers(0, classes + 1, count)
    probability = np.where(top > 0, random.random(count), 0)
    second = np.where(top > 0, top % classes + 1, 0)
    return make_pool(top, probability, second=second, margin=probability * random.random(count))


def asked(limit=16, page_size=12, seed=0, costs=None):
    return Asked(limit, page_size, costs or CostModel(), np.random.default_rng(seed))


pools = st.builds(random_pool, st.integers(0, 150), st.integers(1, 6), st.integers(0, 2**32 - 1))


def pool_at(rows, classes=4, seed=0):
    """Guesses at random of some rows."""
    pool = random_pool(len(rows), classes, seed)
    return replace(pool, rows=np.asarray(rows, np.int64))


def plain_pool(rows, kicks=None):
    """A pool before there is a head."""
    count = len(rows)
    pool = make_pool(np.zeros(count), np.zeros(count), kicks=kicks, model="")
    return replace(pool, rows=rows)
