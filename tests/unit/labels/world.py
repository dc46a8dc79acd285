"""A collection as the other services leave it in the store, and the labels service on it."""

import hashlib
import io
import json
import uuid
from collections.abc import Iterator, Mapping, Sequence
from pathlib import Path
from types import MappingProxyType
from typing import Any

import grpc
import numpy as np
import pyarrow as pa
import pyarrow.parquet as pq
import pytest

from hundredfold.api.common.v1 import page_pb2
from hundredfold.api.labels.v1 import labels_pb2, labels_pb2_grpc
from hundredfold.api.runs.v1 import runs_pb2, runs_pb2_grpc
from hundredfold.chassis.storage import layout
from hundredfold.chassis.storage.manifest import Manifest
from hundredfold.chassis.storage.store import ArtifactStore
from hundredfold.chassis.tensors import pack
from hundredfold.chassis.testing import serving, wait_for
from hundredfold.labels.__main__ import Assembled, assemble
from hundredfold.labels.config import LabelsConfig
from tests.unit.labels.servers import RedisServer, redis_server

BIRDS = "birds"
OWL, TIT, OLD_OWL = 1, 2, 3
ROWS = 100

IS, IS_NOT, UNSURE = labels_pb2.VERDICT_IS, labels_pb2.VERDICT_IS_NOT, labels_pb2.VERDICT_UNSURE


class Clock:
    def __init__(self, now: float = 1_700_000_000.0) -> None:
        self.now = now

    def __call__(self) -> float:
        return self.now

    def advance(self, seconds: float) -> None:
        self.now += seconds


def new_id() -> str:
    return str(uuid.uuid4())


def make_collection(
    store: ArtifactStore,
    collection: str = BIRDS,
    *,
    rows: int = ROWS,
    broken: Sequence[int] = (),
    uris: Sequence[str] = (),
    keys: Sequence[str] = (),
) -> None:
    store.write_json(
        layout.collection_record(collection), {"collection": collection, "created_at": 0}
    )
    write_schema(store, {OWL: "owl", TIT: "tit", OLD_OWL: "old owl"}, {OLD_OWL: OWL}, collection)
    folder, name = layout.images(collection), layout.images_part(0)
    status = ["DECODE_FAILED" if row in broken else "ok" for row in range(rows)]
    table = pa.table(
        {
            "row": np.arange(rows, dtype=np.int64),
            "uri": list(uris) or [f"/images/{row}.jpg" for row in range(rows)],
            "key": list(keys) or [f"{row}.jpg" for row in range(rows)],
            "format": ["JPEG"] * rows,
            "status": status,
        }
    )
    out = io.BytesIO()
    pq.write_table(table, out)
    manifest = Manifest.load(store, folder)
    written = store.write_bytes(f"{folder}/{name}", out.getvalue())
    manifest.add(name, written, rows=rows, ok=status.count("ok"))
    manifest.save()


def write_schema(
    store: ArtifactStore,
    names: dict[int, str],
    merged: dict[int, int],
    collection: str = BIRDS,
    *,
    parents: Mapping[int, int] = MappingProxyType({}),
) -> None:
    classes = [
        {
            "class_id": each,
            "name": name,
            "merged_into": merged.get(each, 0),
            "parent_id": parents.get(each, 0),
        }
        for each, name in names.items()
    ]
    store.write_json(
        layout.schema(collection), {"version": len(names), "classes": classes, "events": []}
    )


def make_duplicates(store: ArtifactStore, representative: Sequence[int], run: str = "d1") -> None:
    folder = layout.duplicates(BIRDS, run)
    array = np.array(representative, np.int64)
    manifest = Manifest.load(store, folder)
    manifest.add(
        layout.REPRESENTATIVE, store.write_array(f"{folder}/{layout.REPRESENTATIVE}", array)
    )
    manifest.save()
    store.write_json(layout.duplicates_latest(BIRDS), {"run": run})


def page_message(page_id: str, rows: Sequence[int], **fields: Any) -> page_pb2.Page:
    given = {"kind": page_pb2.PAGE_KIND_CLUSTER, **fields}
    return page_pb2.Page(page_id=page_id, rows=pack(np.array(rows, np.int64)), **given)


def said(class_id: int, verdict: "labels_pb2.Verdict.ValueType", *rows: int) -> Any:
    return labels_pb2.Judgement(
        class_id=class_id, verdict=verdict, rows=pack(np.array(rows, np.int64))
    )


def rows_of(tensor: Any) -> list[int]:
    found: list[int] = np.frombuffer(tensor.data, "<i8").tolist()
    return found


def ids_of(tensor: Any) -> list[int]:
    found: list[int] = np.frombuffer(tensor.data, "<i4").tolist()
    return found


