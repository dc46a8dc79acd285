"""Stars over a stream of near pairs: which image stands for which.

Images come best first. Each becomes a copy of the best centre that it is near to, or a centre itself: the
lexicographically first maximal independent set of the graph of near pairs. Whether an image is a centre is
known once all pairs with a better image were seen, so pairs are needed by their better image only: they
are spilled in stretches of it, and one stretch after the other is sorted in memory.

What people said of pairs is above what the hashes say. *The same* makes one image of two: near to one is
near to both. *Not the same* keeps two images, and whoever is equal to them, in different groups.
"""

from collections.abc import Callable, Iterable
from dataclasses import dataclass
from itertools import chain
from pathlib import Path

import numpy as np
from numpy.typing import NDArray

from hundredfold.hashing.domain.near.compiling import compiled
from hundredfold.hashing.domain.stars.pairs import Join, image_pairs
from hundredfold.hashing.domain.stars.spill import Spill
from hundredfold.hashing.domain.stars.table import table

_LOW = np.uint64(0xFFFFFFFF)
_HIGH = np.uint64(32)


@dataclass(frozen=True)
class Judged:
    """What people said of images, by index.

    Attributes:
        same: int64 [s, 2].
        apart: int64 [a, 2]; wins where the two contradict one another.
        settled: int64 [t, 2]: images that are of a pair in `apart`, or of the bytes of one that is, and
            the first one of those bytes.
    """

    same: NDArray[np.int64]
    apart: NDArray[np.int64]
    settled: NDArray[np.int64]

    @classmethod
    def nothing(cls) -> "Judged":
        """Nobody said anything."""
        none = np.empty((0, 2), np.int64)
        return cls(none, none, none)


@compiled("void(uint64[::1], uint32[::1])")
def _cover(pairs: NDArray[np.uint64], centre: NDArray[np.uint32]) -> None:
    for pair in pairs:
        better, worse = np.int64(pair >> np.uint64(32)), np.int64(pair & np.uint64(0xFFFFFFFF))
        if centre[better] == better and centre[worse] == worse:
            centre[worse] = better


@compiled("void(uint64[::1], uint32[::1], boolean[::1], int64[::1], int64[::1])")
def _cover_apart(
    pairs: NDArray[np.uint64],
    centre: NDArray[np.uint32],
    judged: NDArray[np.bool_],
    of: NDArray[np.int64],
    other: NDArray[np.int64],
) -> None:
    """The same, with `of`, ascending, never in a group with the `other` at its place."""
    for pair in pairs:
        better, worse = np.int64(pair >> np.uint64(32)), np.int64(pair & np.uint64(0xFFFFFFFF))
        if centre[better] != better or centre[worse] != worse:
            continue
        allowed = True
        if judged[worse]:
            k = np.searchsorted(of, worse)
            while k < len(of) and of[k] == worse:
                allowed = allowed and centre[other[k]] != better
                k += 1
        if allowed:
            centre[worse] = better


