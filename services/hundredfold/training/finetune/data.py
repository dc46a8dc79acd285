"""Images to learn from, decoded once: squares in a file that is mapped into memory."""

import os
from collections.abc import Callable, Iterator, Sequence
from concurrent.futures import ThreadPoolExecutor
from pathlib import Path

import numpy as np
import pyarrow as pa
from numpy.typing import NDArray

from hundredfold.chassis.backbones.decoding import decode_for_training
from hundredfold.chassis.backbones.preprocessing import MARGIN
from hundredfold.chassis.errors import ResourceExhausted, ServiceError, Unavailable
from hundredfold.chassis.imaging import ImageError
from hundredfold.chassis.sources import Sources
from hundredfold.chassis.storage import layout
from hundredfold.chassis.storage.collections import parts, read_images_part
from hundredfold.chassis.storage.manifest import Manifest
from hundredfold.chassis.storage.store import ArtifactStore

_CHUNK = 32
_WAITS, _GOOD, _BAD = 0, 1, 2


class Squares:
    """Squares of images, and which of them could be read. What is in the files stays for a next start.

    Args:
        folder: where the files are.
        name: of the files.
        count: how many images.
        pixels: a side of a crop; squares have MARGIN more.

    Raises:
        ResourceExhausted: NO_SPACE, there is no room for the files.
    """

    def __init__(self, folder: Path, name: str, count: int, pixels: int) -> None:
        side = pixels + MARGIN
        self.pixels = pixels
        self._images = _mapped(folder / f"{name}.{count}x{side}.u8", (count, side, side, 3))
        self._states = _mapped(folder / f"{name}.{count}x{side}.states", (count,))

    @property
    def good(self) -> NDArray[np.int64]:
        """Ascending places of images that could be read."""
        return np.flatnonzero(self._states == _GOOD)

    def fill(
        self, uris: Sequence[str], sources: Sources, threads: int, tell: Callable[[int], None]
    ) -> None:
        """Read and decode what is not there yet; a bad image is left out.

        Args:
            uris: of the images.
            sources: reads them.
            threads: that read and decode.
            tell: told how many are done.

        Raises:
            Unavailable: not one of many neighbours can be reached, which is no fault of the images.
        """
        waiting = np.flatnonzero(self._states == _WAITS)
        chunks = [waiting[i : i + _CHUNK] for i in range(0, len(waiting), _CHUNK)]

        def fill_chunk(chunk: NDArray[np.int64]) -> int:
            images = sources.read_many([uris[place] for place in chunk])
            away = 0
            for place, image in zip(chunk, images, strict=True):
                away += isinstance(image, Unavailable)
                self._put(int(place), image)
            if away == len(chunk):
                raise Unavailable("the images can't be reached")
            return len(chunk)

        done = len(uris) - len(waiting)
        with ThreadPoolExecutor(threads, "decode") as pool:
            for count in pool.map(fill_chunk, chunks):
                done += count
                tell(done)

    def crops(self, places: NDArray[np.int64], dice: np.random.Generator) -> NDArray[np.uint8]:
        """A crop of each image anywhere in its square, every second one mirrored: uint8 [n, p, p, 3]."""
        corners = dice.integers(0, MARGIN + 1, (len(places), 2))
        mirrored = dice.random(len(places)) < 0.5
        crops = np.empty((len(places), self.pixels, self.pixels, 3), np.uint8)
        for i, (place, (y, x)) in enumerate(zip(places, corners, strict=True)):
            crop = self._images[place, y : y + self.pixels, x : x + self.pixels]
            crops[i] = crop[:, ::-1] if mirrored[i] else crop
        return crops

    def centres(self, places: NDArray[np.int64]) -> NDArray[np.uint8]:
        """The middle of each square, which is what a backend sees of the image: uint8 [n, p, p, 3]."""
        middle = slice(MARGIN // 2, MARGIN // 2 + self.pixels)
        return np.ascontiguousarray(self._images[places, middle, middle])

    def _put(self, place: int, image: bytes | ServiceError) -> None:
        try:
            if isinstance(image, bytes):
                self._images[place] = decode_for_training(image, self.pixels)
                self._states[place] = _GOOD
            else:
                self._states[place] = _WAITS if isinstance(image, Unavailable) else _BAD
        except ImageError:
            self._states[place] = _BAD


def _mapped(path: Path, shape: tuple[int, ...]) -> "np.memmap[tuple[int, ...], np.dtype[np.uint8]]":
    size = int(np.prod(shape))
    try:
        with path.open("r+b" if path.exists() else "w+b") as file:
            if size:
                os.posix_fallocate(file.fileno(), 0, size)
    except OSError as error:
        raise ResourceExhausted(
            f"no room for {size >> 20} MiB of images beside the store: {error.strerror}",
            reason="NO_SPACE",
        ) from error
    return np.memmap(path, np.uint8, "r+", shape=shape)


def uris_of(store: ArtifactStore, collection: str, rows: NDArray[np.int64]) -> dict[int, str]:
    """Where those of the rows are whose image can be read, by row."""
    found: dict[int, str] = {}
    for table in _images(store, collection, rows, ["row", "uri", "status"]):
        columns = (table[name].to_pylist() for name in ("row", "uri", "status"))
        found |= {row: uri for row, uri, status in zip(*columns, strict=True) if status == "ok"}
    return found


def short_side(store: ArtifactStore, collection: str, rows: NDArray[np.int64]) -> float:
    """The median of the shorter sides, in pixels, of the images of some rows, at least one."""
    sides = [
        np.minimum(table["width"].to_numpy(), table["height"].to_numpy())
        for table in _images(store, collection, rows, ["width", "height"])
    ]
    return float(np.median(np.concatenate(sides)))


def _images(
    store: ArtifactStore, collection: str, rows: NDArray[np.int64], columns: list[str]
) -> Iterator[pa.Table]:
    """Columns of some rows, part by part."""
    for info in parts(store, collection):
        first = info.part * layout.PART_ROWS
        wanted = rows[(rows >= first) & (rows < first + info.rows)]
        if len(wanted):
            yield read_images_part(store, collection, info.part, columns).take(wanted - first)


def rows_at_random(
    store: ArtifactStore,
    collection: str,
    space: str,
    *,
    most: int,
    seed: int,
    fit: Callable[[NDArray[np.int64]], NDArray[np.bool_]],
) -> NDArray[np.int64]:
    """A random sample of the rows with a vector in a space, one part in memory at a time.

    Args:
        store: the artifact store.
        collection: whose.
        space: `name@version`.
        most: at most this many.
        seed: of the sample.
        fit: which of rows [n] may be drawn, bool [n].

    Returns:
        int64 [n], in random order.
    """
    folder = layout.vectors(collection, space)
    manifest = Manifest.load(store, folder)
    rows, keys = np.empty(0, np.int64), np.empty(0)
    for part in layout.part_numbers(manifest.entries, layout.vectors_rows):
        more = manifest.read_array(store, layout.vectors_rows(part)).astype(np.int64, copy=False)
        more = more[fit(more)]
        rows = np.concatenate([rows, more])
        keys = np.concatenate([keys, np.random.default_rng([seed, part]).random(len(more))])
        kept = np.argsort(keys, kind="stable")[:most]
        rows, keys = rows[kept], keys[kept]
    return rows