class Client:
    """Short words for the RPCs, on one collection."""

    def __init__(self, channel: grpc.Channel) -> None:
        self.stub = labels_pb2_grpc.LabelsServiceStub(channel)
        self.runs = runs_pb2_grpc.RunsServiceStub(channel)

    def offer(self, *pages: page_pb2.Page, **fields: Any) -> int:
        request = labels_pb2.OfferPagesRequest(collection=BIRDS, pages=pages, **fields)
        return self.stub.OfferPages(request).ready_pages

    def offer_rows(self, *pages: Sequence[int]) -> None:
        """Pages of these rows, the first to be leased first."""
        for number, rows in enumerate(pages):
            self.offer(page_message(f"page-{rows[0]}", rows, score=-number), total=ROWS)

    def lease(self, annotator: str = "ann", **fields: Any) -> list[Any]:
        request = labels_pb2.LeasePagesRequest(collection=BIRDS, annotator=annotator, **fields)
        return list(self.stub.LeasePages(request).leases)

    def submit(self, token: int, *judgements: Any, request_id: str = "", **fields: Any) -> Any:
        return self.stub.SubmitDecision(
            labels_pb2.SubmitDecisionRequest(
                collection=BIRDS,
                request_id=request_id or new_id(),
                token=token,
                judgements=judgements,
                **{"seconds": 2.0, **fields},
            )
        )

    def decide(self, class_id: int, *rows: int, annotator: str = "ann") -> int:
        """Offer, lease and confirm a page; returns the seq."""
        self.offer(page_message(new_id(), rows, score=1e6), total=ROWS)
        (lease,) = self.lease(annotator)
        return int(self.submit(lease.token, said(class_id, IS, *rows)).seq)

    def undo(self, seq: int = 0, annotator: str = "ann", **fields: Any) -> Any:
        given = {"request_id": new_id(), **fields}
        return self.stub.Undo(
            labels_pb2.UndoRequest(collection=BIRDS, annotator=annotator, seq=seq, **given)
        )

    def progress(self) -> Any:
        return self.stub.GetProgress(labels_pb2.GetProgressRequest(collection=BIRDS))

    def labels(self, **fields: Any) -> dict[int, int]:
        found: dict[int, int] = {}
        for piece in self.pieces(**fields):
            found |= dict(zip(rows_of(piece.rows), ids_of(piece.class_ids), strict=True))
        return found

    def pieces(self, **fields: Any) -> list[Any]:
        return list(self.stub.GetLabels(labels_pb2.GetLabelsRequest(collection=BIRDS, **fields)))

    def events(self, **fields: Any) -> list[Any]:
        request = labels_pb2.ListDecisionsRequest(collection=BIRDS, **fields)
        return list(self.stub.ListDecisions(request).events)

    def ended(self, run: Any) -> Any:
        """The run when it has ended."""

        def look() -> Any:
            found = self.runs.GetRun(runs_pb2.GetRunRequest(run_id=run.run_id)).run
            return found if found.state >= runs_pb2.STATE_SUCCEEDED else None

        return wait_for(look, 20)


def config_for(folder: Path, redis_url: str, **fields: Any) -> LabelsConfig:
    return LabelsConfig(
        store=str(folder / "store"), redis_url=redis_url, roots=(str(folder / "out"),), **fields
    )


def token_file(folder: Path, **roles: str) -> dict[str, str]:
    """Write a token file; returns the token of each subject, and the path as `path`."""

    tokens = {subject: f"token-of-{subject}" for subject in roles}
    entries = [
        {
            "sha256": hashlib.sha256(tokens[subject].encode()).hexdigest(),
            "subject": subject,
            "role": role,
        }
        for subject, role in roles.items()
    ]
    path = folder / "tokens.json"
    path.write_text(json.dumps(entries))
    path.chmod(0o600)
    return {**tokens, "path": str(path)}


class LabelsContract:
    """The service on a real server, with a real Redis; a test class inherits it for its fixtures."""

    @pytest.fixture(scope="class")
    @classmethod
    def redis_of_class(cls) -> Iterator[RedisServer]:
        with redis_server() as server:
            yield server

    @pytest.fixture
    def redis(self, redis_of_class: RedisServer) -> RedisServer:
        """Running and empty, whatever a test did before."""
        redis_of_class.empty()
        return redis_of_class

    @pytest.fixture
    def clock(self) -> Clock:
        return Clock()

    @pytest.fixture
    def store(self, tmp_path: Path) -> ArtifactStore:
        """With a collection of which image 99 is broken."""
        store = ArtifactStore(str(tmp_path / "store"))
        make_collection(store, broken=[99])
        return store

    @pytest.fixture
    def config(self, tmp_path: Path, redis: RedisServer) -> LabelsConfig:
        return config_for(tmp_path, redis.url)

    @pytest.fixture
    def assembled(
        self, config: LabelsConfig, store: ArtifactStore, clock: Clock
    ) -> Iterator[Assembled]:
        assembled = assemble(config, clock=clock)
        yield assembled
        assembled.close()

    @pytest.fixture
    def client(self, assembled: Assembled, config: LabelsConfig) -> Iterator[Client]:
        with serving(*assembled.mounts, config=config) as channel:
            yield Client(channel)


def balanced(progress: Any) -> bool:
    return bool(
        progress.total
        == progress.labelled + progress.unsure + progress.leased + progress.ready + progress.pool
    )
