"""The index of nearest vectors: exact while that is fast enough, inverted lists of codes above.

Which, `factory.choose` says. How many lists a search looks into and how many candidates it compares
is not guessed: the cheapest that find enough of the true neighbours of a sample are kept (`tuning`),
and what they find for another sample, held out of the choice and of the training, is told.
"""

import threading
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import faiss
import numpy as np
from numpy.typing import NDArray

from hundredfold.index.domain import device, factory
from hundredfold.index.domain.factory import EXACT_BELOW, TRAINING_PER_LIST, Plan
from hundredfold.index.domain.finding import Found, Refined, without_self
from hundredfold.index.domain.parts import BLOCK, VectorParts
from hundredfold.index.domain.progress import Progress, silent
from hundredfold.index.domain.tuning import (
    chosen,
    halves,
    judges_of,
    recall_of,
    true_neighbours,
)

__all__ = ["EXACT_BELOW", "Built", "build", "dump", "extend", "load", "search", "without_self"]

AXES_SAMPLE = 50_000
GROWTH = 2
"""An index that grows by more than this is trained anew."""

MOST_LISTS = 1 << 22
"""No loop while reading an index file is longer: what a broken file could ask for is bounded."""

_FLAT = b"IxFI"
_reading = threading.Lock()


@dataclass(frozen=True)
class Built:
    """A new index; the number of a vector in it is its position.

    Attributes:
        index: the faiss index, in main memory.
        kind: "flat" or "ivf".
        lists: the number of inverted lists, 0 for "flat".
        probes: how many of them a search looks into.
        recall: the share of the true 10 nearest of the held-out sample that a search finds.
        depth: candidates for each of the ten nearest, whose exact cosines decide.
        queries: how many were held out to measure the recall, 0 for "flat", which is exact.
        plan: what it was built to be.
        trained: how many vectors there were when it was trained.
    """

    index: Any
    kind: str
    lists: int
    probes: int
    recall: float
    depth: int
    queries: int
    plan: Plan
    trained: int


def build(
    vectors: VectorParts,
    plan: Plan | None = None,
    *,
    seed: int = 0,
    exact_below: int = EXACT_BELOW,
    progress: Progress = silent,
) -> Built:
    """Index all vectors, block by block.

    Args:
        vectors: at least one.
        plan: what to build; None = what is chosen with any memory.
        seed: of the samples that train and judge inverted lists.
        exact_below: from so many vectors on what is chosen has inverted lists.
        progress: told after every block.
    """
    plan = plan or factory.choose(len(vectors), vectors.dimensions, exact_below=exact_below)
    if plan.kind == "flat":
        index = faiss.IndexFlatIP(vectors.dimensions)
        _add(index, vectors, 0, progress)
        return Built(index, "flat", 0, 0, 1.0, 1, 0, plan, len(vectors))
    judges = judges_of(vectors, seed)
    index = _trained(vectors, plan, judges, seed)
    return _measured(index, vectors, plan, judges, kept=0, trained=len(vectors), progress=progress)


def extend(
    index: Any,
    plan: Plan,
    trained: int,
    vectors: VectorParts,
    kept: int,
    *,
    seed: int = 0,
    progress: Progress = silent,
) -> Built:
    """Bring an index up to date without training it: its first positions stay, the rest is new.

    Args:
        index: in main memory; it is changed.
        plan: what it was built to be.
        trained: how many vectors it was trained on.
        vectors: all that are to be in it.
        kept: so many of the first are in it unchanged.
        seed: of the sample that judges.
        progress: told after every block.
    """
    index.remove_ids(faiss.IDSelectorRange(kept, index.ntotal))
    if plan.kind == "flat":
        _add(index, vectors, kept, progress)
        return Built(index, "flat", 0, 0, 1.0, 1, 0, plan, trained)
    return _measured(
        index,
        vectors,
        plan,
        judges_of(vectors, seed),
        kept=kept,
        trained=trained,
        progress=progress,
    )


def may_extend(old: Plan, trained: int, new: Plan, vectors: int, kept: int) -> bool:
    """Whether an index can be extended: of the kind that is wanted, mostly the same, not outgrown."""
    return old.kind == new.kind and 2 * kept >= vectors and vectors <= GROWTH * trained


def search(index: Any, queries: NDArray[np.float32], limit: int) -> Found:
    """Find the nearest vectors by cosine.

    Args:
        index: as `build` or `load` gave it; where it holds codes, their cosines are not exact.
        queries: float32 [q, d], length 1.
        limit: how many to find for each.

    Returns:
        Positions, int64 [q, limit], nearest first, -1 where there were no more, and their cosines,
        float32 [q, limit], 0 there.
    """
    cosines, positions = index.search(np.ascontiguousarray(queries), limit)
    if index.metric_type == faiss.METRIC_L2:
        cosines = 1 - cosines / 2
    cosines = np.where(positions >= 0, np.clip(cosines, -1, 1), 0).astype(np.float32)
    return positions, cosines


def dump(index: Any, write: Callable[[bytes], int]) -> None:
    """Write an index piece by piece."""
    writer: Any = faiss.PyCallbackIOWriter(write)  # type: ignore[attr-defined]  # made by SWIG
    faiss.write_index(index, writer)


