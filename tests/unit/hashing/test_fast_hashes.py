"""Fast hashes: from a scaled decode, near to the exact ones, and the same on every machine."""

import io

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from PIL import Image

from hundredfold.chassis import imaging
from hundredfold.hashing.domain.algorithms import (
    DEFAULT,
    DHASH_FAST,
    PHASH_FAST,
    hash_images,
)
from hundredfold.hashing.domain.hashes import above_median, rising, tells
from hundredfold.hashing.domain.luma import SIDE, Luma, luma
from hundredfold.hashing.domain.scaling import STEPS, _cosines, _lanczos, _made, frequencies, grid

FAST = (PHASH_FAST, DHASH_FAST)


def photo(width, height, seed=0):
    """Smooth noise as of a photograph."""
    noise = np.random.default_rng(seed).integers(0, 256, (7, 6, 3), dtype=np.uint8)
    return Image.fromarray(noise).resize((width, height), Image.Resampling.BICUBIC)


def encoded(image, kind="JPEG", **options):
    out = io.BytesIO()
    image.save(out, kind, **options)
    return out.getvalue()


def bits_apart(left, right, names):
    """Of each image, by algorithm: int [2, n]."""
    one, other = (hash_images(images, names) for images in (left, right))
    assert not one.failures
    assert not other.failures
    return np.array([np.bitwise_count(one.hashes[n] ^ other.hashes[n]) for n in names], int)


def of_plane(pixels, height=None, width=None):
    """Both hashes of a plane."""
    plane = Luma(pixels.astype(np.float32), height or pixels.shape[0], width or pixels.shape[1])
    return int(above_median(frequencies(plane)[None])[0]), int(rising(grid(plane)[None], STEPS)[0])


@pytest.mark.parametrize("size", [(640, 480), (288, 383), (70, 65), (1000, 40)], ids=str)
def test_fast_hashes_are_near_the_exact_ones(size):
    images = [encoded(photo(*size, seed=seed), quality=90) for seed in range(40)]
    fast, exact = (hash_images(images, names).hashes for names in (FAST, DEFAULT))
    for one, other in zip(FAST, DEFAULT, strict=True):
        bits = np.bitwise_count(fast[one] ^ exact[other])
        assert np.median(bits) <= 2
        assert bits.max() <= 6


@pytest.mark.parametrize("kind", ["PNG", "JPEG"])
@pytest.mark.parametrize("scale", [0.3, 0.5, 0.77, 2.0])
def test_copies_of_another_size_have_nearly_the_same_hashes(scale, kind):
    photos = [photo(501, 377, seed) for seed in range(20)]
    small = [image.resize((round(501 * scale), round(377 * scale))) for image in photos]
    apart = bits_apart(
        [encoded(image) for image in photos], [encoded(image, kind) for image in small], FAST
    )
    assert np.mean(apart) <= 0.5
    assert apart.max() <= 4


def test_a_jpeg_is_decoded_no_larger_than_needed():
    plane = luma(encoded(photo(501, 377)))
    assert plane.pixels.shape == (95, 126)
    assert (plane.height, plane.width) == (377 / 4, 501 / 4)
    assert luma(encoded(photo(100, SIDE - 1))).pixels.shape == (SIDE - 1, 100)


@given(st.integers(1, 300), st.integers(1, 300), st.integers(0, 255))
@settings(max_examples=40)
def test_a_plain_image_of_any_size_has_no_detail_and_one_bit(width, height, level):
    phash, dhash = of_plane(np.full((height, width), float(level)))
    assert phash == (1 << 63 if level else 0)
    assert dhash == 0
    assert not tells(np.array([dhash], np.uint64))[0]


def test_the_frequencies_of_a_cosine_are_that_cosine():
    x = (np.arange(480) + 0.5) / 480
    wave = np.rint(120 + 100 * np.cos(3 * np.pi * x)).astype(np.float32)
    found = frequencies(Luma(np.tile(wave, (70, 1)), 70, 480))
    assert found[0, 3] == pytest.approx(50 * STEPS, rel=1e-2)
    assert found[0, 0] == pytest.approx(120 * STEPS, rel=1e-3)
    found[0, [0, 3]] = 0
    assert np.abs(found).max() <= 0.05 * STEPS


@given(st.integers(1, 9000), st.integers(0, 7), st.sampled_from([(_cosines, 8), (_lanczos, 9)]))
@settings(max_examples=200)
def test_sums_are_exact_in_float32(pixels, eighths, kind):
    rows, columns = _made(kind[0], pixels, pixels - eighths / 8, kind[1])
    assert (rows == np.rint(rows)).all()
    assert (columns == rows.T).all()
    assert 255 * np.abs(rows.astype(np.float64)).sum(axis=1).max() < 2**24


def test_hashes_of_a_plane_never_change():
    # Another number here is another algorithm: give it a new version.
    pixels = np.random.default_rng(1).integers(0, 256, (48, 63)).astype(float)
    assert of_plane(pixels, 47.125, 62.625) == GOLDEN


GOLDEN = (12461467335270266357, 12552683054652876077)


def test_the_order_of_summation_moves_no_bit():
    pixels = np.random.default_rng(2).integers(0, 256, (64, 64)).astype(float)
    assert of_plane(pixels) == of_plane(np.asfortranarray(pixels))
    planes = (pixels.T.astype(np.float32), pixels.astype(np.float32))
    turned, upright = (Luma(plane, 64, 64) for plane in planes)
    assert (frequencies(turned) == frequencies(upright).T).all()


def test_a_step_of_one_level_is_none():
    stairs = np.repeat(np.arange(9.0), 8)[None].repeat(64, axis=0)
    for steepness, risen in ((0.9, 0), (3.0, 64)):
        assert of_plane(stairs * steepness)[1].bit_count() == risen


@pytest.mark.parametrize(
    ("limit", "most", "reason"),
    [
        ("MAX_PIXELS", 100, "TOO_MANY_PIXELS"),
        ("MAX_BYTES", 100, "TOO_LARGE"),
        ("MAX_SCANS", 3, "TOO_MANY_SCANS"),
    ],
)
def test_limits_hold_before_pixels_are_decoded(monkeypatch, limit, most, reason):
    data = encoded(photo(64, 48), progressive=True)
    monkeypatch.setattr(imaging, limit, most)
    (failure,) = hash_images([data], FAST).failures.values()
    assert failure.reason == reason


def test_a_very_long_image_is_hashed_in_little_memory():
    for image in (Image.new("L", (200_000, 2)), Image.new("L", (3, 60_000), 200)):
        assert not hash_images([encoded(image, "PNG")], FAST).failures
    assert not hash_images([encoded(Image.new("L", (65_000, 33)))], FAST).failures
