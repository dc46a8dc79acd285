"""Pairs of images for the tests of the labels service: what a FindDuplicates run writes, and short words for calls."""

import io
from collections.abc import Sequence
from typing import Any

import numpy as np

from hundredfold.api.common.v1 import page_pb2
from hundredfold.api.labels.v1 import labels_pb2
from hundredfold.chassis.storage import layout
from hundredfold.chassis.storage.manifest import Manifest
from hundredfold.chassis.storage.store import ArtifactStore
from hundredfold.chassis.tensors import pack
from tests.unit.labels.world import BIRDS, ROWS, Client, new_id, page_message, rows_of

PAIR = page_pb2.PAGE_KIND_PAIR
PAIRS = labels_pb2.EVENT_KIND_PAIRS
Pairs = Sequence[tuple[int, int]]


def write_pairs(
    store: ArtifactStore,
    pairs: Pairs,
    distances: Sequence[int],
    *,
    run: str = "d1",
    collection: str = BIRDS,
    rows: int = ROWS,
) -> None:
    """Groups in which no image has a copy, and pairs for people."""
    folder = layout.duplicates(collection, run)
    manifest = Manifest.load(store, folder)
    arrays: dict[str, np.ndarray[Any, Any]] = {
        layout.REPRESENTATIVE: np.arange(rows, dtype=np.int64),
        layout.PAIRS: np.array(pairs, np.int64).reshape(-1, 2),
        layout.PAIR_DISTANCE: np.array(distances, np.uint8),
    }
    for name, array in arrays.items():
        manifest.add(name, store.write_array(f"{folder}/{name}", array))
    manifest.save()
    store.write_json(layout.duplicates_latest(collection), {"run": run})


def tensors(pairs: Pairs) -> dict[str, Any]:
    array = np.array(pairs, np.int64).reshape(-1, 2)
    return {"rows": pack(array[:, 0].copy()), "others": pack(array[:, 1].copy())}


def pair_page(page_id: str, pairs: Pairs, **fields: Any) -> page_pb2.Page:
    page = page_message(page_id, [left for left, _ in pairs], kind=PAIR, **fields)
    page.others.CopyFrom(tensors(pairs)["others"])
    return page


def said_of(verdict: "labels_pb2.Verdict.ValueType", *pairs: tuple[int, int]) -> Any:
    return labels_pb2.Judgement(verdict=verdict, **tensors(pairs))


def pairs_of(message: Any) -> list[tuple[int, int]]:
    """Of a page, a judgement or a piece of GetPairs."""
    return list(zip(rows_of(message.rows), rows_of(message.others), strict=True))


def lease_pairs(client: Client, annotator: str = "ann", **fields: Any) -> Any:
    """The lease, or None."""
    request = labels_pb2.LeasePairsRequest(collection=BIRDS, annotator=annotator, **fields)
    answer = client.stub.LeasePairs(request)
    return answer.lease if answer.HasField("lease") else None


def judge(client: Client, *judgements: Any, annotator: str = "rev", **fields: Any) -> int:
    given = {"request_id": new_id(), **fields}
    if "kept_rows" in given:
        given["kept_rows"] = pack(np.array(given["kept_rows"], np.int64))
    request = labels_pb2.JudgePairsRequest(
        collection=BIRDS, annotator=annotator, judgements=judgements, **given
    )
    return int(client.stub.JudgePairs(request).seq)


def known(client: Client) -> dict[tuple[int, int], int]:
    """Pair -> verdict."""
    found: dict[tuple[int, int], int] = {}
    for piece in client.stub.GetPairs(labels_pb2.GetPairsRequest(collection=BIRDS)):
        found |= dict(zip(pairs_of(piece), piece.verdicts.data, strict=True))
    return found


def told(store: ArtifactStore) -> dict[str, Any]:
    """The artifact that others read; empty before there is one."""
    path = layout.pair_judgements(BIRDS)
    if not store.exists(path):
        return {}
    with np.load(io.BytesIO(store.read_bytes(path)), allow_pickle=False) as arrays:
        return {name: arrays[name].tolist() for name in arrays}
