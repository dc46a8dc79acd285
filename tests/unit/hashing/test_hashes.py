"""The exact hashes equal those of imagehash, bit for bit."""

import io
import warnings

import imagehash
import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from PIL import Image

from hundredfold.chassis.imaging import ImageError
from hundredfold.hashing.domain.algorithms import (
    ALGORITHMS,
    DEFAULT,
    hash_images,
)

SIZES = ((288, 383), (640, 480), (32, 32), (9, 8), (1, 1), (3, 200), (65, 64))


def pixels(width, height, seed=0, channels=3):
    """Smooth noise as of a photograph, uint8 [height, width, channels]."""
    rng = np.random.default_rng(seed)
    noise = rng.integers(0, 256, (7, 6, channels), dtype=np.uint8)
    planes = [
        Image.fromarray(noise[:, :, i]).resize((width, height), Image.Resampling.BICUBIC)
        for i in range(channels)
    ]
    return np.stack([np.asarray(plane) for plane in planes], axis=2)


def photo(width=288, height=383, seed=0):
    return Image.fromarray(pixels(width, height, seed))


def encoded(image, kind="PNG", **options):
    out = io.BytesIO()
    image.save(out, kind, **options)
    return out.getvalue()


def by_imagehash(data):
    """pHash and dHash of the pixels as stored, as 64-bit numbers."""
    image = Image.open(io.BytesIO(data))
    with warnings.catch_warnings():
        warnings.simplefilter("ignore", UserWarning)  # a palette with transparency
        return [int(str(h(image)), 16) for h in (imagehash.phash, imagehash.dhash)]


def exact(*images):
    hashed = hash_images(images, DEFAULT)
    assert not hashed.failures
    return [[int(hashed.hashes[name][i]) for name in DEFAULT] for i in range(len(images))]


def rotated(orientation, kind="JPEG"):
    exif = Image.Exif()
    exif[0x0112] = orientation
    return encoded(photo(seed=orientation), kind, exif=exif)


def transparent_palette():
    image = photo().convert("P", palette=Image.Palette.ADAPTIVE, colors=64)
    return encoded(image, transparency=bytes(range(64)))


SPECIAL = {
    "progressive": encoded(photo(), "JPEG", progressive=True, quality=60),
    "not subsampled": encoded(photo(), "JPEG", subsampling=0, quality=97),
    "grey jpeg": encoded(photo().convert("L"), "JPEG"),
    "cmyk jpeg": encoded(photo().convert("CMYK"), "JPEG"),
    "alpha": encoded(Image.fromarray(pixels(50, 40, 1, 4))),
    "transparent colour": encoded(photo(), transparency=(1, 2, 3)),
    "grey and alpha": encoded(photo().convert("LA")),
    "palette": encoded(photo().convert("P")),
    "palette with alpha": transparent_palette(),
    "palette with a transparent colour": encoded(photo().convert("P"), transparency=3),
    "black and white": encoded(photo().convert("1")),
    "16 bits": encoded(Image.fromarray(pixels(60, 50)[:, :, 0].astype(np.uint16) * 257)),
    "float": encoded(photo().convert("F"), "TIFF"),
    "gif": encoded(photo(), "GIF"),
    "two frames": encoded(photo(), "GIF", save_all=True, append_images=[photo(seed=9)]),
    "webp": encoded(photo(), "WEBP"),
    "bmp": encoded(photo(), "BMP"),
    "tiff": encoded(photo(), "TIFF"),
    "black": encoded(Image.new("RGB", (40, 30))),
    "white": encoded(Image.new("RGB", (40, 30), "white"), "JPEG"),
    "one grey": encoded(Image.new("L", (64, 64), 77)),
    "stripes": encoded(Image.fromarray(np.tile(np.uint8([0, 255]), (64, 32)))),
}


@pytest.mark.parametrize("size", SIZES, ids=str)
@pytest.mark.parametrize("kind", ["JPEG", "PNG"])
def test_exact_hashes_equal_imagehash(size, kind):
    images = [encoded(photo(*size, seed=seed), kind) for seed in range(8)]
    assert exact(*images) == [by_imagehash(data) for data in images]


@pytest.mark.parametrize("name", SPECIAL)
def test_exact_hashes_of_special_images_equal_imagehash(name):
    assert exact(SPECIAL[name]) == [by_imagehash(SPECIAL[name])]


def test_flat_images_among_others_equal_imagehash():
    # Their frequencies are all 0 but one: any other way to compute them rounds differently.
    images = list(SPECIAL.values())
    assert exact(*images) == [by_imagehash(data) for data in images]


@pytest.mark.parametrize("orientation", range(1, 9))
def test_exif_orientation_is_not_applied(orientation):
    data = rotated(orientation)
    assert exact(data) == [by_imagehash(data)]
    assert exact(data) == exact(encoded(Image.open(io.BytesIO(data))))


@given(st.integers(1, 70), st.integers(1, 70), st.integers(0, 2**32 - 1), st.sampled_from([1, 40]))
@settings(max_examples=50)
def test_exact_hashes_of_noise_equal_imagehash(width, height, seed, levels):
    rng = np.random.default_rng(seed)
    data = encoded(Image.fromarray(rng.integers(0, levels + 1, (height, width), dtype=np.uint8)))
    assert exact(data) == [by_imagehash(data)]


@pytest.mark.parametrize("algorithm", ALGORITHMS)
def test_a_bad_image_fails_alone(algorithm):
    good = encoded(photo(), "JPEG")
    away = ImageError("NOT_FOUND", "gone")
    hashed = hash_images([good, good[:2000], b"no image", b"", away, good], [algorithm])
    reasons = {place: failure.reason for place, failure in hashed.failures.items()}
    assert reasons == {1: "DECODE_FAILED", 2: "UNKNOWN_FORMAT", 3: "EMPTY", 4: "NOT_FOUND"}
    hashes = hashed.hashes[algorithm].tolist()
    assert hashes[1:5] == [0] * 4
    assert hashes[0] == hashes[5] != 0


@pytest.mark.parametrize("algorithm", ALGORITHMS)
def test_no_images_have_no_hashes(algorithm):
    assert hash_images([], [algorithm]).hashes[algorithm].tolist() == []


@given(st.data())
@settings(max_examples=100)
def test_damaged_files_have_hashes_or_fail_but_never_raise(data):
    good = bytearray(SPECIAL[data.draw(st.sampled_from(["progressive", "palette", "gif", "webp"]))])
    for _ in range(data.draw(st.integers(1, 8))):
        good[data.draw(st.integers(0, len(good) - 1))] = data.draw(st.integers(0, 255))
    hash_images([bytes(good)], tuple(ALGORITHMS))
