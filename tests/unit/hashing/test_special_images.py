"""What each way to hash makes of images that are not plain RGB: the same picture, the same hashes.

Exact hashes equal those of imagehash whatever that makes of them (see test_hashes); what is tested of
them here is how far that takes them from the plain picture.
"""

import io

import numpy as np
import pytest
from PIL import Image

from hundredfold.chassis import imaging
from hundredfold.hashing.domain.algorithms import (
    DHASH_EXACT,
    DHASH_FAST,
    DHASH_THUMB,
    PHASH_EXACT,
    PHASH_FAST,
    PHASH_THUMB,
    hash_images,
)

WAYS = {
    "exact": (PHASH_EXACT, DHASH_EXACT),
    "fast": (PHASH_FAST, DHASH_FAST),
    "thumb": (PHASH_THUMB, DHASH_THUMB),
}
RADIUS = 2


def photo(seed=3, size=(300, 200)):
    noise = np.random.default_rng(seed).integers(0, 256, (6, 9, 3), dtype=np.uint8)
    return Image.fromarray(noise).resize(size, Image.Resampling.BICUBIC)


def encoded(image, kind="PNG", **options):
    out = io.BytesIO()
    image.save(out, kind, **options)
    return out.getvalue()


def grey():
    return np.asarray(photo().convert("L"))


def with_alpha(level):
    image = photo().convert("RGBA")
    image.putalpha(level)
    return image


def animated(kind):
    frames = [photo(seed) for seed in (4, 5)]
    return encoded(photo(), kind, save_all=True, append_images=frames, lossless=True)


def many_pages():
    return encoded(photo(), "TIFF", save_all=True, append_images=[photo(4)])


def oriented(orientation):
    """Stored turned, so that it is upright once the orientation is applied."""
    exif = Image.Exif()
    exif[0x0112] = orientation
    back = {
        3: Image.Transpose.ROTATE_180,
        6: Image.Transpose.ROTATE_90,
        8: Image.Transpose.ROTATE_270,
    }
    return encoded(photo().transpose(back[orientation]), "JPEG", quality=95, exif=exif)


SAME = {
    "progressive": encoded(photo(), "JPEG", progressive=True, quality=90),
    "not subsampled": encoded(photo(), "JPEG", subsampling=0, quality=90),
    "huffman tables of its own": encoded(photo(), "JPEG", optimize=True, quality=90),
    "cmyk jpeg": encoded(photo().convert("CMYK"), "JPEG", quality=90),
    "cmyk tiff": encoded(photo().convert("CMYK"), "TIFF"),
    "grey jpeg": encoded(photo().convert("L"), "JPEG", quality=90),
    "grey": encoded(photo().convert("L")),
    "opaque alpha": encoded(with_alpha(255)),
    "animated webp": animated("WEBP"),
    "pages": many_pages(),
    "bmp": encoded(photo(), "BMP"),
}
PALETTES = {
    "palette": encoded(photo().quantize(256)),
    "few colours": encoded(photo().quantize(16)),
    "gif": encoded(photo(), "GIF"),
    "animated gif": animated("GIF"),
}
SIXTEEN_BITS = {
    "16-bit png": encoded(Image.fromarray(grey().astype(np.uint16) * 257)),
    "16-bit tiff": encoded(Image.fromarray(grey().astype(np.uint16) * 257), "TIFF"),
    "32-bit tiff": encoded(Image.fromarray(grey().astype(np.int32) * 257), "TIFF"),
}


def apart(data, names, plain=None):
    """The larger of the two distances to the plain picture, in bits."""
    hashed = hash_images([plain or encoded(photo()), data], names)
    assert not hashed.failures
    return max(int(np.bitwise_count(h[0] ^ h[1])) for h in hashed.hashes.values())


@pytest.mark.parametrize("names", WAYS.values(), ids=WAYS)
@pytest.mark.parametrize("name", SAME)
def test_the_same_picture_in_another_form_is_a_copy(name, names):
    assert apart(SAME[name], names) <= RADIUS


