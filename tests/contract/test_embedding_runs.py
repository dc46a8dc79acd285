"""How a space grows: only what is missing is embedded, whatever happened before."""

import shutil
import threading
from collections.abc import Iterator, Sequence
from pathlib import Path
from typing import Any

import fsspec
import numpy as np
import pytest
from fsspec.implementations.memory import MemoryFileSystem
from numpy.typing import NDArray

from hundredfold.chassis.backbones.cards import ModelCard
from hundredfold.chassis.backbones.repository import ModelRepository
from hundredfold.chassis.runs import Runs, State
from hundredfold.chassis.sources import Sources
from hundredfold.chassis.storage import layout
from hundredfold.chassis.storage.manifest import Manifest
from hundredfold.chassis.storage.store import ArtifactStore
from hundredfold.chassis.testing import wait_for
from hundredfold.embedding.backends.base import Check, unchecked
from hundredfold.embedding.backends.onnx import OnnxBackend
from hundredfold.embedding.embedder import Embedder
from hundredfold.embedding.precision import Precisions
from hundredfold.embedding.provision import Models
from hundredfold.embedding.space_job import KIND, EmbedCollection
from hundredfold.embedding.store import FirstRows, Space
from tests.contract.embedding_fixtures import (
    COLOUR,
    plain,
    publish_colour,
    put_collection,
    put_duplicates,
    write_images,
)

FOLDER = layout.vectors("birds", COLOUR.model)


class Counting(OnnxBackend):
    """The real backend; counts images, and can be told to wait once it has seen some."""

    def __init__(self, repository: ModelRepository) -> None:
        super().__init__(repository, threads=1)
        self.images = 0
        self.waits_after: float = float("inf")
        self.goes_on = threading.Event()

    def embed(
        self,
        card: ModelCard,
        images: NDArray[np.uint8],
        *,
        seconds: float,
        check: Check = unchecked,
    ) -> NDArray[np.float32]:
        if self.images >= self.waits_after:
            assert self.goes_on.wait(30)
        self.images += len(images)
        return super().embed(card, images, seconds=seconds, check=check)


class Bench:
    """The job on a store with the tiny backbone; `run` does one run to its end."""

    def __init__(self, root: Path, store: str = "store", decoders: int = 1) -> None:
        self.root = root
        self.store = ArtifactStore(str(root / store))
        if not self.store.exists("models"):
            publish_colour(self.store, root)
        repository = ModelRepository(self.store)
        self.backend = Counting(repository)
        self.embedder = Embedder(self.backend, decoders=decoders)
        models = Models(repository, self.store.root, COLOUR.model)
        self.job = EmbedCollection(
            self.store,
            models,
            Sources((str(root), "sometimes://birds")),
            Precisions(self.embedder),
            save_seconds=0,
        )
        self.requests = 0
        self.runs = Runs(self.store, "embedding", {KIND: self.job})

    def start(self, duplicates: str = "", first: Sequence[int] = ()) -> str:
        self.requests += 1
        parameters = {"model": COLOUR.model, "duplicates": duplicates}
        parameters["first_rows"] = FirstRows(self.store, "birds").put(np.array(first, np.int64))
        return self.runs.start(KIND, "birds", parameters, request_id=str(self.requests)).run_id

    def run(self, duplicates: str = "", first: Sequence[int] = ()) -> tuple[int, int, int]:
        """Vectors, failures, and how many images the backend saw."""
        before = self.backend.images
        run = self.runs.wait(self.start(duplicates, first), 60)
        assert run.state == State.SUCCEEDED, run.error
        assert run.done == run.total
        return run.result["vectors"], run.result["failed"], self.backend.images - before

    def rows(self, part: int = 0) -> list[int]:
        self.check()
        return self.store.read_array(f"{FOLDER}/{layout.vectors_rows(part)}").tolist()

    def saved(self, part: int = 0) -> list[int]:
        """The rows of a part that are whole in the store at this moment, none while it is replaced."""
        manifest = Manifest.load(self.store, FOLDER)
        if layout.vectors_part(part) not in manifest.entries or manifest.verify(self.store):
            return []
        return self.store.read_array(f"{FOLDER}/{layout.vectors_rows(part)}").tolist()

    def check(self) -> None:
        """Every vector is that of its row, and the manifest is true."""
        manifest = Manifest.load(self.store, FOLDER)
        assert manifest.verify(self.store) == []
        for name in manifest.entries:
            if name.endswith(".rows.npy"):
                rows = self.store.read_array(f"{FOLDER}/{name}")
                vectors = self.store.read_array(f"{FOLDER}/{name.replace('.rows', '')}")
                expected = np.array([colour_of(row) for row in rows], np.float32).reshape(-1, 3)
                expected /= np.linalg.norm(expected, axis=1, keepdims=True)
                np.testing.assert_allclose(vectors, expected, atol=2e-3)

    def close(self) -> None:
        self.backend.goes_on.set()
        self.runs.close()
        self.embedder.close()


