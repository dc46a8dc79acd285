"""Pages of one predicted class: what most policies choose from."""

from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray

from hundredfold.selection.domain.page import Draft, Kind
from hundredfold.selection.domain.pool import Pool

SINGLES = 8
"""Images on a page that asks about each alone."""

_LEAST_DOUBT_BITS = 12


@dataclass(frozen=True)
class Cuts:
    """A pool, cut into pages.

    Attributes:
        places: int64 [m], the images of the pool, page after page.
        starts: int64 [p], where each page begins.
        sizes: int64 [p].
        odd: float64 [p], how many images of each are expected not to be of its class.
        classes: int32 [p], the class of each; 0 = none.
    """

    places: NDArray[np.int64]
    starts: NDArray[np.int64]
    sizes: NDArray[np.int64]
    odd: NDArray[np.float64]
    classes: NDArray[np.int32]

    def page(self, number: int) -> NDArray[np.int64]:
        """The places of the images of a page, the surest first."""
        start = self.starts[number]
        return self.places[start : start + self.sizes[number]]


def cut(pool: Pool, page_size: int) -> Cuts:
    """Cut each predicted class, sorted by confidence, into pages; class 0 among them.

    Class, doubt and place of an image are one number of 64 bits: sorting ten million of those takes a
    tenth of what sorting by two keys does. So doubts are rounded to 2^-24 and more finely.
    """
    classes, doubts, places = _sorted(pool)
    begins = np.flatnonzero(np.diff(classes, prepend=-1))
    ends = np.append(begins[1:], len(classes))[: len(begins)]
    pieces = [np.arange(begin, end, page_size) for begin, end in zip(begins, ends, strict=True)]
    starts = np.concatenate([np.empty(0, np.int64), *pieces])
    counts = np.array([len(each) for each in pieces], np.int64)
    sizes = np.minimum(page_size, np.repeat(ends, counts) - starts)
    odd = np.add.reduceat(doubts, starts, dtype=np.float64) if len(starts) else np.empty(0)
    return Cuts(places, starts, sizes, odd, classes[starts])


def _sorted(
    pool: Pool,
) -> tuple[NDArray[np.int32], NDArray[np.float32], NDArray[np.int64]]:
    """Class, doubt and place of all images, by class, then the surest first, then by place."""
    place_bits = max(1, len(pool) - 1).bit_length()
    class_bits = int(pool.top.max(initial=0)).bit_length()
    doubt_bits = min(30, 63 - place_bits - class_bits)
    if doubt_bits < _LEAST_DOUBT_BITS:
        order = np.lexsort((-pool.probability, pool.top))
        return pool.top[order], 1 - pool.probability[order], order
    most = (1 << doubt_bits) - 1
    key = pool.top.astype(np.int64)
    key <<= doubt_bits
    doubt = np.clip(1 - pool.probability.astype(np.float64), 0, 1)
    key |= np.rint(doubt * most).astype(np.int64)
    key <<= place_bits
    key |= np.arange(len(pool), dtype=np.int64)
    key.sort()
    places = key & ((1 << place_bits) - 1)
    key >>= place_bits
    doubts = ((key & most) / most).astype(np.float32)
    key >>= doubt_bits
    return key.astype(np.int32), doubts, places


def verify_page(pool: Pool, places: NDArray[np.int64], score: float) -> Draft:
    """A page that asks whether all images are of their predicted class."""
    return Draft(
        Kind.VERIFY,
        pool.rows[places],
        score,
        int(pool.top[places[0]]),
        pool.second[places],
        pool.probability[places],
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


def single_pages(
    pool: Pool, order: NDArray[np.int64], scores: NDArray[np.floating], page_size: int, limit: int
) -> list[Draft]:
    """Pages that ask about single images.

    Args:
        pool: the images.
        order: int64 [n], places, those to ask about first at the front.
        scores: float [n], of each of them, not rising; a page has the mean of its images.
        page_size: most images of a page; at most `SINGLES` stand on one.
        limit: most pages.
    """
    size = min(SINGLES, page_size)
    starts = range(0, len(order), size)[:limit]
    return [
        single_page(pool, order[start : start + size], float(scores[start : start + size].mean()))
        for start in starts
    ]
