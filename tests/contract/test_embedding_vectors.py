"""Vectors from elsewhere become a space: every way to name their images, and every file that is refused."""

import shutil
import threading
import uuid
from collections.abc import Iterator, Mapping
from contextlib import contextmanager
from pathlib import Path
from typing import Any

import numpy as np
import pyarrow as pa
import pyarrow.parquet as pq
import pytest
from numpy.typing import NDArray

from hundredfold.api.embedding.v1 import embedding_pb2 as pb
from hundredfold.chassis.errors import (
    Aborted,
    AlreadyExists,
    InvalidArgument,
    NotFound,
    PermissionDenied,
    ServiceError,
)
from hundredfold.chassis.runs import RunContext
from hundredfold.chassis.storage import layout
from hundredfold.chassis.storage.manifest import Manifest
from hundredfold.embedding.import_job import ImportVectors
from tests.contract.documented import result_keys
from tests.contract.embedding_fixtures import COLOUR, publish_colour, put_collection, put_duplicates
from tests.contract.embedding_service import Service, service

SPACE = "theirs@1"
ROWS, DIMENSIONS = 30, 5


def drawn(rows: int = ROWS, dimensions: int = DIMENSIONS, seed: int = 0) -> NDArray[np.float32]:
    return np.random.default_rng(seed).normal(size=(rows, dimensions)).astype(np.float32)


def unit(vectors: NDArray[Any]) -> NDArray[Any]:
    vectors = vectors.astype(np.float64)
    return vectors / np.linalg.norm(vectors, axis=1, keepdims=True)


class Importing:
    """A service whose collection `birds` has images of which no pixel is read."""

    def __init__(self, service: Service) -> None:
        self.service = service
        self.root, self.store = service.root, service.store
        self.put(["ok"] * ROWS)

    def put(self, status: list[str]) -> None:
        put_collection(
            self.store, "birds", [f"/birds/{row}.jpg" for row in range(len(status))], status
        )

    def npy(self, array: Any, name: str = "vectors.npy") -> str:
        np.save(self.root / name, array)
        return str(self.root / name)

    def parquet(self, vectors: Any, group: int = 7, name: str = "v.parquet", **columns: Any) -> str:
        if isinstance(vectors, np.ndarray):
            vectors = pa.FixedSizeListArray.from_arrays(pa.array(vectors.ravel()), vectors.shape[1])
        table = pa.table({"vector": vectors, **columns})
        pq.write_table(table, self.root / name, row_group_size=group, write_page_checksum=True)
        return str(self.root / name)

    def start(self, source: str, **fields: Any) -> Any:
        fields = {"collection": "birds", "space": SPACE, "request_id": str(uuid.uuid4())} | fields
        return self.service.stub.ImportVectors(pb.ImportVectorsRequest(source=source, **fields)).run

    def run(self, source: str, **fields: Any) -> dict[str, Any]:
        run = self.service.runs.wait(self.start(source, **fields).run_id, 60)
        assert run.state == "SUCCEEDED", run.error
        return dict(run.result)

    def failed(self, source: str, **fields: Any) -> str:
        run = self.service.runs.wait(self.start(source, **fields).run_id, 60)
        assert run.state == "FAILED"
        return run.error

    def stored(self, part: int = 0, space: str = SPACE) -> tuple[list[int], NDArray[np.float16]]:
        folder = layout.vectors("birds", space)
        manifest = Manifest.load(self.store, folder)
        rows = manifest.read_array(self.store, layout.vectors_rows(part), deep=True)
        return rows.tolist(), manifest.read_array(self.store, layout.vectors_part(part), deep=True)

    def holds(self, rows: Any, vectors: NDArray[Any]) -> bool:
        got_rows, got = self.stored()
        assert got.dtype == np.float16
        np.testing.assert_allclose(got, unit(vectors), atol=1e-3)
        return got_rows == list(rows)


@contextmanager
def importing(root: Path, **options: Any) -> Iterator[Importing]:
    with service(root, **options) as running:
        yield Importing(running)


