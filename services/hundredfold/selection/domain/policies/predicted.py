"""Pages of one predicted class: what most policies choose from."""

from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray

from hundredfold.selection.domain.arranging import walk
from hundredfold.selection.domain.page import Draft, Kind
from hundredfold.selection.domain.pool import Pool

SINGLES = 8
"""Images on a page that asks about each alone."""


@dataclass(frozen=True)
class Cuts:
    """A pool, cut into pages.

    Attributes:
        places: int64 [m], the images of the pool, page after page.
        starts: int64 [p], where each page begins.
        sizes: int64 [p].
        odd: float64 [p], how many images of each are expected not to be of its class.
    """

    places: NDArray[np.int64]
    starts: NDArray[np.int64]
    sizes: NDArray[np.int64]
    odd: NDArray[np.float64]

    def page(self, number: int) -> NDArray[np.int64]:
        """The places of the images of a page, the surest first."""
        start = self.starts[number]
        return self.places[start : start + self.sizes[number]]


def cut(pool: Pool, page_size: int) -> Cuts:
    """Cut each predicted class, sorted by confidence, into pages; class 0 among them."""
    places = np.lexsort((-pool.probability, pool.top))
    classes = pool.top[places]
    begins = np.flatnonzero(np.diff(classes, prepend=-1))
    within = np.arange(len(places)) - np.repeat(begins, np.diff(begins, append=len(places)))
    starts = np.flatnonzero(within % page_size == 0)
    sizes = np.diff(starts, append=len(places))
    doubts = 1 - pool.probability[places].astype(np.float64)
    odd = np.add.reduceat(doubts, starts) if len(starts) else doubts
    return Cuts(places, starts, sizes, odd)


def verify_page(pool: Pool, places: NDArray[np.int64], score: float) -> Draft:
    """A page that asks whether all images are of their predicted class."""
    ordered = walk(pool, places)
    return Draft(
        Kind.VERIFY,
        pool.rows[ordered],
        score,
        int(pool.top[ordered[0]]),
        pool.second[ordered],
        pool.probability[ordered],
    )


def single_page(pool: Pool, places: NDArray[np.int64], score: float) -> Draft:
    """A page that asks for the class of each image."""
    return Draft(
        Kind.SINGLE,
        pool.rows[places],
        score,
        0,
        pool.second[places],
        pool.probability[places],
    )
