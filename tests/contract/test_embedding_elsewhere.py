"""A space is the same, made by threads here or by the workers of an engine: one suite, inherited by every engine."""

from collections.abc import Iterator
from importlib.util import find_spec
from pathlib import Path

import pytest

from hundredfold.chassis.backbones.repository import ModelRepository
from hundredfold.chassis.engine import Engine, engine
from hundredfold.chassis.errors import InvalidArgument, NotFound
from hundredfold.chassis.runs import State
from hundredfold.chassis.sources import Sources
from hundredfold.chassis.storage import layout
from hundredfold.chassis.storage.manifest import Manifest
from hundredfold.chassis.storage.store import ArtifactStore
from hundredfold.chassis.testing import wait_for
from hundredfold.embedding.elsewhere import Elsewhere, Prepare
from tests.contract.elsewhere_house import FOLDER, NOWHERE, STRANGE, House, dying, waiting
from tests.contract.embedding_fixtures import (
    COLOUR,
    plain,
    publish_colour,
    put_collection,
    put_duplicates,
)
from tests.contract.test_embedding_runs import images
from tests.ray_nodes import ray_nodes

pytestmark = pytest.mark.timeout(300)


def two_parts(root: Path) -> tuple[list[str], list[str]]:
    """Where the images of two parts are, and their status: few can be read, and some that should can't."""
    second = layout.PART_ROWS
    some = [*range(0, 1200, 4), *range(second, second + 60)]
    uris = ["/nowhere"] * (second + 80)
    status = ["DECODE_FAILED"] * len(uris)
    for row, uri in zip(some, images(root, some), strict=True):
        uris[row], status[row] = uri, "ok"
    Path(uris[8]).unlink()
    Path(uris[second + 3]).write_bytes(b"no image")
    Path(uris[40]).write_bytes(plain(0, 0, 0))  # the model gives it no vector
    return uris, status


class ElsewhereContract:
    """What an engine promises of spaces."""

    engine: Engine

    def test_the_space_is_the_one_that_threads_make(self, tmp_path: Path) -> None:
        uris, status = two_parts(tmp_path)
        representative = [row if each == "ok" else -1 for row, each in enumerate(status)]
        representative[44] = representative[48] = 12
        first = [layout.PART_ROWS + 7, 400, 40, 12, 44]
        made = []
        for name, each in (("here", None), ("there", self.engine)):
            house = House(tmp_path / name, tmp_path, each)
            put_collection(house.store, "birds", uris, status)
            put_duplicates(house.store, "birds", "dup-1", representative)
            made.append((house.run("dup-1", first).result, house.files()))
            house.close()
        assert made[0] == made[1]
        assert (made[1][0]["vectors"], made[1][0]["failed"]) == (355, 3)

    def test_a_grown_collection_gets_only_what_is_new(self, tmp_path: Path) -> None:
        house = House(tmp_path / "there", tmp_path, self.engine)
        uris = images(tmp_path, range(300))
        put_collection(house.store, "birds", uris[:200])
        house.run()
        for uri in uris[:200]:
            Path(uri).unlink()
        put_collection(house.store, "birds", uris)
        assert house.run().result["vectors"] == 300
        house.close()

    def test_a_cancelled_run_ends_at_once_and_the_next_one_goes_on(self, tmp_path: Path) -> None:
        gate = tmp_path / "gate"
        uris = images(tmp_path, range(300))
        Path(uris[290]).write_bytes(plain(*STRANGE))
        house = House(tmp_path / "there", tmp_path, self.engine, waiting(gate))
        put_collection(house.store, "birds", uris)
        run_id = house.start()
        wait_for(lambda: house.runs.get(run_id).done == 256 or None, 60)
        house.runs.cancel(run_id)
        assert house.runs.wait(run_id, 20).state == State.CANCELLED
        assert house.rows() == list(range(256))
        gate.touch()
        for uri in uris[:256]:
            Path(uri).unlink()
        assert house.run().result["vectors"] == 300
        images(tmp_path, range(256))
        self.is_as_made_here(house, uris, tmp_path)

    def test_a_worker_that_dies_costs_no_image(self, tmp_path: Path) -> None:
        mark = tmp_path / "died"
        uris = images(tmp_path, range(300))
        Path(uris[150]).write_bytes(plain(*STRANGE))
        house = House(tmp_path / "there", tmp_path, self.engine, dying(mark))
        put_collection(house.store, "birds", uris)
        assert house.run().result["vectors"] == 300
        assert mark.exists()
        self.is_as_made_here(house, uris, tmp_path)

    def test_an_image_that_can_t_be_reached_ends_the_run(self, tmp_path: Path) -> None:
        house = House(tmp_path / "there", tmp_path, self.engine)
        remote = [f"{NOWHERE}/{row}.png" for row in range(40)]
        put_collection(house.store, "birds", images(tmp_path, range(128)) + remote)
        run = house.runs.wait(house.start(), 60)
        assert (run.state, "can't be reached" in run.error) == (State.FAILED, True)
        house.close()

    def test_workers_that_have_no_bf16_add_nothing_to_a_space_of_bf16(self, tmp_path: Path) -> None:
        house = House(tmp_path / "there", tmp_path, self.engine, bf16=True)
        put_collection(house.store, "birds", images(tmp_path, range(150)))
        run = house.runs.wait(house.start(), 60)
        assert (run.state, "precision bf16 needs" in run.error) == (State.FAILED, True)
        assert not Manifest.load(house.store, FOLDER).entries
        house.close()

    def is_as_made_here(self, house: House, uris: list[str], root: Path) -> None:
        files = house.files()
        house.close()
        here = House(root / "here", root)
        put_collection(here.store, "birds", uris)
        here.run()
        assert here.files() == files
        here.close()


