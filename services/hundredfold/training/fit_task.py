"""What a head is made from, and where in a part of a space rows are."""

import hashlib
from collections.abc import Mapping
from dataclasses import dataclass
from typing import Any

import numpy as np
from numpy.typing import NDArray

from hundredfold.chassis.storage import layout
from hundredfold.training.peers import Labels
from hundredfold.training.spaces import Features, PartFeatures


@dataclass(frozen=True)
class Kin:
    """What of a schema heads depend on.

    Attributes:
        parent_of: class in use -> its parent, of those that have one.
        several: whether an image may be of several classes.
        digest: tells such schemas apart; empty when no class has a parent and an image is of one class.
    """

    parent_of: Mapping[int, int]
    several: bool
    digest: str

    @classmethod
    def of(cls, schema: Mapping[str, Any]) -> "Kin":
        """Of a schema as in `layout.schema`."""
        parent_of = {
            each["class_id"]: each["parent_id"]
            for each in schema["classes"]
            if each.get("parent_id") and not each.get("merged_into")
        }
        if schema.get("several", False):
            # What is known of a pair follows from parents and merges, which are no events.
            return cls(parent_of, True, f"schema {schema['version']}")
        return cls(parent_of, False, _digest(parent_of))


@dataclass(frozen=True)
class FitTask:
    """What a head is made from."""

    collection: str
    space: str
    labels: Labels
    features: Features
    without_negatives: bool
    begun: float
    kin: Kin


def places_in(
    part: PartFeatures, rows: NDArray[np.int64]
) -> tuple[NDArray[np.int64], NDArray[np.int64]]:
    """Where in a part some of rows are, and which of them those are."""
    first = part.part * layout.PART_ROWS
    inside = np.flatnonzero((rows >= first) & (rows < first + layout.PART_ROWS))
    at = part.places(rows[inside])
    return at[at >= 0], inside[at >= 0]


def _digest(parent_of: Mapping[int, int]) -> str:
    if not parent_of:
        return ""
    return hashlib.sha256(repr(sorted(parent_of.items())).encode()).hexdigest()[:16]
