"""The exact near-duplicate join of 64-bit hashes, for a hundred million of them on one machine.

First `distinct`, then, to know what comes, `estimated_pairs`, then `near_pairs`. How each works, and why no
pair is missed, is told in its module: `values`, `estimate`, `joining`, and for the masks `covers`.

What is compiled is imported by the first call: it takes a second, and some more the very first time on a
machine.
"""

from collections.abc import Iterator

import numpy as np
from numpy.typing import NDArray

from hundredfold.hashing.domain.near.answers import Distinct, Estimate

__all__ = ["MAX_RADIUS", "Distinct", "Estimate", "distinct", "estimated_pairs", "near_pairs"]

MAX_RADIUS = 10


def distinct(hashes: NDArray[np.uint64], *, threads: int = 0) -> Distinct:
    """The distinct values of hashes and their counts.

    Linear in time; in memory 8 bytes a row, and 4 a distinct value, beside the input, which stays as
    it is. The result is the same for any number of threads.

    Args:
        hashes: uint64 [n], less than 2^32 of them.
        threads: 0 means one for each core.
    """
    from hundredfold.hashing.domain.near import values  # noqa: PLC0415  see above

    return values.collapsed(hashes, threads)


def near_pairs(
    values: NDArray[np.uint64],
    radius: int,
    *,
    threads: int = 0,
    only: NDArray[np.bool_] | None = None,
) -> Iterator[NDArray[np.uint64]]:
    """All pairs of values that differ in 1 to `radius` bits, each once.

    Memory: 8 bytes a value beside the input (16 with `only`), and a few megabytes a thread, however many
    pairs there are: work stands still while nobody asks for the next block. The set of pairs is always
    the same, their order is not.

    Args:
        values: uint64 [n], each once (see `distinct`), not changed while blocks are taken.
        radius: 0 to 10.
        threads: 0 means one for each core.
        only: bool [n]; give only pairs in which at least one value is marked.

    Returns:
        Blocks uint64 [m, 2], m >= 1: the two values of each pair.

    Raises:
        ValueError: radius out of range.
    """
    _check(radius)
    from hundredfold.hashing.domain.near import joining  # noqa: PLC0415  see above

    return joining.streamed_pairs(values, radius, threads, only)


def estimated_pairs(
    values: NDArray[np.uint64], radius: int, *, sample: int = 1 << 20, threads: int = 0
) -> Estimate:
    """About how many pairs `near_pairs` would give, from a random sample; seconds, and few megabytes.

    Args:
        values: uint64 [n], each once.
        radius: 0 to 10.
        sample: at most so many values are looked at; less where less tell enough.
        threads: 0 means one for each core.

    Raises:
        ValueError: radius out of range.
    """
    _check(radius)
    from hundredfold.hashing.domain.near import estimate  # noqa: PLC0415  see above

    return estimate.from_samples(values, radius, sample, threads)


def _check(radius: int) -> None:
    if not 0 <= radius <= MAX_RADIUS:
        raise ValueError(f"a radius of {radius} bits: it is 0 to {MAX_RADIUS}")
