"""Every RPC of every service answers whatever is sent with a status that callers can act on."""

import random
import uuid
from collections.abc import Iterator
from contextlib import ExitStack
from pathlib import Path
from typing import Any

import grpc
import numpy as np
import pytest

from hundredfold.catalog.ingest import KIND as INGEST
from hundredfold.catalog.ingest import Ingest
from hundredfold.catalog.servicer import CatalogServicer, catalog_mount
from hundredfold.catalog.store import CatalogStore
from hundredfold.chassis.backbones.repository import ModelRepository
from hundredfold.chassis.client import error_of
from hundredfold.chassis.costs import CostModel
from hundredfold.chassis.errors import ServiceError
from hundredfold.chassis.runs import Runs
from hundredfold.chassis.runs_servicer import runs_mount
from hundredfold.chassis.server import Mount
from hundredfold.chassis.sources import Sources
from hundredfold.chassis.storage.store import ArtifactStore
from hundredfold.chassis.testing import serving
from hundredfold.embedding.backends.onnx import OnnxBackend
from hundredfold.embedding.embedder import Embedder
from hundredfold.embedding.import_job import KIND as IMPORT
from hundredfold.embedding.import_job import ImportVectors
from hundredfold.embedding.provision import Models
from hundredfold.embedding.servicer import EmbeddingServicer, embedding_mount
from hundredfold.embedding.space_job import KIND as EMBED
from hundredfold.hashing import duplicates_job, hash_job, leaks_job
from hundredfold.hashing.servicer import HashingServicer, hashing_mount
from hundredfold.index.editing import Editor
from hundredfold.index.jobs import Jobs
from hundredfold.index.searching import Searcher
from hundredfold.index.servicer import IndexServicer, index_mount
from hundredfold.index.spaces import Spaces as IndexSpaces
from hundredfold.index.store import IndexStore
from hundredfold.labels.__main__ import assemble
from hundredfold.selection.config import SelectionConfig
from hundredfold.selection.loops import Loops
from hundredfold.selection.peers import Embedder as SelectionEmbedder
from hundredfold.selection.peers import Indexer, Peers, Trainer
from hundredfold.selection.peers import Ledger as SelectionLedger
from hundredfold.selection.servicer import SelectionServicer, selection_mount
from hundredfold.training.finetune_job import KIND as FINETUNE
from hundredfold.training.finetune_job import FineTune, Tuner
from hundredfold.training.fitting import Fitter
from hundredfold.training.judging import Judge
from hundredfold.training.peers import Ledger as TrainingLedger
from hundredfold.training.servicer import TrainingServicer, training_mount
from hundredfold.training.spaces import Spaces as TrainingSpaces
from hundredfold.training.store import HeadStore
from tests.contract.embedding_fixtures import COLOUR, photo, png, publish_colour
from tests.contract.index_spaces import SPACE, blobs, write_space
from tests.contract.messages_at_random import sound, spoilt
from tests.unit.labels.servers import redis_server
from tests.unit.labels.world import BIRDS, config_for

pytestmark = pytest.mark.timeout(120)

EXAMPLES = 40
IMAGES = 16
CREATES = {"CreateCollection", "Ingest"}
FILTERS = {"ListRuns"}  # its collection is a filter, so an unknown one has no runs
ENDLESS = {"WatchDecisions", "WatchRun"}
HELD = {"OK", "INVALID_ARGUMENT", "NOT_FOUND", "ALREADY_EXISTS", "FAILED_PRECONDITION"}
HELD |= {"ABORTED", "PERMISSION_DENIED", "RESOURCE_EXHAUSTED"}
PREPARING = {"ProposePages", "Forecast"}  # UNAVAILABLE until the loop has pages


