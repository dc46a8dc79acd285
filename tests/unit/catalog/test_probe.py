import hashlib
import io
import random
import struct
import zlib
from collections.abc import Callable

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from PIL import Image

from hundredfold.catalog.domain.probe import Verdict, probe
from hundredfold.chassis import imaging
from hundredfold.chassis.thumbnails import shrunk


def picture(width: int = 300, height: int = 200, mode: str = "RGB") -> Image.Image:
    noise = random.Random(width * height).randbytes(64 * 64 * 3)  # noqa: S311 - only pixels
    return Image.frombytes("RGB", (64, 64), noise).resize((width, height)).convert(mode)


def encoded(image: Image.Image, kind: str = "JPEG", **options: object) -> bytes:
    out = io.BytesIO()
    image.save(out, kind, **options)
    return out.getvalue()


def thumbnail(verdict: Verdict) -> Image.Image:
    image = Image.open(io.BytesIO(verdict.thumbnail))
    assert image.format == "JPEG"
    return image


@pytest.mark.parametrize("kind", imaging.FORMATS)
def test_each_format_gets_a_verdict_and_a_thumbnail(kind: str) -> None:
    data = encoded(picture(600, 300), kind)
    verdict = probe(data)
    assert (verdict.status, verdict.error) == ("ok", "")
    assert (verdict.width, verdict.height, verdict.format) == (600, 300, kind)
    assert verdict.sha256 == hashlib.sha256(data).digest()
    assert thumbnail(verdict).size == (256, 128)


@pytest.mark.parametrize("size", [(1, 1), (20, 31), (256, 256), (3000, 2), (2, 3000), (1600, 1200)])
def test_a_thumbnail_keeps_the_shape_and_never_grows(size: tuple[int, int]) -> None:
    small = thumbnail(probe(encoded(picture(*size))))
    if max(size) <= 256:
        assert small.size == size
    else:
        assert max(small.size) == 256
        assert abs(small.width * size[1] - small.height * size[0]) <= max(size)


@pytest.mark.parametrize(("orientation", "turned"), [(1, False), (3, False), (6, True), (8, True)])
def test_width_and_height_are_those_of_the_upright_image(orientation: int, turned: bool) -> None:
    exif = Image.Exif()
    exif[0x0112] = orientation
    verdict = probe(encoded(picture(300, 200), exif=exif))
    expected = (200, 300) if turned else (300, 200)
    assert (verdict.width, verdict.height) == expected
    assert (thumbnail(verdict).width < thumbnail(verdict).height) == turned


@pytest.mark.parametrize("mode", ["L", "P", "1", "RGBA", "LA", "I;16"])
def test_every_mode_becomes_a_thumbnail_in_colour(mode: str) -> None:
    image = Image.new("I;16", (30, 20), 40_000) if mode == "I;16" else picture(30, 20, mode)
    assert thumbnail(probe(encoded(image, "PNG"))).mode == "RGB"


def png_of(width: int, height: int, rows: bytes) -> bytes:
    def chunk(name: bytes, data: bytes) -> bytes:
        body = name + data
        return struct.pack(">I", len(data)) + body + struct.pack(">I", zlib.crc32(body))

    head = struct.pack(">IIBBBBB", width, height, 8, 0, 0, 0, 0)
    return b"\x89PNG\r\n\x1a\n" + chunk(b"IHDR", head) + chunk(b"IDAT", rows) + chunk(b"IEND", b"")


def cut(kind: str, share: float) -> bytes:
    data = encoded(picture(), kind)
    return data[: int(len(data) * share)]


BROKEN: dict[str, tuple[Callable[[], bytes], str]] = {
    "empty": (lambda: b"", "EMPTY"),
    "half a JPEG": (lambda: cut("JPEG", 0.5), "DECODE_FAILED"),
    "a JPEG without its last bytes": (lambda: encoded(picture())[:-200], "DECODE_FAILED"),
    "half a PNG": (lambda: cut("PNG", 0.5), "DECODE_FAILED"),
    "half a GIF": (lambda: cut("GIF", 0.5), "DECODE_FAILED"),
    "half a WebP": (lambda: cut("WEBP", 0.5), "DECODE_FAILED"),
    "half a BMP": (lambda: cut("BMP", 0.5), "DECODE_FAILED"),
    "a page of HTML": (lambda: b"<html><script>alert(1)</script></html>", "UNKNOWN_FORMAT"),
    "a drawing": (lambda: b"<svg xmlns='http://www.w3.org/2000/svg'/>", "UNKNOWN_FORMAT"),
    "another kind of image": (lambda: encoded(picture(), "PPM"), "UNKNOWN_FORMAT"),
    "PostScript": (lambda: b"%!PS-Adobe-3.0 EPSF-3.0\n%%BoundingBox: 0 0 9 9\n", "UNKNOWN_FORMAT"),
    "the head of a JPEG": (lambda: b"\xff\xd8\xff\xe0", "DECODE_FAILED|UNKNOWN_FORMAT"),
    "144 million pixels": (lambda: png_of(12_000, 12_000, zlib.compress(bytes(1000))), "TOO_MANY_PIXELS"),
    "a head that lies": (lambda: png_of(65_535, 65_535, b""), "TOO_MANY_PIXELS"),
    "rows that do not inflate": (lambda: png_of(100, 100, b"nonsense"), "DECODE_FAILED"),
}  # fmt: skip


@pytest.mark.parametrize("name", BROKEN)
def test_a_broken_image_gets_a_reason(name: str) -> None:
    make, reasons = BROKEN[name]
    verdict = probe(make())
    assert verdict.status in reasons.split("|")
    assert verdict.error
    assert "\n" not in verdict.error
    assert verdict.thumbnail == b""
    assert verdict.sha256 == hashlib.sha256(make()).digest()


@given(st.sampled_from(imaging.FORMATS), st.integers(0, 2**32), st.integers(1, 30))
@settings(max_examples=150)
def test_whatever_the_bytes_there_is_a_verdict(kind: str, seed: int, flips: int) -> None:
    chance = random.Random(seed)  # noqa: S311 - only damage
    data = bytearray(encoded(picture(40, 30), kind))
    for _ in range(flips):
        data[chance.randrange(len(data))] = chance.randrange(256)
    verdict = probe(bytes(data[: chance.randrange(len(data)) or None]))
    assert (verdict.status == "ok") == bool(verdict.thumbnail)
    assert verdict.status.isupper() or verdict.status == "ok"


def test_a_large_jpeg_is_shrunk_to_the_side_asked_for() -> None:
    data = encoded(picture(2000, 1000))
    assert Image.open(io.BytesIO(shrunk(data, 500, (2000, 1000), 90))).size == (500, 250)
    assert Image.open(io.BytesIO(shrunk(data, 4000, (2000, 1000), 90))).size == (2000, 1000)


def test_an_image_encoded_anew_has_no_metadata() -> None:
    exif = Image.Exif()
    exif[0x010E] = "taken in the garden of Ann"
    data = encoded(picture(), exif=exif, comment=b"secret")
    again = shrunk(data, 256, (300, 200), 85)
    assert b"Ann" not in again
    assert b"secret" not in again