class TestLocalEngine(ElsewhereContract):
    @pytest.fixture(autouse=True)
    def _engine(self) -> Iterator[None]:
        with engine("local", 2) as self.engine:
            yield


@pytest.mark.skipif(find_spec("ray") is None, reason="needs hundredfold[ray]")
@pytest.mark.filterwarnings("ignore")  # Ray's own
class TestRayEngine(ElsewhereContract):
    @pytest.fixture(scope="class", autouse=True)
    def _cluster(self) -> Iterator[None]:
        with ray_nodes(2):
            yield

    @pytest.fixture(autouse=True)
    def _engine(self, _cluster: None) -> Iterator[None]:
        with engine("ray") as self.engine:
            yield


class Refusing:
    """An engine that was not to be asked."""

    def map_with(self, *_: object, **__: object) -> Iterator[object]:
        raise InvalidArgument("not elsewhere")

    def close(self) -> None:
        """There is nothing."""


def test_few_images_are_embedded_here_and_many_are_not(tmp_path: Path) -> None:
    house = House(tmp_path / "there", tmp_path, Refusing(), least=40)
    put_collection(house.store, "birds", images(tmp_path, range(39)))
    assert house.run().result["vectors"] == 39
    put_collection(house.store, "birds", images(tmp_path, range(78)))
    assert house.run().result["vectors"] == 78
    put_collection(house.store, "birds", images(tmp_path, range(118)))
    run = house.runs.wait(house.start(), 60)
    assert (run.state, run.error) == (State.FAILED, "not elsewhere")
    house.close()


def prepare(
    store: ArtifactStore, root: Path, backend: str = "onnx", precision: str = "float32"
) -> Prepare:
    return Elsewhere(store, Sources((str(root),)), backend).prepare(COLOUR, precision)


@pytest.fixture
def store(tmp_path: Path) -> ArtifactStore:
    made = ArtifactStore(str(tmp_path / "store"))
    publish_colour(made, tmp_path)
    return made


def test_a_machine_without_the_model_is_not_fit(tmp_path: Path, store: ArtifactStore) -> None:
    ModelRepository(store).remove(COLOUR.model)
    with pytest.raises(NotFound):
        prepare(store, tmp_path)(1)


def test_a_machine_without_the_folder_of_the_images_is_not_fit(
    tmp_path: Path, store: ArtifactStore
) -> None:
    folder = tmp_path / "mounted"
    folder.mkdir()
    made = prepare(store, folder)
    made(1).embedder.close()
    folder.rmdir()
    with pytest.raises(NotFound, match="mounted"):
        made(1)
    prepare(store, folder)(1).embedder.close()  # it is not here either: no image can be in it


@pytest.mark.parametrize(
    ("backend", "precision", "wrong"),
    [("onnx", "bf16", "bf16 needs"), ("triton", "float32", "triton")],
)
def test_a_machine_that_lacks_backend_or_precision_is_not_fit(
    tmp_path: Path, store: ArtifactStore, backend: str, precision: str, wrong: str
) -> None:
    with pytest.raises(InvalidArgument, match=wrong):
        prepare(store, tmp_path, backend, precision)(1)
