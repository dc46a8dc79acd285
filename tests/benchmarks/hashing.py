"""Hashing at the limit of decoding: `hundredfold bench hashing --option folder=PHOTOGRAPHS`.

One thread over encoded images in memory, CPU and wall seconds, medians of rounds in which all contenders
take turns. The limit is libjpeg-turbo's scaled grey decode alone, with the shorter side that the fast
hashes ask for and, apart, with 64 pixels. Peers: imagehash as its users call it, and pdqhash where it is
installed.
"""

import importlib.util
import io
import tempfile
import time
from collections.abc import Callable, Iterator, Mapping, Sequence
from itertools import cycle, islice
from pathlib import Path
from typing import Any

import imagehash
import numpy as np
import simplejpeg
from PIL import Image

from hundredfold.catalog.domain.probe import probe
from hundredfold.chassis.thumbnails import thumbnail
from hundredfold.client.types import Algorithm
from hundredfold.hashing.domain.algorithms import (
    DEFAULT,
    DHASH_FAST,
    PHASH_FAST,
    digest,
    hash_images,
)
from hundredfold.hashing.domain.luma import SIDE
from tests.benchmarks.hashes.photographs import cases, found
from tests.benchmarks.hashes.rounds import Spent, rate, ratio, turns
from tests.benchmarks.hashes.serving import serving

LIMIT = f"scaled grey decode, {SIDE} px"
SMALLEST = "scaled grey decode, 32 px"
FAST_PAIR = (PHASH_FAST, DHASH_FAST)
FAST, IMAGEHASH = "fast phash", "imagehash.phash"

_BOTH = (Algorithm.PHASH_FAST, Algorithm.DHASH_FAST)
_THROUGH = 600
"""Images that go through the service in one turn, the same ones again and again."""

Contenders = Mapping[str, Callable[[], object]]


def measure(
    say: Callable[[str], None], *, folder: str = "", images: str = "160", rounds: str = "5"
) -> dict[str, Any]:
    """Measure each size; `images` of the folder are drawn, a quarter of them for the large sizes."""
    paths = found(folder, int(images))
    sizes = {}
    for name, made in cases(paths):
        begun = time.perf_counter()
        sizes[name] = _measured(made(), int(rounds))
        say(f"{name}: {sizes[name]['ratios']} ({time.perf_counter() - begun:.0f} s)")
    through, after = {}, {}
    for name, made in cases(paths):
        if name in ("500x375", "1600x1200"):
            data = made()
            through[name] = _through(data, int(rounds))
            say(f"through the service, {name}: {through[name]['ratios']}")
            after[name] = _after_ingest(data, int(rounds))
            say(f"after its ingest, {name}: {after[name]}")
    return {
        "least_side": SIDE,
        "rounds": int(rounds),
        "sizes": sizes,
        "service": through,
        "microseconds_of_a_collection": after,
    }


def _after_ingest(data: Sequence[bytes], rounds: int) -> dict[str, float]:
    """CPU microseconds an image: of the ingest's look at it, and of both hashes after that."""
    kept = [thumbnail(each) for each in data]
    spent = turns(
        {
            "ingest": lambda: [probe(each) for each in data],
            "exact hashes of the original": lambda: hash_images(_checked(data), DEFAULT),
            "fast hashes of the original": lambda: hash_images(_checked(data), FAST_PAIR),
            "hashes of the kept thumbnail": lambda: hash_images(kept, FAST_PAIR),
        },
        rounds,
    )
    return {
        name: round(1e6 / rate(each, len(data))["images_a_cpu_second"], 1)
        for name, each in spent.items()
    }


def _checked(data: Sequence[bytes]) -> Iterator[bytes]:
    """As a run reads originals: with the sha256 of each compared to that of its ingest."""
    for each in data:
        digest(each)
        yield each