def colour_of(row: int) -> tuple[int, int, int]:
    return 1 + row % 251, 1 + (7 * row) % 241, 1 + (31 * row) % 239


def images(folder: Path, rows: Sequence[int]) -> list[str]:
    return write_images(folder, {f"{row}.png": plain(*colour_of(row)) for row in rows})


@pytest.fixture
def bench(tmp_path: Path) -> Iterator[Bench]:
    bench = Bench(tmp_path)
    yield bench
    bench.close()


def test_a_second_run_embeds_nothing_and_writes_nothing(bench: Bench) -> None:
    put_collection(bench.store, "birds", images(bench.root, range(70)))
    assert bench.run() == (70, 0, 70)
    before = bench.store.read_bytes(f"{FOLDER}/manifest.json")
    assert bench.run() == (70, 0, 0)
    assert bench.store.read_bytes(f"{FOLDER}/manifest.json") == before
    assert bench.rows() == list(range(70))


def test_a_grown_part_gets_only_what_is_new(bench: Bench) -> None:
    uris = images(bench.root, range(90))
    put_collection(bench.store, "birds", uris[:40])
    bench.run()
    put_collection(bench.store, "birds", uris)
    assert bench.run() == (90, 0, 50)
    assert bench.rows() == list(range(90))


def test_rows_that_come_while_a_run_is_at_work_are_embedded_by_it(bench: Bench) -> None:
    uris = images(bench.root, range(50))
    put_collection(bench.store, "birds", uris[:40])
    bench.backend.waits_after = 1
    run_id = bench.start()
    wait_for(lambda: bench.backend.images)
    put_collection(bench.store, "birds", uris)
    assert bench.start() == run_id
    bench.backend.goes_on.set()
    run = bench.runs.wait(run_id, 60)
    assert (run.result["vectors"], run.done, run.total) == (50, 50, 50)
    assert bench.rows() == list(range(50))


def test_an_image_that_failed_is_tried_again(bench: Bench) -> None:
    uris = images(bench.root, range(5))
    Path(uris[2]).unlink()
    put_collection(bench.store, "birds", uris)
    assert bench.run() == (4, 1, 4)
    assert bench.rows() == [0, 1, 3, 4]
    assert bench.run() == (4, 1, 0)
    images(bench.root, [2])
    assert bench.run() == (5, 0, 1)
    assert bench.rows() == [0, 1, 2, 3, 4]


def test_a_vector_that_is_not_finite_never_enters_the_store(bench: Bench) -> None:
    uris = images(bench.root, range(3))
    Path(uris[1]).write_bytes(plain(0, 0, 0))
    put_collection(bench.store, "birds", uris)
    assert bench.run() == (2, 1, 3)
    assert bench.rows() == [0, 2]


def test_an_image_outside_of_the_sources_fails_alone(
    bench: Bench, tmp_path_factory: pytest.TempPathFactory
) -> None:
    elsewhere = images(tmp_path_factory.mktemp("elsewhere"), [1])
    put_collection(bench.store, "birds", images(bench.root, [0]) + elsewhere)
    assert bench.run() == (1, 1, 1)


class Sometimes(MemoryFileSystem):
    """A real file system of fsspec, whose place is away until the test says otherwise."""

    protocol = "sometimes"
    cachable = False
    away = True

    @classmethod
    def _strip_protocol(cls, path: str) -> str:
        return str(super()._strip_protocol(path.replace("sometimes://", "memory://")))

    def cat_file(self, path: str, *args: Any, **kwargs: Any) -> bytes:
        if self.away:
            raise ConnectionError(path)
        return bytes(super().cat_file(path, *args, **kwargs))