@pytest.fixture
def birds(tmp_path: Path) -> Iterator[Importing]:
    with importing(tmp_path) as running:
        yield running


# --- what is taken ------------------------------------------------------------------------------


@pytest.mark.parametrize("kind", ["f2", "f4", "f8", ">f4"])
def test_an_array_in_the_order_of_the_rows_becomes_a_space(birds: Importing, kind: str) -> None:
    vectors = drawn().astype(kind)
    result = birds.run(birds.npy(vectors))
    assert result == {
        "space": SPACE,
        "vectors": ROWS,
        "dimensions": DIMENSIONS,
        "failed": 0,
        "unknown": 0,
        "repeated": 0,
        "without": 0,
        "problems": [],
    }
    assert birds.holds(range(ROWS), vectors)
    assert set(result) == result_keys("ImportVectors")


def test_an_array_with_rows_may_be_in_any_order_and_leave_rows_out(birds: Importing) -> None:
    vectors, rows = drawn(6), np.array([20, 3, 29, 0, 7, 3])
    result = birds.run(birds.npy(vectors), ids=birds.npy(rows, "rows.npy"))
    assert (result["vectors"], result["without"], result["repeated"]) == (5, ROWS - 5, 1)
    assert birds.holds([0, 3, 7, 20, 29], vectors[[3, 1, 4, 0, 2]])


@pytest.mark.parametrize(("match", "form"), [("KEY", "image-{}"), ("URI", "/birds/{}.jpg")])
def test_an_array_with_texts_names_images_by_key_or_uri(
    birds: Importing, match: str, form: str
) -> None:
    ids = np.array([form.format(row) for row in (4, 2, 99, 2)])
    fields = {"ids": birds.npy(ids, "ids.npy"), "match": f"VECTOR_MATCH_{match}"}
    vectors = drawn(4)
    result = birds.run(birds.npy(vectors), **fields)
    assert (result["vectors"], result["unknown"], result["repeated"]) == (2, 1, 1)
    assert birds.holds([2, 4], vectors[[1, 0]])


@pytest.mark.parametrize("large", [False, True])
@pytest.mark.parametrize("column", ["row", "key", "uri"])
def test_a_table_names_images_by_the_column_that_is_there(
    birds: Importing, column: str, large: bool
) -> None:
    order = np.random.default_rng(2).permutation(ROWS)
    vectors = drawn()
    ids = {
        "row": pa.array(order, pa.int32()),
        "key": pa.array([f"image-{row}" for row in order]),
        "uri": pa.array([f"/birds/{row}.jpg" for row in order], pa.large_string()),
    }
    kind = pa.large_list(pa.float64()) if large else pa.list_(pa.float32())
    lists = pa.array(vectors[order].tolist(), kind)
    assert birds.run(birds.parquet(lists, **{column: ids[column]}))["vectors"] == ROWS
    assert birds.holds(range(ROWS), vectors)


def test_columns_of_other_names_are_taken_when_named(birds: Importing) -> None:
    vectors = drawn(3)
    table = pa.table({"feature": vectors.tolist(), "image": ["image-5", "image-1", "image-9"]})
    pq.write_table(table, birds.root / "t.parquet")
    fields = {"vector_column": "feature", "id_column": "image", "match": "VECTOR_MATCH_KEY"}
    assert birds.run(str(birds.root / "t.parquet"), **fields)["vectors"] == 3
    assert birds.holds([1, 5, 9], vectors[[1, 0, 2]])


def test_vectors_without_a_direction_are_left_out_and_told(birds: Importing) -> None:
    vectors = drawn()
    vectors[3, 1], vectors[5], vectors[8, 0] = np.nan, 0, np.inf
    result = birds.run(birds.npy(vectors))
    assert (result["vectors"], result["failed"], result["without"]) == (ROWS - 3, 3, 3)
    assert result["problems"] == [
        f"vector {place} is not finite or has no length" for place in (3, 5, 8)
    ]
    kept = [row for row in range(ROWS) if row not in (3, 5, 8)]
    assert birds.holds(kept, vectors[kept])


