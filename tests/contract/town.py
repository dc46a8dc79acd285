"""All services in this process, nothing made up but the images.

What the images show adds up: a red patch, a green one, a blue bar, each there or not, where it pleases.
"""

import csv
from collections.abc import Iterator
from contextlib import ExitStack, contextmanager
from pathlib import Path

import numpy as np
import pytest
from PIL import Image

from hundredfold.catalog.ingest import Ingest
from hundredfold.catalog.servicer import CatalogServicer, catalog_mount
from hundredfold.catalog.store import CatalogStore
from hundredfold.chassis.backbones.cards import ModelCard
from hundredfold.chassis.backbones.repository import ModelRepository
from hundredfold.chassis.client import connect
from hundredfold.chassis.config import DEFAULT_PORTS
from hundredfold.chassis.costs import CostModel
from hundredfold.chassis.runs import Runs
from hundredfold.chassis.runs_servicer import runs_mount
from hundredfold.chassis.server import Mount
from hundredfold.chassis.sources import Sources
from hundredfold.chassis.storage.store import ArtifactStore
from hundredfold.chassis.testing import running
from hundredfold.client import Client, Connection
from hundredfold.embedding.backends.onnx import OnnxBackend
from hundredfold.embedding.embedder import Embedder as ImageEmbedder
from hundredfold.embedding.import_job import KIND as IMPORT
from hundredfold.embedding.import_job import ImportVectors
from hundredfold.embedding.precision import Precisions
from hundredfold.embedding.provision import Models
from hundredfold.embedding.servicer import EmbeddingServicer, embedding_mount
from hundredfold.embedding.space_job import KIND as EMBED
from hundredfold.embedding.space_job import EmbedCollection
from hundredfold.hashing.servicer import HashingServicer, hashing_mount
from hundredfold.index.editing import Editor
from hundredfold.index.jobs import Jobs
from hundredfold.index.searching import Searcher
from hundredfold.index.servicer import IndexServicer, index_mount
from hundredfold.index.spaces import Spaces as IndexSpaces
from hundredfold.index.store import IndexStore
from hundredfold.labels.__main__ import assemble
from hundredfold.labels.config import LabelsConfig
from hundredfold.selection.config import SelectionConfig
from hundredfold.selection.loops import Loops
from hundredfold.selection.peers import Embedder, Indexer, Ledger, Peers, Trainer
from hundredfold.selection.servicer import SelectionServicer, selection_mount
from hundredfold.training.finetune_job import KIND as TRAIN
from hundredfold.training.finetune_job import FineTune, Tuner
from hundredfold.training.fitting import Fitter
from hundredfold.training.judging import Judge
from hundredfold.training.peers import Ledger as TrainingLedger
from hundredfold.training.servicer import TrainingServicer, training_mount
from hundredfold.training.spaces import Spaces
from hundredfold.training.store import HeadStore
from tests.unit.labels.servers import redis_server

IMAGES, SIDE = 240, 64
CLASSES = ("red", "green", "blue")
SHARES = (0.4, 0.25, 0.12)
GRID = ModelCard("grid@1", 48, 32, 48, "the mean colour of each of 16 cells", "CC0")


def publish_grid(store: ArtifactStore, folder: Path) -> None:
    """A tiny backbone: the colours of a grid of four by four, less grey, scaled to length 1."""
    onnx = pytest.importorskip("onnx")
    make = onnx.helper.make_tensor_value_info
    grey = onnx.helper.make_tensor("grey", onnx.TensorProto.FLOAT, [1], [100.0])
    nodes = [
        onnx.helper.make_node("Cast", ["image"], ["pixels"], to=onnx.TensorProto.FLOAT),
        onnx.helper.make_node("Sub", ["pixels", "grey"], ["apart"]),
        onnx.helper.make_node("Transpose", ["apart"], ["planes"], perm=[0, 3, 1, 2]),
        onnx.helper.make_node(
            "AveragePool", ["planes"], ["cells"], kernel_shape=[8, 8], strides=[8, 8]
        ),
        onnx.helper.make_node("Flatten", ["cells"], ["logits"]),
        onnx.helper.make_node("ReduceL2", ["logits"], ["length"], axes=[1], keepdims=1),
        onnx.helper.make_node("Div", ["logits", "length"], ["embedding"]),
    ]
    graph = onnx.helper.make_graph(
        nodes,
        "grid",
        [make("image", onnx.TensorProto.UINT8, ["n", 32, 32, 3])],
        [make(name, onnx.TensorProto.FLOAT, ["n", 48]) for name in ("embedding", "logits")],
        [grey],
    )
    opset = onnx.helper.make_opsetid("", 17)
    model = onnx.helper.make_model(graph, opset_imports=[opset], ir_version=9)
    file = folder / "grid.onnx"
    onnx.save(model, file)
    ModelRepository(store).publish(GRID, file)


def write_scenes(folder: Path) -> Path:
    """Images, and labels.csv with the names of what each shows; nothing is the name of nothing."""
    folder.mkdir()
    random = np.random.default_rng(5)
    with (folder / "labels.csv").open("w", encoding="utf-8", newline="") as file:
        table = csv.writer(file)
        table.writerow(["path", "label"])
        for number in range(IMAGES):
            shown = [
                name for name, share in zip(CLASSES, SHARES, strict=True) if random.random() < share
            ]
            Image.fromarray(_scene(shown, random)).save(folder / f"{number:03d}.png")
            table.writerow([f"{number:03d}.png", ";".join(shown)])
    return folder


