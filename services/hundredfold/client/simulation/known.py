"""The truth of a collection, and how right a labelling is by it."""

from collections.abc import Mapping
from dataclasses import dataclass, field

import numpy as np
from numpy.typing import NDArray

from hundredfold.chassis.errors import InvalidArgument, NotFound
from hundredfold.client.client import Client
from hundredfold.client.truth import match
from hundredfold.client.types import Labels, Rows


@dataclass(frozen=True)
class Known:
    """The truth of a collection as class ids: int32 [N], 0 = none; `representative` int64 [N].

    `parent_of` has the parent of each class that has one.
    """

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
    representatives = _representatives(client, collection, len(images))
    return Known(known, representatives, len(names), parent_of)


def _check_ends(names: list[str], divided: set[int], ids: dict[str, int]) -> None:
    """The truth of an image is a class without children: no label of another ever ends the work on it."""
    for name in names:
        if ids[name] in divided:
            raise InvalidArgument(
                f"the truth names {name}, which has children: say which child", field="truth"
            )


def _representatives(client: Client, collection: str, count: int) -> Rows:
    representative = np.arange(count)
    try:
        for group in client.hashing.groups(collection):
            representative[group.copies] = group.representative
    except NotFound:
        pass  # copies were not looked for
    return representative
