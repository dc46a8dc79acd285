"""Whatever the bytes: a defined picture, or an ImageError with a reason. The corpus is generated."""

import io
import resource
import struct
import threading
import zlib
from collections.abc import Callable
from typing import Any

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from PIL import Image

from hundredfold.chassis import imaging
from hundredfold.chassis.imaging import FORMATS, ImageError, open_image, upright_rgb

# pytest's "warnings are errors" stands before the filters of the module; it alone would turn a
# warning of Pillow about odd EXIF into a failure.
pytestmark = pytest.mark.filterwarnings("ignore::UserWarning:PIL")

RED, WHITE = (255, 0, 0), (255, 255, 255)


def encoded(image: Image.Image, format_: str, **options: Any) -> bytes:
    out = io.BytesIO()
    image.save(out, format_, **options)
    return out.getvalue()


def scene(mode: str = "RGB", size: tuple[int, int] = (64, 48)) -> Image.Image:
    """Its left half is red, its right half a gradient."""
    width, height = size
    pixels = np.zeros((height, width, 3), np.uint8)
    pixels[:, : width // 2] = RED
    pixels[:, width // 2 :] = np.linspace(0, 255, height, dtype=np.uint8)[:, None, None]
    return Image.fromarray(pixels).convert(mode)


def reason(data: bytes, act: Callable[[bytes], object] = upright_rgb) -> str:
    with pytest.raises(ImageError) as caught:
        act(data)
    return caught.value.reason


def outcome(data: bytes, min_side: int | None = None) -> int | str:
    """Bytes of the decoded image, or the reason of its ImageError; all else is raised."""
    try:
        return len(upright_rgb(data, min_side=min_side).tobytes())
    except ImageError as error:
        return error.reason


def chunk(kind: bytes, body: bytes) -> bytes:
    return struct.pack(">I", len(body)) + kind + body + struct.pack(">I", zlib.crc32(kind + body))


def png(width: int, height: int, body: bytes, *before: bytes) -> bytes:
    header = chunk(b"IHDR", struct.pack(">IIBBBBB", width, height, 8, 0, 0, 0, 0))
    return b"".join(
        [b"\x89PNG\r\n\x1a\n", header, *before, chunk(b"IDAT", body), chunk(b"IEND", b"")]
    )


# --- what is an image ---------------------------------------------------------------------------


@pytest.mark.parametrize("format_", FORMATS)
def test_each_format_decodes_to_rgb(format_: str) -> None:
    data = encoded(scene(), format_)
    assert open_image(data).format == format_
    image = upright_rgb(data)
    assert (image.mode, image.size) == ("RGB", (64, 48))
    np.testing.assert_allclose(np.asarray(image)[20, 5], RED, atol=8)


@pytest.mark.parametrize("format_", ["PPM", "TGA", "ICO", "EPS", "PCX", "JPEG2000", "ICNS", "DDS"])
def test_other_formats_are_unknown(format_: str) -> None:
    assert reason(encoded(scene(size=(32, 32)), format_), open_image) == "UNKNOWN_FORMAT"


@pytest.mark.parametrize(
    "data",
    [
        b"<svg xmlns='http://www.w3.org/2000/svg'><script>alert(1)</script></svg>",
        b"<!doctype html><img src=x onerror=alert(1)>",
        b"%PDF-1.7",
        b"\0" * 5_000,
        b"x",
        b"\xff\xd8\xff",
    ],
)
def test_what_is_no_image_is_unknown(data: bytes) -> None:
    assert reason(data, open_image) == "UNKNOWN_FORMAT"


def test_no_bytes_are_empty() -> None:
    assert reason(b"", open_image) == "EMPTY"


def test_too_many_bytes_are_not_looked_at() -> None:
    assert reason(encoded(scene(), "PNG") + bytes(imaging.MAX_BYTES), open_image) == "TOO_LARGE"


# --- bombs --------------------------------------------------------------------------------------


@pytest.mark.parametrize("side", [7_072, 12_000, 20_000, 65_535, 2**31 - 1])
def test_a_bomb_is_refused_by_its_header(side: int) -> None:
    row = bytes(min(side, 20_000) + 1)
    squeeze = zlib.compressobj()
    body = b"".join(squeeze.compress(row) for _ in range(min(side, 500))) + squeeze.flush()
    before = resource.getrusage(resource.RUSAGE_SELF).ru_maxrss
    assert reason(png(side, side, body)) == "TOO_MANY_PIXELS"
    assert resource.getrusage(resource.RUSAGE_SELF).ru_maxrss - before < 50_000  # KiB


def test_the_largest_allowed_image_is_opened() -> None:
    assert open_image(png(7_071, 7_071, b"")).size == (7_071, 7_071)


@pytest.mark.parametrize("format_", ["GIF", "BMP", "TIFF", "WEBP", "JPEG"])
def test_a_header_that_claims_too_many_pixels_is_refused(format_: str) -> None:
    claims = {
        "GIF": (6, struct.pack("<HH", 60_000, 60_000)),
        "BMP": (18, struct.pack("<ii", 60_000, 60_000)),
    }
    if format_ not in claims:
        # These are made large for real, of one colour.
        size = (16_000, 4_000) if format_ == "WEBP" else (8_000, 7_000)
        options = {"WEBP": {"method": 0}, "TIFF": {"compression": "tiff_lzw"}}.get(format_, {})
        assert reason(encoded(Image.new("L", size), format_, **options)) == "TOO_MANY_PIXELS"
        return
    place, claim = claims[format_]
    data = bytearray(encoded(scene("L"), format_))
    data[place : place + len(claim)] = claim
    assert reason(bytes(data)) == "TOO_MANY_PIXELS"


def with_scans(data: bytes, scans: int) -> bytes:
    """A JPEG with copies of its last scan behind it, which a decoder goes through one by one."""
    last = data.rindex(b"\xff\xda")
    return data[:-2] + data[last : last + 20] * scans + data[-2:]


def test_a_progressive_jpeg_of_very_many_scans_is_refused() -> None:
    data = encoded(scene(), "JPEG", progressive=True)
    assert reason(with_scans(data, imaging.MAX_SCANS), open_image) == "TOO_MANY_SCANS"
    open_image(with_scans(data, 8))


def test_scans_of_a_jpeg_that_ends_with_the_first_are_not_counted() -> None:
    imaging.check_scans(with_scans(encoded(scene(), "JPEG"), imaging.MAX_SCANS))
    imaging.check_scans(with_scans(encoded(scene("L"), "JPEG"), imaging.MAX_SCANS))


@pytest.mark.parametrize("cut", [2, 3, 20, 21, 200])
def test_scans_of_a_broken_jpeg_are_counted(cut: int) -> None:
    data = encoded(scene(), "JPEG")[:cut] + b"\xff\xda" * (imaging.MAX_SCANS + 1)
    assert reason(data, imaging.check_scans) == "TOO_MANY_SCANS"


@pytest.mark.parametrize("kind", [b"zTXt", b"iCCP", b"iTXt"])
def test_a_compressed_chunk_does_not_fill_the_memory(kind: bytes) -> None:
    squeeze, million = zlib.compressobj(), bytes(1_000_000)
    bomb = b"".join(squeeze.compress(million) for _ in range(200)) + squeeze.flush()
    head = b"k\0\1\0\0\0" if kind == b"iTXt" else b"k\0\0"
    before = resource.getrusage(resource.RUSAGE_SELF).ru_maxrss
    data = png(8, 8, zlib.compress(bytes(9 * 8)), chunk(kind, head + bomb))
    assert outcome(data) in (192, "DECODE_FAILED", "UNKNOWN_FORMAT")
    assert resource.getrusage(resource.RUSAGE_SELF).ru_maxrss - before < 50_000  # KiB


# --- damage -------------------------------------------------------------------------------------


@pytest.mark.parametrize("format_", FORMATS)
def test_a_truncated_image_is_told(format_: str) -> None:
    data = encoded(scene(size=(200, 150)), format_)
    for size in range(1, len(data) - 200, max(1, len(data) // 40)):
        assert reason(data[:size]) in ("DECODE_FAILED", "UNKNOWN_FORMAT")


@pytest.mark.parametrize("format_", FORMATS)
def test_flipped_bytes_are_an_image_or_an_error(format_: str) -> None:
    data = encoded(scene(), format_)

    @settings(max_examples=150, database=None)
    @given(st.lists(st.tuples(st.integers(0, len(data) - 1), st.integers(0, 255)), max_size=8))
    def check(changes: list[tuple[int, int]]) -> None:
        damaged = bytearray(data)
        for place, value in changes:
            damaged[place] = value
        for min_side in (None, 16):
            assert outcome(bytes(damaged), min_side)

    check()


@settings(max_examples=200)
@given(
    st.sampled_from([b"", b"\xff\xd8\xff\xe0", b"\x89PNG\r\n\x1a\n", b"GIF89a", b"RIFF....WEBP", b"BM", b"II*\0", b"MM\0*"]),
    st.binary(max_size=300),
)  # fmt: skip
def test_random_bytes_are_an_image_or_an_error(magic: bytes, tail: bytes) -> None:
    assert outcome(magic + tail)


# --- defined results ----------------------------------------------------------------------------


def transposed(orientation: int) -> Image.Image:
    """The scene as a camera held that way stores it."""
    inverse = {
        1: None,
        2: Image.Transpose.FLIP_LEFT_RIGHT,
        3: Image.Transpose.ROTATE_180,
        4: Image.Transpose.FLIP_TOP_BOTTOM,
        5: Image.Transpose.TRANSPOSE,
        6: Image.Transpose.ROTATE_90,
        7: Image.Transpose.TRANSVERSE,
        8: Image.Transpose.ROTATE_270,
    }[orientation]
    return scene() if inverse is None else scene().transpose(inverse)


@pytest.mark.parametrize("orientation", range(1, 9))
@pytest.mark.parametrize("format_", ["JPEG", "PNG", "WEBP", "TIFF"])
def test_the_orientation_is_applied(orientation: int, format_: str) -> None:
    exif = Image.Exif()
    exif[0x0112] = orientation
    options = {"quality": 95, "subsampling": 0} if format_ == "JPEG" else {}
    options |= {"lossless": True} if format_ == "WEBP" else {}
    data = encoded(transposed(orientation), format_, exif=exif, **options)
    image = upright_rgb(data)
    assert image.size == (64, 48)
    difference = np.abs(np.asarray(image, int) - np.asarray(scene(), int))
    assert difference.mean() < 3


@pytest.mark.parametrize("orientation", [0, 9, 65_535])
def test_an_orientation_that_there_is_not_counts_as_upright(orientation: int) -> None:
    exif = Image.Exif()
    exif[0x0112] = orientation
    assert upright_rgb(encoded(scene(), "JPEG", exif=exif)).size == (64, 48)


def test_broken_exif_does_not_cost_the_image() -> None:
    for junk in (b"Exif\0\0", b"Exif\0\0II*\0\xff\xff\xff\xff", b"Exif\0\0MM\0*\0\0\0\x08\xff\xff"):
        assert upright_rgb(encoded(scene(), "JPEG", exif=junk)).size == (64, 48)


@pytest.mark.parametrize("mode", ["RGBA", "LA", "PA"])
def test_transparency_is_laid_on_white(mode: str) -> None:
    image = Image.new("RGBA", (8, 8), (255, 0, 0, 255))
    image.paste((0, 0, 255, 0), (0, 0, 4, 8))
    if mode == "LA":
        image = image.convert("LA")
    format_ = "TIFF" if mode == "PA" else "PNG"
    if mode == "PA":
        image = image.convert("PA")
    pixels = np.asarray(upright_rgb(encoded(image, format_)))
    assert tuple(pixels[4, 1]) == WHITE
    assert tuple(pixels[4, 6]) != WHITE


def test_half_transparent_is_half_white() -> None:
    data = encoded(Image.new("RGBA", (4, 4), (255, 0, 0, 128)), "PNG")
    np.testing.assert_allclose(np.asarray(upright_rgb(data))[0, 0], (255, 127, 127), atol=1)


@pytest.mark.parametrize("transparency", [0, bytes([0, 255])])
def test_a_palette_with_transparency_is_laid_on_white(transparency: int | bytes) -> None:
    image = Image.new("P", (4, 1))
    image.putpalette([0, 255, 0, 255, 0, 0])
    image.putdata([0, 0, 1, 1])
    pixels = np.asarray(upright_rgb(encoded(image, "PNG", transparency=transparency)))
    assert [tuple(pixel) for pixel in pixels[0]] == [WHITE, WHITE, RED, RED]


def test_a_transparent_colour_is_laid_on_white() -> None:
    image = Image.new("RGB", (4, 1), (1, 2, 3))
    image.putpixel((0, 0), RED)
    pixels = np.asarray(upright_rgb(encoded(image, "PNG", transparency=(1, 2, 3))))
    assert [tuple(pixel) for pixel in pixels[0]] == [RED, WHITE, WHITE, WHITE]


@pytest.mark.parametrize("format_", ["PNG", "TIFF"])
def test_of_16_bits_the_high_byte_is_kept(format_: str) -> None:
    values = np.array([[0, 255, 256, 32_768, 65_535]], np.uint16)
    pixels = np.asarray(upright_rgb(encoded(Image.fromarray(values), format_)))
    assert pixels[0, :, 0].tolist() == [0, 0, 1, 128, 255]
    assert (pixels[..., 0] == pixels[..., 2]).all()


def test_16_bits_big_endian_are_the_same() -> None:
    values = np.array([[0, 256, 65_535]], ">u2")
    image = Image.frombytes("I;16B", (3, 1), values.tobytes())
    assert np.asarray(upright_rgb(encoded(image, "TIFF")))[0, :, 0].tolist() == [0, 1, 255]


def test_32_bits_are_taken_as_16_and_cut_off() -> None:
    values = np.array([[-5, 0, 32_768, 65_535, 2**31 - 1]], np.int32)
    pixels = np.asarray(upright_rgb(encoded(Image.fromarray(values), "TIFF")))
    assert pixels[0, :, 0].tolist() == [0, 0, 128, 255, 255]


@pytest.mark.parametrize(
    ("values", "expected"),
    [
        ([0.0, 0.5, 1.0], [0, 127, 255]),
        ([-10.0, 0.0, 10.0], [0, 127, 255]),
        ([7.0, 7.0, 7.0], [0, 0, 0]),
        ([float("nan"), 0.0, 1.0], [0, 0, 255]),
        ([float("inf"), 0.0, 1.0], [0, 0, 255]),
        ([-3e38, 0.0, 3e38], [0, 127, 255]),
    ],
)
def test_float_grey_is_stretched(values: list[float], expected: list[int]) -> None:
    image = Image.fromarray(np.array([values], np.float32))
    assert np.asarray(upright_rgb(encoded(image, "TIFF")))[0, :, 0].tolist() == expected


@pytest.mark.parametrize("format_", ["JPEG", "TIFF"])
def test_cmyk_is_converted(format_: str) -> None:
    data = encoded(scene("CMYK"), format_)
    assert open_image(data).mode == "CMYK"
    np.testing.assert_allclose(np.asarray(upright_rgb(data))[20, 5], RED, atol=8)


@pytest.mark.parametrize("mode", ["1", "L", "P"])
def test_grey_and_palette_look_as_they_are(mode: str) -> None:
    image = scene(mode)
    expected = np.asarray(image.convert("RGB"))
    np.testing.assert_array_equal(np.asarray(upright_rgb(encoded(image, "PNG"))), expected)


@pytest.mark.parametrize("format_", ["GIF", "WEBP", "PNG", "TIFF"])
def test_of_several_frames_the_first_is_taken(format_: str) -> None:
    frames = [Image.new("RGB", (8, 8), colour) for colour in ("red", "lime", "blue")]
    options = {"lossless": True} if format_ == "WEBP" else {}
    data = encoded(frames[0], format_, save_all=True, append_images=frames[1:], **options)
    assert tuple(np.asarray(upright_rgb(data))[4, 4]) == RED


def test_a_jpeg_with_more_pictures_behind_is_a_jpeg() -> None:
    data = encoded(scene(), "MPO", save_all=True, append_images=[scene("L").convert("RGB")])
    assert open_image(data).format == "JPEG"
    assert upright_rgb(data, min_side=16).mode == "RGB"


def test_lab_is_converted() -> None:
    data = encoded(Image.new("LAB", (4, 4), (255, 128, 128)), "TIFF")
    np.testing.assert_allclose(np.asarray(upright_rgb(data))[0, 0], WHITE, atol=4)


# --- speed and threads --------------------------------------------------------------------------


@pytest.mark.parametrize("mode", ["RGB", "L", "CMYK"])
@pytest.mark.parametrize(
    ("min_side", "size"), [(100, (200, 150)), (75, (100, 75)), (4_000, (800, 600))]
)
def test_a_jpeg_may_be_decoded_smaller_but_not_below(
    mode: str, min_side: int, size: tuple[int, int]
) -> None:
    data = encoded(scene(mode, (800, 600)), "JPEG")
    image = upright_rgb(data, min_side=min_side)
    assert image.size == size
    np.testing.assert_allclose(
        np.asarray(image)[20, 20], np.asarray(scene(mode).convert("RGB"))[20, 5], atol=8
    )


def test_only_a_jpeg_is_made_smaller() -> None:
    assert upright_rgb(encoded(scene(), "PNG"), min_side=8).size == (64, 48)


def test_threads_do_not_disturb_one_another() -> None:
    corpus = [encoded(scene(), format_) for format_ in FORMATS] + [
        b"junk",
        png(12_000, 12_000, b""),
    ]
    expected = [outcome(data) for data in corpus]
    wrong: list[object] = []

    def work() -> None:
        for _ in range(20):
            wrong.extend(o for o, e in zip(map(outcome, corpus), expected, strict=True) if o != e)

    threads = [threading.Thread(target=work) for _ in range(4)]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join()
    assert wrong == []
