"""What requests of the index service ask for, checked, and what its answers are made of."""

from collections.abc import Iterator, Sequence
from typing import Any

import numpy as np
import numpy.typing as npt

from hundredfold.api.common.v1 import tensor_pb2
from hundredfold.api.index.v1 import index_pb2
from hundredfold.chassis.errors import InvalidArgument
from hundredfold.chassis.requests import check_between
from hundredfold.chassis.tensors import unpack
from hundredfold.index.filters import Filter
from hundredfold.index.store import StoredClusters
from hundredfold.index.views import Labelled

MOST_QUERIES = 256
MOST_FOUND = 1000
FOUND_DEFAULT = 48
MOST_WITHIN = 10_000
MOST_WITHIN_IN_ALL = 500_000
WITHIN_DEFAULT = 1000
MOST_WORDS = 100
LONGEST_WORD = 1000
MAP_PIECE = 50_000
MOST_PICKED = 10_000
MOST_EXAMPLES = 100_000


def pieces(length: int) -> Iterator[slice]:
    """Slices of so many points, each for a message."""
    return (slice(start, start + MAP_PIECE) for start in range(0, length, MAP_PIECE))


def picked_rows(rows: tensor_pb2.Tensor, field: str) -> np.ndarray[Any, Any]:
    """The rows of a group, each once."""
    picked = unpack(rows, dtype=np.int64, ndim=1, field=field)
    check_between(len(picked), 1, MOST_PICKED, field)
    return np.unique(picked)


def labelled_rows(request: index_pb2.ShowUnlabelledRequest) -> Labelled:
    """What has a label; nothing has where a field is not set."""

    def array(name: str, dtype: npt.DTypeLike) -> np.ndarray[Any, Any]:
        if not request.HasField(name):  # type: ignore[arg-type]  # one of its fields
            return np.empty(0, dtype)
        return unpack(getattr(request, name), dtype=dtype, ndim=1, field=name)

    rows, class_ids = array("rows", np.int64), array("class_ids", np.int32)
    check_between(len(rows), 0, MOST_EXAMPLES, "rows")
    if len(class_ids) != len(rows):
        raise InvalidArgument("there must be a class for each row", field="class_ids")
    return Labelled(rows, class_ids, array("labelled", np.uint8))


def check_queries(queries: np.ndarray[Any, Any], field: str) -> None:
    """Refuse no query, and too many."""
    check_between(len(queries), 1, MOST_QUERIES, field)
    if not queries.size:
        raise InvalidArgument(f"{field} must not be empty", field=field)


def wanted_filter(asked: index_pb2.Filter) -> Filter:
    """Which images may be found."""

    def array(name: str, dtype: npt.DTypeLike) -> np.ndarray[Any, Any] | None:
        if not asked.HasField(name):  # type: ignore[arg-type]  # one of its fields
            return None
        return unpack(getattr(asked, name), dtype=dtype, ndim=1, field=f"filter.{name}")

    return Filter(
        array("rows", np.int64),
        array("without", np.int64),
        array("mask", np.uint8),
        asked.hide_copies,
        asked.cluster,
        _words(asked.tags, "filter.tags"),
        _words(asked.source_labels, "filter.source_labels"),
    )


def _words(asked: Sequence[str], field: str) -> tuple[str, ...]:
    check_between(len(asked), 0, MOST_WORDS, field)
    if not all(0 < len(each) <= LONGEST_WORD for each in asked):
        raise InvalidArgument(f"{field} must have 1 to {LONGEST_WORD} characters each", field=field)
    return tuple(sorted(set(asked)))


def near_what(request: index_pb2.SearchWithinRequest) -> np.ndarray[Any, Any]:
    """The vectors, float32 [q, d], or the rows, int64 [q], of a range search."""
    kind = request.WhichOneof("near")
    if kind is None:
        raise InvalidArgument("vectors or rows must be given", field="vectors")
    near = (
        unpack(request.vectors, dtype=np.float32, ndim=2, field="vectors")
        if kind == "vectors"
        else unpack(request.rows, dtype=np.int64, ndim=1, field="rows")
    )
    check_queries(near, kind)
    return near


def least_cosine(least: float) -> float:
    """The cosine that is near enough, -1 to 1."""
    if not -1 <= least <= 1:
        raise InvalidArgument("least must be a cosine, -1 to 1", field="least")
    return least


def most_within(requested: int, queries: int) -> int:
    """How many images each of some queries of a range search may find."""
    most = min(MOST_WITHIN, MOST_WITHIN_IN_ALL // queries)
    default = min(WITHIN_DEFAULT, most)
    return check_between(requested, 0, most, "limit") or default


def found_limit(requested: int) -> int:
    """How many images a query may find."""
    return check_between(requested, 0, MOST_FOUND, "limit") or FOUND_DEFAULT


def summary(found: StoredClusters, number: int) -> index_pb2.ClusterSummary:
    """What is told of a cluster."""
    return index_pb2.ClusterSummary(
        number=number,
        size=int(found.sizes[number]),
        medoid=int(found.medoids[number]),
        spread=float(found.spreads[number]),
        density=int(found.densities[number]),
        id=int(found.ids[number]),
    )
