"""Every RPC of the embedding service, and every error that its proto names."""

import queue
import threading
from collections.abc import Iterator
from dataclasses import replace
from pathlib import Path
from typing import Any

import numpy as np
import pytest
from numpy.typing import NDArray

from hundredfold.api.embedding.v1 import embedding_pb2
from hundredfold.chassis.backbones.cards import ModelCard
from hundredfold.chassis.backbones.repository import ModelRepository
from hundredfold.chassis.errors import (
    Aborted,
    Conflict,
    InvalidArgument,
    NotFound,
    Unavailable,
)
from hundredfold.chassis.paging import encode_token
from hundredfold.chassis.storage import layout
from hundredfold.chassis.storage.store import ArtifactStore
from hundredfold.chassis.tensors import pack, unpack
from hundredfold.embedding.backends.base import Check, unchecked
from hundredfold.embedding.backends.onnx import OnnxBackend
from hundredfold.embedding.backends.triton import TritonBackend
from tests.contract.documented import result_keys
from tests.contract.embedding_fixtures import (
    COLOUR,
    plain,
    publish_colour,
    put_collection,
    put_duplicates,
    write_images,
)
from tests.contract.embedding_service import BLACK, GREEN, RED, Service, service


@pytest.fixture
def colour(tmp_path: Path) -> Iterator[Service]:
    publish_colour(ArtifactStore(str(tmp_path / "store")), tmp_path)
    with service(tmp_path) as running:
        yield running


# --- EmbedImages --------------------------------------------------------------------------------


def test_images_come_back_as_vectors_of_length_one_in_their_order(colour: Service) -> None:
    (answer,) = colour.embed([RED, GREEN, plain(30, 0, 40)])
    vectors = unpack(answer.vectors, dtype=np.float32, ndim=2, field="vectors")
    np.testing.assert_allclose(vectors, [[1, 0, 0], [0, 1, 0], [0.6, 0, 0.8]], atol=1e-6)
    assert [status.reason for status in answer.statuses] == ["", "", ""]
    assert answer.model == "colour@1"


def test_messages_are_answered_one_by_one_in_order(colour: Service) -> None:
    colours = np.random.default_rng(0).integers(1, 256, (3, 40, 3))
    answers = colour.embed(*[[plain(*c) for c in message] for message in colours])
    for message, answer in zip(colours, answers, strict=True):
        vectors = unpack(answer.vectors, dtype=np.float32, ndim=2, field="vectors")
        expected = message / np.linalg.norm(message, axis=1, keepdims=True)
        np.testing.assert_allclose(vectors, expected, atol=1e-4)


def test_an_answer_comes_before_the_next_message_is_sent(colour: Service) -> None:
    requests: queue.SimpleQueue[embedding_pb2.EmbedImagesRequest | None] = queue.SimpleQueue()
    stream = colour.stub.EmbedImages(iter(requests.get, None))
    for image in (RED, GREEN):
        requests.put(embedding_pb2.EmbedImagesRequest(images=[image]))
        assert len(next(stream).statuses) == 1
    requests.put(None)
    assert list(stream) == []


def test_a_bad_image_gets_a_status_and_its_neighbours_a_vector(colour: Service) -> None:
    (answer,) = colour.embed([RED, b"no image", b"", RED[:60], BLACK, GREEN])
    vectors = unpack(answer.vectors, dtype=np.float32, ndim=2, field="vectors")
    np.testing.assert_allclose(vectors[[0, 5]], [[1, 0, 0], [0, 1, 0]], atol=1e-6)
    assert not vectors[1:5].any()
    reasons = [status.reason for status in answer.statuses]
    assert reasons == ["", "UNKNOWN_FORMAT", "EMPTY", "DECODE_FAILED", "NO_VECTOR", ""]
    assert all(status.message for status in answer.statuses if status.reason)


def test_a_message_without_images_is_answered_without_vectors(colour: Service) -> None:
    (answer,) = colour.embed([])
    assert list(answer.vectors.shape) == [0, 3]
    assert len(answer.statuses) == 0


def test_the_first_message_names_the_model(colour: Service) -> None:
    requests = [
        embedding_pb2.EmbedImagesRequest(model="colour@1", images=[RED]),
        embedding_pb2.EmbedImagesRequest(model="ignored@1", images=[GREEN]),
    ]
    assert [a.model for a in colour.stub.EmbedImages(iter(requests))] == ["colour@1"] * 2


@pytest.mark.parametrize("images", [[RED] * 257, [b"x" * (3 * 1024 * 1024 + 1)]])
def test_a_message_above_its_limits_is_refused(colour: Service, images: list[bytes]) -> None:
    with pytest.raises(InvalidArgument) as error:
        colour.embed(images)
    assert error.value.field == "images"


def test_an_unknown_model_is_not_found(colour: Service) -> None:
    with pytest.raises(NotFound, match="absent@1"):
        colour.embed([RED], model="absent@1")


def test_a_name_that_is_no_model_is_invalid(colour: Service) -> None:
    with pytest.raises(InvalidArgument):
        colour.embed([RED], model="../secrets@1")