def test_nulls_of_a_table_are_left_out(birds: Importing) -> None:
    vectors = drawn(4)
    lists = [vectors[0].tolist(), None, [None, *vectors[2, 1:].tolist()], vectors[3].tolist()]
    result = birds.run(birds.parquet(pa.array(lists, pa.list_(pa.float32()))))
    assert (result["vectors"], result["failed"]) == (2, 2)
    assert birds.holds([0, 3], vectors[[0, 3]])


def test_images_that_can_t_be_read_and_copies_get_no_vector(birds: Importing) -> None:
    birds.put(["ok", "DECODE_FAILED", *["ok"] * (ROWS - 2)])
    put_duplicates(birds.store, "birds", "run-1", [0, -1, 0, *range(3, ROWS)])
    result = birds.run(birds.npy(drawn()), duplicates="run-1")
    assert (result["vectors"], result["unknown"], result["without"]) == (ROWS - 2, 2, 0)
    assert birds.stored()[0] == [0, *range(3, ROWS)]


def test_parts_are_written_in_groups_that_fit_the_memory(tmp_path: Path) -> None:
    """With room for one part alone a file in no order is read once for each."""
    count = 2 * layout.PART_ROWS + 10
    with importing(tmp_path, bytes_at_once=1) as birds:
        birds.put(["ok"] * count)
        order = np.random.default_rng(3).permutation(count)
        vectors = drawn(count, 2)
        source = birds.npy(vectors[order])
        assert birds.run(source, ids=birds.npy(order, "ids.npy"))["vectors"] == count
        for part in range(3):
            rows, got = birds.stored(part)
            assert rows == list(range(rows[0], rows[0] + len(rows)))
            np.testing.assert_allclose(got, unit(vectors[rows]), atol=1e-3)


# --- again --------------------------------------------------------------------------------------


def test_the_same_file_again_takes_in_what_the_collection_has_grown_by(birds: Importing) -> None:
    vectors = drawn(ROWS + 4)
    source = birds.npy(vectors)
    assert birds.run(source)["unknown"] == 4
    before = Manifest.load(birds.store, layout.vectors("birds", SPACE)).version
    assert birds.run(source)["vectors"] == ROWS
    assert Manifest.load(birds.store, layout.vectors("birds", SPACE)).version == before
    birds.put(["ok"] * (ROWS + 4))
    assert birds.run(source)["vectors"] == ROWS + 4
    assert birds.holds(range(ROWS + 4), vectors)


def test_a_file_that_was_moved_is_the_same_file(birds: Importing) -> None:
    source = birds.npy(drawn())
    birds.run(source)
    moved = shutil.move(source, birds.root / "moved.npy")
    assert birds.run(str(moved))["vectors"] == ROWS


def test_what_a_killed_run_has_written_is_not_written_again(tmp_path: Path) -> None:
    """The first part is spoilt on purpose: a run that wrote it again would put it right."""
    with importing(tmp_path, bytes_at_once=1) as birds:
        birds.put(["ok"] * (layout.PART_ROWS + 5))
        source = birds.npy(drawn(layout.PART_ROWS + 5, 2))
        birds.run(source)
        folder = layout.vectors("birds", SPACE)
        manifest = Manifest.load(birds.store, folder)
        for name in (layout.vectors_part(1), layout.vectors_rows(1)):
            manifest.drop(name)
        manifest.save()
        file = birds.store.local(f"{folder}/{layout.vectors_part(0)}")
        written = file.stat().st_mtime_ns
        assert birds.run(source)["vectors"] == layout.PART_ROWS + 5
        assert file.stat().st_mtime_ns == written
        assert len(birds.stored(1)[0]) == 5


def test_the_same_request_is_the_same_run(birds: Importing) -> None:
    source, request = birds.npy(drawn()), str(uuid.uuid4())
    first = birds.start(source, request_id=request)
    assert birds.start(source, request_id=request).run_id == first.run_id


# --- what is refused ----------------------------------------------------------------------------


