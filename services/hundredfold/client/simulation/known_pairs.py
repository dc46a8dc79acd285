"""The truth of a collection whose images may be of several classes, and how right a labelling is by it."""

from collections.abc import Mapping
from dataclasses import dataclass
from typing import ClassVar

import numpy as np
from numpy.typing import NDArray

from hundredfold.chassis.costs import CostModel
from hundredfold.chassis.errors import InvalidArgument
from hundredfold.client.client import Client
from hundredfold.client.pair_labeller import PairLabeller
from hundredfold.client.simulation.known import representatives
from hundredfold.client.truth import match
from hundredfold.client.types import Labels, Predictions, Rows, Schema

JOINT = ";"
_YES = 0.5


@dataclass(frozen=True)
class KnownPairs:
    """The truth: bool [N, C], C the ids of classes from 0 on; of images of which it is `known`, bool [N].

    `class_ids` int32 [k] are the classes that count; `representative` int64 [N].
    """

    truth: NDArray[np.bool_]
    known: NDArray[np.bool_]
    class_ids: NDArray[np.int32]
    representative: Rows

    several: ClassVar[bool] = True

    @property
    def images(self) -> int:
        """Images with a truth."""
        return int(self.known.sum())

    @property
    def classes(self) -> int:
        """How many classes count."""
        return len(self.class_ids)

    def measured(self, labels: Labels, predicted: Predictions | None) -> tuple[float, float]:
        """The share of pairs of an image and a class that are right in the complete labelling, and of images all right.

        A pair is what people said of it, else yes where a head takes yes for likelier than no, else no. Images
        are as their representatives.
        """
        guess = np.zeros(self.truth.shape, np.bool_)
        if predicted:
            yes = predicted.probabilities >= _YES
            guess[predicted.rows[yes], predicted.class_ids[yes]] = True
        guess[labels.rows, labels.class_ids] = True
        guess[labels.negative_rows, labels.negative_class_ids] = False
        right = (guess[self.representative] == self.truth)[self.known][:, self.class_ids]
        return float(right.mean()), float(right.all(1).mean())

    def labeller(
        self, costs: CostModel, *, miss_rate: float, seed: int, at_random: bool
    ) -> PairLabeller:
        """Somebody who knows it."""
        if at_random:
            raise InvalidArgument(
                "nobody answers at random where an image may be of several classes",
                field="at_random",
            )
        return PairLabeller(self.truth, self.known, costs, miss_rate=miss_rate, seed=seed)


def prepare_pairs(client: Client, collection: str, truth: dict[str, str]) -> KnownPairs:
    """Match the truth, names joined by `;`, with the collection and name its classes in the schema.

    Raises:
        InvalidArgument: the truth knows none of the images, or names no class.
    """
    images = list(client.catalog.images(collection))
    found = match(truth, (image for image in images if not image.error))
    named = {
        row: {each.strip() for each in text.split(JOINT)} - {""} for row, text in found.items()
    }
    names = sorted(set().union(*named.values()))
    if not names:
        raise InvalidArgument(
            f"the truth names no class of an image of {collection}", field="truth"
        )
    schema = client.catalog.add_classes(collection, names)
    return KnownPairs(
        _matrix(named, schema, len(images)),
        np.isin(np.arange(len(images)), list(named)),
        np.array([each.class_id for each in schema.in_use], np.int32),
        representatives(client, collection, len(images)),
    )


def _matrix(named: Mapping[int, set[str]], schema: Schema, images: int) -> NDArray[np.bool_]:
    """Which image is of which class, those above what is named included."""
    ids = schema.by_name()
    parent_of = {each.class_id: each.parent_id for each in schema.in_use}
    truth = np.zeros((images, len(schema.classes) + 1), np.bool_)
    for row, names in named.items():
        for name in names:
            class_id = ids[name]
            while class_id and not truth[row, class_id]:
                truth[row, class_id] = True
                class_id = parent_of.get(class_id, 0)
    return truth