def load(path: Path, *, mapped: bool = True) -> Any:
    """Read an index file whose sha256 the caller has checked; faiss does not defend itself well.

    Args:
        path: of the file.
        mapped: leave it on disk, to be read where it is touched; such an index can't be changed.

    Raises:
        RuntimeError: faiss finds the file impossible.
    """
    # In main memory also where there are GPUs: those know neither filters nor mapped lists.
    with _limited(path.stat().st_size + 1):
        return _read(path, mapped=mapped)


@contextmanager
def _limited(most_bytes: int) -> Iterator[None]:
    """Let faiss make no vector of more bytes; the limits are the process's, so only one file is read at a time."""
    if not hasattr(faiss, "set_deserialization_vector_byte_limit"):
        yield
        return
    with _reading:
        before = (
            faiss.get_deserialization_vector_byte_limit(),
            faiss.get_deserialization_loop_limit(),
        )
        faiss.set_deserialization_vector_byte_limit(most_bytes)
        faiss.set_deserialization_loop_limit(MOST_LISTS)
        try:
            yield
        finally:  # others in the process, such as an embedded Milvus, read files of their own
            faiss.set_deserialization_vector_byte_limit(before[0])
            faiss.set_deserialization_loop_limit(before[1])


def _read(path: Path, *, mapped: bool) -> Any:
    if not mapped:
        return faiss.read_index(str(path))
    with path.open("rb") as file:
        flat = file.read(len(_FLAT)) == _FLAT
    kind = faiss.IO_FLAG_MMAP_IFC if flat else faiss.IO_FLAG_MMAP | faiss.IO_FLAG_READ_ONLY
    return faiss.read_index(str(path), kind)


def _trained(vectors: VectorParts, plan: Plan, judges: NDArray[np.int64], seed: int) -> Any:
    # Distances survive a move to the mean, which main axes begin with; inner products don't.
    metric = faiss.METRIC_INNER_PRODUCT if plan.kind == "sq8" else faiss.METRIC_L2
    index: Any = faiss.index_factory(vectors.dimensions, plan.factory, metric)
    lists = faiss.extract_index_ivf(index)
    lists.cp.seed = seed & 0x7FFFFFFF
    lists.cp.min_points_per_centroid = 1
    if device.gpus():
        flat = faiss.IndexFlat(plan.axes, metric)
        lists.clustering_index = device.to_device(flat)
    _train(index, vectors, _sample(len(vectors), TRAINING_PER_LIST * plan.lists, judges, seed))
    return index


def _train(index: Any, vectors: VectorParts, sample: NDArray[np.int64]) -> None:
    """Train on some of the vectors, of which only the main axes are in memory together."""
    if not isinstance(index, faiss.IndexPreTransform):
        index.train(vectors.take(sample))
        return
    turn: Any = faiss.downcast_VectorTransform(index.chain.at(0))  # type: ignore[attr-defined]  # made by SWIG
    turn.train(vectors.take(sample[:: len(sample) // AXES_SAMPLE + 1]))
    blocks = (sample[start : start + BLOCK] for start in range(0, len(sample), BLOCK))
    turned = np.concatenate([turn.apply(vectors.take(block)) for block in blocks])
    inner: Any = index.index
    inner.train(turned)
    index.is_trained = True


def _sample(n: int, size: int, judges: NDArray[np.int64], seed: int) -> NDArray[np.int64]:
    """Positions to train on: not the judges, unless there is nobody else."""
    drawn = np.random.default_rng([1, seed]).choice(
        n, size=min(n, size + len(judges)), replace=False
    )
    others = np.setdiff1d(drawn, judges)
    # faiss needs one vector a list; with so few, those that judge are trained on too.
    return others if len(others) > n // 2 or len(others) >= size else np.sort(drawn)


def _measured(
    index: Any,
    vectors: VectorParts,
    plan: Plan,
    judges: NDArray[np.int64],
    *,
    kept: int,
    trained: int,
    progress: Progress,
) -> Built:
    """Add the vectors from `kept` on, choose how to search, and measure what that finds."""
    n = len(vectors)
    _add(index, vectors, kept, lambda done, total: progress(done // 2, total))
    truth = true_neighbours(vectors, judges, lambda done, total: progress((n + done) // 2, total))
    choosing, held_out = halves(len(judges))
    finder = chosen(Refined(index, vectors), judges[choosing], truth[choosing])
    recall = recall_of(finder, vectors.take(judges[held_out]), judges[held_out], truth[held_out])
    faiss.extract_index_ivf(index).nprobe = finder.probes
    count = len(judges[held_out])
    lists = int(faiss.extract_index_ivf(index).nlist)
    return Built(index, "ivf", lists, finder.probes, recall, finder.depth, count, plan, trained)


def _add(index: Any, vectors: VectorParts, kept: int, progress: Progress) -> None:
    for start, block in vectors.blocks():
        if start + len(block) > kept:
            index.add(block[max(0, kept - start) :])
        progress(start + len(block), len(vectors))
