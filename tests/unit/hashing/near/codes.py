"""Hashes to join in tests: random ones, and ones that are hard on a join."""

import numpy as np
from hypothesis import strategies as st

ALL = 2**64 - 1


def flipped(values, bits, rng):
    """Each value with some bits flipped, at most `bits`."""
    found = values.copy()
    for _ in range(bits):
        bit = np.uint64(1) << rng.integers(0, 64, len(values), dtype=np.uint64)
        found ^= bit * (rng.random(len(values)) < 0.5).astype(np.uint64)
    return found


def uniform(n, rng):
    """Random values, a third of them near to others."""
    first = rng.integers(0, 2**64, n, dtype=np.uint64)
    return np.concatenate([first, flipped(first[: n // 2], 12, rng)])


def chain(n, rng):
    """Each one bit apart from the one before."""
    steps = np.uint64(1) << rng.integers(0, 64, n, dtype=np.uint64)
    return np.bitwise_xor.accumulate(np.concatenate([rng.integers(0, 2**64, 1, np.uint64), steps]))


def ball(n, rng):
    """All near to one value."""
    return flipped(np.full(n, rng.integers(0, 2**64, dtype=np.uint64)), 5, rng)


def constant_bits(n, rng):
    """Most bits are the same for all."""
    kept = np.bitwise_or.reduce(np.uint64(1) << rng.integers(0, 64, 20, dtype=np.uint64))
    return (uniform(n, rng) & kept) | (np.uint64(0x0123456789ABCDEF) & ~kept)


def low_contrast(n, rng):
    """Most have few bits set, many none."""
    weak = np.bitwise_and.reduce(rng.integers(0, 2**64, (4, n), dtype=np.uint64), axis=0)
    return np.concatenate([weak, np.zeros(n, np.uint64), uniform(n // 4, rng)])


def one_half_apart(n, rng):
    """Half of them in one small ball, the others anywhere."""
    return np.concatenate([ball(n, rng), uniform(n, rng)])


KINDS = (uniform, chain, ball, constant_bits, low_contrast, one_half_apart)


@st.composite
def hashes(draw, most=120):
    """Hashes of one of the kinds, with copies, in any order."""
    rng = np.random.default_rng(draw(st.integers(0, 2**32 - 1)))
    found = draw(st.sampled_from(KINDS))(draw(st.integers(1, most)), rng)
    return rng.choice(found, len(found) + draw(st.integers(0, 20)))


def values_of(kind, n, seed=0):
    """Distinct values of a kind, in random order."""
    rng = np.random.default_rng(seed)
    return rng.permutation(np.unique(kind(n, rng)))


def near_by_brute_force(values, radius):
    """All pairs within the radius, lower value first, uint64 [m, 2] in order."""
    values = np.sort(values)
    i, j = np.triu_indices(len(values), 1)
    near = np.bitwise_count(values[i] ^ values[j]) <= radius
    return np.stack([values[i[near]], values[j[near]]], axis=1)


def pairs_of(blocks):
    """The pairs in blocks, lower value first, uint64 [m, 2] in order; each of them is there once."""
    found = np.sort(np.concatenate([np.empty((0, 2), np.uint64), *blocks]), axis=1)
    found = found[np.lexsort((found[:, 1], found[:, 0]))]
    assert (found[1:] != found[:-1]).any(axis=1).all()
    return found


def with_marked(pairs, marked):
    """Those pairs of which at least one value is marked."""
    return pairs[np.isin(pairs, marked).any(axis=1)]
