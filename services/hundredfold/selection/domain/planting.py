"""Now and then an image known to be odd stands on a page, to see whether it is found.

How many of those a person misses tells how many of the others he does (training and labels count with
it). It is a fair test where the image could be taken for one of the page: labelled by people as another
class, near to the page's images, but not so near that its own label may be the one that is wrong.
"""

from collections.abc import Container
from dataclasses import replace

import numpy as np
from numpy.typing import NDArray

from hundredfold.selection.domain.page import Draft, Kind
from hundredfold.selection.domain.pool import Labels, VectorsOf

SHARE = 1 / 200
"""Planted images of those shown on pages of predicted classes."""

_SMALLEST = 8
_SAMPLE = 512
_NEAREST = 0.02
_NEAR = 0.12


def plant(
    pages: list[Draft],
    labels: Labels,
    doubtful: NDArray[np.int64],
    vectors_of: VectorsOf,
    random: np.random.Generator,
    *,
    share: float,
    never: Container[int] = (),
) -> list[Draft]:
    """Put an odd image on some VERIFY pages, in place of the surest one; every page once at most.

    Args:
        pages: to be shown.
        labels: where odd images come from; those that a model gave are passed over.
        doubtful: int64 [k], rows whose label may be wrong: not planted.
        vectors_of: reads vectors.
        random: chooses pages, images and places.
        share: of the images shown.
        never: classes with children, whose pages get none: labels are of the children.
    """
    chances = random.random(len(pages))
    chosen = [
        page.kind is Kind.VERIFY
        and page.class_id not in never
        and len(page) >= _SMALLEST
        and chance < share * len(page)
        for page, chance in zip(pages, chances, strict=True)
    ]
    if not any(chosen):
        return pages
    certain = labels.of_people()
    certain = certain.at(~np.isin(certain.rows, doubtful))
    used: set[int] = set()
    planted = []
    for page, wanted in zip(pages, chosen, strict=True):
        row = _odd_one(page, certain, vectors_of, random, used) if wanted else None
        used |= {row} if row is not None else set()
        planted.append(page if row is None else _with(page, row, random))
    return planted


def _odd_one(
    page: Draft,
    labels: Labels,
    vectors_of: VectorsOf,
    random: np.random.Generator,
    used: set[int],
) -> int | None:
    """A labelled image of another class that looks rather like the page."""
    others = labels.rows[labels.class_ids != page.class_id]
    others = others[~np.isin(others, list(used))]
    if not len(others):
        return None
    if len(others) > _SAMPLE:
        others = np.sort(random.choice(others, _SAMPLE, replace=False))
    likeness = vectors_of(others) @ vectors_of(page.rows).mean(0)
    order = np.argsort(-likeness, kind="stable")
    near = order[int(_NEAREST * len(order)) : max(1, int(_NEAR * len(order)))]
    return int(others[random.choice(near if len(near) else order[:1])])


def _with(page: Draft, row: int, random: np.random.Generator) -> Draft:
    """The page with another image at a random place; what is said of it is what is said of a neighbour."""
    at = int(random.integers(len(page)))
    left_out = int(page.probability.argmax())
    twin = np.insert(np.delete(np.arange(len(page)), left_out), at, at)
    rows = np.insert(np.delete(page.rows, left_out), at, row)
    return replace(
        page,
        rows=rows,
        second=page.second[twin],
        probability=page.probability[twin],
        planted=np.array([row], np.int64),
    )
