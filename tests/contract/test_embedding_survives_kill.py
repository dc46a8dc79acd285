"""The embedding service as a process of its own, killed in the middle of its work and started again."""

import os
import signal
import subprocess
import sys
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path

import numpy as np

from hundredfold.api.embedding.v1 import embedding_pb2, embedding_pb2_grpc
from hundredfold.api.runs.v1 import runs_pb2, runs_pb2_grpc
from hundredfold.chassis.client import connect
from hundredfold.chassis.errors import DeadlineExceeded, Unavailable
from hundredfold.chassis.storage import layout
from hundredfold.chassis.storage.manifest import Manifest
from hundredfold.chassis.storage.store import ArtifactStore
from hundredfold.chassis.tensors import pack
from hundredfold.chassis.testing import free_ports, wait_for
from tests.contract.embedding_fixtures import (
    COLOUR,
    png,
    publish_colour,
    put_collection,
    write_images,
)

IMAGES, FIRST = 1_200, 40
FOLDER = layout.vectors("birds", COLOUR.model)


@contextmanager
def embedding(store: ArtifactStore, images: Path, port: int) -> Iterator[subprocess.Popen[bytes]]:
    environment = os.environ | {
        "PYTHONPATH": os.pathsep.join(filter(None, sys.path)),
        "HUNDREDFOLD_EMBEDDING_BIND": f"127.0.0.1:{port}",
        "HUNDREDFOLD_STORE": store.root,
        "HUNDREDFOLD_EMBEDDING_SOURCES": str(images),
        "HUNDREDFOLD_EMBEDDING_MODEL": COLOUR.model,
    }
    command = [sys.executable, "-m", "hundredfold.embedding"]
    with subprocess.Popen(command, env=environment, stderr=subprocess.DEVNULL) as process:
        try:
            yield process
        finally:
            process.kill()


def start(port: int) -> str:
    request = embedding_pb2.EmbedCollectionRequest(
        collection="birds",
        request_id="11111111-1111-1111-1111-111111111111",
        first_rows=pack(np.arange(FIRST, dtype=np.int64)),  # saved before the others
    )
    with connect(f"127.0.0.1:{port}", deadline_seconds=60) as channel:
        stub = embedding_pb2_grpc.EmbeddingServiceStub(channel)
        return str(stub.EmbedCollection(request, wait_for_ready=True).run.run_id)


def ended(port: int, run_id: str) -> runs_pb2.Run | None:
    with connect(f"127.0.0.1:{port}") as channel:
        try:
            run = runs_pb2_grpc.RunsServiceStub(channel).GetRun(
                runs_pb2.GetRunRequest(run_id=run_id)
            )
        except (DeadlineExceeded, Unavailable):  # it is not up yet
            return None
    return run.run if run.run.finished_at else None


def vectors(store: ArtifactStore) -> int:
    """How many vectors are in the store at this moment."""
    entry = Manifest.load(store, FOLDER).entries.get(layout.vectors_part(0))
    return entry.meta["vectors"] if entry else 0


def made(root: Path, images: Path) -> ArtifactStore:
    store = ArtifactStore(str(root))
    publish_colour(store, images)
    put_collection(store, "birds", [str(images / f"{row}.png") for row in range(IMAGES)])
    return store


def files(store: ArtifactStore) -> dict[str, bytes]:
    names = store.list(FOLDER)
    return {name: store.read_bytes(f"{FOLDER}/{name}") for name in names}


def test_a_run_that_was_killed_goes_on_and_ends_byte_equal(tmp_path: Path) -> None:
    images = tmp_path / "images"
    images.mkdir()
    noise = np.random.default_rng(0)
    pictures = (noise.integers(0, 256, (60, 80, 3), dtype=np.uint8) for _ in range(IMAGES))
    write_images(images, {f"{row}.png": png(picture) for row, picture in enumerate(pictures)})

    killed, port = made(tmp_path / "killed", images), free_ports(1)[0]
    with embedding(killed, images, port) as process:
        run_id = start(port)
        wait_for(lambda: vectors(killed), 120)
        os.kill(process.pid, signal.SIGKILL)
        process.wait(10)
    assert vectors(killed) == FIRST
    with embedding(killed, images, port):
        run = wait_for(lambda: ended(port, run_id), 120)
    assert run.state == runs_pb2.STATE_SUCCEEDED
    assert Manifest.load(killed, FOLDER).verify(killed) == []

    whole, port = made(tmp_path / "whole", images), free_ports(1)[0]
    with embedding(whole, images, port):
        run_id = start(port)
        assert wait_for(lambda: ended(port, run_id), 120).state == runs_pb2.STATE_SUCCEEDED
    assert vectors(whole) == IMAGES
    assert files(killed) == files(whole)
