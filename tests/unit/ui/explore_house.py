"""What Explore needs around it: the house, with vectors, clusters, an index and a backbone."""

from collections.abc import Iterator
from contextlib import ExitStack, contextmanager
from pathlib import Path

import numpy as np

from hundredfold.chassis.backbones.repository import ModelRepository
from hundredfold.chassis.runs import Runs
from hundredfold.chassis.runs_servicer import runs_mount
from hundredfold.chassis.server import Server
from hundredfold.chassis.sources import Sources
from hundredfold.chassis.storage.store import ArtifactStore
from hundredfold.chassis.testing import running
from hundredfold.embedding.backends.onnx import OnnxBackend
from hundredfold.embedding.embedder import Embedder
from hundredfold.embedding.import_job import ImportVectors
from hundredfold.embedding.provision import Models
from hundredfold.embedding.servicer import EmbeddingServicer, embedding_mount
from hundredfold.index.domain import device
from hundredfold.index.editing import Editor
from hundredfold.index.jobs import Jobs
from hundredfold.index.searching import Searcher
from hundredfold.index.servicer import IndexServicer, index_mount
from hundredfold.index.spaces import Spaces
from hundredfold.index.store import IndexStore
from tests.contract.embedding_fixtures import COLOUR, publish_colour
from tests.contract.index_spaces import unit, write_space
from tests.unit.ui.house import COLLECTION, IMAGES, Services, services

SPACE = COLOUR.model
CENTRES = 3
"""The vector of row n lies near the axis n % CENTRES."""


@contextmanager
def explore_services(folder: Path, *, ingest: bool = False) -> Iterator[Services]:
    """Catalog, labels, selection, embedding and index on the store in a folder."""
    with ExitStack() as stack:
        house = stack.enter_context(services(folder, ingest=ingest))
        store = ArtifactStore(str(folder / "store"))
        publish_colour(store, folder)
        servers = {
            "index": stack.enter_context(_index(store)),
            "embedding": stack.enter_context(_embedding(store)),
        }
        grown = Services({**house.servers, **servers})
        stack.callback(grown.client.close)
        yield grown


@contextmanager
def house_with_vectors(folder: Path) -> Iterator[Services]:
    """These services, with a dozen images whose clusters are the axes."""
    with explore_services(folder, ingest=True) as house:
        store = ArtifactStore(str(folder / "store"))
        axes = np.eye(CENTRES)[np.arange(IMAGES) % CENTRES]
        noise = np.random.default_rng(0).normal(size=axes.shape) * 0.05
        write_space(store, unit(axes + noise), np.arange(IMAGES), COLLECTION, SPACE)
        index = house.client.index
        index.runs.wait(index.build(COLLECTION, SPACE).run_id)
        index.runs.wait(index.cluster(COLLECTION, SPACE, clusters=CENTRES).run_id)
        yield house


@contextmanager
def _index(store: ArtifactStore) -> Iterator[Server]:
    device.limit_process(1)
    spaces, kept = Spaces(store), IndexStore(store)
    runs = Runs(store, "index", Jobs(spaces, kept, threads=1, exact_below=1000).by_kind())
    searcher = Searcher(spaces, kept, threads=1, open_indexes=2)
    servicer = IndexServicer(spaces, kept, searcher, Editor(spaces, kept, threads=1), runs)
    with running(index_mount(servicer), runs_mount(runs)) as server:
        yield server
        runs.close()


@contextmanager
def _embedding(store: ArtifactStore) -> Iterator[Server]:
    repository = ModelRepository(store)
    embedder = Embedder(OnnxBackend(repository, threads=1), decoders=1)
    runs = Runs(store, "embedding", {})
    models = Models(repository, store.root, SPACE)
    imports = ImportVectors(store, repository, Sources(()))
    servicer = EmbeddingServicer(store, models, embedder, runs, imports)
    with running(embedding_mount(servicer), runs_mount(runs)) as server:
        yield server
        runs.close()
        embedder.close()