def test_a_default_model_that_cannot_be_made_tells_what_to_do(tmp_path: Path) -> None:
    with (
        service(tmp_path) as empty,
        pytest.raises(Conflict, match=r"hundredfold\.embedding\.export") as error,
    ):
        empty.embed([RED])
    assert error.value.reason == "EXPORT_FAILED"


def test_a_run_is_accepted_before_the_default_model_is_made(tmp_path: Path) -> None:
    with service(tmp_path) as empty:
        put_collection(empty.store, "birds", [])
        run = empty.runs.wait(empty.start("birds").run_id, 60)
        assert run.parameters["model"] == COLOUR.model
        assert run.state == "FAILED"
        assert "hundredfold.embedding.export" in run.error


def test_an_inference_server_that_is_away_is_unavailable(tmp_path: Path) -> None:
    publish_colour(ArtifactStore(str(tmp_path / "store")), tmp_path)
    with service(tmp_path, TritonBackend("127.0.0.1:1", patience_seconds=1)) as away:
        with pytest.raises(Unavailable, match="Triton"):
            away.embed([RED])
        put_collection(away.store, "birds", write_images(tmp_path, {"a.png": RED}))
        run = away.runs.wait(away.start("birds").run_id, 30)
        assert run.state == "FAILED"
        assert "Triton" in run.error
        (model,) = away.stub.ListModels(embedding_pb2.ListModelsRequest()).models
        assert not model.ready


# --- EmbedCollection ----------------------------------------------------------------------------


def test_a_run_embeds_the_readable_images_and_counts_the_others(
    colour: Service, tmp_path: Path
) -> None:
    images = {"a.png": RED, "b.png": b"broken", "c.png": GREEN, "d.png": BLACK, "e.png": RED}
    uris = write_images(tmp_path, images)
    put_collection(colour.store, "birds", uris, ["ok", "ok", "ok", "ok", "DECODE_FAILED"])
    assert colour.finished("birds") == {
        "space": "colour@1",
        "vectors": 2,
        "dimensions": 3,
        "failed": 2,
        "precision": "float32",
    }
    folder = layout.vectors("birds", "colour@1")
    vectors = colour.store.read_array(f"{folder}/{layout.vectors_part(0)}")
    assert vectors.dtype == np.float16
    np.testing.assert_allclose(vectors, [[1, 0, 0], [0, 1, 0]], atol=1e-3)
    rows = colour.store.read_array(f"{folder}/{layout.vectors_rows(0)}")
    assert rows.dtype == np.int64
    assert rows.tolist() == [0, 2]


def test_the_run_tells_its_progress_and_result(colour: Service, tmp_path: Path) -> None:
    put_collection(colour.store, "birds", write_images(tmp_path, {"a.png": RED, "b.png": GREEN}))
    run = colour.runs.wait(colour.start("birds").run_id, 30)
    assert (run.kind, run.collection, run.done, run.total, run.unit) == (
        "embed",
        "birds",
        2,
        2,
        "images",
    )


def test_the_result_is_what_the_proto_says(colour: Service, tmp_path: Path) -> None:
    put_collection(colour.store, "birds", write_images(tmp_path, {"a.png": RED}))
    for _ in range(2):  # made, then found made
        assert set(colour.finished("birds")) == result_keys("EmbedCollection")


def test_the_same_request_is_the_same_run(colour: Service, tmp_path: Path) -> None:
    put_collection(colour.store, "birds", write_images(tmp_path, {"a.png": RED}))
    first = colour.start("birds", request_id="r-1")
    assert colour.start("birds", request_id="r-1").run_id == first.run_id


def test_a_collection_without_images_has_an_empty_space(colour: Service) -> None:
    put_collection(colour.store, "empty", [])
    assert colour.finished("empty")["vectors"] == 0


def test_another_run_on_the_collection_is_aborted(tmp_path: Path) -> None:
    store = ArtifactStore(str(tmp_path / "store"))
    publish_colour(store, tmp_path)
    put_collection(store, "birds", write_images(tmp_path, {"a.png": RED}))
    put_duplicates(store, "birds", "dup-1", [0])
    gate = Gate(ModelRepository(store), threads=2)
    with service(tmp_path, gate) as gated:
        run = gated.start("birds")
        assert gated.start("birds").run_id == run.run_id
        with pytest.raises(Aborted):
            gated.start("birds", duplicates="dup-1")
        gate.opened.set()
        assert gated.runs.wait(run.run_id, 30).state == "SUCCEEDED"


def test_rows_that_are_wanted_first_are_part_of_what_was_asked(tmp_path: Path) -> None:
    store = ArtifactStore(str(tmp_path / "store"))
    publish_colour(store, tmp_path)
    put_collection(store, "birds", write_images(tmp_path, {"a.png": RED, "b.png": GREEN}))
    gate = Gate(ModelRepository(store), threads=2)
    first = pack(np.array([1, 0, 1], np.int64))
    with service(tmp_path, gate) as gated:
        run = gated.start("birds", first_rows=first)
        assert gated.start("birds", first_rows=first).run_id == run.run_id
        with pytest.raises(Aborted):
            gated.start("birds", first_rows=pack(np.array([0], np.int64)))
        gate.opened.set()
        assert gated.runs.wait(run.run_id, 30).result["vectors"] == 2