def test_a_place_that_is_away_ends_the_run_and_the_next_one_goes_on(bench: Bench) -> None:
    fsspec.register_implementation("sometimes", Sometimes, clobber=True)
    Sometimes.away = True
    remote = [f"sometimes://birds/{row}.png" for row in range(40, 80)]
    for row, uri in enumerate(remote, start=40):
        MemoryFileSystem().pipe(uri.removeprefix("sometimes:/"), plain(*colour_of(row)))
    put_collection(bench.store, "birds", images(bench.root, range(40)) + remote)
    run = bench.runs.wait(bench.start(), 30)
    assert run.state == State.FAILED
    assert "can't be reached" in run.error
    assert bench.rows() == list(range(40))
    Sometimes.away = False
    assert bench.run() == (80, 0, 40)
    assert bench.rows() == list(range(80))


def test_only_representatives_are_embedded(bench: Bench) -> None:
    put_collection(bench.store, "birds", images(bench.root, range(6)))
    put_duplicates(bench.store, "birds", "dup-1", [0, 0, 2, -1, 2, 5])
    assert bench.run("dup-1") == (3, 0, 3)
    assert bench.rows() == [0, 2, 5]


def test_other_representatives_take_what_is_there_and_drop_what_is_a_copy_now(
    bench: Bench,
) -> None:
    put_collection(bench.store, "birds", images(bench.root, range(6)))
    put_duplicates(bench.store, "birds", "dup-1", [0, 0, 2, 3, 2, 5])
    bench.run("dup-1")
    put_duplicates(bench.store, "birds", "dup-2", [0, 1, 1, 3, 4, 5])
    assert bench.run("dup-2") == (5, 0, 2)
    assert bench.rows() == [0, 1, 3, 4, 5]
    assert bench.run() == (6, 0, 1)
    assert bench.rows() == [0, 1, 2, 3, 4, 5]


def test_the_same_representatives_of_another_run_change_no_vectors(bench: Bench) -> None:
    put_collection(bench.store, "birds", images(bench.root, range(4)))
    for run in ("dup-1", "dup-2"):
        put_duplicates(bench.store, "birds", run, [0, 0, 2, 3])
        assert bench.run(run)[0] == 3
    assert bench.backend.images == 3
    assert bench.rows() == [0, 2, 3]


def test_every_part_is_embedded_and_rows_count_on(bench: Bench) -> None:
    first = layout.PART_ROWS
    rows = [3, first - 1, first, first + 2]
    uris = ["/nowhere"] * (first + 3)
    status = ["DECODE_FAILED"] * (first + 3)
    for row, uri in zip(rows, images(bench.root, rows), strict=True):
        uris[row], status[row] = uri, "ok"
    put_collection(bench.store, "birds", uris, status)
    assert bench.run() == (4, 0, 4)
    assert bench.rows(0) == rows[:2]
    assert bench.rows(1) == rows[2:]


def test_a_damaged_part_is_made_anew(bench: Bench) -> None:
    put_collection(bench.store, "birds", images(bench.root, range(5)))
    bench.run()
    file = bench.store.local(f"{FOLDER}/{layout.vectors_part(0)}")
    data = bytearray(file.read_bytes())
    data[-1] ^= 0xFF
    file.write_bytes(data)
    put_collection(bench.store, "birds", images(bench.root, range(6)))
    assert bench.run() == (6, 0, 6)
    assert bench.rows() == list(range(6))


def test_a_cancelled_run_keeps_what_is_done_and_the_next_one_goes_on(tmp_path: Path) -> None:
    # One task at a time: of two, one could be held up while the other uses up what may be seen before the wait.
    bench = Bench(tmp_path, decoders=0)
    put_collection(bench.store, "birds", images(bench.root, range(300)))
    bench.backend.waits_after = 150
    run_id = bench.start()
    wait_for(lambda: bench.runs.get(run_id).done >= 96)
    bench.runs.cancel(run_id)
    bench.backend.goes_on.set()
    assert bench.runs.wait(run_id, 30).state == State.CANCELLED
    kept = bench.rows()
    assert kept == list(range(len(kept)))
    assert 96 <= len(kept) < 300
    bench.backend.waits_after = float("inf")
    assert bench.run() == (300, 0, 300 - len(kept))
    assert bench.rows() == list(range(300))
    bench.close()


