"""Single images of small margin, from many clusters: uncertain and diverse.

Source: Cluster-Margin, Citovsky et al. 2021 (arXiv 2107.14263): of ten times as many images as are asked
for, those of smallest margin, take one from each cluster in turn, the smallest cluster first. The clusters
are those of the collection.
"""

import numpy as np

from hundredfold.selection.domain.page import Draft, Kind
from hundredfold.selection.domain.policies.base import Asked, Known, Policy
from hundredfold.selection.domain.policies.candidates import least_decided
from hundredfold.selection.domain.policies.predicted import SINGLES, single_pages

_TIMES = 10


def choose(known: Known, asked: Asked) -> list[Draft]:
    """Images of small margin, the clusters in turn."""
    pool, most = known.pool, SINGLES * asked.limit
    order = least_decided(pool, _TIMES * most)
    region = known.clusters.numbers(pool.rows[order])
    _, number, sizes = np.unique(region, return_inverse=True, return_counts=True)
    by_region = np.argsort(number, kind="stable")
    turn = np.empty(len(order), np.int64)
    turn[by_region] = np.arange(len(order)) - np.repeat(np.cumsum(sizes) - sizes, sizes)
    chosen = np.lexsort((pool.margin[order], sizes[number], turn))[:most]
    scores = np.arange(len(chosen), 0, -1) / max(len(chosen), 1)
    return single_pages(pool, order[chosen], scores, asked.page_size, asked.limit)


CLUSTER_MARGIN = Policy("cluster-margin", "Citovsky et al. 2021", Kind.SINGLE, choose)
