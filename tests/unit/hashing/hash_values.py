"""Hashes to test with: random ones, skewed ones, and ones a few bits away from others."""

import numpy as np
from hypothesis import strategies as st

from hundredfold.hashing.domain.groups import Images
from hundredfold.hashing.domain.join import Values


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


def unique_values(n, *, skewed=False, seed=0):
    """Unique values in random order, about n."""
    pairs = np.unique(np.stack(random_hashes(n, skewed=skewed, seed=seed), axis=1), axis=0)
    pairs = np.random.default_rng(seed).permutation(pairs)
    return Values(pairs[:, 0].copy(), pairs[:, 1].copy())


def near_by_brute_force(values, radius):
    """The set of (i, j), i < j, of near values."""
    i, j = np.triu_indices(len(values), 1)
    near = values.near(i, j, radius)
    return set(zip(i[near].tolist(), j[near].tolist(), strict=True))


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