def stars(
    phash: NDArray[np.uint64],
    dhash: NDArray[np.uint64],
    near: Iterable[NDArray[np.uint64]],
    radius: int,
    folder: Path,
    *,
    join: Join,
    bare: NDArray[np.uint32] | None = None,
    judged: Judged | None = None,
    confirm: Callable[[NDArray[np.uint64]], NDArray[np.bool_]] | None = None,
    further: Iterable[NDArray[np.uint64]] = (),
    check: Callable[[], None] = lambda: None,
    threads: int = 0,
) -> NDArray[np.uint32]:
    """The centre of each image.

    Memory: 8 bytes an image and 4 to 6 for the table, besides the hashes and a block of pairs.

    Args:
        phash: uint64 [n], the best image first; n below 2^32 - 1.
        dhash: uint64 [n], or [0] where the pHash decides alone.
        near: blocks uint64 [m, 2] of all pairs of values of the pHash that are 1 to `radius` bits apart,
            in any order; a pair may come again, values that no image has are passed over.
        radius: 0 to 10 bits, of both hashes.
        folder: for files; those of a run before that was cut short are to be gone.
        join: finds near values, where many images have one pHash.
        bare: uint32 [b]: of further images without hashes, n and up, which one they are equal to: that
            of any other, or their own.
        judged: what people said.
        confirm: says of pairs, better << 32 | worse, which are of copies indeed; None = all.
        further: blocks of pairs, better << 32 | worse, that may be of copies though their hashes are not near.
        check: called now and then; may raise.
        threads: 0 = one a core.

    Returns:
        uint32 [n + b], the index itself of a centre.

    Raises:
        OSError: the disk is full.
    """
    judged = judged or Judged.nothing()
    images = table(phash, dhash, settled=judged.settled, threads=threads)
    first = images.first if bare is None else _with_bare(images.first, bare)
    heads = _heads(first, judged)
    spill = Spill(folder, 0, len(first))
    others = (_joined(pairs, images.first) for pairs in further)
    for pairs in chain(image_pairs(images, near, radius, join), others):
        check()
        some = pairs if confirm is None else pairs[confirm(pairs)]
        spill.add(some if heads is None else _joined(some, heads))
    del images
    centre = np.arange(len(first), dtype=np.uint32)
    cover = _covering(judged, first, heads, centre)
    for pairs in spill.in_order():
        check()
        cover(pairs)
    return centre[first if heads is None else heads[first]]


def _with_bare(first: NDArray[np.uint32], bare: NDArray[np.uint32]) -> NDArray[np.uint32]:
    firsts = bare.copy()
    hashed = bare < len(first)
    firsts[hashed] = first[bare[hashed]]
    return np.concatenate([first, firsts])


def _heads(first: NDArray[np.uint32], judged: Judged) -> NDArray[np.uint32] | None:
    """Of each distinct image the best one of those that people said are the same; None = itself."""
    if not len(judged.same):
        return None
    heads = np.arange(len(first), dtype=np.uint32)
    members: dict[int, list[int]] = {}
    apart: dict[int, set[int]] = {}
    for left, right in first[judged.apart].tolist():
        apart.setdefault(left, set()).add(right)
        apart.setdefault(right, set()).add(left)
    for left, right in np.unique(first[judged.same], axis=0).tolist():
        one, two = sorted((int(heads[left]), int(heads[right])))
        ours, theirs = members.get(one, [one]), members.get(two, [two])
        if one == two or any(apart.get(each, set()) & set(ours) for each in theirs):
            continue
        heads[theirs] = one
        members[one] = [*ours, *members.pop(two, [two])]
    return heads


def _joined(pairs: NDArray[np.uint64], heads: NDArray[np.uint32]) -> NDArray[np.uint64]:
    """Pairs of the heads of images in place of pairs of images."""
    one, two = heads[pairs >> _HIGH], heads[pairs & _LOW]
    better, worse = np.minimum(one, two).astype(np.uint64), np.maximum(one, two)
    joined: NDArray[np.uint64] = ((better << _HIGH) | worse)[one != two]
    return joined


def _covering(
    judged: Judged,
    first: NDArray[np.uint32],
    heads: NDArray[np.uint32] | None,
    centre: NDArray[np.uint32],
) -> Callable[[NDArray[np.uint64]], None]:
    if not len(judged.apart):
        return lambda pairs: _cover(pairs, centre)
    apart = first[judged.apart] if heads is None else heads[first[judged.apart]]
    both = np.concatenate([apart, apart[:, ::-1]]).astype(np.int64)
    both = both[np.argsort(both[:, 0], kind="stable")]
    flags = np.zeros(len(first), np.bool_)
    flags[both[:, 0]] = True
    of, other = np.ascontiguousarray(both.T)
    return lambda pairs: _cover_apart(pairs, centre, flags, of, other)
