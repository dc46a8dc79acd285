import errno
import io
import shutil
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path

import pyarrow.parquet as pq
import pytest

from hundredfold.catalog.appending import Appender
from hundredfold.catalog.domain.found import Found
from hundredfold.catalog.domain.images import image_row
from hundredfold.catalog.domain.probe import Verdict
from hundredfold.catalog.ingest import Look, patient
from hundredfold.catalog.store import CatalogStore
from hundredfold.chassis.errors import Unavailable
from hundredfold.chassis.storage import layout
from hundredfold.chassis.storage.manifest import Manifest
from hundredfold.chassis.storage.store import ArtifactStore, HashingWriter


def append(appender: Appender, count: int) -> None:
    for _ in range(count):
        row = appender.rows
        verdict = (
            Verdict("ok", thumbnail=b"jpeg %d" % row) if row % 3 else Verdict("EMPTY", "no bytes")
        )
        found = Found(f"/{row}", str(row), "label", ("tag",))
        appender.append(image_row(row, found, verdict), verdict.thumbnail)


def check(store: ArtifactStore, rows: int) -> None:
    catalog = CatalogStore(store)
    images = catalog.images("c", 0, 1000)
    assert [image.key for image in images] == [str(row) for row in range(rows)]
    assert [image.ok for image in images] == [bool(row % 3) for row in range(rows)]
    expected = [b"jpeg %d" % row if row % 3 else b"" for row in range(rows)]
    assert list(catalog.thumbnails("c", range(rows))) == expected
    for folder in (layout.images("c"), layout.thumbs("c")):
        assert Manifest.load(store, folder).verify(store) == []


def made(folder: Path) -> ArtifactStore:
    store = ArtifactStore(str(folder))
    CatalogStore(store).create("c", "test", 1.0)
    return store


def test_rows_and_thumbnails_grow_together(tmp_path: Path) -> None:
    store = made(tmp_path)
    for count in (4, 0, 3):
        with Appender(store, "c") as appender:
            append(appender, count)
    check(store, 7)


def test_a_part_of_a_time_when_sizes_were_not_kept_grows(tmp_path: Path) -> None:
    store = made(tmp_path)
    with Appender(store, "c") as appender:
        append(appender, 2)
    name = layout.images_part(0)
    path = f"{layout.images('c')}/{name}"
    out = io.BytesIO()
    table = pq.read_table(store.local(path)).drop_columns(["size"])
    pq.write_table(table, out, write_page_checksum=True)
    manifest = Manifest.load(store, layout.images("c"))
    manifest.add(name, store.write_bytes(path, out.getvalue()), **manifest.entries[name].meta)
    manifest.save()
    check(store, 2)
    with Appender(store, "c") as appender:
        found = Found("/2", "2", "label", ("tag",))
        appender.append(image_row(2, found, Verdict("ok", thumbnail=b"jpeg 2", size=9)), b"jpeg 2")
    check(store, 3)
    assert [image.size for image in CatalogStore(store).images("c", 0, 9)] == [None, None, 9]


def test_what_a_flush_left_half_done_is_not_seen_and_written_over(tmp_path: Path) -> None:
    store = made(tmp_path / "store")
    with Appender(store, "c") as appender:
        append(appender, 4)
    images = tmp_path / "store" / layout.images("c")
    shutil.copytree(images, tmp_path / "before")
    with Appender(store, "c") as appender:
        append(appender, 5)
    # As if the kill came after the thumbnails and before the rows: the next time other rows come.
    shutil.rmtree(images)
    shutil.copytree(tmp_path / "before", images)
    assert len(CatalogStore(store).images("c", 0, 100)) == 4
    with Appender(store, "c") as appender:
        append(appender, 2)
    check(store, 6)


def test_rows_beyond_the_manifest_do_not_count(tmp_path: Path) -> None:
    store = made(tmp_path)
    with Appender(store, "c") as appender:
        append(appender, 4)
    manifest = store.read_bytes(f"{layout.images('c')}/manifest.json")
    with Appender(store, "c") as appender:
        append(appender, 5)
    # As if the kill came after the rows and before their manifest.
    store.write_bytes(f"{layout.images('c')}/manifest.json", manifest)
    catalog = CatalogStore(store)
    assert catalog.collection("c").images == 4
    assert len(catalog.images("c", 0, 100)) == 4
    with Appender(store, "c") as appender:
        append(appender, 1)
    check(store, 5)


class FullOnce(ArtifactStore):
    """A store whose disk is full the first time that rows are written."""

    full = True

    @contextmanager
    def writer(self, path: str) -> Iterator[HashingWriter]:
        if path.endswith(".parquet") and self.full:
            self.full = False
            raise OSError(errno.ENOSPC, "no space left on device")
        with super().writer(path) as out:
            yield out


def test_a_flush_that_failed_can_be_tried_again(tmp_path: Path) -> None:
    made(tmp_path)
    store = FullOnce(str(tmp_path))
    with Appender(store, "c") as appender:
        append(appender, 4)
        with pytest.raises(OSError, match="no space"):
            appender.flush()
        append(appender, 1)
    check(store, 5)


def look(number: int, status: str, scheme: str = "s3://b/") -> Look:
    return Found(f"{scheme}{number}", ""), Verdict(status, "does not answer")


def test_single_images_may_be_unavailable() -> None:
    looks = [look(number, "ok" if number % 10 == 9 else "UNAVAILABLE") for number in range(45)]
    assert list(patient(looks)) == looks


def test_a_source_that_is_away_ends_the_run_before_its_images_become_rows() -> None:
    looks = patient([look(0, "ok"), *(look(number, "UNAVAILABLE") for number in range(1, 100))])
    assert next(looks)[0].uri == "s3://b/0"
    with pytest.raises(Unavailable, match="does not answer"):
        next(looks)


def test_bad_sectors_of_a_local_disk_end_nothing() -> None:
    looks = [look(number, "UNAVAILABLE", "/data/") for number in range(100)]
    assert list(patient(looks)) == looks