def test_a_space_with_other_vectors_is_not_overwritten(birds: Importing) -> None:
    birds.run(birds.npy(drawn()))
    with pytest.raises(AlreadyExists, match="theirs@1"):
        birds.start(birds.npy(drawn(seed=1)))
    assert birds.holds(range(ROWS), drawn())
    assert birds.run(birds.npy(drawn(seed=1)), space="theirs@2")["vectors"] == ROWS


def test_vectors_of_another_dimension_are_refused_with_both_named(birds: Importing) -> None:
    birds.run(birds.npy(drawn()))
    with pytest.raises(InvalidArgument, match="has 5 dimensions, the file 7"):
        birds.start(birds.npy(drawn(dimensions=7)))


def test_the_space_of_a_backbone_takes_no_vectors_from_elsewhere(tmp_path: Path) -> None:
    with importing(tmp_path) as birds:
        publish_colour(birds.store, tmp_path)
        with pytest.raises(AlreadyExists, match="colour@1 is a backbone"):
            birds.start(birds.npy(drawn(dimensions=3)), space=COLOUR.model)


def test_a_backbone_that_came_later_embeds_nothing_into_an_imported_space(tmp_path: Path) -> None:
    with importing(tmp_path) as birds:
        birds.run(birds.npy(drawn(dimensions=3)), space=COLOUR.model)
        publish_colour(birds.store, tmp_path)
        run = birds.service.runs.wait(birds.service.start("birds").run_id, 30)
        assert run.state == "FAILED"
        assert "has other vectors in colour@1" in run.error


def test_what_is_not_there_or_not_allowed_is_told(birds: Importing) -> None:
    source = birds.npy(drawn())
    cases: list[tuple[dict[str, Any], type[ServiceError]]] = [
        ({"collection": "absent"}, NotFound),
        ({"source": str(birds.root / "absent.npy")}, NotFound),
        ({"source": "/etc/passwd.npy"}, PermissionDenied),
        ({"ids": "/etc/passwd"}, PermissionDenied),
        ({"duplicates": "absent"}, NotFound),
        ({"space": "no-version"}, InvalidArgument),
        ({"source": str(birds.root / "vectors.txt")}, InvalidArgument),
        ({"match": 77}, InvalidArgument),
    ]
    (birds.root / "vectors.txt").write_text("1 2 3", "utf-8")
    for fields, error in cases:
        with pytest.raises(error):
            birds.start(**({"source": source} | fields))


class Waiting(ImportVectors):
    """The real job, once it may begin."""

    may_begin = threading.Event()

    def __call__(self, context: RunContext) -> Mapping[str, Any]:
        assert self.may_begin.wait(30)
        return super().__call__(context)


def test_one_import_of_a_collection_is_at_work_at_a_time(tmp_path: Path) -> None:
    with importing(tmp_path, imports=Waiting) as birds:
        first = birds.start(birds.npy(drawn()))
        with pytest.raises(Aborted):
            birds.start(birds.npy(drawn(seed=1), "other.npy"), space="theirs@2")
        Waiting.may_begin.set()
        assert birds.service.runs.wait(first.run_id, 30).state == "SUCCEEDED"


ARRAYS = {
    "integers": np.ones((4, 3), np.int64),
    "complex": np.ones((4, 3), np.complex64),
    "wide": np.ones((4, 3), np.longdouble),
    "one-axis": np.ones(12, np.float32),
    "three-axes": np.ones((2, 3, 4), np.float32),
    "fortran": np.asfortranarray(np.ones((4, 3), np.float32)),
    "empty": np.ones((0, 3), np.float32),
    "narrow": np.ones((4, 1), np.float32),
    "broad": np.ones((1, 8193), np.float16),
}


@pytest.mark.parametrize("kind", ARRAYS)
def test_an_array_of_another_type_or_shape_is_refused(birds: Importing, kind: str) -> None:
    with pytest.raises(InvalidArgument) as error:
        birds.start(birds.npy(ARRAYS[kind]))
    assert error.value.field == "source"


