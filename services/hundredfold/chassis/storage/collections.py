"""Reading what the catalog keeps of a collection; for all services, none of which may import it."""

from collections.abc import Callable, Sequence
from dataclasses import dataclass
from typing import TYPE_CHECKING, Any, TypeVar

from hundredfold.chassis.errors import Conflict, NotFound
from hundredfold.chassis.storage import layout
from hundredfold.chassis.storage.manifest import Manifest
from hundredfold.chassis.storage.store import ArtifactStore, damaged

if TYPE_CHECKING:
    import pyarrow as pa


T = TypeVar("T")

_SIZE = "size"


@dataclass(frozen=True)
class PartInfo:
    """One part of a collection.

    Attributes:
        part: its number.
        rows: how many rows it has.
        ok: how many of them are images that could be read.
    """

    part: int
    rows: int
    ok: int


def require_collection(store: ArtifactStore, collection: str) -> None:
    """Raise NotFound when there is no such collection, InvalidArgument when the name is none."""
    if not store.exists(layout.collection_record(collection)):
        raise NotFound(f"there is no collection {collection}", field="collection")


def parts(store: ArtifactStore, collection: str) -> list[PartInfo]:
    """The parts of a collection in order; none while nothing was ingested."""
    manifest = Manifest.load(store, layout.images(collection))
    numbers = layout.part_numbers(manifest.entries, layout.images_part)
    metas = ((part, manifest.entries[layout.images_part(part)].meta) for part in numbers)
    return [PartInfo(part, meta["rows"], meta["ok"]) for part, meta in metas]


def until_settled(store: ArtifactStore, collection: str, work: Callable[[list[PartInfo]], T]) -> T:
    """Work on the parts of a collection, and again for as long as it grew meanwhile.

    Whoever asks for a run that is at work already joins it, and wants his new rows done by it. The work
    must be cheap where nothing is missing.
    """
    while True:
        before = parts(store, collection)
        result = work(before)
        if parts(store, collection) == before:
            return result


def row_count(store: ArtifactStore, collection: str) -> int:
    """How many rows a collection has, unreadable images included."""
    return sum(info.rows for info in parts(store, collection))


def read_images_part(
    store: ArtifactStore, collection: str, part: int, columns: Sequence[str] | None = None
) -> "pa.Table":
    """The image rows of a part, columns as in `layout.images_part`, as many as the manifest says.

    A part that has grown since begins with the same rows: the further ones are cut off. Parts that were
    written before sizes were kept have nulls there.

    Raises:
        NotFound: there is no such part.
        Conflict: ARTIFACT_DAMAGED.
    """
    import pyarrow as pa  # noqa: PLC0415  not every service that reads collections has it
    import pyarrow.parquet as pq  # noqa: PLC0415

    folder, name = layout.images(collection), layout.images_part(part)
    path = f"{folder}/{name}"
    entry = Manifest.load(store, folder).entries.get(name)
    if entry is None:
        raise NotFound(f"collection {collection} has no part {part}")
    try:
        file = store.local(path)
        known = set(pq.read_schema(file).names)
        table = pq.read_table(
            file,
            columns=None if columns is None else [c for c in columns if c in known or c != _SIZE],
            partitioning=None,
            page_checksum_verification=True,
        )
        if _SIZE not in known and (columns is None or _SIZE in columns):
            table = table.append_column(_SIZE, pa.nulls(table.num_rows, pa.int64()))
    except (pa.ArrowException, OSError) as error:
        raise damaged(path, str(error)) from error
    if table.num_rows < entry.meta["rows"]:
        raise damaged(path, f"{table.num_rows} rows instead of {entry.meta['rows']}")
    return table.slice(0, entry.meta["rows"])


def read_schema(store: ArtifactStore, collection: str) -> dict[str, Any]:
    """The schema as in `layout.schema`; version 0 and no classes when none was made."""
    try:
        schema: dict[str, Any] = store.read_json(layout.schema(collection))
    except NotFound:
        return {"version": 0, "classes": [], "events": []}
    return schema


def has_several(store: ArtifactStore, collection: str) -> bool:
    """Whether an image of the collection may be of several classes."""
    return bool(read_schema(store, collection).get("several", False))


def require_one_class(store: ArtifactStore, collection: str, what: str) -> None:
    """Refuse what is only there for collections in which an image is of one class: Conflict SEVERAL_CLASSES.

    Args:
        store: where the collection is.
        collection: its name.
        what: such as "an audit".
    """
    if has_several(store, collection):
        raise several_classes(collection, what)


def several_classes(collection: str, what: str) -> Conflict:
    """The error of `require_one_class`."""
    return Conflict(
        f"{what} takes a collection in which an image is of one class; in {collection} "
        "it may be of several",
        reason="SEVERAL_CLASSES",
        field="collection",
    )
