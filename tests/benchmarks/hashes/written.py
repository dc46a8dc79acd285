"""Collections of made-up hashes, as catalog and hashing would have left them."""

import io

import numpy as np
import pyarrow as pa
import pyarrow.parquet as pq
from numpy.typing import NDArray

from hundredfold.chassis.storage import layout
from hundredfold.chassis.storage.manifest import Manifest
from hundredfold.chassis.storage.store import ArtifactStore
from hundredfold.hashing.domain.filling import PartHashes
from hundredfold.hashing.store import HashFolder

ALGORITHMS = ("phash-exact-1", "dhash-exact-1")

Hashes = NDArray[np.uint64]


def copied(n: int) -> NDArray[np.int64]:
    """Of which row each of n rows has the hashes, int64 [n]: every tenth is a copy of another one."""
    return np.where(np.arange(n) % 10 == 9, np.arange(n) // 2, np.arange(n))


def made_up(n: int, rng: np.random.Generator) -> tuple[Hashes, Hashes]:
    """pHash and dHash of n images, see `copied`."""
    phash, dhash = (rng.integers(0, 2**64, n, dtype=np.uint64)[copied(n)] for _ in range(2))
    return phash, dhash | np.uint64(0xF)  # no plain image


def write_hashed(store: ArtifactStore, name: str, phash: Hashes, dhash: Hashes) -> None:
    """Write a collection of images with these hashes."""
    store.write_json(layout.collection_record(name), {"collection": name})
    manifest = Manifest.load(store, layout.images(name))
    folders = [HashFolder(store, name, algorithm) for algorithm in ALGORITHMS]
    for begin in range(0, len(phash), layout.PART_ROWS):
        part, end = layout.part_of(begin), min(begin + layout.PART_ROWS, len(phash))
        _write_images(store, manifest, part, end - begin)
        for folder, each in zip(folders, (phash, dhash), strict=True):
            folder.write(part, PartHashes(each[begin:end], np.empty(0, np.int64)))
    manifest.save()


def _write_images(store: ArtifactStore, manifest: Manifest, part: int, rows: int) -> None:
    columns = {
        "sha256": pa.nulls(rows, pa.binary()),
        "width": pa.array(np.full(rows, 640, np.int32)),
        "height": pa.array(np.full(rows, 480, np.int32)),
        "status": pa.array(np.full(rows, "ok")),
    }
    out = io.BytesIO()
    pq.write_table(pa.table(columns), out, write_page_checksum=True)
    name = layout.images_part(part)
    artifact = store.write_bytes(f"{manifest.folder}/{name}", out.getvalue())
    manifest.add(name, artifact, rows=rows, ok=rows)
