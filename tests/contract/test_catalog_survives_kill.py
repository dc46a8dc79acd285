"""The catalog as a process of its own, killed in the middle of its work and started again."""

import io
import os
import random
import signal
import subprocess
import sys
import uuid
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path

import pyarrow as pa
import pytest
from PIL import Image

from hundredfold.api.catalog.v1 import catalog_pb2, catalog_pb2_grpc
from hundredfold.api.runs.v1 import runs_pb2, runs_pb2_grpc
from hundredfold.chassis.client import connect
from hundredfold.chassis.errors import NotFound, Unavailable
from hundredfold.chassis.storage import layout
from hundredfold.chassis.storage.collections import parts, read_images_part, row_count
from hundredfold.chassis.storage.manifest import Manifest
from hundredfold.chassis.storage.store import ArtifactStore
from hundredfold.chassis.testing import free_ports, wait_for

IMAGES = 200
LIMIT = 190


@pytest.fixture
def images(tmp_path: Path) -> Path:
    folder = tmp_path / "images"
    for number in range(IMAGES):
        path = folder / str(number % 3) / f"{number:03}.jpg"
        path.parent.mkdir(parents=True, exist_ok=True)
        noise = random.Random(number).randbytes(16 * 16 * 3)  # noqa: S311 - only pixels
        out = io.BytesIO()
        Image.frombytes("RGB", (16, 16), noise).resize((700, 500)).save(out, "JPEG")
        path.write_bytes(out.getvalue() if number % 10 else b"broken")
    return folder


@contextmanager
def catalog(store: Path, images: Path, port: int) -> Iterator[subprocess.Popen[bytes]]:
    environment = os.environ | {
        "PYTHONPATH": os.pathsep.join(filter(None, sys.path)),
        "HUNDREDFOLD_CATALOG_BIND": f"127.0.0.1:{port}",
        "HUNDREDFOLD_STORE": str(store),
        "HUNDREDFOLD_CATALOG_SOURCES": str(images),
        "HUNDREDFOLD_CATALOG_DECODERS": "2",
        "HUNDREDFOLD_CATALOG_FLUSH_ROWS": "7",
    }
    command = [sys.executable, "-m", "hundredfold.catalog"]
    with subprocess.Popen(command, env=environment, stderr=subprocess.DEVNULL) as process:
        try:
            yield process
        finally:
            process.kill()


def ingest(port: int, images: Path) -> str:
    request = catalog_pb2.IngestRequest(
        collection="c", source=str(images), request_id=str(uuid.uuid4()), limit=LIMIT
    )
    with connect(f"127.0.0.1:{port}", deadline_seconds=30) as channel:
        stub = catalog_pb2_grpc.CatalogServiceStub(channel)
        return str(stub.Ingest(request, wait_for_ready=True).run.run_id)


def ended(port: int, run_id: str) -> runs_pb2.Run | None:
    with connect(f"127.0.0.1:{port}") as channel:
        try:
            run = runs_pb2_grpc.RunsServiceStub(channel).GetRun(
                runs_pb2.GetRunRequest(run_id=run_id)
            )
        except Unavailable:
            return None
    return run.run if run.run.finished_at else None


def table(store: ArtifactStore) -> pa.Table:
    return pa.concat_tables(read_images_part(store, "c", info.part) for info in parts(store, "c"))


def thumbnails(store: ArtifactStore) -> bytes:
    return store.read_bytes(f"{layout.thumbs('c')}/{layout.thumbs_part(0)}")


def test_a_killed_ingest_goes_on_to_the_rows_of_an_undisturbed_one(
    tmp_path: Path, images: Path
) -> None:
    (port,), killed = free_ports(1), ArtifactStore(str(tmp_path / "killed"))

    def rows() -> int:
        try:
            return row_count(killed, "c")
        except NotFound:
            return 0

    run_id, before = "", 0
    for _ in range(3):
        with catalog(tmp_path / "killed", images, port) as process:
            run_id = run_id or ingest(port, images)
            wait_for(lambda: rows() > before + 10, 60)  # noqa: B023 - asked within this round
            os.kill(process.pid, signal.SIGKILL)
        before = rows()
        assert before < LIMIT
    with catalog(tmp_path / "killed", images, port):
        run = wait_for(lambda: ended(port, run_id), 60)
    assert run.state == runs_pb2.STATE_SUCCEEDED
    assert f'"new": {LIMIT}' in run.result_json

    with catalog(tmp_path / "calm", images, port):
        calm_run = ingest(port, images)
        assert wait_for(lambda: ended(port, calm_run), 60).result_json == run.result_json
    calm = ArtifactStore(str(tmp_path / "calm"))
    assert table(killed).equals(table(calm))
    assert thumbnails(killed) == thumbnails(calm)
    for folder in (layout.images("c"), layout.thumbs("c")):
        assert Manifest.load(killed, folder).verify(killed) == []


def test_a_stopped_service_takes_its_run_up_again(tmp_path: Path, images: Path) -> None:
    (port,), store = free_ports(1), ArtifactStore(str(tmp_path / "store"))
    with catalog(tmp_path / "store", images, port) as process:
        run_id = ingest(port, images)
        process.terminate()
        assert process.wait(30) == 0
    with catalog(tmp_path / "store", images, port):
        assert wait_for(lambda: ended(port, run_id), 60).state == runs_pb2.STATE_SUCCEEDED
    assert row_count(store, "c") == LIMIT
