"""The truth of a collection, and how right a labelling is by it."""

from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray

from hundredfold.chassis.errors import InvalidArgument, NotFound
from hundredfold.client.client import Client
from hundredfold.client.truth import match
from hundredfold.client.types import Labels, Rows


@dataclass(frozen=True)
class Known:
    """The truth of a collection as class ids: int32 [N], 0 = none; `representative` int64 [N]."""

    truth: NDArray[np.int32]
    representative: Rows
    classes: int

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
    ids = client.catalog.add_classes(collection, names).by_name()
    known = np.zeros(len(images), np.int32)
    for row, label in labels.items():
        known[row] = ids[label]
    return Known(known, _representatives(client, collection, len(images)), len(names))


def _representatives(client: Client, collection: str, count: int) -> Rows:
    representative = np.arange(count)
    try:
        for group in client.hashing.groups(collection):
            representative[group.copies] = group.representative
    except NotFound:
        pass  # copies were not looked for
    return representative
