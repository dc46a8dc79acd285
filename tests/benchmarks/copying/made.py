"""Photographs, and what ingest and hashing make of them and of their copies."""

import csv
import random
from collections.abc import Callable, Iterator, Mapping, Sequence
from concurrent.futures import ProcessPoolExecutor
from dataclasses import dataclass
from pathlib import Path

import numpy as np
from numpy.typing import NDArray
from PIL import Image

from hundredfold.catalog.domain.probe import probe
from hundredfold.hashing.domain.algorithms import DHASH_EXACT, PHASH_EXACT, digest, hash_images
from hundredfold.hashing.domain.verify.classes import Look
from hundredfold.hashing.domain.verify.planes import planes
from tests.benchmarks.copying.kinds import copy_of

ORIGINAL = "original"


@dataclass(frozen=True)
class Photographs:
    """Files, each with its class."""

    paths: list[Path]
    labels: list[str]

    def __len__(self) -> int:
        return len(self.paths)


def chosen(folder: Path, most: int) -> Photographs:
    """The photographs measured on: half from clothing, half from every other class of caltech101.

    The thresholds were chosen on the classes of caltech101 that are not taken here.
    """
    clothing = _listed(folder / "clothing")
    caltech = _listed(folder / "caltech101")
    later = set(sorted({label for _, label in caltech})[1::2])
    drawn = [
        *_drawn(clothing, most // 2),
        *_drawn([each for each in caltech if each[1] in later], most - most // 2),
    ]
    return Photographs([path for path, _ in drawn], [label for _, label in drawn])


def _listed(folder: Path) -> list[tuple[Path, str]]:
    with (folder / "labels.csv").open(newline="") as file:
        return [(folder / row["path"], row["label"]) for row in csv.DictReader(file)]


def _drawn(all_: list[tuple[Path, str]], most: int) -> list[tuple[Path, str]]:
    ordered = sorted(all_)
    return random.Random(5).sample(ordered, min(most, len(ordered)))  # noqa: S311  no secret


def looks(
    photographs: Photographs,
    kinds: Sequence[str],
    say: Callable[[str], None],
    *,
    processes: int,
    keep: Path | None,
    kept: int,
) -> Mapping[str, Look]:
    """What is known of the originals and of each kind of copy.

    Args:
        photographs: the originals.
        kinds: of copies.
        say: told how far it is.
        processes: how many work.
        keep: where the first `kept` photographs and their copies are written as files, for peers.
        kept: how many.
    """
    names = (ORIGINAL, *kinds)
    tasks = [
        (path, seed, names, keep if seed < kept else None)
        for seed, path in enumerate(photographs.paths)
    ]
    rows = []
    with ProcessPoolExecutor(processes) as pool:
        for row in pool.map(_made, tasks, chunksize=8):
            rows.append(row)
            if len(rows) % 250 == 0:
                say(f"copies of {len(rows)} of {len(tasks)} photographs are made and hashed")
    return {name: _look([row[place] for row in rows]) for place, name in enumerate(names)}


_Seen = tuple[NDArray[np.uint8], NDArray[np.uint8], bool, np.uint64, np.uint64, NDArray[np.uint64]]


def _made(task: tuple[Path, int, Sequence[str], Path | None]) -> list[_Seen]:
    path, seed, kinds, keep = task
    with Image.open(path) as opened:
        image = opened.convert("RGB")
    return [_seen(data) for data in _encoded(path, image, seed, kinds, keep)]


def _encoded(
    path: Path, image: Image.Image, seed: int, kinds: Sequence[str], keep: Path | None
) -> Iterator[bytes]:
    for kind in kinds:
        data = path.read_bytes() if kind == ORIGINAL else copy_of(image, kind, seed)
        if keep is not None:
            (keep / f"{seed:05d}.{kind}.jpg").write_bytes(data)
        yield data


def _seen(data: bytes) -> _Seen:
    """As a row of a collection is: a thumbnail by the catalog, hashes of the image itself."""
    luma, chroma, fine = planes(probe(data).thumbnail)
    hashes = hash_images([data], (PHASH_EXACT, DHASH_EXACT)).hashes
    return luma, chroma, fine, hashes[PHASH_EXACT][0], hashes[DHASH_EXACT][0], digest(data)


def _look(rows: list[_Seen]) -> Look:
    luma, chroma, fine, phash, dhash, sha256 = (np.array(each) for each in zip(*rows, strict=True))
    return Look(luma, chroma, np.ones(len(rows), np.bool_), fine, phash, dhash, sha256)
