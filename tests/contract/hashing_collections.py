"""Collections of images, as the catalog leaves them in the store as far as hashing reads them."""

import hashlib
import io
from dataclasses import dataclass, field
from pathlib import Path

import numpy as np
import pyarrow as pa
import pyarrow.parquet as pq
from PIL import Image

from hundredfold.chassis.storage import layout
from hundredfold.chassis.storage.manifest import Manifest
from hundredfold.chassis.thumbnails import thumbnail

BROKEN = "DECODE_FAILED"


@dataclass(frozen=True)
class Row:
    """An image row; of a broken one the digest is known, its size is not."""

    uri: str = "/nowhere"
    sha256: bytes | None = None
    width: int = 0
    height: int = 0
    status: str = BROKEN
    tags: list[str] = field(default_factory=list)
    size: int | None = None


def photo(seed, width=96, height=64):
    """Something with the smoothness of a photograph."""
    noise = np.random.default_rng(seed).integers(0, 256, (6, 8, 3), dtype=np.uint8)
    return Image.fromarray(noise).resize((width, height), Image.Resampling.BICUBIC)


def encoded(image, kind="PNG", **options):
    out = io.BytesIO()
    image.save(out, kind, **options)
    return out.getvalue()


def write_image(folder, name, data):
    """Write a file, and give its row."""
    (folder / name).write_bytes(data)
    width, height = Image.open(io.BytesIO(data)).size
    digest = hashlib.sha256(data).digest()
    return Row(str(folder / name), digest, width, height, "ok")


def put_collection(store, name, rows):
    """Write all rows; again with more rows = grown."""
    store.write_json(layout.collection_record(name), {"collection": name})
    manifest = Manifest.load(store, layout.images(name))
    for begin in range(0, len(rows), layout.PART_ROWS):
        some = rows[begin : begin + layout.PART_ROWS]
        put_part(store, manifest, layout.part_of(begin), some)
    manifest.save()


def put_part(store, manifest, part, rows):
    first = part * layout.PART_ROWS
    columns = {
        "row": pa.array(range(first, first + len(rows)), pa.int64()),
        "uri": pa.array([row.uri for row in rows], pa.string()),
        "sha256": pa.array([row.sha256 for row in rows], pa.binary()),
        "width": pa.array([row.width or None for row in rows], pa.int32()),
        "height": pa.array([row.height or None for row in rows], pa.int32()),
        "status": [row.status for row in rows],
        "tags": pa.array([row.tags for row in rows], pa.list_(pa.string())),
    }
    if any(row.size is not None for row in rows):  # collections of old have no sizes
        columns["size"] = pa.array([row.size for row in rows], pa.int64())
    out = io.BytesIO()
    pq.write_table(pa.table(columns), out, write_page_checksum=True)
    name = layout.images_part(part)
    artifact = store.write_bytes(f"{manifest.folder}/{name}", out.getvalue())
    manifest.add(name, artifact, rows=len(rows), ok=sum(row.status == "ok" for row in rows))


def put_thumbnails(store, name, rows):
    """Write the thumbnails of the rows of a small collection as its ingest does."""
    thumbs = [thumbnail(Path(row.uri).read_bytes()) if row.status == "ok" else b"" for row in rows]
    offsets = np.cumsum([0, *map(len, thumbs)], dtype=np.int64)
    store.write_bytes(f"{layout.thumbs(name)}/{layout.thumbs_part(0)}", b"".join(thumbs))
    store.write_array(f"{layout.thumbs(name)}/{layout.thumbs_offsets(0)}", offsets)
