"""Photographs of a folder as JPEGs of the sizes that hashing is measured with."""

import io
import random
from collections.abc import Callable, Iterator, Sequence
from pathlib import Path

from PIL import Image

from hundredfold.chassis.errors import InvalidArgument

QUALITY = 85
_TILES = 4
_SEED = 5


def found(folder: str, count: int) -> list[Path]:
    """At most so many JPEGs of a folder and those in it, drawn at random, always the same."""
    paths = sorted(Path(folder).rglob("*.jpg")) if folder else []
    if not paths:
        raise InvalidArgument("give --option folder=PHOTOGRAPHS, a folder with .jpg files")
    return random.Random(_SEED).sample(paths, min(count, len(paths)))  # noqa: S311  no secret


def encoded(image: Image.Image, *, progressive: bool = False) -> bytes:
    """As a JPEG."""
    out = io.BytesIO()
    image.save(out, "JPEG", quality=QUALITY, progressive=progressive)
    return out.getvalue()


def cases(paths: Sequence[Path]) -> Iterator[tuple[str, Callable[[], list[bytes]]]]:
    """The sizes by name, and what makes their images."""
    few = paths[: max(1, len(paths) // 4)]
    yield "as they are", lambda: [path.read_bytes() for path in paths]
    yield "500x375", lambda: [encoded(_resized(path, (500, 375))) for path in paths]
    yield (
        "500x375 progressive",
        lambda: [encoded(_resized(path, (500, 375)), progressive=True) for path in paths],
    )
    yield "1600x1200", lambda: [encoded(_resized(path, (1600, 1200))) for path in few]
    yield (
        "1600x1200 of 16 photographs",
        lambda: [encoded(_tiled(paths, begin, (1600, 1200))) for begin in range(len(few))],
    )


def _resized(path: Path, size: tuple[int, int]) -> Image.Image:
    with Image.open(path) as image:
        return image.convert("RGB").resize(size, Image.Resampling.LANCZOS)


def _tiled(paths: Sequence[Path], begin: int, size: tuple[int, int]) -> Image.Image:
    """Many at about the size they have: as much detail as a camera gives, which enlarging does not."""
    width, height = size[0] // _TILES, size[1] // _TILES
    whole = Image.new("RGB", size)
    for tile in range(_TILES * _TILES):
        some = _resized(paths[(begin * _TILES * _TILES + tile) % len(paths)], (width, height))
        whole.paste(some, (tile % _TILES * width, tile // _TILES * height))
    return whole
