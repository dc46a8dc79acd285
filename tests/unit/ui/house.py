"""What the UI needs around it: catalog, labels and selection in this process, on real images."""

import json
import os
import threading
import uuid
from collections.abc import Iterator, Mapping, Sequence
from contextlib import ExitStack, contextmanager
from dataclasses import dataclass, field
from http.client import HTTPConnection
from pathlib import Path
from typing import Any

import numpy as np
import pytest
import uvicorn
from PIL import Image
from starlette.types import ASGIApp

from hundredfold.api.common.v1 import page_pb2
from hundredfold.api.labels.v1 import labels_pb2, labels_pb2_grpc
from hundredfold.catalog.ingest import Ingest
from hundredfold.catalog.servicer import CatalogServicer, catalog_mount
from hundredfold.catalog.store import CatalogStore
from hundredfold.chassis.client import connect
from hundredfold.chassis.config import DEFAULT_PORTS
from hundredfold.chassis.costs import CostModel
from hundredfold.chassis.runs import Runs
from hundredfold.chassis.runs_servicer import runs_mount
from hundredfold.chassis.server import Server
from hundredfold.chassis.sources import Sources
from hundredfold.chassis.storage.store import ArtifactStore
from hundredfold.chassis.tensors import pack
from hundredfold.chassis.testing import running, wait_for
from hundredfold.client import Client, Connection
from hundredfold.labels.__main__ import assemble
from hundredfold.labels.config import LabelsConfig
from hundredfold.selection.config import SelectionConfig
from hundredfold.selection.loops import Loops
from hundredfold.selection.peers import Embedder, Indexer, Ledger, Peers, Trainer
from hundredfold.selection.servicer import SelectionServicer, selection_mount
from tests.unit.labels.servers import redis_server
from ui.backend import client as client_of_ui

COLLECTION = "birds"
IMAGES = 12
BROKEN = 12  # the row of the image that can't be decoded
NOWHERE = "127.0.0.1:9"  # the discard port: nobody listens


@dataclass
class Services:
    """Services that run, and what is put into them."""

    servers: Mapping[str, Server]
    environ: dict[str, str] = field(init=False)
    client: Client = field(init=False)

    def __post_init__(self) -> None:
        self.environ = {f"HUNDREDFOLD_{name.upper()}_ADDRESS": NOWHERE for name in DEFAULT_PORTS}
        for name, server in self.servers.items():
            self.environ[f"HUNDREDFOLD_{name.upper()}_ADDRESS"] = server.address
        self.client = Client(Connection(self.environ))

    def offer(self, *rows: Sequence[int], kind: str = "CLUSTER", class_id: int = 0) -> None:
        """Put pages into the queue, the first with the highest score."""
        pages = [
            page_pb2.Page(
                page_id=str(uuid.uuid4()),
                kind=page_pb2.PageKind.Value(f"PAGE_KIND_{kind}"),
                rows=pack(np.array(each, np.int64)),
                class_id=class_id,
                score=-place,
            )
            for place, each in enumerate(rows)
        ]
        with connect(self.servers["labels"].address) as channel:
            labels_pb2_grpc.LabelsServiceStub(channel).OfferPages(
                labels_pb2.OfferPagesRequest(
                    collection=COLLECTION, pages=pages, total=IMAGES, replace=True
                )
            )

    def expire(self, token: int) -> None:
        """Wait until a lease has run out: five seconds, the shortest there is."""
        self.client.labels.renew(COLLECTION, [token], ttl_seconds=5)
        with connect(self.servers["labels"].address) as channel:
            labels = labels_pb2_grpc.LabelsServiceStub(channel)
            request = labels_pb2.ReconcileRequest(collection=COLLECTION)
            wait_for(lambda: labels.Reconcile(request).expired_leases)


@contextmanager
def services(folder: Path, *, ingest: bool = True) -> Iterator[Services]:
    """Catalog, labels and selection on one store, with a dozen images in it unless told otherwise."""
    with ExitStack() as stack:
        store = ArtifactStore(str(folder / "store"))
        catalog = stack.enter_context(_catalog(store, write_images(folder / "images")))
        labels = stack.enter_context(_labels(store))
        selection = stack.enter_context(_selection(store))
        house = Services({"catalog": catalog, "labels": labels, "selection": selection})
        stack.callback(house.client.close)
        if ingest:
            run = house.client.catalog.ingest(COLLECTION, str(folder / "images"))
            house.client.catalog.runs.wait(run.run_id)
        yield house


