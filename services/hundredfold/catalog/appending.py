"""Appends rows and thumbnails to a collection so that a kill at any moment leaves it whole.

Of each flush the manifest of the images is saved last: it says how many rows count. What a flush that
was cut short left behind it is beyond that, and the next one writes over it with the same rows. A part
that is not full is replaced by a longer one that begins with the same bytes, thumbnails before rows,
so that a reader of the old rows is served by the new files too.
"""

import shutil
import tempfile
from dataclasses import asdict
from typing import IO

import numpy as np
import pyarrow as pa
import pyarrow.parquet as pq
from numpy.typing import NDArray

from hundredfold.catalog.domain.images import ImageRow
from hundredfold.chassis.storage import layout
from hundredfold.chassis.storage.collections import parts, read_images_part
from hundredfold.chassis.storage.manifest import Manifest
from hundredfold.chassis.storage.store import Artifact, ArtifactStore, HashingWriter

SCHEMA = pa.schema(
    [
        ("row", pa.int64()),
        ("uri", pa.string()),
        ("key", pa.string()),
        ("sha256", pa.binary()),
        ("width", pa.int32()),
        ("height", pa.int32()),
        ("format", pa.string()),
        ("status", pa.string()),
        ("error", pa.string()),
        ("label", pa.string()),
        ("tags", pa.list_(pa.string())),
        ("size", pa.int64()),
    ]
)
ROW_GROUP = 8192
_COPY = 1 << 20


class Appender:
    """The one writer of a collection's images.

    Attributes:
        rows: rows of the collection, those not flushed yet included.
        ok: how many of them are images that could be decoded.
        unflushed: rows since the last flush.
    """

    def __init__(self, store: ArtifactStore, collection: str) -> None:
        self._store = store
        self._collection = collection
        self._images = Manifest.load(store, layout.images(collection))
        self._thumbs = Manifest.load(store, layout.thumbs(collection))
        known = parts(store, collection)
        self.rows = sum(part.rows for part in known)
        self.ok = sum(part.ok for part in known)
        self._part = -1
        self._part_ok = 0
        self._table: pa.Table = SCHEMA.empty_table()
        self._offsets: NDArray[np.int64] = np.zeros(1, np.int64)
        self._spool: IO[bytes] = tempfile.TemporaryFile()  # noqa: SIM115 - lives until close
        self._begin(self.rows // layout.PART_ROWS)

    def __enter__(self) -> "Appender":
        return self

    def __exit__(self, *_: object) -> None:
        """Keep what was appended, whatever ended the work."""
        with self._spool:
            self.flush()

    @property
    def unflushed(self) -> int:
        """Rows since the last flush."""
        return len(self._new)

    @property
    def meta(self) -> dict[str, object]:
        """What is noted of the images as a whole."""
        return dict(self._images.meta)

    def note(self, **meta: object) -> None:
        """Note something of the images as a whole, at once."""
        self._images.set_meta(**meta)
        self._images.save()

    def append(self, image: ImageRow, thumbnail: bytes) -> None:
        """Add the next row; `image.row` must be `rows`."""
        self._new.append(image)
        self._sizes.append(len(thumbnail))
        self._spool.write(thumbnail)
        self.rows += 1
        self.ok += image.ok
        if self.rows % layout.PART_ROWS == 0:
            self.flush()
            self._begin(self.rows // layout.PART_ROWS)

    def flush(self) -> None:
        """Make what was appended count."""
        if not self._new:
            return
        offsets = self._write_thumbs()
        table = pa.Table.from_pylist([asdict(image) for image in self._new], SCHEMA)
        table = pa.concat_tables([self._table, table]).combine_chunks()
        ok = self._part_ok + sum(image.ok for image in self._new)
        name = layout.images_part(self._part)
        self._images.add(name, self._write_images(name, table), rows=table.num_rows, ok=ok)
        self._images.save()
        # Only now: a flush that failed, on a full disk for example, can be tried again.
        self._offsets, self._table, self._part_ok = offsets, table, ok
        self._forget_new()

    def _begin(self, part: int) -> None:
        """Take up a part where its rows end, or begin a new one."""
        self._part = part
        entry = self._images.entries.get(layout.images_part(part))
        if entry is None:
            self._table, self._part_ok = SCHEMA.empty_table(), 0
            self._offsets = np.zeros(1, np.int64)
        else:
            table = read_images_part(self._store, self._collection, part)
            self._table = table.cast(SCHEMA)
            self._part_ok = entry.meta["ok"]
            path = f"{self._thumbs.folder}/{layout.thumbs_offsets(part)}"
            self._offsets = self._store.read_array(path)[: self._table.num_rows + 1]
        self._forget_new()

    def _forget_new(self) -> None:
        self._new: list[ImageRow] = []
        self._sizes: list[int] = []
        self._spool.seek(0)
        self._spool.truncate()

    def _write_thumbs(self) -> NDArray[np.int64]:
        added = np.cumsum(self._sizes, dtype=np.int64) + self._offsets[-1]
        offsets = np.concatenate([self._offsets, added])
        # A reader takes the offsets first: those it finds must be covered by the JPEGs it finds then.
        name = layout.thumbs_part(self._part)
        self._thumbs.add(name, self._write_jpegs(name), rows=len(offsets) - 1)
        name = layout.thumbs_offsets(self._part)
        artifact = self._store.write_array(f"{self._thumbs.folder}/{name}", offsets)
        self._thumbs.add(name, artifact, rows=len(offsets) - 1)
        self._thumbs.save()
        return offsets

    def _write_jpegs(self, name: str) -> Artifact:
        path = f"{self._thumbs.folder}/{name}"
        self._spool.seek(0)
        with self._store.writer(path) as out:
            if before := int(self._offsets[-1]):
                with self._store.local(path).open("rb") as old:
                    _copy(old, out, before)
            shutil.copyfileobj(self._spool, out, _COPY)
        return out.artifact

    def _write_images(self, name: str, table: pa.Table) -> Artifact:
        with self._store.writer(f"{self._images.folder}/{name}") as out:
            pq.write_table(
                table,
                out,
                row_group_size=ROW_GROUP,
                compression="zstd",
                write_page_checksum=True,
            )
        return out.artifact


def _copy(source: IO[bytes], out: HashingWriter, count: int) -> None:
    while count and (data := source.read(min(_COPY, count))):
        out.write(data)
        count -= len(data)
