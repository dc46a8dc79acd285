"""Simulated labellers: what a person would do with a page, and how long it takes.

Odd images are missed at a given rate, as people do, whatever the page asks. Images without a true class
are set aside.

An AUDIT page is answered as a VERIFY page. So is a REVIEW page: an error found there costs a click (or
its part of a drag) and nothing else, as the image returns to the pool and costs again what it costs to
label it there. The research counted 3 s more for labelling it at once; both at a time would be counted
twice. On a page of a class with children images of every class beneath it are right.

Of pairs the truth says only that images of different classes are not the same picture; of the others they believe
what the page leans to.
"""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from types import MappingProxyType

import numpy as np
from numpy.typing import NDArray

from hundredfold.chassis.costs import CostModel
from hundredfold.client.types import Judgement, Page, PageKind, Verdict


@dataclass(frozen=True)
class Answer:
    """An answer to a page, and what it cost.

    Attributes:
        judgements: what is said.
        seconds: by the cost model.
        actions: keys, clicks and drags.
    """

    judgements: tuple[Judgement, ...]
    seconds: float
    actions: int


_NAMED_PAGES = frozenset({PageKind.VERIFY, PageKind.AUDIT, PageKind.REVIEW})
"""Pages that ask about a class: are all of these of it?"""
_EVEN = 0.5


class SimulatedLabeller:
    """Answers pages by the truth.

    Args:
        truth: int32 [N], the class id of each row; 0 where there is no truth.
        costs: the cost model.
        miss_rate: the share of odd images that is overlooked.
        seed: of the overlooking.
        parent_of: class -> its parent.
    """

    def __init__(
        self,
        truth: NDArray[np.int32],
        costs: CostModel,
        *,
        miss_rate: float = 0.0,
        seed: int = 0,
        parent_of: Mapping[int, int] = MappingProxyType({}),
    ) -> None:
        self._truth = truth
        self._parent_of = parent_of
        self._costs = costs
        self._miss_rate = miss_rate
        self._random = np.random.default_rng(seed)

    def answer(self, page: Page) -> Answer:
        """Answer a page."""
        if page.kind is PageKind.PAIR:
            return self._pairs(page)
        truth = self._believed(page)
        if page.kind is PageKind.SINGLE:
            return self._singles(page, truth)
        named = page.class_id if page.kind in _NAMED_PAGES else _majority(truth)
        # A cluster that already bears the right name is confirmed with one key like any page.
        return self._confirm(page, truth, named, naming=page.class_id != named)

    def _believed(self, page: Page) -> NDArray[np.int32]:
        """What the labeller takes the images of a page for: class ids int32 [n], 0 = can't say."""
        return self._truth[page.rows]

    def _pairs(self, page: Page) -> Answer:
        leaning = page.probability >= _EVEN
        same = leaning & self._alike(page)
        turned = same != leaning
        seconds = self._costs.look(0) + len(same) * self._costs.compare_seconds
        judgements = [
            Judgement(0, verdict, page.rows[kept], page.others[kept])
            for verdict, kept in ((Verdict.IS, same), (Verdict.IS_NOT, ~same))
            if kept.any()
        ]
        return Answer(
            tuple(judgements), seconds + self._costs.pick(turned), self._strokes(turned) + 1
        )

    def _alike(self, page: Page) -> NDArray[np.bool_]:
        """Which pairs may be the same picture, for all that is known: bool [n]."""
        return np.asarray(self._truth[page.rows] == self._truth[page.others])

    def _singles(self, page: Page, truth: NDArray[np.int32]) -> Answer:
        judgements = [
            Judgement(int(each), Verdict.IS if each else Verdict.UNSURE, page.rows[truth == each])
            for each in np.unique(truth)
        ]
        return Answer(
            tuple(judgements), len(page.rows) * self._costs.single_seconds, len(page.rows)
        )

    def _confirm(self, page: Page, truth: NDArray[np.int32], named: int, *, naming: bool) -> Answer:
        unknown = truth == 0
        seen = self._random.random(len(truth)) >= self._miss_rate
        odd = ~self._is_of(truth, named) & ~unknown & seen
        picked = odd | unknown
        seconds = self._costs.confirm(picked) + (self._costs.naming_seconds if naming else 0.0)
        judgements = [
            Judgement(class_id, verdict, page.rows[rows])
            for class_id, verdict, rows in (
                (named, Verdict.IS, ~picked),
                (named, Verdict.IS_NOT, odd),
                (0, Verdict.UNSURE, unknown),
            )
            if rows.any()
        ]
        return Answer(tuple(judgements), seconds, self._strokes(picked) + 1 + naming)

    def _is_of(self, truth: NDArray[np.int32], class_id: int) -> NDArray[np.bool_]:
        """Which images are of a class or of one beneath it."""
        kinds = [each for each in np.unique(truth).tolist() if class_id in self._line(each)]
        return np.isin(truth, kinds)

    def _line(self, class_id: int) -> list[int]:
        """A class and those above it."""
        line = [class_id]
        while (above := self._parent_of.get(line[-1], 0)) and above not in line:
            line.append(above)
        return line

    def _strokes(self, odd: NDArray[np.bool_]) -> int:
        """Clicks and drags that pick the odd images out, or the others where those are fewer."""
        picked = odd if odd.sum() <= len(odd) / 2 else ~odd
        drag = self._costs.drag_seconds
        return sum(
            1 if drag is not None and drag < length * self._costs.click_seconds else length
            for length in run_lengths(picked)
        )


class RandomLabeller(SimulatedLabeller):
    """Takes every image for a class at random, anew at each look: what nobody should be able to certify."""

    def _believed(self, page: Page) -> NDArray[np.int32]:
        classes = np.unique(self._truth[self._truth > 0])
        return self._random.choice(classes, len(page.rows))


def _majority(truth: NDArray[np.int32]) -> int:
    """The commonest class; 0 when none is known."""
    return int(np.bincount(truth[truth > 0], minlength=1).argmax())


def run_lengths(mask: NDArray[np.bool_]) -> Sequence[int]:
    """The lengths of the runs of True in a mask [n]."""
    edges = np.flatnonzero(np.diff(np.concatenate([[0], mask.astype(np.int8), [0]])))
    lengths: list[int] = (edges[1::2] - edges[::2]).tolist()
    return lengths