@pytest.mark.parametrize("names", WAYS.values(), ids=WAYS)
@pytest.mark.parametrize("name", PALETTES)
def test_a_palette_is_the_colours_in_it(name, names):
    with Image.open(io.BytesIO(PALETTES[name])) as image:
        plain = encoded(image.convert("RGB"))
    assert apart(PALETTES[name], names, plain) <= RADIUS


@pytest.mark.parametrize("names", [WAYS["fast"], WAYS["thumb"]], ids=["fast", "thumb"])
@pytest.mark.parametrize("name", SIXTEEN_BITS)
def test_more_than_8_bits_are_a_copy_of_8(name, names):
    assert apart(SIXTEEN_BITS[name], names) <= RADIUS


def test_floats_are_a_copy_whatever_their_range():
    data = encoded(Image.fromarray(grey().astype(np.float32) / 255), "TIFF")
    assert apart(data, WAYS["fast"]) <= RADIUS
    assert apart(data, WAYS["thumb"]) <= RADIUS


def test_black_and_white_is_near():
    for names in WAYS.values():
        assert apart(encoded(photo().convert("1")), names) <= 6


@pytest.mark.parametrize("orientation", [3, 6, 8])
def test_an_orientation_is_applied_to_thumbnails_only(orientation):
    assert apart(oriented(orientation), WAYS["thumb"]) <= RADIUS
    assert apart(oriented(orientation), WAYS["exact"]) > 10
    assert apart(oriented(orientation), WAYS["fast"]) > 10


def test_alpha_lies_on_white_in_thumbnails_and_is_dropped_elsewhere():
    glass = encoded(with_alpha(0))
    white = encoded(Image.new("RGB", (300, 200), "white"))
    assert apart(glass, WAYS["thumb"], white) == 0
    assert apart(glass, WAYS["exact"]) == apart(glass, WAYS["fast"]) == 0


@pytest.mark.parametrize("names", WAYS.values(), ids=WAYS)
@pytest.mark.parametrize("kind", ["PNG", "JPEG", "GIF", "BMP", "WEBP", "TIFF"])
def test_tiny_images_have_hashes(kind, names):
    sizes = ((1, 1), (1, 7), (9, 1), (2, 2), (8, 8), (1, 400))
    assert not hash_images([encoded(photo(size=size), kind) for size in sizes], names).failures


@pytest.mark.parametrize("names", WAYS.values(), ids=WAYS)
def test_one_pixel_of_any_colour_is_without_detail(names):
    images = [encoded(Image.new("RGB", (1, 1), colour)) for colour in ("red", "white", "#123")]
    phash, dhash = (hash_images(images, names).hashes[name] for name in names)
    assert set(phash.tolist()) == {1 << 63}
    assert set(dhash.tolist()) == {0}


@pytest.mark.parametrize("names", WAYS.values(), ids=WAYS)
@pytest.mark.parametrize("kind", ["PNG", "JPEG"])
def test_a_huge_claim_is_refused(monkeypatch, kind, names):
    monkeypatch.setattr(imaging, "MAX_PIXELS", 59_999)
    (failure,) = hash_images([encoded(photo(), kind)], names).failures.values()
    assert failure.reason == "TOO_MANY_PIXELS"


@pytest.mark.parametrize("names", WAYS.values(), ids=WAYS)
def test_damage_fails_alone(names):
    good = encoded(photo(), "JPEG")
    hashed = hash_images([good, good[:3000], good[:20], b"\xff\xd8\xff", b"", good], names)
    assert {place: error.reason for place, error in hashed.failures.items()} == {
        1: "DECODE_FAILED",
        2: "UNKNOWN_FORMAT",
        3: "UNKNOWN_FORMAT",
        4: "EMPTY",
    }
    for hashes in hashed.hashes.values():
        assert hashes[1:5].tolist() == [0] * 4
        assert hashes[0] == hashes[5]
