"""The kinds of index that Milvus is asked to make, and what a search with more or less effort is."""

import math
from collections.abc import Callable, Mapping
from dataclasses import dataclass
from types import MappingProxyType
from typing import Any

from hundredfold.chassis.errors import InvalidArgument

_LISTS_MOST = 65_536
_CANDIDATES_MOST = 32_768
_TRAINING_PER_LIST = 40


@dataclass(frozen=True)
class Kind:
    """A kind of index.

    Attributes:
        name: as Milvus calls it.
        told: as GetIndex calls it.
        codes: what it holds of each vector, as GetIndex calls it.
        parameters: of a build, from the number of vectors.
        searching: parameters of a search, from its effort, its limit, and the share of the vectors that may be found.
        efforts: that are tried, least first; none where nothing is missed.
    """

    name: str
    told: str
    codes: str
    parameters: Callable[[int], dict[str, int]]
    searching: Callable[[int, int, float], dict[str, int]]
    efforts: tuple[int, ...] = ()


def _lists(rows: int) -> dict[str, int]:
    return {"nlist": max(1, min(round(4 * rows**0.5), rows // _TRAINING_PER_LIST, _LISTS_MOST))}


def _probing(effort: int, _limit: int, share: float) -> dict[str, int]:
    return {"nprobe": min(math.ceil(effort / share), _LISTS_MOST)}


def _graph(_rows: int) -> dict[str, int]:
    return {"M": 16, "efConstruction": 200}


def _walking(effort: int, limit: int, share: float) -> dict[str, int]:
    # Milvus refuses less than the limit.
    return {"ef": min(math.ceil(max(effort, limit) / share), _CANDIDATES_MOST)}


def _none(*_: float) -> dict[str, int]:
    return {}


FLAT = Kind("FLAT", "flat", "flat", _none, _none)
"""Compares all vectors one by one."""

_PROBES = (8, 16, 32, 64, 128, 256, 512)
KINDS: Mapping[str, Kind] = MappingProxyType(
    {
        "HNSW": Kind("HNSW", "hnsw", "flat", _graph, _walking, (16, 32, 64, 128, 256, 512)),
        "IVF_FLAT": Kind("IVF_FLAT", "ivf", "flat", _lists, _probing, _PROBES),
        "IVF_SQ8": Kind("IVF_SQ8", "ivf", "sq8", _lists, _probing, _PROBES),
    }
)


def kind_of(name: str) -> Kind:
    """The kind of that name; InvalidArgument with those that there are."""
    if name not in KINDS:
        raise InvalidArgument(
            f"there is no kind of Milvus index {name!r}; there are {', '.join(KINDS)}",
            field="milvus_kind",
        )
    return KINDS[name]


def factory_of(kind: Kind, rows: int) -> str:
    """The kind with its parameters, such as `HNSW,M=16,efConstruction=200`."""
    told: dict[str, Any] = kind.parameters(rows)
    return ",".join([kind.name, *(f"{name}={value}" for name, value in told.items())])
