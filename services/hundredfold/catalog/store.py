"""What the catalog keeps: collections, schemas, and reading rows and thumbnails back."""

import bisect
import threading
from collections import OrderedDict
from collections.abc import Callable, Iterator, Sequence
from contextlib import ExitStack
from dataclasses import asdict, dataclass
from typing import TYPE_CHECKING

import numpy as np

from hundredfold.catalog.domain.images import ImageRow
from hundredfold.catalog.domain.schema import Event, LabelClass, Schema
from hundredfold.chassis.errors import AlreadyExists, InvalidArgument, NotFound
from hundredfold.chassis.storage import layout
from hundredfold.chassis.storage.collections import (
    PartInfo,
    parts,
    read_images_part,
    read_schema,
    require_collection,
)
from hundredfold.chassis.storage.manifest import Manifest
from hundredfold.chassis.storage.store import ArtifactStore
from hundredfold.chassis.storage.thumbs import PartThumbnails

if TYPE_CHECKING:
    import pyarrow as pa

TABLES_KEPT = 8


@dataclass(frozen=True, slots=True)
class Collection:
    """A collection and its size."""

    collection: str
    images: int
    failed: int
    created_at: float


class CatalogStore:
    """Collections in the shared store. Safe for threads; one process at a time writes."""

    def __init__(self, store: ArtifactStore) -> None:
        self._store = store
        self._writing = threading.Lock()
        self._lock = threading.Lock()
        self._tables: OrderedDict[tuple[str, str], pa.Table] = OrderedDict()

    # --- collections ----------------------------------------------------------------------------

    def create(
        self, collection: str, request_id: str, at: float, *, or_get: bool = False
    ) -> Collection:
        """Make a collection.

        Args:
            collection: its name.
            request_id: of the call; the same again gives the same answer.
            at: Unix seconds.
            or_get: take one that is there, whoever made it.

        Raises:
            InvalidArgument: the name is none.
            AlreadyExists: another call made it.
        """
        path = layout.collection_record(collection)
        with self._writing:
            if not self._store.exists(path):
                record = {"collection": collection, "created_at": at, "request_id": request_id}
                self._store.write_json(path, record)
            elif not or_get and self._store.read_json(path)["request_id"] != request_id:
                raise AlreadyExists(
                    f"there is a collection {collection} already", field="collection"
                )
        return self.collection(collection)

    def collection(self, collection: str) -> Collection:
        """A collection; NotFound when there is none."""
        infos = self._parts(collection)
        record = self._store.read_json(layout.collection_record(collection))
        images = sum(info.rows for info in infos)
        failed = images - sum(info.ok for info in infos)
        return Collection(collection, images, failed, float(record["created_at"]))

    def collections(self, after: str, count: int) -> list[Collection]:
        """At most `count` collections in order of their names, beginning after a name."""
        names = self._store.list(layout.collections())
        later = names[bisect.bisect_right(names, after) :]
        found: list[Collection] = []
        for name in later:
            if len(found) == count:
                break
            if self._store.exists(layout.collection_record(name)):
                found.append(self.collection(name))
        return found

    # --- schema ---------------------------------------------------------------------------------

    def schema(self, collection: str) -> Schema:
        """The schema of a collection; NotFound when there is no collection."""
        require_collection(self._store, collection)
        kept = read_schema(self._store, collection)
        return Schema(
            version=kept["version"],
            classes=tuple(LabelClass(**each) for each in kept["classes"]),
            events=tuple(Event(**each) for each in kept["events"]),
            several=kept.get("several", False),
        )

    def edit(self, collection: str, change: Callable[[Schema], Schema]) -> Schema:
        """Change a schema; what `change` returns is kept if it is newer, and returned."""
        with self._writing:
            before = self.schema(collection)
            after = change(before)
            if after.version > before.version:
                self._store.write_json(layout.schema(collection), asdict(after))
            return after

    # --- images ---------------------------------------------------------------------------------

    def images(
        self, collection: str, begin: int, count: int, *, ok: bool | None = None
    ) -> list[ImageRow]:
        """At most `count` images by row, from row `begin` on; `ok` takes only those that are or are not."""
        found: list[ImageRow] = []
        for info in self._parts(collection):
            first = info.part * layout.PART_ROWS
            if first + info.rows <= begin or not _may_hold(info, ok):
                continue
            table = self._table(collection, info)
            kept = _matching(table, max(begin - first, 0), ok)[: count - len(found)]
            found += _rows(table, kept)
            if len(found) >= count:
                break
        return found

    def image(self, collection: str, row: int) -> ImageRow:
        """One image; NotFound when it is not there."""
        found = self.images(collection, row, 1) if row >= 0 else []
        if not found:
            raise NotFound(f"there is no row {row}", field="row")
        return found[0]

    def images_at(self, collection: str, rows: Sequence[int]) -> list[ImageRow]:
        """The images of these rows, in this order; InvalidArgument for a row that is not there."""
        infos = self._holding(collection, rows)
        found: dict[int, ImageRow] = {}
        for part in {layout.part_of(row) for row in rows}:
            inside = sorted({row for row in rows if layout.part_of(row) == part})
            first = part * layout.PART_ROWS
            positions = np.array([row - first for row in inside])
            images = _rows(self._table(collection, infos[part]), positions)
            found.update(zip(inside, images, strict=True))
        return [found[row] for row in rows]

    def thumbnails(self, collection: str, rows: Sequence[int]) -> Iterator[bytes]:
        """The JPEGs of these rows, in this order, b"" where there is none.

        Raises:
            InvalidArgument: a row is not there; raised at the first, before any is returned.
        """
        self._holding(collection, rows)
        with ExitStack() as stack:
            opened: dict[int, PartThumbnails] = {}
            for row in rows:
                part = layout.part_of(row)
                if part not in opened:
                    if len(opened) >= TABLES_KEPT:
                        stack.close()
                        opened.clear()
                    opened[part] = PartThumbnails(self._store, collection, part)
                    stack.callback(opened[part].close)
                yield opened[part].read(row - part * layout.PART_ROWS)

    def check_rows(self, collection: str, rows: Sequence[int]) -> None:
        """InvalidArgument for a row that is not there."""
        self._holding(collection, rows)

    def _parts(self, collection: str) -> list[PartInfo]:
        require_collection(self._store, collection)
        return parts(self._store, collection)

    def _holding(self, collection: str, rows: Sequence[int]) -> dict[int, PartInfo]:
        infos = {info.part: info for info in self._parts(collection)}
        for row in rows:
            info = infos.get(layout.part_of(row))
            if row < 0 or info is None or row % layout.PART_ROWS >= info.rows:
                raise InvalidArgument(f"there is no row {row}", field="rows")
        return infos

    def _table(self, collection: str, info: PartInfo) -> "pa.Table":
        folder, name = layout.images(collection), layout.images_part(info.part)
        entry = Manifest.load(self._store, folder).entries[name]
        key = (f"{folder}/{name}", entry.sha256)
        with self._lock:
            if key in self._tables:
                self._tables.move_to_end(key)
                return self._tables[key]
        table = read_images_part(self._store, collection, info.part)
        with self._lock:
            self._tables[key] = table
            if len(self._tables) > TABLES_KEPT:
                self._tables.popitem(last=False)
        return table


def _may_hold(info: PartInfo, ok: bool | None) -> bool:
    return ok is None or (info.ok > 0 if ok else info.ok < info.rows)


def _matching(table: "pa.Table", begin: int, ok: bool | None) -> np.ndarray:
    """Positions from `begin` on, int64 [k]."""
    if ok is None:
        return np.arange(begin, table.num_rows)
    is_ok = table.column("status").to_numpy() == "ok"
    return begin + np.flatnonzero(is_ok[begin:] == ok)


def _rows(table: "pa.Table", positions: np.ndarray) -> list[ImageRow]:
    return [ImageRow(**record) for record in table.take(positions).to_pylist()]