class Everything:
    """All services on one store, and callers that send bytes."""

    def __init__(self, stack: ExitStack, folder: Path, redis_url: str) -> None:
        self._stack = stack
        self._folder = folder
        self.config = config_for(folder, redis_url)
        self.store = ArtifactStore(self.config.store)
        publish_colour(self.store, folder)
        self._catalog = self._ingested()
        rows = np.arange(IMAGES, dtype=np.int64)
        write_space(self.store, blobs(4, IMAGES // 4), rows, collection=BIRDS)
        indexed = self._runs("index", Jobs(*self._index(), threads=1, exact_below=1000).by_kind())
        mounts = (*self._with_runs(indexed), runs_mount(indexed))
        peers = stack.enter_context(serving(*mounts))
        mounts = (*mounts, self._selection(peers))
        self.methods = {
            f"/{method.containing_service.full_name}/{method.name}": method
            for mount in mounts
            for method in mount.descriptor.methods
        }
        self._channel = stack.enter_context(serving(*mounts))

    def call(self, path: str, request: bytes) -> ServiceError | None:
        """Send bytes; the error, or None for OK."""
        method = self.methods[path]
        send = ("stream" if method.client_streaming else "unary") + "_"
        send += "stream" if method.server_streaming else "unary"
        # The channel beneath, so that the status is seen as it is.
        raw: grpc.Channel = self._channel._channel  # type: ignore[attr-defined]
        stub = getattr(raw, send)(path)
        sent: Any = iter([request]) if method.client_streaming else request
        try:
            answer = stub(sent, timeout=20)
            for _ in answer if method.server_streaming else ():
                if method.name in ENDLESS:
                    answer.cancel()
                    break
        except grpc.RpcError as failed:
            return error_of(failed)
        return None

    def _ingested(self) -> Mount:
        """The catalog, with a collection."""
        sources = Sources((str(self._folder),))
        for number in range(IMAGES):
            image = png(photo(number, 40, 50))
            (self._folder / f"{number}.png").write_bytes(image)
        runs = self._runs("catalog", {INGEST: Ingest(self.store, sources, 1, 1000)})
        store = CatalogStore(self.store)
        store.create(BIRDS, "birds", 0.0)
        asked = {"source": f"{self._folder}/*.png", "limit": 0}
        columns = ("uri", "image", "label", "tags", "key")
        asked |= {f"{column}_column": "" for column in columns}
        run = runs.wait(runs.start(INGEST, BIRDS, asked, request_id="birds").run_id, 30)
        assert run.result["new"] == IMAGES, run.error
        return catalog_mount(CatalogServicer(store, sources, runs))

    def _runs(self, service: str, jobs: Any) -> Runs:
        runs = Runs(self.store, service, jobs)
        self._stack.callback(runs.close)
        return runs

    def _idle(self, service: str, *kinds: str) -> Runs:
        return self._runs(service, {kind: lambda _: {} for kind in kinds})

    def _index(self) -> tuple[IndexSpaces, IndexStore]:
        return IndexSpaces(self.store), IndexStore(self.store)

    def _with_runs(self, indexed: Runs) -> Iterator[Mount]:
        """All services but selection; the jobs of hashing and embedding end at once."""
        store = self.store
        yield self._catalog
        kinds = hash_job.KIND, duplicates_job.KIND, leaks_job.KIND
        yield hashing_mount(HashingServicer(store, self._idle("hashing", *kinds)))
        repository = ModelRepository(store)
        embedder = Embedder(OnnxBackend(repository, threads=1), decoders=1)
        self._stack.callback(embedder.close)
        models = Models(repository, store.root, COLOUR.model)
        embedded = self._idle("embedding", EMBED, IMPORT)
        imports = ImportVectors(store, repository, Sources(()))
        yield embedding_mount(EmbeddingServicer(store, models, embedder, embedded, imports))
        searcher = Searcher(*self._index(), threads=1, open_indexes=2)
        editor = Editor(*self._index(), threads=1)
        yield index_mount(IndexServicer(*self._index(), searcher, editor, indexed))
        labels = assemble(self.config)
        self._stack.callback(labels.close)
        yield labels.mounts[0]
        heads = HeadStore(store, keep=5)
        to_labels = self._stack.enter_context(serving(labels.mounts[0]))
        spaces = TrainingSpaces(store, dimensions=8, most=2)
        ledger = TrainingLedger(to_labels, 5.0)
        fitter, judge = (made(store, spaces, heads, ledger) for made in (Fitter, Judge))
        tuner = Tuner(FineTune(store, ledger, sources=()), self._idle("training", FINETUNE))
        yield training_mount(TrainingServicer(store, heads, fitter, judge, tuner))

    def _selection(self, peers: grpc.Channel) -> Mount:
        to = Peers(SelectionLedger(peers), Trainer(peers), Indexer(peers), SelectionEmbedder(peers))
        loops = Loops(self.store, to, CostModel(), SelectionConfig())
        self._stack.callback(loops.close)
        return selection_mount(SelectionServicer(loops))

    def known(self, collection: str = BIRDS) -> dict[str, Any]:
        """Sound values of fields by their names."""
        return {
            "collection": collection,
            "request_id": str(uuid.uuid4()),
            "space": SPACE,
            "model": "head-birds@1",
            "source": str(self._folder / "colour.onnx"),
            "rows": np.array([1, 2], np.int64),
            "vectors": np.ones((1, 16), np.float32),
            "format": 1,
        }


@pytest.fixture(scope="module")
def everything(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Everything]:
    with ExitStack() as stack:
        redis = stack.enter_context(redis_server())
        yield Everything(stack, tmp_path_factory.mktemp("everything"), redis.url)


def of_collection(everything: Everything, but: set[str]) -> list[str]:
    return [
        path
        for path, method in everything.methods.items()
        if "collection" in method.input_type.fields_by_name and method.name not in but
    ]


def test_an_unknown_collection_is_not_found_by_every_rpc(everything: Everything) -> None:
    answers = {
        path: everything.call(
            path,
            sound(everything.methods[path], everything.known("nowhere")).SerializeToString(),
        )
        for path in of_collection(everything, but=CREATES | FILTERS)
    }
    assert len(answers) > 40
    wrong = {path: answer for path, answer in answers.items() if _code(answer) != "NOT_FOUND"}
    assert not wrong


@pytest.mark.parametrize("name", ["", "../x", "A B", "x" * 300, "a\0b", "é"])
def test_a_wrong_name_of_a_collection_is_named_by_every_rpc(
    everything: Everything, name: str
) -> None:
    answers = {
        path: everything.call(
            path, sound(everything.methods[path], everything.known(name)).SerializeToString()
        )
        for path in of_collection(everything, but={"Ingest"} | FILTERS)
    }
    wrong = {
        path: (_code(answer), getattr(answer, "field", ""))
        for path, answer in answers.items()
        if (_code(answer), getattr(answer, "field", "")) != ("INVALID_ARGUMENT", "collection")
    }
    assert not wrong


def test_whatever_is_sent_the_status_is_one_to_act_on(everything: Everything) -> None:
    wrong = []
    for path, method in everything.methods.items():
        dice = random.Random(path)  # noqa: S311 - the same requests in every run
        for _ in range(EXAMPLES):
            request = spoilt(method, everything.known(), dice)
            answer = everything.call(path, request)
            held = HELD | ({"UNAVAILABLE"} if method.name in PREPARING else set())
            if _code(answer) not in held or not _says_what_is_wrong(answer):
                wrong.append((path, _code(answer), str(answer), request[:500]))
    assert not wrong


def _code(answer: ServiceError | None) -> str:
    """The status; of one that has no error of its own, the base class keeps the name as reason."""
    if answer is None:
        return "OK"
    return answer.reason if type(answer) is ServiceError else answer.code


def _says_what_is_wrong(answer: ServiceError | None) -> bool:
    if _code(answer) != "INVALID_ARGUMENT":
        return True
    assert answer is not None
    return bool(answer.field) or answer.reason == "MALFORMED_MESSAGE"
