"""Judging labels by heads, and spaces by labels."""

from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray

from hundredfold.chassis import holdout
from hundredfold.chassis.errors import Conflict
from hundredfold.chassis.storage import layout
from hundredfold.chassis.storage.collections import require_collection, require_one_class
from hundredfold.chassis.storage.store import ArtifactStore
from hundredfold.training.domain import comparing, learning
from hundredfold.training.domain.comparing import Quality, Sample
from hundredfold.training.domain.suspicion import suspicious
from hundredfold.training.examples import lesson
from hundredfold.training.peers import BY_PAGE, REVIEWED, Labels, Ledger
from hundredfold.training.spaces import Spaces
from hundredfold.training.store import HeadStore
from hundredfold.training.vectors import PartVectors, holds, read_parts, vectors_of

_MOST_OF_A_KIND = 6_000


@dataclass(frozen=True)
class SuspiciousLabels:
    """Labels that look wrong, the likeliest first; all arrays are [n].

    Attributes:
        rows: int64.
        class_ids: int32, the label.
        other_class_ids: int32, the likeliest class beside it.
        probabilities: float32, that the label is wrong.
        looked_at: labels that were judged.
    """

    rows: NDArray[np.int64]
    class_ids: NDArray[np.int32]
    other_class_ids: NDArray[np.int32]
    probabilities: NDArray[np.float32]
    looked_at: int


@dataclass(frozen=True)
class Comparison:
    """Two spaces, on so many images held out, and how likely a gain like this is by chance."""

    before: Quality
    after: Quality
    images: int
    p_value: float
    better: bool


class Judge:
    """Judges labels and spaces. Safe for threads.

    Args:
        store: where collections are.
        spaces: vectors, projected.
        heads: which of them is in use.
        ledger: labels.
    """

    def __init__(
        self, store: ArtifactStore, spaces: Spaces, heads: HeadStore, ledger: Ledger
    ) -> None:
        self._store = store
        self._spaces = spaces
        self._heads = heads
        self._ledger = ledger

    def suspicious(self, collection: str, space: str, limit: int) -> SuspiciousLabels:
        """Labels of people that look wrong to heads that have not heard them.

        Those that somebody looked at twice already are taken as right. Those of the random stream
        are left alone: what a head doubts must not change what it is measured with.

        Args:
            collection: of the images.
            space: to judge them in; empty = that of the head in use.
            limit: at most so many.

        Raises:
            NotFound: there is no such collection, or no head to take the space of.
            Conflict: TOO_FEW_LABELS, fewer than two in each of two classes; NO_VECTORS; or
                SEVERAL_CLASSES.
            Unavailable: the ledger is away.
        """
        require_collection(self._store, collection)
        require_one_class(self._store, collection, "looking for labels that look wrong")
        space = layout.check_model(space or self._heads.head(collection, "").space, "space")
        features = self._spaces.features(collection, space)
        said = lesson(
            self._ledger.labels(collection).to_learn_from(),
            features,
            self._spaces.learnt_up_to(collection, space),
        )
        examples = said.examples
        if not learning.can_be_measured(examples.classes):
            raise Conflict("two classes need two labels each", reason="TOO_FEW_LABELS")
        found = suspicious(said.features, examples, np.isin(said.origins, BY_PAGE))
        open_ = said.origins[found.at] != REVIEWED
        at = found.at[open_][:limit]
        return SuspiciousLabels(
            said.rows[examples.at[at]],
            examples.classes[at],
            found.other[open_][:limit],
            found.probability[open_][:limit],
            int(open_.sum()),
        )

    def compare(self, collection: str, before: str, after: str) -> Comparison:
        """Which of two spaces, complete or not, is better on the labelled images that were held out.

        Args:
            collection: of the images.
            before: the space in use.
            after: the other.

        Raises:
            NotFound: there is no such collection.
            Conflict: TOO_FEW_LABELS, fewer than 20 images are held out, labelled and in both spaces,
                or none is labelled that is not held out; or SEVERAL_CLASSES.
            Unavailable: the ledger is away.
        """
        require_collection(self._store, collection)
        require_one_class(self._store, collection, "comparing spaces")
        spaces = [
            read_parts(self._store, collection, layout.check_model(name, field))[0]
            for name, field in ((before, "before"), (after, "after"))
        ]
        rows, sample = _sample(self._ledger.labels(collection).by_people(), *spaces)
        old, new = (comparing.quality(vectors_of(parts, rows), sample) for parts in spaces)
        p_value = comparing.chance(old, new)
        return Comparison(old, new, len(old.right), p_value, comparing.better(old, new))


def _sample(
    labels: Labels, before: list[PartVectors], after: list[PartVectors]
) -> tuple[NDArray[np.int64], Sample]:
    """The images to measure on: the labelled ones that are in both spaces, and some of the others."""
    both = holds(before, labels.rows) & holds(after, labels.rows)
    rows, class_ids = labels.rows[both], labels.class_ids[both]
    out = holdout.measured(rows, sum(len(part.rows) for part in before))
    if out.sum() < holdout.LEAST_MEASURED or out.all():
        raise Conflict(
            f"{out.sum()} images held out are labelled and in both spaces, and {(~out).sum()} others; "
            f"{holdout.LEAST_MEASURED} and 1 are needed",
            reason="TOO_FEW_LABELS",
        )
    picked = np.sort(np.concatenate([_some(np.flatnonzero(out)), _some(np.flatnonzero(~out))]))
    rows, class_ids, out = rows[picked], class_ids[picked], out[picked]
    others = np.setdiff1d(_some(np.concatenate([part.rows for part in after])), labels.rows)
    others = others[holds(before, others)]
    order = np.argsort(np.concatenate([rows, others]))
    none = np.zeros(len(others), np.int32)
    sample = Sample(
        np.concatenate([class_ids, none])[order], np.concatenate([out, none > 0])[order]
    )
    return np.concatenate([rows, others])[order], sample


def _some(values: NDArray[np.int64]) -> NDArray[np.int64]:
    """An even sample where there are too many."""
    return values[:: len(values) // _MOST_OF_A_KIND + 1]
