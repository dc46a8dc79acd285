"""The ingest job on real files: what becomes a row, in which order, and why."""

import io
import json
import os
import random
import tarfile
import tracemalloc
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import fsspec
import pyarrow as pa
import pyarrow.parquet as pq
import pytest
from PIL import Image

from hundredfold.catalog.domain.images import ImageRow
from hundredfold.catalog.domain.tables import Columns
from hundredfold.catalog.ingest import Ingest
from hundredfold.catalog.listing import Listing
from hundredfold.catalog.store import CatalogStore
from hundredfold.chassis.errors import InvalidArgument, NotFound, PermissionDenied
from hundredfold.chassis.runs import Run, Runs, State
from hundredfold.chassis.sources import Sources
from hundredfold.chassis.storage import layout
from hundredfold.chassis.storage.manifest import Manifest
from hundredfold.chassis.storage.store import ArtifactStore


def jpeg(seed: int = 0, size: tuple[int, int] = (40, 30)) -> bytes:
    noise = random.Random(seed).randbytes(8 * 8 * 3)  # noqa: S311 - only pixels
    out = io.BytesIO()
    Image.frombytes("RGB", (8, 8), noise).resize(size).save(out, "JPEG")
    return out.getvalue()


def put(folder: Path, *names: str) -> None:
    for seed, name in enumerate(names):
        (folder / name).parent.mkdir(parents=True, exist_ok=True)
        (folder / name).write_bytes(jpeg(seed))


class Catalog:
    """The job with all that is around it but gRPC."""

    def __init__(self, store: Path, *roots: str, flush_rows: int = 20_000) -> None:
        self.artifacts = ArtifactStore(str(store))
        self.store = CatalogStore(self.artifacts)
        ingest = Ingest(self.artifacts, Sources(roots), 1, flush_rows)
        self.runs = Runs(self.artifacts, "catalog", {"ingest": ingest})
        self._requests = iter(range(1000))

    def run(self, source: str, collection: str = "c", **asked: Any) -> Run:
        self.store.create(collection, "test", 1.0)
        parameters = {"source": source, "limit": 0}
        parameters |= {f"{name}_column": "" for name in ("uri", "image", "label", "tags", "key")}
        request = f"request-{next(self._requests)}"
        run = self.runs.start("ingest", collection, parameters | asked, request_id=request)
        return self.runs.wait(run.run_id, 60)

    def result(self, source: str, collection: str = "c", **asked: Any) -> dict[str, Any]:
        run = self.run(source, collection, **asked)
        assert (run.state, run.error) == (State.SUCCEEDED, "")
        return dict(run.result)

    def rows(self, collection: str = "c") -> list[ImageRow]:
        return self.store.images(collection, 0, 100_000)

    def keys(self, collection: str = "c") -> list[str]:
        return [image.key for image in self.rows(collection)]


@pytest.fixture
def data(tmp_path: Path) -> Path:
    (tmp_path / "data").mkdir()
    return tmp_path / "data"


@pytest.fixture
def catalog(tmp_path: Path, data: Path) -> Iterator[Catalog]:
    made = Catalog(tmp_path / "store", str(data))
    yield made
    made.runs.close()


# --- folders and globs --------------------------------------------------------------------------


def test_a_folder_becomes_rows_in_a_fixed_order(catalog: Catalog, data: Path) -> None:
    put(data, "b.jpg", "a.JPG", "sub/c.jpeg", "sub/.hidden.jpg", ".git/d.jpg")
    (data / "labels.csv").write_text("path,label\na.JPG,cat\n")
    result = catalog.result(str(data))
    assert result == {"images": 3, "new": 3, "failed": 0, "passed_over": 2, "problems": []}
    assert catalog.keys() == ["a.JPG", "b.jpg", "sub/c.jpeg"]
    first = catalog.rows()[0]
    assert (first.row, first.uri) == (0, str(data / "a.JPG"))
    assert (first.width, first.height, first.format, first.ok) == (40, 30, "JPEG", True)