def test_what_a_killed_service_had_saved_within_a_part_is_not_embedded_again(
    tmp_path: Path,
) -> None:
    """A copy of the store while the run is at work is what a kill would leave."""
    bench = Bench(tmp_path, decoders=0)  # one task at a time, so that it is known where it waits
    put_collection(bench.store, "birds", images(bench.root, range(300)))
    bench.backend.waits_after = 160
    bench.start()

    def saved() -> int:
        manifest = Manifest.load(bench.store, FOLDER)
        entry = manifest.entries.get(layout.vectors_part(0))
        return entry.meta["vectors"] if entry and not manifest.verify(bench.store) else 0

    wait_for(lambda: saved() == 160)
    shutil.copytree(tmp_path / "store", tmp_path / "copy", ignore=shutil.ignore_patterns(".*"))
    bench.close()
    after = Bench(tmp_path, "copy")
    after.runs.resume()
    (run,) = after.runs.list()
    assert after.runs.wait(run.run_id, 30).state == State.SUCCEEDED
    assert after.backend.images == 140
    assert after.rows() == list(range(300))
    after.close()


def two_parts(bench: Bench, some: Sequence[int]) -> None:
    """A collection of two parts, of which few images can be read."""
    uris = ["/nowhere"] * (layout.PART_ROWS + 200)
    status = ["DECODE_FAILED"] * len(uris)
    for row, uri in zip(some, images(bench.root, some), strict=True):
        uris[row], status[row] = uri, "ok"
    put_collection(bench.store, "birds", uris, status)


def test_first_rows_of_all_parts_are_saved_before_any_other(tmp_path: Path) -> None:
    bench, second = Bench(tmp_path, decoders=0), layout.PART_ROWS
    readable = [*range(50), *range(second, second + 50)]
    two_parts(bench, readable)
    first = [second + 7, 9, second + 3, 2, 9, 4_000, second + 10_000]
    bench.backend.waits_after = 4
    run_id = bench.start(first=first)
    wait_for(lambda: bench.saved(0) and bench.saved(1))
    assert (bench.saved(0), bench.saved(1)) == ([2, 9], [second + 3, second + 7])
    state = Space(bench.store, "birds", COLOUR).state(1)
    assert (state.rows, state.vectors, state.failed) == (0, 2, 0)
    bench.backend.goes_on.set()
    run = bench.runs.wait(run_id, 30)
    assert (run.result["vectors"], run.done, run.total) == (100, 100, 100)
    assert bench.backend.images == 100
    assert bench.rows(0) + bench.rows(1) == readable
    assert not bench.store.exists(layout.first_rows("birds"))
    bench.close()


def test_first_rows_survive_a_kill_and_are_not_embedded_again(tmp_path: Path) -> None:
    bench = Bench(tmp_path, decoders=0)
    put_collection(bench.store, "birds", images(bench.root, range(100)))
    first = list(range(99, 35, -1))
    bench.backend.waits_after = 32
    bench.start(first=first)
    wait_for(lambda: len(bench.saved()) == 32)
    assert bench.saved() == list(range(68, 100))
    shutil.copytree(tmp_path / "store", tmp_path / "copy", ignore=shutil.ignore_patterns(".*"))
    bench.close()
    after = Bench(tmp_path, "copy")
    after.runs.resume()
    (run,) = after.runs.list()
    assert after.runs.wait(run.run_id, 30).state == State.SUCCEEDED
    assert after.backend.images == 68
    assert after.rows() == list(range(100))
    after.close()


def test_first_rows_that_are_there_or_can_t_be_read_change_nothing(bench: Bench) -> None:
    uris = images(bench.root, range(20))
    put_collection(bench.store, "birds", uris[:10])
    bench.run()
    Path(uris[15]).unlink()
    put_collection(bench.store, "birds", uris)
    assert bench.run(first=[3, 15, 12]) == (19, 1, 9)
    assert bench.rows() == [*range(15), *range(16, 20)]
    assert bench.run(first=[3, 4]) == (19, 1, 0)