def test_an_array_of_objects_is_refused_unread(birds: Importing) -> None:
    np.save(birds.root / "o.npy", np.array([{}, {}], object), allow_pickle=True)
    with pytest.raises(InvalidArgument, match="Python objects"):
        birds.start(str(birds.root / "o.npy"))


@pytest.mark.parametrize("name", ["vectors.npy", "v.parquet"])
@pytest.mark.parametrize("keep", [0, 5, 60, -1, -9])
def test_a_file_that_is_cut_off_is_refused(birds: Importing, name: str, keep: int) -> None:
    source = birds.npy(drawn()) if name.endswith("npy") else birds.parquet(drawn())
    data = Path(source).read_bytes()
    Path(source).write_bytes(data[:keep])
    with pytest.raises(InvalidArgument, match="source") as error:
        birds.start(source)
    assert error.value.reason == "BAD_CONTAINER"


def test_a_flipped_bit_in_a_table_ends_the_run_and_nothing_is_stored(birds: Importing) -> None:
    source = birds.parquet(drawn(200, 64), group=200)
    data = bytearray(Path(source).read_bytes())
    data[len(data) // 2] ^= 0x10
    Path(source).write_bytes(data)
    assert "no whole Parquet file" in birds.failed(source)
    assert not birds.store.exists(layout.vectors("birds", SPACE))


def test_lists_of_another_length_end_the_run_with_both_named(birds: Importing) -> None:
    lists = pa.array([[1.0, 2.0], [1.0, 2.0, 3.0]], pa.list_(pa.float32()))
    assert "vector 1 has 3 dimensions, the first one 2" in birds.failed(birds.parquet(lists))


@pytest.mark.parametrize(
    ("ids", "match", "words"),
    [
        (np.arange(5), 0, "int64 [5]; there are 30 vectors"),
        (np.arange(30.0), 0, "not integers"),
        (np.array(["image-1"] * 30), 0, "say whether they are keys or URIs"),
        (np.arange(30), 2, "not texts"),
        (np.arange(30).reshape(30, 1), 0, "there are 30 vectors"),
    ],
)
def test_ids_that_do_not_fit_are_refused(
    birds: Importing, ids: NDArray[Any], match: int, words: str
) -> None:
    with pytest.raises(InvalidArgument) as error:
        birds.start(birds.npy(drawn()), ids=birds.npy(ids, "ids.npy"), match=match)
    assert words in error.value.message
    assert error.value.field == "ids"


@pytest.mark.parametrize(
    ("columns", "fields", "words"),
    [
        ({"vector": ["a", "b"]}, {}, "not lists of floats"),
        ({"vector": [[1, 2], [3, 4]]}, {}, "not lists of floats"),
        ({"other": [[1.0, 2.0]]}, {}, "no column vector or embedding; there are other"),
        ({"vector": [[1.0, 2.0]]}, {"vector_column": "x"}, "no column x"),
        ({"vector": [[1.0, 2.0]]}, {"match": "VECTOR_MATCH_URI"}, "no column uri"),
        ({"vector": [[1.0, 2.0]], "key": [1]}, {}, "not texts"),
        ({"vector": [[1.0, 2.0]], "row": ["1"]}, {}, "not integers"),
        ({"vector": [[1.0, 2.0]], "name": ["1"]}, {"id_column": "name"}, "say what name is"),
    ],
)
def test_a_table_of_other_columns_is_refused(
    birds: Importing, columns: dict[str, Any], fields: dict[str, str], words: str
) -> None:
    pq.write_table(pa.table(columns), birds.root / "t.parquet")
    with pytest.raises(InvalidArgument) as error:
        birds.start(str(birds.root / "t.parquet"), **fields)
    assert words in error.value.message


def test_a_null_among_the_ids_ends_the_run(birds: Importing) -> None:
    source = birds.parquet(drawn(2), key=["image-1", None])
    assert "key has a null" in birds.failed(source)


def test_a_collection_without_images_takes_nothing(birds: Importing) -> None:
    put_collection(birds.store, "empty", [])
    assert birds.run(birds.npy(drawn()), collection="empty")["unknown"] == ROWS
