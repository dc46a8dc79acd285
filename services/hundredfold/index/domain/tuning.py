"""How to search an index of codes: the cheapest way that finds enough of the truth of a sample."""

from dataclasses import replace

import faiss
import numpy as np
from numpy.typing import NDArray

from hundredfold.index.domain.finding import Finder, Refined, without_self
from hundredfold.index.domain.parts import VectorParts
from hundredfold.index.domain.progress import Progress

RECALL = 0.98
"""What is aimed at in choosing; those that were held out are found a little less often."""

RECALL_LEAST = 0.95
"""What is not gone below for the sake of speed."""

PROBES_LEAST = 8
"""What is searched for may lie farther from the collection than its own vectors do."""

DEPTH = 10
CANDIDATES = (2, 3, 5, 10, 30)
"""Candidates for each of the ten nearest that are tried, fewest first."""

LEAST_GAIN = 0.004
"""What twice as many lists must find more to be worth it."""


JUDGES = 256
"""Vectors of the collection whose true neighbours are known: half of them choose, half measure."""


def judges_of(vectors: VectorParts, seed: int) -> NDArray[np.int64]:
    """The positions of vectors that choose and measure: int64 [q], ascending."""
    drawn = np.random.default_rng(seed).choice(
        len(vectors), size=min(JUDGES, len(vectors)), replace=False
    )
    return np.sort(drawn)


def halves(count: int) -> tuple[slice, slice]:
    """Those of the judges that choose how to search, and those that measure what that finds."""
    return (slice(0, None, 2), slice(1, None, 2)) if count > 1 else (slice(None), slice(None))


def true_neighbours(
    vectors: VectorParts, judges: NDArray[np.int64], progress: Progress
) -> NDArray[np.int64]:
    """The exact DEPTH nearest of some of the vectors, themselves left out: int64 [q, DEPTH]."""
    queries = vectors.take(judges)
    best = np.full((len(judges), DEPTH + 1), -np.inf, dtype=np.float32)
    positions = np.full(best.shape, -1, dtype=np.int64)
    for start, block in vectors.blocks():
        cosines, found = faiss.knn(queries, block, DEPTH + 1, metric=faiss.METRIC_INNER_PRODUCT)
        found = np.where(found >= 0, found + start, -1)
        both = np.concatenate([best, cosines], axis=1)
        order = np.argsort(-both, axis=1, kind="stable")[:, : DEPTH + 1]
        best = np.take_along_axis(both, order, axis=1)
        positions = np.take_along_axis(np.concatenate([positions, found], axis=1), order, axis=1)
        progress(start + len(block), len(vectors))
    return without_self(positions, best, judges)[0]


def chosen(finder: Refined, judges: NDArray[np.int64], truth: NDArray[np.int64]) -> Refined:
    """The cheapest of the finders that find RECALL of the truth, or nearly as much as any finds."""
    lists: int = faiss.extract_index_ivf(finder.index).nlist
    tried: list[tuple[float, Refined]] = []
    probes, before = min(PROBES_LEAST, lists), 0.0
    while True:
        level = _level(replace(finder, probes=probes), judges, truth)
        tried += level
        best = max(recall for recall, _ in level)
        settled = best >= RECALL_LEAST and best < before + LEAST_GAIN
        # Where the fewest candidates are enough, more lists only cost more.
        if level[0][0] >= RECALL or settled or probes == lists:
            break
        probes, before = min(2 * probes, lists), best
    aim = min(RECALL, max(recall for recall, _ in tried) - LEAST_GAIN)
    return min((each for recall, each in tried if recall >= aim), key=_cost)


def _level(
    finder: Refined, judges: NDArray[np.int64], truth: NDArray[np.int64]
) -> list[tuple[float, Refined]]:
    """What more and more candidates find, until RECALL."""
    level: list[tuple[float, Refined]] = []
    queries = finder.vectors.take(judges)
    for depth in CANDIDATES:
        each = replace(finder, depth=depth)
        level.append((recall_of(each, queries, judges, truth), each))
        if level[-1][0] >= RECALL:
            break
    return level


def _cost(finder: Refined) -> float:
    """Nanoseconds of a search for ten, about, as measured on 1,280 numbers and 256 axes."""
    lists = faiss.extract_index_ivf(finder.index)
    codes = finder.probes * finder.index.ntotal / lists.nlist
    return float(codes * lists.d / 16 + finder.depth * DEPTH * finder.vectors.dimensions * 4)


def recall_of(
    finder: Finder,
    queries: NDArray[np.float32],
    judges: NDArray[np.int64],
    truth: NDArray[np.int64],
) -> float:
    """The share of the truth, int64 [q, DEPTH], that a finder finds for the vectors, [q, d], of positions int64 [q]."""
    found, _ = without_self(*finder.find(queries, DEPTH + 1), judges)
    return _recall(found, truth)


def _recall(found: NDArray[np.int64], truth: NDArray[np.int64]) -> float:
    hits = [np.isin(t[t >= 0], f).sum() for f, t in zip(found, truth, strict=True)]
    return float(np.sum(hits) / max(1, (truth >= 0).sum()))
