"""The truth of a collection, and how right a labelling is by it."""

from collections.abc import Mapping
from dataclasses import dataclass, field
from typing import ClassVar

import numpy as np
from numpy.typing import NDArray

from hundredfold.chassis.costs import CostModel
from hundredfold.chassis.errors import InvalidArgument, NotFound
from hundredfold.client.client import Client
from hundredfold.client.labeller import RandomLabeller, SimulatedLabeller
from hundredfold.client.truth import match
from hundredfold.client.types import Labels, Predictions, Rows


@dataclass(frozen=True)
class Known:
    """The truth of a collection as class ids: int32 [N], 0 = none; `representative` int64 [N].

    `parent_of` has the parent of each class that has one.
    """

    several: ClassVar[bool] = False

    truth: NDArray[np.int32]
    representative: Rows
    classes: int
    parent_of: Mapping[int, int] = field(default_factory=dict)

    @property
    def images(self) -> int:
        """Images with a truth."""
        return int((self.truth > 0).sum())

    def accuracy(self, labels: Labels, rows: Rows, class_ids: NDArray[np.int32]) -> float:
        """The share of all images that is right in the complete labelling.

        Each image has its label (or that of its representative), else what is predicted for it; an
        image that has neither counts as wrong.

        Args:
            labels: those that count.
            rows: images of which something is predicted, int64 [n].
            class_ids: what, int32 [n].
        """
        guess = np.zeros(len(self.truth), np.int32)
        guess[rows] = class_ids
        guess[labels.rows] = labels.class_ids
        asked = self.truth > 0
        return float((guess[self.representative] == self.truth)[asked].mean())

    def measured(self, labels: Labels, predicted: Predictions | None) -> tuple[float, float]:
        """`accuracy` by what a head predicts, None before there is one; twice: an image is right or not."""
        nothing = np.empty(0, np.int64), np.empty(0, np.int32)
        guesses = (predicted.rows, predicted.class_ids) if predicted else nothing
        share = self.accuracy(labels, *guesses)
        return share, share

    def labeller(
        self, costs: CostModel, *, miss_rate: float, seed: int, at_random: bool
    ) -> SimulatedLabeller:
        """Somebody who knows it, or knows the classes and answers at random."""
        kind = RandomLabeller if at_random else SimulatedLabeller
        return kind(self.truth, costs, miss_rate=miss_rate, seed=seed, parent_of=self.parent_of)


def prepare(client: Client, collection: str, truth: dict[str, str]) -> Known:
    """Match the truth with the collection and name its classes in the schema.

    Raises:
        InvalidArgument: the truth knows none of the images.
    """
    images = list(client.catalog.images(collection))
    labels = match(truth, (image for image in images if not image.error))
    if not labels:
        raise InvalidArgument(f"the truth knows no image of {collection}", field="truth")
    names = sorted(set(labels.values()))
    schema = client.catalog.add_classes(collection, names)
    ids = schema.by_name()
    parent_of = {each.class_id: each.parent_id for each in schema.in_use if each.parent_id}
    _check_ends(names, {ids[name] for name in names} & set(parent_of.values()), ids)
    known = np.zeros(len(images), np.int32)
    for row, label in labels.items():
        known[row] = ids[label]
    sources = representatives(client, collection, len(images))
    return Known(known, sources, len(names), parent_of)


def _check_ends(names: list[str], divided: set[int], ids: dict[str, int]) -> None:
    """The truth of an image is a class without children: no label of another ever ends the work on it."""
    for name in names:
        if ids[name] in divided:
            raise InvalidArgument(
                f"the truth names {name}, which has children: say which child", field="truth"
            )


def representatives(client: Client, collection: str, count: int) -> Rows:
    """The image that each of so many is labelled by, itself where copies were not looked for: int64 [N]."""
    representative = np.arange(count)
    try:
        for group in client.hashing.groups(collection):
            representative[group.copies] = group.representative
    except NotFound:
        pass  # copies were not looked for
    return representative
