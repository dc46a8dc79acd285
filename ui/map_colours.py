"""What the points of the map are coloured by: of each image its label, guess, doubt, cluster or flag."""

from collections.abc import Callable, Mapping
from typing import Any

import numpy as np
from numpy.typing import NDArray

from hundredfold.chassis.errors import Conflict, NotFound
from hundredfold.client.types import Rows
from ui.backend import client

_PER_MILLE = 1000

Coloured = tuple[dict[str, Any], Rows, NDArray[np.int32]]
"""What it was read from, and of images the row and a value each."""


def _labels(collection: str) -> Coloured:
    """Class ids."""
    found = client().labels.labels(collection)
    return {"seq": found.seq}, found.rows, found.class_ids


def _predictions(collection: str) -> Coloured:
    """Class ids of the head in use; nothing before there is one."""
    model, rows, class_ids, _ = _likeliest(collection)
    return {"model": model}, rows, class_ids


def _uncertainty(collection: str) -> Coloured:
    """How unsure the head in use is, in thousandths: 0 = sure."""
    model, rows, _, probability = _likeliest(collection)
    unsure = np.rint((1 - probability) * _PER_MILLE).astype(np.int32)
    return {"model": model}, rows, unsure


def _likeliest(collection: str) -> tuple[str, Rows, NDArray[np.int32], NDArray[np.float32]]:
    """The model, and of each image its likeliest class with the probability."""
    try:
        found = client().training.predictions(collection)
    except (NotFound, Conflict):
        nothing = np.empty(0, np.int64)
        return "", nothing, nothing.astype(np.int32), nothing.astype(np.float32)
    # Where an image may be of several classes each of them is in a line of its own.
    order = np.lexsort((-found.probabilities, found.rows))
    rows, first = np.unique(found.rows[order], return_index=True)
    chosen = order[first]
    return found.model, rows, found.class_ids[chosen], found.probabilities[chosen]


def _clusters(collection: str) -> Coloured:
    """Numbers in the latest clustering; nothing before there is one."""
    try:
        found = client().index.assignment(collection)
    except NotFound:
        return {"run": ""}, np.empty(0, np.int64), np.empty(0, np.int32)
    return {"run": found.run}, found.rows, found.numbers


def _flags(collection: str) -> Coloured:
    """The seq of the newest flag of images that have an open one."""
    flags = list(client().labels.flags(collection, open_only=True))[::-1]
    rows = np.concatenate([np.empty(0, np.int64), *(each.rows for each in flags)])
    seqs = np.repeat([each.seq for each in flags], [len(each.rows) for each in flags])
    return {}, rows, seqs.astype(np.int32)


COLOURS: Mapping[str, Callable[[str], Coloured]] = {
    "label": _labels,
    "prediction": _predictions,
    "uncertainty": _uncertainty,
    "cluster": _clusters,
    "flag": _flags,
}
"""What can be asked of each image."""