def write_images(folder: Path) -> Path:
    """A dozen images of one colour each, and one that is none."""
    folder.mkdir(parents=True)
    for number in range(IMAGES):
        colour = (20 * number, 255 - 20 * number, 90)
        Image.new("RGB", (40, 30), colour).save(folder / f"{number:02d}.png")
    (folder / "99.png").write_bytes(b"\x89PNG\r\n\x1a\n and nothing more")
    return folder


@contextmanager
def _catalog(store: ArtifactStore, images: Path) -> Iterator[Server]:
    sources = Sources((str(images),))
    runs = Runs(store, "catalog", {"ingest": Ingest(store, sources, 1, 1000)})
    servicer = CatalogServicer(CatalogStore(store), sources, runs)
    with running(catalog_mount(servicer), runs_mount(runs)) as server:
        yield server
        runs.close()


@contextmanager
def _labels(store: ArtifactStore) -> Iterator[Server]:
    with redis_server() as redis:
        service = assemble(LabelsConfig(store=store.root, redis_url=redis.url))
        with running(*service.mounts, ready=service.ready) as server:
            yield server
        service.close()


@contextmanager
def _selection(store: ArtifactStore) -> Iterator[Server]:
    """A selection service without peers: it knows of no loop."""
    with connect(NOWHERE) as channel:
        peers = Peers(Ledger(channel), Trainer(channel), Indexer(channel), Embedder(channel))
        loops = Loops(store, peers, CostModel.load(), SelectionConfig())
        with running(selection_mount(SelectionServicer(loops))) as server:
            yield server
        loops.stop()
        loops.close()


@contextmanager
def client_of(environ: Mapping[str, str]) -> Iterator[None]:
    """The UI's own client goes to these addresses meanwhile."""
    with pytest.MonkeyPatch.context() as patch:
        for name in [each for each in os.environ if each.startswith("HUNDREDFOLD_")]:
            patch.delenv(name)
        for name, value in environ.items():
            patch.setenv(name, value)
        client_of_ui.cache_clear()
        try:
            yield
        finally:
            client_of_ui().close()
            client_of_ui.cache_clear()


@dataclass(frozen=True)
class Reply:
    """What came back over HTTP."""

    status: int
    headers: Mapping[str, str]
    data: bytes

    @property
    def json(self) -> Any:
        return json.loads(self.data)


@dataclass(frozen=True)
class Browser:
    """Asks as the grid does, unless told otherwise."""

    port: int

    @property
    def host(self) -> str:
        return f"127.0.0.1:{self.port}"

    def get(self, path: str, **headers: str) -> Reply:
        return self.ask("GET", path, None, headers)

    def post(self, path: str, body: Any, **headers: str) -> Reply:
        """Send a body as JSON with the headers of the grid; `origin="..."` adds or replaces one."""
        named = {each.replace("_", "-"): value for each, value in headers.items()}
        usual = {"content-type": "application/json", "x-hundredfold": "1"}
        return self.ask("POST", path, json.dumps(body).encode(), usual | named)

    def ask(self, method: str, path: str, body: Any, headers: Mapping[str, str]) -> Reply:
        connection = HTTPConnection("127.0.0.1", self.port, timeout=30)
        try:
            connection.request(method, path, body, dict(headers))
            answer = connection.getresponse()
            found = {name.lower(): value for name, value in answer.getheaders()}
            return Reply(answer.status, found, answer.read())
        finally:
            connection.close()


@contextmanager
def served(app: ASGIApp) -> Iterator[Browser]:
    """An app on a port of this machine."""
    server = uvicorn.Server(
        uvicorn.Config(app, port=0, log_level="error", access_log=False, lifespan="on")
    )
    thread = threading.Thread(target=server.run)
    thread.start()
    try:
        wait_for(lambda: server.started)
        yield Browser(server.servers[0].sockets[0].getsockname()[1])
    finally:
        server.should_exit = True
        thread.join()
