"""Cluster pages all the way: the pool is clustered anew each round and people say what each is.

Source: the first tools for labelling by groups; research/labelling-loop.md, section 2, strategy b+.
"""

import math

import numpy as np

from hundredfold.selection.domain.page import Draft, Kind
from hundredfold.selection.domain.policies.base import Asked, Known, Policy
from hundredfold.selection.domain.policies.candidates import FEW, stand_ins
from hundredfold.selection.domain.policies.grouping import group

_MOST_GROUPS = 256


def choose(known: Known, asked: Asked) -> list[Draft]:
    """Of each group the images nearest to its centre, the closest groups first, then those after."""
    some = stand_ins(known, FEW)
    if not len(some):
        return []
    groups = min(math.ceil(len(some) / asked.page_size), _MOST_GROUPS)
    number, likeness = group(some.vectors, groups, asked.random)
    pages: list[Draft] = []
    for each in np.unique(number):
        inside = np.flatnonzero(number == each)
        inside = inside[np.argsort(-likeness[inside], kind="stable")]
        for turn, start in enumerate(range(0, len(inside), asked.page_size)):
            shown = inside[start : start + asked.page_size]
            score = float(likeness[shown].mean()) * len(shown) / asked.page_size - turn
            rows = known.pool.rows[some.places[shown]]
            pages.append(Draft(Kind.CLUSTER, rows, score))
    return sorted(pages, key=lambda page: -page.score)[: asked.limit]


CLUSTER_PAGES = Policy("cluster-pages", "research/labelling-loop.md", Kind.CLUSTER, choose)
