"""How far the work is."""

from collections.abc import Mapping
from dataclasses import dataclass

import numpy as np

from hundredfold.labels.domain.fold import Fold
from hundredfold.labels.domain.page import CELL_SHIFT, Rows
from hundredfold.labels.domain.pair_fold import PairFold
from hundredfold.labels.domain.schema import Schema
from hundredfold.labels.domain.state import key_array

RATE_SECONDS = 600


@dataclass(frozen=True, slots=True)
class Progress:
    """How far the work is; `total = labelled + unsure + leased + ready + pool`.

    Where an image may be of several classes these count pairs of an image and a class in use.

    Attributes:
        total: images to label.
        labelled: those with a label.
        unsure: set aside.
        leased: others on a page that somebody holds.
        ready: others on a page that waits.
        pool: the rest.
        ready_pages: pages that wait.
        head_seq: the newest event.
        decisions: decisions that count.
        labels_per_minute: labels given in the last ten minutes, per minute.
        labels_by_class: class -> labelled images.
        labelled_with_copies: labelled images and the copies of them.
        human_seconds: what people spent on decisions that count.
        images: images to label, of which every class may be asked about.
        images_labelled: those of which every class is known.
        pairs_judged: pairs of images that people said something of.
        pairs_open: pairs that wait to be judged.
        pair_seconds: what people spent on pairs; in `human_seconds` it is not.
    """

    total: int
    labelled: int
    unsure: int
    leased: int
    ready: int
    pool: int
    ready_pages: int
    head_seq: int
    decisions: int
    labels_per_minute: float
    labels_by_class: Mapping[int, int]
    labelled_with_copies: int
    human_seconds: float
    images: int
    images_labelled: int
    pairs_judged: int = 0
    pairs_open: int = 0
    pair_seconds: float = 0.0


@dataclass(frozen=True, slots=True)
class Outside:
    """What the fold does not know.

    Attributes:
        total: the images there are to label, as last told; 0 when nobody said.
        leased: int64 [n]: cells of leases, see `Page.cells`.
        ready: int64 [m]: cells of waiting pages; may repeat, may be labelled or leased by now.
        ready_pages: how many wait.
    """

    total: int
    leased: Rows
    ready: Rows
    ready_pages: int


def progress(fold: Fold, outside: Outside, schema: Schema, now: float) -> Progress:
    """Count each image once: a label counts before a lease, a lease before a place in the queue."""
    leased = outside.leased[~fold.done(outside.leased)]
    ready = np.unique(outside.ready)
    ready = ready[~fold.done(ready) & ~np.isin(ready, outside.leased)]
    placed = fold.tally.labelled + fold.tally.unsure + len(leased) + len(ready)
    # Labels from files may lie on images that nobody offers, or come before the first offer.
    total = max(outside.total, placed)
    return Progress(
        total=total,
        labelled=fold.tally.labelled,
        unsure=fold.tally.unsure,
        leased=len(leased),
        ready=len(ready),
        pool=total - placed,
        ready_pages=outside.ready_pages,
        head_seq=fold.seq,
        decisions=fold.decisions,
        labels_per_minute=fold.labels_since(now - RATE_SECONDS) * 60 / RATE_SECONDS,
        labels_by_class=_by_class(fold.tally.by_class, schema),
        labelled_with_copies=fold.labelled_with_copies(),
        human_seconds=fold.microseconds / 1e6,
        images=total,
        images_labelled=fold.tally.labelled,
    )


def of_pairs(fold: PairFold, outside: Outside, schema: Schema, now: float) -> Progress:
    """Count each pair of an image and a class in use once, in the same order."""
    leased = _pairs(outside.leased, schema)
    leased = leased[fold.known(leased) == 0]
    ready = _pairs(outside.ready, schema)
    ready = ready[(fold.known(ready) == 0) & ~np.isin(ready, leased)]
    labelled = sum(fold.yes.values()) + sum(fold.no.values())
    unsure = sum(fold.unsure.values())
    placed = labelled + unsure + len(leased) + len(ready)
    classes = len(schema.used)
    # As in `progress`: labels may lie on images that nobody offers.
    images = max(outside.total, fold.complete, -(-placed // classes) if classes else 0)
    total = images * classes if classes else placed
    return Progress(
        total=total,
        labelled=labelled,
        unsure=unsure,
        leased=len(leased),
        ready=len(ready),
        pool=total - placed,
        ready_pages=outside.ready_pages,
        head_seq=fold.seq,
        decisions=fold.decisions,
        labels_per_minute=fold.labels_since(now - RATE_SECONDS) * 60 / RATE_SECONDS,
        labels_by_class={each: count for each, count in fold.yes.items() if count},
        labelled_with_copies=fold.labelled_with_copies(),
        human_seconds=fold.microseconds / 1e6,
        images=images,
        images_labelled=fold.complete,
    )


def _pairs(cells: Rows, schema: Schema) -> Rows:
    """Those of a class, by classes in use, each once: pages of clusters ask about none."""
    rows, class_ids = cells >> CELL_SHIFT, (cells & ((1 << CELL_SHIFT) - 1)).astype(np.int32)
    found = key_array(rows, schema.resolve(class_ids))
    return np.unique(found[class_ids > 0])


def _by_class(counts: Mapping[int, int], schema: Schema) -> dict[int, int]:
    result: dict[int, int] = {}
    for class_id, count in counts.items():
        into = schema.in_use(class_id)
        result[into] = result.get(into, 0) + count
    return result