def test_ingesting_again_adds_only_what_is_new(catalog: Catalog, data: Path) -> None:
    put(data, "b.jpg", "d.jpg")
    catalog.result(str(data))
    put(data, "a.jpg", "c.jpg")
    assert catalog.result(str(data))["new"] == 2
    assert catalog.keys() == ["b.jpg", "d.jpg", "a.jpg", "c.jpg"]
    assert catalog.result(str(data))["new"] == 0


def test_a_limit_takes_the_first_of_the_source_and_no_more_the_second_time(
    catalog: Catalog, data: Path
) -> None:
    put(data, *(f"{number}.jpg" for number in range(7)))
    assert catalog.result(str(data), limit=3)["new"] == 3
    assert catalog.result(str(data), limit=3)["new"] == 0
    assert catalog.result(str(data), limit=5)["images"] == 5
    assert catalog.keys() == [f"{number}.jpg" for number in range(5)]


def test_a_glob_takes_what_matches(catalog: Catalog, data: Path) -> None:
    put(data, "a/1.jpg", "a/2.png", "b/1.jpg", "b/deep/1.jpg", "1.jpg")
    catalog.result(f"{data}/*/1.jpg")
    assert catalog.keys() == ["a/1.jpg", "b/1.jpg"]


def test_a_glob_of_any_depth(catalog: Catalog, data: Path) -> None:
    put(data, "a/1.jpg", "1.jpg", "b/deep/1.jpg")
    catalog.result(f"{data}/**/1.jpg")
    assert catalog.keys() == ["1.jpg", "a/1.jpg", "b/deep/1.jpg"]


def test_a_folder_whose_name_looks_like_a_glob_is_a_folder(catalog: Catalog, data: Path) -> None:
    put(data, "set [1]/1.jpg", "set {a}/2.jpg")
    catalog.result(f"{data}/set [1]")
    catalog.result(f"{data}/set {{a}}")
    assert catalog.keys() == ["1.jpg", "2.jpg"]


def test_one_image_is_a_source_too(catalog: Catalog, data: Path) -> None:
    put(data, "1.jpg")
    catalog.result(f"file://{data}/1.jpg")
    assert catalog.keys() == ["1.jpg"]


def test_sources_behind_uris(tmp_path: Path) -> None:
    memory = fsspec.filesystem("memory")
    for name in ("b.jpg", "a.jpg", "deep/c.jpg", "notes.txt"):
        memory.pipe(f"/bucket/set/{name}", jpeg())
    catalog = Catalog(tmp_path / "store", "memory://bucket")
    listing = Listing(Sources(("memory://bucket",)), "memory://bucket/set", Columns())
    assert [found.uri for found in listing] == [
        f"memory://bucket/set/{name}" for name in ("a.jpg", "b.jpg", "deep/c.jpg")
    ]
    with pytest.raises(PermissionDenied):
        Listing(Sources(("memory://bucket",)), "memory://other/set", Columns())
    with pytest.raises(NotFound):
        Listing(Sources(("memory://bucket",)), "memory://bucket/nothing", Columns())
    catalog.runs.close()


# --- bad files ----------------------------------------------------------------------------------