def _scene(shown: list[str], random: np.random.Generator) -> np.ndarray:
    pixels = random.normal(100, 12, (SIDE, SIDE, 3))
    for plane, (name, (y, x, height, width)) in enumerate(
        zip(CLASSES, ((4, 4, 20, 20), (38, 36, 20, 20), (28, 0, 7, 64)), strict=True)
    ):
        if name in shown:
            dy, dx = random.integers(-4, 5, 2)
            pixels[max(y + dy, 0) : y + dy + height, max(x + dx, 0) : x + dx + width, plane] += 110
    return np.clip(pixels, 0, 255).astype(np.uint8)


class Town:
    """All services that labelling takes, and a client."""

    def __init__(self, stack: ExitStack, folder: Path, redis_url: str) -> None:
        self.stack, self.folder = stack, folder
        self.images = write_scenes(folder / "images")
        self.store = ArtifactStore(str(folder / "store"))
        publish_grid(self.store, folder)
        self.sources = Sources((str(folder),))
        labels = assemble(
            LabelsConfig(store=self.store.root, redis_url=redis_url, roots=(str(folder),))
        )
        stack.callback(labels.close)
        self.addresses: dict[str, str] = {}
        self.serve("labels", *labels.mounts)
        self._serve_images()
        self._serve_index()
        self._serve_training()
        self._serve_selection()
        environ = {f"HUNDREDFOLD_{name.upper()}_ADDRESS": "127.0.0.1:9" for name in DEFAULT_PORTS}
        environ |= {
            f"HUNDREDFOLD_{name.upper()}_ADDRESS": address
            for name, address in self.addresses.items()
        }
        self.client = stack.enter_context(Client(Connection(environ)))

    def serve(self, name: str, *mounts: Mount) -> None:
        self.addresses[name] = self.stack.enter_context(running(*mounts)).address

    def runs(self, name: str, jobs: dict) -> Runs:
        runs = Runs(self.store, name, jobs)
        self.stack.callback(runs.close)
        return runs

    def channel(self, name: str):
        return self.stack.enter_context(connect(self.addresses[name]))

    def _serve_images(self) -> None:
        runs = self.runs("catalog", {"ingest": Ingest(self.store, self.sources, 1, 1000)})
        catalog = CatalogServicer(CatalogStore(self.store), self.sources, runs)
        self.serve("catalog", catalog_mount(catalog), runs_mount(runs))
        repository = ModelRepository(self.store)
        embedder = ImageEmbedder(OnnxBackend(repository, 1), 1)
        self.stack.callback(embedder.close)
        models = Models(repository, self.store.root, GRID.model)
        job = EmbedCollection(self.store, models, self.sources, Precisions(embedder))
        hashing = self.runs("hashing", {})
        servicer = HashingServicer(self.store, hashing)
        self.serve("hashing", hashing_mount(servicer), runs_mount(hashing))
        imports = ImportVectors(self.store, repository, self.sources)
        runs = self.runs("embedding", {EMBED: job, IMPORT: imports})
        embeds = EmbeddingServicer(self.store, models, embedder, runs, imports)
        self.serve("embedding", embedding_mount(embeds), runs_mount(runs))

    def _serve_index(self) -> None:
        spaces, kept = IndexSpaces(self.store), IndexStore(self.store)
        jobs = Jobs(spaces, kept, threads=1, exact_below=100_000)
        searcher = Searcher(spaces, kept, threads=1, open_indexes=1)
        runs = self.runs("index", jobs.by_kind())
        servicer = IndexServicer(spaces, kept, searcher, Editor(spaces, kept, threads=1), runs)
        self.serve("index", index_mount(servicer), runs_mount(runs))

    def _serve_training(self) -> None:
        ledger = TrainingLedger(self.channel("labels"), 10.0)
        spaces, heads = Spaces(self.store, dimensions=64, most=2), HeadStore(self.store, 5)
        fitter, judge = (made(self.store, spaces, heads, ledger) for made in (Fitter, Judge))
        job = FineTune(self.store, ledger, sources=())
        runs = self.runs("training", {TRAIN: job})
        servicer = TrainingServicer(self.store, heads, fitter, judge, Tuner(job, runs))
        self.serve("training", training_mount(servicer), runs_mount(runs))

    def _serve_selection(self) -> None:
        peers = Peers(
            Ledger(self.channel("labels")),
            Trainer(self.channel("training")),
            Indexer(self.channel("index")),
            Embedder(self.channel("embedding")),
        )
        config = SelectionConfig(settle_seconds=0.01, check_seconds=0.2)
        loops = Loops(self.store, peers, CostModel(), config)
        self.stack.callback(loops.close)
        self.serve("selection", selection_mount(SelectionServicer(loops)))

    def prepare(self, name: str) -> None:
        """Take the images in, say that they may be of several classes, embed them."""
        catalog, embedding = self.client.catalog, self.client.embedding
        catalog.runs.wait(catalog.ingest(name, str(self.images)).run_id)
        catalog.set_several(name)
        embedding.runs.wait(embedding.embed_collection(name, model=GRID.model).run_id)


@contextmanager
def town_at(root: Path) -> Iterator[Town]:
    """A town with a Redis of its own; the command line finds its services meanwhile."""
    with ExitStack() as stack:
        town = Town(stack, root, stack.enter_context(redis_server()).url)
        environ = stack.enter_context(pytest.MonkeyPatch.context())
        for name, address in town.addresses.items():
            environ.setenv(f"HUNDREDFOLD_{name.upper()}_ADDRESS", address)
        yield town
