"""Hashes to test with: random ones, skewed ones, and ones a few bits away from others."""

import tempfile
from dataclasses import dataclass
from pathlib import Path

import numpy as np
from hypothesis import strategies as st

from hundredfold.hashing.domain.grouping import group as group_ranked
from hundredfold.hashing.domain.lookup import LookUpIndex
from hundredfold.hashing.domain.near import near_pairs
from hundredfold.hashing.domain.ranking import Ranking, quality


@dataclass(frozen=True)
class Images:
    """Images of a collection by row, as arrays [N]; sha256 is [N, 4]."""

    phash: np.ndarray
    dhash: np.ndarray
    sha256: np.ndarray
    pixels: np.ndarray
    ok: np.ndarray
    hashed: np.ndarray


def ranked(some, *, part=7):
    """Images from the best to the worst, read in parts."""
    ranking = Ranking(len(some.ok))
    begins = range(0, len(some.ok), part)
    for begin in begins:
        here = slice(begin, begin + part)
        good = quality(some.pixels[here], np.zeros(len(some.ok[here]), np.int64))
        ranking.see(begin, good, some.ok[here], some.hashed[here])
    ranking.rank()
    for begin in begins:
        ranking.fill(begin, some.phash[begin : begin + part], some.dhash[begin : begin + part])
    twins = np.flatnonzero(some.hashed)
    return ranking.ranked(some.sha256[ranking.bare], twins, some.sha256[twins])


def group(some, radius, **options):
    """The groups of images; the near pairs come in blocks of few."""
    images = ranked(some)
    near = np.concatenate(
        [np.empty((0, 2), np.uint64), *near_pairs(np.unique(images.phash), radius)]
    )
    blocks = (near[begin : begin + 5] for begin in range(0, len(near), 5))
    with tempfile.TemporaryDirectory() as folder:
        return group_ranked(images, blocks, radius, Path(folder), join=near_pairs, **options)


def lookup_index(some):
    """The images to be looked up."""
    rows, bare = np.flatnonzero(some.hashed), np.flatnonzero(some.ok & ~some.hashed)
    return LookUpIndex(
        some.phash[rows], some.dhash[rows], rows.astype(np.uint32), bare, some.sha256[bare]
    )


def flipped(hashes, bits, rng):
    """Each hash with up to `bits` bits flipped."""
    found = hashes.copy()
    for _ in range(bits):
        found ^= np.uint64(1) << rng.integers(0, 64, len(hashes)).astype(np.uint64)
    return found


def random_hashes(n, *, skewed=False, seed=0):
    """(pHash, dHash), uint64 [n] each: random ones, and a third of them near to others.

    Skewed: most bits are always 0, as of images of low contrast.
    """
    rng = np.random.default_rng(seed)
    origins = max(n - n // 3, 1)
    found = []
    kept = np.uint64(0xF00000000000003F if skewed else 2**64 - 1)
    of = rng.integers(0, origins, n // 3)
    for _ in range(2):
        first = rng.integers(0, 2**64, origins, dtype=np.uint64) & kept
        found.append(np.concatenate([first, flipped(first[of], 6, rng)])[:n])
    return found[0], found[1]


def images(phash, dhash, *, ok=None, hashed=None, sha256=None, pixels=None):
    """Images of these hashes; bytes all differ and sizes are equal unless told."""
    n = len(phash)
    ok = np.ones(n, bool) if ok is None else np.array(ok, bool)
    digests = np.arange(n) if sha256 is None else np.array(sha256)
    return Images(
        phash=np.array(phash, np.uint64),
        dhash=np.array(dhash, np.uint64),
        sha256=np.repeat(digests.astype(np.uint64)[:, None], 4, axis=1),
        pixels=np.ones(n, np.int64) if pixels is None else np.array(pixels, np.int64),
        ok=ok,
        hashed=ok if hashed is None else np.array(hashed, bool),
    )


@st.composite
def clustered_images(draw):
    """Images around few centres, some of them equal, some broken, of few different sizes."""
    n = draw(st.integers(0, 60))
    centres = draw(st.lists(st.integers(0, 2**64 - 1), min_size=1, max_size=4))
    rng = np.random.default_rng(draw(st.integers(0, 2**32 - 1)))
    spread = draw(st.integers(0, 6))
    of = np.array(centres, np.uint64)[rng.integers(0, len(centres), n)]
    phash, dhash = flipped(of, spread, rng), flipped(~of, spread, rng)
    same = rng.integers(0, max(n, 1), n // 4)  # equal images have equal bytes, hence equal hashes
    sha256 = np.arange(n)
    phash[: n // 4], dhash[: n // 4], sha256[: n // 4] = phash[same], dhash[same], sha256[same]
    return images(
        phash, dhash, ok=rng.random(n) < 0.9, sha256=sha256, pixels=rng.integers(1, 4, n) * 1000
    )