def test_bad_files_become_rows_with_reasons_and_neighbours_are_unharmed(
    catalog: Catalog, data: Path, tmp_path: Path
) -> None:
    (tmp_path / "secret.jpg").write_bytes(jpeg())
    put(data, "a.jpg", "z.jpg")
    (data / "cut.jpg").write_bytes(jpeg(1, (400, 300))[:-900])
    (data / "empty.jpg").touch()
    (data / "huge.jpg").write_bytes(b"")
    os.truncate(data / "huge.jpg", 70 << 20)
    (data / "html.jpg").write_text("<html>")
    os.mkfifo(data / "fifo.jpg")
    (data / "folder-link.jpg").symlink_to("/")
    (data / "inside.jpg").symlink_to(data / "a.jpg")
    (data / "loop.jpg").symlink_to(data / "loop.jpg")
    (data / "outside.jpg").symlink_to(tmp_path / "secret.jpg")
    (data / "process.jpg").symlink_to("/proc/self/environ")
    (data / "null.jpg").symlink_to("/dev/null")
    (data / "nowhere.jpg").symlink_to(data / "nothing.jpg")
    result = catalog.result(str(data))
    assert {image.key: image.status for image in catalog.rows()} == {
        "a.jpg": "ok",
        "cut.jpg": "DECODE_FAILED",
        "empty.jpg": "EMPTY",
        "fifo.jpg": "NOT_A_FILE",
        "folder-link.jpg": "OUTSIDE_ROOTS",
        "html.jpg": "UNKNOWN_FORMAT",
        "huge.jpg": "TOO_LARGE",
        "inside.jpg": "ok",
        "loop.jpg": "NOT_FOUND",
        "nowhere.jpg": "NOT_FOUND",
        "null.jpg": "OUTSIDE_ROOTS",
        "outside.jpg": "OUTSIDE_ROOTS",
        "process.jpg": "OUTSIDE_ROOTS",
        "z.jpg": "ok",
    }
    assert all(image.error for image in catalog.rows() if not image.ok)
    assert (result["new"], result["failed"]) == (14, 11)
    assert catalog.store.collection("c").failed == 11


def test_links_to_folders_are_not_walked(catalog: Catalog, data: Path) -> None:
    put(data, "a/1.jpg")
    (data / "a" / "up").symlink_to(data)
    (data / "etc").symlink_to("/etc")
    catalog.result(str(data))
    assert catalog.keys() == ["a/1.jpg"]


@pytest.mark.parametrize(
    "name",
    ["-rf.jpg", "a\r\nb.jpg", "\u202egpj.jpg", "x" * 251 + ".jpg", "é.jpg", "#1:2.jpg", "a b%20.jpg", "x.tar#1:2.jpg"],
)  # fmt: skip
def test_odd_names_are_kept_as_they_are(catalog: Catalog, data: Path, name: str) -> None:
    put(data, name)
    catalog.result(str(data))
    assert [(image.key, image.status) for image in catalog.rows()] == [(name, "ok")]


def test_a_name_that_is_not_utf8_becomes_a_row_that_says_so(catalog: Catalog, data: Path) -> None:
    Path(os.fsdecode(os.fsencode(data) + b"/\xff.jpg")).write_bytes(jpeg())
    put(data, "a.jpg")
    catalog.result(str(data))
    assert [(image.key, image.status) for image in catalog.rows()] == [
        ("a.jpg", "ok"),
        ("\\udcff.jpg", "NAME_NOT_UTF8"),
    ]


def test_fuzzed_images_all_get_a_verdict_and_the_good_ones_between_stay_good(
    catalog: Catalog, data: Path
) -> None:
    chance = random.Random(7)  # noqa: S311 - only damage
    for number in range(200):
        image = bytearray(jpeg(number, (60, 60)))
        if number % 2:
            for _ in range(chance.randrange(1, 40)):
                image[chance.randrange(len(image))] = chance.randrange(256)
        (data / f"{number:03}.jpg").write_bytes(image)
    catalog.result(str(data))
    rows = catalog.rows()
    assert len(rows) == 200
    assert all(image.ok for image in rows[::2])
    assert all(image.ok or image.error for image in rows[1::2])


# --- tables and tars ----------------------------------------------------------------------------


