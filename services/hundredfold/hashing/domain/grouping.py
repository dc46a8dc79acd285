"""Groups the images of a collection: stars over near pairs, equal bytes, and what people said of pairs."""

from collections.abc import Callable, Iterable, Iterator
from dataclasses import replace
from pathlib import Path

import numpy as np
from numpy.typing import NDArray

from hundredfold.hashing.domain.groups import NO_REPRESENTATIVE, Groups, Judgements
from hundredfold.hashing.domain.ranking import Ranked
from hundredfold.hashing.domain.stars.pairs import Join
from hundredfold.hashing.domain.stars.stars import Judged, stars


def group(
    images: Ranked,
    near: Iterable[NDArray[np.uint64]],
    radius: int,
    folder: Path,
    *,
    join: Join,
    judgements: Judgements | None = None,
    confirm: Callable[[NDArray[np.int64]], NDArray[np.bool_]] | None = None,
    further: Iterable[NDArray[np.int64]] = (),
    unlike: NDArray[np.int64] | None = None,
    check: Callable[[], None] = lambda: None,
) -> Groups:
    """Group images whose bytes are equal, or whose hashes are both within `radius` (0 to 10) bits.

    Rows that are ok and not hashed are copies of nothing but equal bytes.

    Args:
        images: the images.
        near: blocks of all pairs of values of their pHash that are 1 to `radius` bits apart.
        radius: 0 to 10.
        folder: for files.
        join: finds near values, where many images have one pHash.
        judgements: what people said.
        confirm: says of pairs of rows int64 [p, 2], the better one first, which are copies indeed.
        further: blocks of pairs of rows int64 [p, 2], those with hashes, that may be copies as well.
        unlike: int64 [u], rows that are no copies of an image with the same two hashes by these alone.
        check: called now and then; may raise.

    Raises:
        OSError: the disk is full.
    """
    rows = images.in_order
    judged = Judged.nothing() if judgements is None else _by_index(judgements, images)
    centre = stars(
        images.phash,
        images.dhash,
        near,
        radius,
        folder,
        join=join,
        bare=images.equal_bytes(),
        judged=judged if unlike is None else _settled(judged, _places(unlike, images)),
        confirm=None if confirm is None else lambda pairs: confirm(_rows_of(pairs, rows)),
        further=_in_order(further, images),
        check=check,
    )
    if judgements is not None:
        _prefer(centre, _places(judgements.keep, images))
    representative = np.full(images.rows, NO_REPRESENTATIVE, np.int64)
    representative[rows] = rows[centre]
    distance = np.zeros(images.rows, np.uint8)
    distance[images.hashed] = _distances(images.phash, centre[: len(images.hashed)])
    return Groups(representative, distance)


def _settled(judged: Judged, places: NDArray[np.int64]) -> Judged:
    """Images that are equal to themselves alone, beside what people said."""
    further = np.setdiff1d(places[places >= 0], judged.settled[:, 0])
    settled = np.concatenate([judged.settled, np.stack([further, further], axis=1)])
    return replace(judged, settled=settled[np.argsort(settled[:, 0], kind="stable")])


def _in_order(blocks: Iterable[NDArray[np.int64]], images: Ranked) -> Iterator[NDArray[np.uint64]]:
    """Pairs of rows as pairs of places, better << 32 | worse."""
    for pairs in blocks:
        places = np.sort(_placed(pairs, images), axis=1).astype(np.uint64)
        yield (places[:, 0] << np.uint64(32)) | places[:, 1]


def _rows_of(pairs: NDArray[np.uint64], rows: NDArray[np.uint32]) -> NDArray[np.int64]:
    sides = (pairs >> np.uint64(32), pairs & np.uint64(0xFFFFFFFF))
    return np.stack([rows[side] for side in sides], axis=1).astype(np.int64)


def _distances(phash: NDArray[np.uint64], centre: NDArray[np.uint32]) -> NDArray[np.uint8]:
    distance = np.zeros(len(centre), np.uint8)
    copies = np.flatnonzero((centre != np.arange(len(centre))) & (centre < len(phash)))
    distance[copies] = np.bitwise_count(phash[copies] ^ phash[centre[copies]])
    return distance


def _by_index(judgements: Judgements, images: Ranked) -> Judged:
    """Rows as places from the best to the worst; what is of images that are not ok is left out."""
    same, apart = (_placed(pairs, images) for pairs in (judgements.same, judgements.apart))
    equal = np.stack([_places(judgements.equal[:, 0], images), judgements.equal[:, 1]], axis=1)
    equal = equal[(equal[:, 0] >= 0) & (equal[:, 0] < len(images.hashed))]
    equal = equal[np.argsort(equal[:, 0])]
    _, first, of = np.unique(equal[:, 1], return_index=True, return_inverse=True)
    return Judged(same, apart, np.stack([equal[:, 0], equal[first, 0][of]], axis=1))


def _placed(pairs: NDArray[np.int64], images: Ranked) -> NDArray[np.int64]:
    placed = np.stack([_places(side, images) for side in (pairs[:, 0], pairs[:, 1])], axis=1)
    return placed[(placed >= 0).all(axis=1)]


def _places(rows: NDArray[np.int64], images: Ranked) -> NDArray[np.int64]:
    """Places in the order of the images, -1 for rows that are not ok or not there: int64 [n]."""
    if not len(rows):
        return rows
    place = np.full(images.rows + 1, -1, np.int64)
    place[images.in_order] = np.arange(len(images.in_order))
    inside = (rows >= 0) & (rows < images.rows)
    return place[np.where(inside, rows, images.rows)]


def _prefer(centre: NDArray[np.uint32], keep: NDArray[np.int64]) -> None:
    """Let images stand for their groups that people want to."""
    taken = set()
    for place in keep[keep >= 0].tolist():
        of = int(centre[place])
        if of not in taken:
            centre[centre == of] = place
            taken.add(place)
