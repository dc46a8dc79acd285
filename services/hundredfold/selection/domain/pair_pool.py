"""Where an image may be of several classes: what is known of pairs of an image and a class, and what a head says."""

from dataclasses import dataclass, field

import numpy as np
from numpy.typing import NDArray

from hundredfold.selection.domain.pool import Pool, VectorsOf, places

_SHIFT = 32


@dataclass(frozen=True)
class Pairs:
    """Pairs of an image and a class: int64 [n] and int32 [n]; each once."""

    rows: NDArray[np.int64]
    class_ids: NDArray[np.int32]

    def __len__(self) -> int:
        return len(self.rows)

    @property
    def keys(self) -> NDArray[np.int64]:
        """int64 [n]: a number for each."""
        return np.asarray((self.rows << _SHIFT) | self.class_ids, np.int64)

    def of(self, class_id: int) -> NDArray[np.int64]:
        """The images that are paired with a class."""
        return np.asarray(self.rows[self.class_ids == class_id], np.int64)

    def within(self, rows: NDArray[np.int64]) -> "Pairs":
        """Those of some images, int64 [m] ascending, alone."""
        return self.only(places(rows, self.rows) >= 0)

    def only(self, kept: NDArray[np.bool_]) -> "Pairs":
        """Those of a mask [n]."""
        return Pairs(self.rows[kept], self.class_ids[kept])


def joined(*every: Pairs) -> Pairs:
    """All of several, none of which has those of another."""
    some = (NO_PAIRS, *every)
    rows, class_ids = ([getattr(one, name) for one in some] for name in ("rows", "class_ids"))
    return Pairs(np.concatenate(rows), np.concatenate(class_ids))


NO_PAIRS = Pairs(np.empty(0, np.int64), np.empty(0, np.int32))


@dataclass(frozen=True)
class PairsSaid:
    """What people said.

    Attributes:
        yes: images and classes they are of.
        no: images and classes they are not of.
        unsure: images and classes under which they were set aside; class 0 on the page of a cluster.
        certified: of yes and no those that no person said, but a head under a certificate.
    """

    yes: Pairs = NO_PAIRS
    no: Pairs = NO_PAIRS
    unsure: Pairs = NO_PAIRS
    certified: Pairs = NO_PAIRS

    def within(self, rows: NDArray[np.int64]) -> "PairsSaid":
        """What was said of some images, int64 [m] ascending, alone."""
        every = (self.yes, self.no, self.unsure, self.certified)
        return PairsSaid(*[each.within(rows) for each in every])

    @property
    def touched(self) -> NDArray[np.int64]:
        """int64 [k], ascending: the images of which something was said."""
        return np.unique(np.concatenate([self.yes.rows, self.no.rows, self.unsure.rows]))

    def answered(self, class_id: int) -> NDArray[np.int64]:
        """int64 [k], ascending: the images of which it was said whether they are of a class."""
        parts = (self.yes, self.no, self.unsure)
        return np.unique(np.concatenate([each.of(class_id) for each in parts]))


@dataclass(frozen=True)
class PairGuesses:
    """What a head says.

    Attributes:
        model: the head; empty before there is one.
        pairs: images and classes they may well be of, what is known included.
        probability: float32 [n], of each.
        rest: class that the head knows -> its mean probability where no pair is kept.
    """

    model: str = ""
    pairs: Pairs = NO_PAIRS
    probability: NDArray[np.float32] = field(default_factory=lambda: np.empty(0, np.float32))
    rest: dict[int, float] = field(default_factory=dict)


@dataclass(frozen=True)
class ClassStanding:
    """Where a class stands.

    Attributes:
        class_id: which.
        yes: images known to be of it.
        no: images known not to be.
        aside: images set aside under it.
        pool: the images that may well be of it, of which nobody knows; `probability` is that they are.
        rest: images of which nobody knows and that a head takes for others.
        rest_probability: that one of them is of the class; without a head all are among them, taken for others.
        certified: of yes and no those that no person said, but a head under a certificate.
    """

    class_id: int
    yes: int
    no: int
    aside: int
    pool: Pool
    rest: int
    rest_probability: float
    certified: int = 0

    @property
    def answered(self) -> int:
        """Images of which people said something."""
        return self.yes + self.no + self.aside

    @property
    def expected_wrong(self) -> float:
        """Of how many images whose class nobody knows the likelier of yes and no is expected to be wrong."""
        likely = self.pool.probability.astype(np.float64)
        rest = self.rest * min(self.rest_probability, 1 - self.rest_probability)
        return float(np.minimum(likely, 1 - likely).sum()) + rest


def standings(
    rows: NDArray[np.int64],
    class_ids: NDArray[np.int32],
    said: PairsSaid,
    guesses: PairGuesses,
    vectors_of: VectorsOf,
) -> list[ClassStanding]:
    """Where each class in use stands.

    Args:
        rows: int64 [N], ascending: the images that have a vector.
        class_ids: int32 [C], the classes in use.
        said: of these images.
        guesses: of a head.
        vectors_of: reads vectors.
    """
    known = np.concatenate([said.yes.keys, said.no.keys, said.unsure.keys])
    keys = guesses.pairs.keys
    open_ = ~np.isin(keys, known) & (places(rows, guesses.pairs.rows) >= 0)
    open_rows, open_classes = guesses.pairs.rows[open_], guesses.pairs.class_ids[open_]
    likely = guesses.probability[open_]
    order = np.lexsort((open_rows, open_classes))
    open_rows, open_classes, likely = open_rows[order], open_classes[order], likely[order]
    starts = np.searchsorted(open_classes, class_ids)
    ends = np.searchsorted(open_classes, class_ids, side="right")
    found = []
    for class_id, start, end in zip(class_ids.tolist(), starts, ends, strict=True):
        pool = pool_of(open_rows[start:end], likely[start:end], class_id, vectors_of, guesses.model)
        yes, no, aside = (len(each.of(class_id)) for each in (said.yes, said.no, said.unsure))
        rest = len(rows) - yes - no - aside - len(pool)
        # Of a class that no head knows: one more yes, one more no (Laplace).
        likely_rest = guesses.rest.get(class_id, min((yes + 1) / (yes + no + 2), 0.5))
        certified = len(said.certified.of(class_id))
        found.append(ClassStanding(class_id, yes, no, aside, pool, rest, likely_rest, certified))
    return found


def pool_of(
    rows: NDArray[np.int64],
    probability: NDArray[np.float32],
    class_id: int,
    vectors_of: VectorsOf,
    model: str,
) -> Pool:
    """Images, rows ascending, and the probability that each is of one class, as a pool."""
    count = len(rows)
    top, none = np.full(count, class_id, np.int32), np.zeros(count, np.int32)
    return Pool(rows, top, none, probability, probability, none, vectors_of, model)