def test_a_csv_of_paths_brings_labels_and_tags(catalog: Catalog, data: Path) -> None:
    put(data, "images/1.jpg", "images/2.jpg")
    table = data / "labels.csv"
    table.write_text("path,label,tags\nimages/2.jpg,cat,a;b\nimages/1.jpg,,\n/etc/passwd,x,\n")
    catalog.result(str(table))
    rows = catalog.rows()
    assert [image.uri for image in rows[:2]] == [f"{data}/images/{n}.jpg" for n in (2, 1)]
    assert [(image.label, image.tags, image.status) for image in rows] == [
        ("cat", ["a", "b"], "ok"),
        (None, [], "ok"),
        ("x", [], "OUTSIDE_ROOTS"),
    ]


def test_a_jsonl_of_uris(catalog: Catalog, data: Path) -> None:
    put(data, "1.jpg")
    lines = [{"file": f"file://{data}/1.jpg", "key": "one"}, {"file": "../up.jpg"}]
    (data / "t.jsonl").write_text("\n".join(map(json.dumps, lines)))
    catalog.result(str(data / "t.jsonl"))
    assert [(image.key, image.status) for image in catalog.rows()] == [
        ("one", "ok"),
        ("../up.jpg", "OUTSIDE_ROOTS"),
    ]


def test_a_parquet_of_uris(catalog: Catalog, data: Path) -> None:
    put(data, "1.jpg", "2.jpg")
    table = {"url": ["1.jpg", None, "2.jpg"], "category": [3, 4, 5], "tags": [["x"], [], None]}
    pq.write_table(pa.table(table), data / "t.parquet")
    assert catalog.result(str(data / "t.parquet"))["passed_over"] == 1
    assert [(image.key, image.label, image.tags) for image in catalog.rows()] == [
        ("1.jpg", "3", ["x"]),
        ("2.jpg", "5", []),
    ]


@pytest.mark.parametrize("as_struct", [False, True])
def test_images_within_a_parquet_stay_there(
    catalog: Catalog, data: Path, *, as_struct: bool
) -> None:
    cells: list[Any] = [jpeg(0), b"broken", None, jpeg(3)]
    if as_struct:
        cells = [cell and {"bytes": cell, "path": "x"} for cell in cells]
    table = pa.table({"image": cells, "id": list("abcd"), "label": ["p", "q", "r", "s"]})
    pq.write_table(table, data / "t.parquet", row_group_size=2)
    catalog.result(str(data / "t.parquet"))
    assert [(image.uri, image.key, image.label, image.status) for image in catalog.rows()] == [
        (f"{data}/t.parquet#image:0", "a", "p", "ok"),
        (f"{data}/t.parquet#image:1", "b", "q", "UNKNOWN_FORMAT"),
        (f"{data}/t.parquet#image:2", "c", "r", "NOT_FOUND"),
        (f"{data}/t.parquet#image:3", "d", "s", "ok"),
    ]


def write_tar(path: Path, *names: str) -> None:
    with tarfile.open(path, "w") as tar:
        for seed, name in enumerate(names):
            image = jpeg(seed) if name.endswith(".jpg") else name.partition(".")[0].encode()
            member = tarfile.TarInfo(name)
            member.size = len(image)
            tar.addfile(member, io.BytesIO(image))


def test_webdataset_tars_by_braces(catalog: Catalog, data: Path) -> None:
    write_tar(data / "d-00.tar", "a.cls", "a.jpg", "b.jpg")
    write_tar(data / "d-02.tar", "c.jpg", "c.cls")
    result = catalog.result(f"{data}/d-{{00..02}}.tar")
    assert [(image.key, image.label, image.status) for image in catalog.rows()] == [
        ("a.jpg", "a", "ok"),
        ("b.jpg", None, "ok"),
        ("c.jpg", "c", "ok"),
    ]
    assert catalog.rows()[0].uri.startswith(f"{data}/d-00.tar#")
    assert result["problems"] == [f"{data}/d-01.tar is not there"]


