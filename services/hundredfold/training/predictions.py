"""What heads say of images, as files."""

import io
from dataclasses import dataclass, fields

import numpy as np
from numpy.typing import NDArray

from hundredfold.chassis.storage.store import damaged
from hundredfold.training.domain.learning import Predicted
from hundredfold.training.domain.pair_learning import PairsPredicted

_OF_PARENTS = ("parent", "parent_probability")
_OF_PAIRS = ("starts", "class_ids", "probability", "rest_class_ids", "rest_probability")


@dataclass(frozen=True)
class PartPredictions:
    """What a head says of the images of one part: `rows` int64 [m], the rest as in `Predicted`."""

    part: int
    rows: NDArray[np.int64]
    predicted: Predicted


@dataclass(frozen=True)
class PairPartPredictions:
    """What a head says of images that may be of several classes; names as in `PairsPredicted`."""

    part: int
    rows: NDArray[np.int64]
    starts: NDArray[np.int64]
    class_ids: NDArray[np.int32]
    probability: NDArray[np.float32]
    rest_class_ids: NDArray[np.int32]
    rest_probability: NDArray[np.float32]

    @classmethod
    def of(
        cls, part: int, rows: NDArray[np.int64], predicted: PairsPredicted
    ) -> "PairPartPredictions":
        """What was predicted of the images of a part."""
        return cls(part, rows, **{name: getattr(predicted, name) for name in _OF_PAIRS})

    @property
    def pair_rows(self) -> NDArray[np.int64]:
        """int64 [p]: the image of each pair."""
        return np.repeat(self.rows, np.diff(self.starts))


def written(part: PartPredictions | PairPartPredictions) -> bytes:
    """A file of what a head says of a part; see `layout.predictions_part`."""
    if isinstance(part, PairPartPredictions):
        arrays = {name: getattr(part, name) for name in _OF_PAIRS}
    else:
        named = {each.name: getattr(part.predicted, each.name) for each in fields(Predicted)}
        arrays = {name: array for name, array in named.items() if len(array) == len(part.rows)}
    out = io.BytesIO()
    np.savez(out, allow_pickle=False, rows=part.rows, **arrays)
    return out.getvalue()


def read(part: int, data: bytes, path: str) -> PartPredictions | PairPartPredictions:
    """What `written` wrote; Conflict when it is damaged."""
    try:
        with np.load(io.BytesIO(data), allow_pickle=False) as arrays:
            if "starts" in arrays:
                pairs = {name: arrays[name] for name in _OF_PAIRS}
                return PairPartPredictions(part, arrays["rows"], **pairs)
            needed = {each.name: arrays[each.name] for each in fields(Predicted)[:4]}
            more = {name: arrays[name] for name in _OF_PARENTS if name in arrays}
            return PartPredictions(part, arrays["rows"], Predicted(**needed, **more))
    except (ValueError, KeyError, OSError, EOFError) as error:
        raise damaged(path, "not predictions") from error