@pytest.mark.parametrize(
    "rows",
    [
        np.zeros(1, np.int32),
        np.zeros((1, 1), np.int64),
        np.array([3, -1]),
        np.zeros(500_001, np.int64),
    ],
    ids=["int32", "two axes", "negative", "too many"],
)
def test_first_rows_that_are_none_are_refused(colour: Service, rows: NDArray[Any]) -> None:
    put_collection(colour.store, "birds", [])
    with pytest.raises(InvalidArgument) as refused:
        colour.start("birds", first_rows=pack(rows))
    assert refused.value.field == "first_rows"


class Gate(OnnxBackend):
    """The real backend, which waits until the test lets it go on."""

    opened: threading.Event

    def __init__(self, repository: ModelRepository, threads: int) -> None:
        super().__init__(repository, threads)
        self.opened = threading.Event()

    def embed(
        self,
        card: ModelCard,
        images: NDArray[np.uint8],
        *,
        seconds: float,
        check: Check = unchecked,
    ) -> NDArray[np.float32]:
        assert self.opened.wait(30)
        return super().embed(card, images, seconds=seconds, check=check)


@pytest.mark.parametrize(
    ("fields", "error", "field"),
    [
        ({"collection": "absent"}, NotFound, "collection"),
        ({"collection": "No Name"}, InvalidArgument, "collection"),
        ({"collection": "birds", "model": "absent@1"}, NotFound, "model"),
        ({"collection": "birds", "model": "colour"}, InvalidArgument, "model"),
        ({"collection": "birds", "duplicates": "absent"}, NotFound, "duplicates"),
        ({"collection": "birds", "duplicates": "../x"}, InvalidArgument, "duplicates"),
        ({"collection": "birds", "request_id": ""}, InvalidArgument, "request_id"),
    ],
)
def test_a_bad_call_starts_no_run(
    colour: Service, fields: dict[str, str], error: type[Exception], field: str
) -> None:
    put_collection(colour.store, "birds", [])
    with pytest.raises(error) as told:
        colour.start(**fields)
    if error is InvalidArgument:
        assert told.value.field == field  # type: ignore[attr-defined]
    assert colour.runs.list() == []


# --- ListModels ---------------------------------------------------------------------------------


def test_models_are_listed_by_name_newest_version_first(colour: Service, tmp_path: Path) -> None:
    repository = ModelRepository(colour.store)
    for model in ("apple@1", "colour@2", "colour@10"):
        repository.publish(replace(COLOUR, model=model), tmp_path / "colour.onnx")
    answer = colour.stub.ListModels(embedding_pb2.ListModelsRequest())
    names = [model.model for model in answer.models]
    assert names == ["apple@1", "colour@10", "colour@2", "colour@1"]
    assert answer.next_page_token == ""
    last = answer.models[-1]
    assert (last.dimensions, last.input_pixels, last.ready) == (3, 32, True)
    assert last.source == "the mean of each channel, CC0"


def test_pages_of_models_are_the_whole_list(colour: Service, tmp_path: Path) -> None:
    repository = ModelRepository(colour.store)
    for version in range(2, 6):
        repository.publish(replace(COLOUR, model=f"colour@{version}"), tmp_path / "colour.onnx")
    found, token = [], ""
    while True:
        request = embedding_pb2.ListModelsRequest(page_size=2, page_token=token)
        answer = colour.stub.ListModels(request)
        assert len(answer.models) <= 2
        found += [model.model for model in answer.models]
        if not (token := answer.next_page_token):
            break
    assert found == [f"colour@{version}" for version in (5, 4, 3, 2, 1)]


def test_only_backbones_are_listed(colour: Service) -> None:
    colour.store.write_json("models/birds-head/1/model.json", {"kind": "head", "model": "x@1"})
    colour.store.write_json("models/Of The Operator/1/model.json", {})
    colour.store.write_bytes("models/notes.txt", b"")
    answer = colour.stub.ListModels(embedding_pb2.ListModelsRequest())
    assert [model.model for model in answer.models] == ["colour@1"]
    with pytest.raises(NotFound):
        colour.embed([RED], model="birds-head@1")


def test_an_empty_repository_lists_nothing(tmp_path: Path) -> None:
    with service(tmp_path) as empty:
        assert not empty.stub.ListModels(embedding_pb2.ListModelsRequest()).models


@pytest.mark.parametrize(
    ("field", "value"),
    [("page_size", -1), ("page_token", "nonsense"), ("page_token", encode_token("no model"))],
)
def test_a_bad_page_is_invalid(colour: Service, field: str, value: Any) -> None:
    with pytest.raises(InvalidArgument) as error:
        colour.stub.ListModels(embedding_pb2.ListModelsRequest(**{field: value}))
    assert error.value.field == field