def test_a_glob_of_tars_goes_on_after_a_broken_one(catalog: Catalog, data: Path) -> None:
    write_tar(data / "1.tar", "a.jpg", "b.jpg")
    (data / "2.tar").write_bytes(b"no tar at all" * 100)
    write_tar(data / "3.tar", "c.jpg")
    result = catalog.result(f"{data}/*.tar")
    assert catalog.keys() == ["a.jpg", "b.jpg", "c.jpg"]
    assert len(result["problems"]) == 1


@pytest.mark.parametrize("name", ["t.parquet", "t.tar", "t.csv", "t.jsonl"])
def test_a_single_source_that_is_broken_fails_the_run(
    catalog: Catalog, data: Path, name: str
) -> None:
    (data / name).write_bytes(b'{"neither": "images"}\n' * 100)
    run = catalog.run(str(data / name))
    assert run.state is State.FAILED
    assert name in run.error


# --- what is refused ----------------------------------------------------------------------------


@pytest.mark.parametrize(
    ("source", "error"),
    [
        ("{data}/nothing", NotFound),
        ("{data}/nothing/*.jpg", NotFound),
        ("{data}/notes.txt", InvalidArgument),
        ("{data}/*/../../*.jpg", InvalidArgument),
        ("relative", InvalidArgument),
        ("/etc", PermissionDenied),
        ("/etc/*.jpg", PermissionDenied),
        ("{data}/../*.jpg", PermissionDenied),
        ("/{{etc,usr}}/x.tar", PermissionDenied),
        ("s3://bucket/folder", PermissionDenied),
        ("simplecache::memory://x", PermissionDenied),
    ],
)
def test_a_wrong_source_is_refused_before_the_run(
    data: Path, source: str, error: type[Exception]
) -> None:
    (data / "notes.txt").touch()
    (data / "up").mkdir()
    with pytest.raises(error):
        Listing(Sources((str(data),)), source.format(data=data), Columns())


def test_without_roots_nothing_may_be_read(data: Path) -> None:
    with pytest.raises(PermissionDenied):
        Listing(Sources(()), str(data), Columns())


# --- parts --------------------------------------------------------------------------------------


def test_parts_grow_and_follow_one_another(
    tmp_path: Path, data: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(layout, "PART_ROWS", 10)
    catalog = Catalog(tmp_path / "store", str(data), flush_rows=4)
    put(data, *(f"{number:02}.jpg" for number in range(17)))
    catalog.result(str(data))
    put(data, *(f"{number:02}.jpg" for number in range(17, 33)))
    catalog.result(str(data))
    names = [f"{number:02}.jpg" for number in range(33)]
    assert catalog.keys() == names
    assert [image.row for image in catalog.rows()] == list(range(33))
    manifest = Manifest.load(catalog.artifacts, layout.images("c"))
    assert [entry.meta["rows"] for entry in manifest.entries.values()] == [10, 10, 10, 3]
    for folder in (layout.images("c"), layout.thumbs("c")):
        assert Manifest.load(catalog.artifacts, folder).verify(catalog.artifacts) == []
    thumbs = list(catalog.store.thumbnails("c", [32, 0, 9, 10, 0]))
    assert thumbs[1] == thumbs[4]
    assert all(Image.open(io.BytesIO(jpeg)).size == (40, 30) for jpeg in thumbs)
    assert [image.row for image in catalog.store.images_at("c", [31, 2, 31])] == [31, 2, 31]
    catalog.runs.close()


# --- large folders ------------------------------------------------------------------------------


def test_a_folder_of_20000_files_is_walked_in_little_memory(data: Path) -> None:
    for folder in range(20):
        (data / str(folder)).mkdir()
        for number in range(1000):
            (data / str(folder) / f"a-rather-long-name-of-an-image-{number}.jpg").touch()
    listing = Listing(Sources((str(data),)), str(data), Columns())
    tracemalloc.start()
    try:
        count = sum(1 for _ in listing)
        peak = tracemalloc.get_traced_memory()[1]
    finally:
        tracemalloc.stop()
    assert count == 20_000
    assert peak < 1 << 20