def _through(data: Sequence[bytes], rounds: int) -> dict[str, Any]:
    """CPU seconds of client and service together, to those of the same work in one process."""
    with tempfile.TemporaryDirectory() as scratch:
        files = [Path(scratch) / f"{place}.jpg" for place in range(len(data))]
        for file, each in zip(files, data, strict=True):
            file.write_bytes(each)
        uris = list(islice(cycle(map(str, files)), _THROUGH))
        images = list(islice(cycle(data), _THROUGH))
        with serving(Path(scratch) / "store", Path(scratch)) as service:
            spent = turns(
                {
                    "library, bytes": lambda: hash_images(images, FAST_PAIR),
                    "service, bytes": lambda: list(service.client.hash_images(images, _BOTH)),
                    "library, files": lambda: _files_hashed(uris),
                    "service, references": lambda: list(service.client.hash_uris(uris, _BOTH)),
                },
                rounds,
                processor=service.processor,
            )
    return {
        "images": len(images),
        "speed": {name: rate(each, len(images)) for name, each in spent.items()},
        "ratios": {
            "bytes to the library": ratio(spent["service, bytes"], spent["library, bytes"]),
            "references to the library": ratio(
                spent["service, references"], spent["library, files"]
            ),
        },
    }


def _files_hashed(paths: Sequence[str]) -> object:
    return hash_images((Path(path).read_bytes() for path in paths), FAST_PAIR)


def _measured(data: Sequence[bytes], rounds: int) -> dict[str, Any]:
    spent = turns(_contenders(data), rounds)
    return {
        "images": len(data),
        "kilobytes_an_image": round(sum(map(len, data)) / len(data) / 1000, 1),
        "speed": {name: rate(each, len(data)) for name, each in spent.items()},
        "ratios": _ratios(spent),
    }


def _ratios(spent: Mapping[str, list[Spent]]) -> dict[str, float]:
    return {
        "fast phash to the decode alone": ratio(spent[FAST], spent[LIMIT]),
        "fast pair to the decode alone": ratio(spent["fast phash and dhash"], spent[LIMIT]),
        "fast phash to the decode alone at 32 px": ratio(spent[FAST], spent[SMALLEST]),
        "fast phash to imagehash.phash": ratio(spent[FAST], spent[IMAGEHASH]),
        "fast pair to imagehash, both": ratio(
            spent["fast phash and dhash"], spent["imagehash, both of one decode"]
        ),
        "exact pair to imagehash, both": ratio(
            spent["exact phash and dhash"], spent["imagehash, both of one decode"]
        ),
    }


def _contenders(data: Sequence[bytes]) -> Contenders:
    contenders: dict[str, Callable[[], object]] = {
        LIMIT: lambda: [_decoded(each, SIDE) for each in data],
        SMALLEST: lambda: [_decoded(each, 32) for each in data],
        FAST: lambda: hash_images(data, [PHASH_FAST]),
        "fast phash and dhash": lambda: hash_images(data, FAST_PAIR),
        "exact phash and dhash": lambda: hash_images(data, DEFAULT),
        IMAGEHASH: lambda: [imagehash.phash(_opened(each)) for each in data],
        "imagehash, both of one decode": lambda: [_both(_opened(each)) for each in data],
    }
    if importlib.util.find_spec("pdqhash"):
        pdqhash = importlib.import_module("pdqhash")
        contenders["pdqhash"] = lambda: [
            pdqhash.compute(np.asarray(_opened(each).convert("RGB"))) for each in data
        ]
    return contenders


def _decoded(data: bytes, side: int) -> object:
    return simplejpeg.decode_jpeg(
        data,
        colorspace="GRAY",
        fastdct=True,
        fastupsample=True,
        min_height=side,
        min_width=side,
        min_factor=1,
    )


def _opened(data: bytes) -> Image.Image:
    return Image.open(io.BytesIO(data))


def _both(image: Image.Image) -> object:
    return imagehash.phash(image), imagehash.dhash(image)
