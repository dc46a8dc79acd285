"""Snapshots of the folded ledger, so that a start needs only the events after the newest one."""

import io
import logging
from collections.abc import Iterator, Mapping
from typing import Any

import numpy as np
import pyarrow as pa
import pyarrow.parquet as pq

from hundredfold.chassis.errors import Conflict, ServiceError
from hundredfold.chassis.storage import layout
from hundredfold.chassis.storage.manifest import Manifest
from hundredfold.chassis.storage.store import ArtifactStore
from hundredfold.labels.domain.state import FoldState, PairState

KEPT = 3
_ARRAYS = (
    "unsure_rows",
    "unsure_given",
    "refused",
    "contradicted",
    "undone",
    "recent",
    "actors",
    "people",
)
_OF_PAIRS = ("unsure_class_ids", "refused_given", "refused_origins")
"""What there is only where an image may be of several classes."""
_OF_LIKENESS = {"pairs": (0, 3), "kept": (0, 2)}
"""What snapshots did not have before pairs were judged, and the shape of none."""
_SPENT = "pair_microseconds"
_SCALARS = ("seq", "cleared", "decisions", "microseconds")

_log = logging.getLogger("hundredfold.labels.snapshots")


class SnapshotDiffers(Exception):
    """What was read back is not what was written."""


class Snapshots:
    """The snapshots of all collections, the newest `KEPT` of each. One writer a collection.

    Args:
        store: where they are.
    """

    def __init__(self, store: ArtifactStore) -> None:
        self._store = store

    def write(self, collection: str, state: FoldState, chain: bytes) -> None:
        """Write a snapshot, read it again, list it, and drop the oldest.

        Args:
            collection: whose.
            state: the fold.
            chain: the hash of its last event, which ties it to one ledger.

        Raises:
            SnapshotDiffers: it is not listed then.
        """
        folder, manifest = layout.label_snapshots(collection), self._manifest(collection)
        table, rest = layout.label_snapshot(state.seq), layout.label_state(state.seq)
        with self._store.writer(f"{folder}/{table}") as out:
            pq.write_table(_table(state), out, compression="zstd")
        manifest.add(table, out.artifact, seq=state.seq, rows=len(state.rows))
        written = self._store.write_bytes(f"{folder}/{rest}", _rest(state))
        manifest.add(rest, written, seq=state.seq, chain=chain.hex())
        if not self._read(manifest, state.seq).same_as(state):
            raise SnapshotDiffers(f"{folder}/{table}")
        # One that is ahead is of another ledger: the record store was made anew, or restored.
        kept = [seq for seq in _seqs(manifest) if seq <= state.seq][:KEPT]
        old = [name for seq in _seqs(manifest) if seq not in kept for name in _names(seq)]
        for name in old:
            manifest.drop(name)
        manifest.save()
        for name in old:
            self._store.delete(f"{folder}/{name}")

    def newest_first(self, collection: str) -> Iterator[tuple[FoldState, bytes]]:
        """The snapshots that are whole, with their `chain`; the others are not needed, the ledger has it all.

        One of an earlier version, which knew neither origins nor people, is passed over too.
        """
        manifest = self._manifest(collection)
        for seq in _seqs(manifest):
            try:
                chain = manifest.entries[layout.label_state(seq)].meta["chain"]
                yield self._read(manifest, seq), bytes.fromhex(chain)
            except (ServiceError, pa.ArrowException, OSError, ValueError, KeyError) as error:
                _log.warning("snapshot %d of %s is passed over: %s", seq, collection, error)

    def _manifest(self, collection: str) -> Manifest:
        folder = layout.label_snapshots(collection)
        try:
            return Manifest.load(self._store, folder)
        except Conflict as error:
            _log.warning("the snapshots of %s begin anew: %s", collection, error.message)
            return Manifest(self._store, folder)

    def _read(self, manifest: Manifest, seq: int) -> FoldState:
        paths = [f"{manifest.folder}/{name}" for name in _names(seq)]
        for name in _names(seq):
            manifest.check(self._store, name, deep=True)
        table = pq.read_table(self._store.local(paths[0]), partitioning=None)
        with np.load(io.BytesIO(self._store.read_bytes(paths[1])), allow_pickle=False) as rest:
            scalars = zip(_SCALARS, rest["scalars"].tolist(), strict=True)
            of_pairs = _OF_PAIRS[0] in rest
            kind = PairState if of_pairs else FoldState
            return kind(
                rows=table["row"].to_numpy(),
                class_ids=table["class_id"].to_numpy(),
                given=table["seq"].to_numpy(),
                origins=table["origin"].to_numpy(),
                **{name: rest[name] for name in _arrays(of_pairs=of_pairs)},
                **_likeness(rest),
                pair_microseconds=int(rest[_SPENT]) if _SPENT in rest else 0,
                **dict(scalars),
            )


def _likeness(rest: Mapping[str, Any]) -> dict[str, Any]:
    return {
        name: rest[name] if name in rest else np.empty(none, np.int64)
        for name, none in _OF_LIKENESS.items()
    }


def _names(seq: int) -> tuple[str, str]:
    return layout.label_snapshot(seq), layout.label_state(seq)


def _seqs(manifest: Manifest) -> list[int]:
    """Of all snapshots of which both artifacts are listed, the newest first."""
    seqs = {entry.meta["seq"] for entry in manifest.entries.values()}
    whole = (seq for seq in seqs if all(name in manifest.entries for name in _names(seq)))
    return sorted(whole, reverse=True)


def _arrays(*, of_pairs: bool) -> tuple[str, ...]:
    return _ARRAYS + _OF_PAIRS if of_pairs else _ARRAYS


def _table(state: FoldState) -> pa.Table:
    return pa.table(
        {
            "row": state.rows,
            "class_id": state.class_ids,
            "seq": state.given,
            "origin": state.origins,
        }
    )


def _rest(state: FoldState) -> bytes:
    out = io.BytesIO()
    names = _arrays(of_pairs=isinstance(state, PairState))
    arrays = {name: getattr(state, name) for name in (*names, *_OF_LIKENESS)}
    arrays[_SPENT] = np.int64(state.pair_microseconds)
    scalars = np.array([getattr(state, name) for name in _SCALARS], np.int64)
    np.savez_compressed(out, scalars=scalars, **arrays)
    return out.getvalue()
