"""A simulated labeller of images that may be of several classes."""

import numpy as np
from numpy.typing import NDArray

from hundredfold.chassis.costs import CostModel
from hundredfold.client.labeller import Answer, SimulatedLabeller
from hundredfold.client.types import Page, PageKind

_OTHER = -1


class PairLabeller(SimulatedLabeller):
    """Answers pages by the truth: each asks about one class, and says nothing of the others.

    The page of a cluster is named after the commonest class on it, at the price of naming.

    Args:
        truth: bool [N, C], whether each row is of each class, by class id.
        known: bool [N], of which rows that is known; the others are set aside.
        costs: the cost model.
        miss_rate: the share of odd images that is overlooked.
        seed: of the overlooking.
    """

    def __init__(
        self,
        truth: NDArray[np.bool_],
        known: NDArray[np.bool_],
        costs: CostModel,
        *,
        miss_rate: float = 0.0,
        seed: int = 0,
    ) -> None:
        super().__init__(np.zeros(len(truth), np.int32), costs, miss_rate=miss_rate, seed=seed)
        self._of = truth
        self._known = known

    def answer(self, page: Page) -> Answer:
        """Answer a page."""
        if page.kind is PageKind.PAIR:
            return self._pairs(page)
        named = page.class_id or self._commonest(page)
        yes = np.where(self._of[page.rows, named], named, _OTHER)
        believed = np.where(self._known[page.rows], yes, 0).astype(np.int32)
        return self._confirm(page, believed, named, naming=not page.class_id)

    def _alike(self, page: Page) -> NDArray[np.bool_]:
        return np.asarray((self._of[page.rows] == self._of[page.others]).all(1))

    def _commonest(self, page: Page) -> int:
        """The class that most images of a page are of; the first one where they are of none."""
        return int(self._of[page.rows][:, 1:].sum(0).argmax()) + 1
