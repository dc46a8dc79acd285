"""Snapshots, starts from them, replicas, and the service's own upkeep."""

import io
import threading
from collections.abc import Callable, Iterator
from contextlib import ExitStack
from pathlib import Path
from typing import Any

import numpy as np
import pyarrow.parquet as pq
import pytest
from sqlalchemy import text

from hundredfold.api.labels.v1 import labels_pb2
from hundredfold.chassis.storage import layout
from hundredfold.chassis.storage.manifest import Manifest
from hundredfold.chassis.storage.store import ArtifactStore
from hundredfold.chassis.testing import serving, wait_for
from hundredfold.labels.__main__ import Assembled, assemble
from hundredfold.labels.answers import Answers, Asker
from hundredfold.labels.config import LabelsConfig, database_url
from hundredfold.labels.domain.event import Draft, EventKind, Judgement, Verdict
from hundredfold.labels.domain.fold import Fold
from hundredfold.labels.ledger import Ledger
from hundredfold.labels.store.catalog import Catalog
from hundredfold.labels.store.database import open_database
from hundredfold.labels.store.pairs import JudgedPairs
from hundredfold.labels.store.reading import LedgerDamaged
from hundredfold.labels.store.records import Records
from hundredfold.labels.store.snapshots import SnapshotDiffers, Snapshots
from hundredfold.labels.upkeep import Upkeep, every
from tests.unit.labels.servers import postgres_server, redis_server
from tests.unit.labels.world import (
    BIRDS,
    IS,
    OWL,
    TIT,
    Client,
    config_for,
    make_collection,
    make_duplicates,
    new_id,
    rows_of,
    said,
)

EVERY = 5


@pytest.fixture
def store(tmp_path: Path) -> ArtifactStore:
    store = ArtifactStore(str(tmp_path))
    make_collection(store)
    return store


@pytest.fixture
def open_ledger(store: ArtifactStore, tmp_path: Path) -> Iterator[Callable[[], Ledger]]:
    """A ledger as a process has it that knows only what is on disk."""
    with ExitStack() as stack:

        def start() -> Ledger:
            records = Records(open_database(f"sqlite:///{tmp_path}/labels.sqlite3"))
            stack.callback(records.close)
            return Ledger(
                records,
                Snapshots(store),
                Catalog(store),
                JudgedPairs(store),
                snapshot_every=EVERY,
            )

        yield start


def label(ledger: Ledger, *rows: int, class_id: int = OWL) -> int:
    said_ = (Judgement(class_id, Verdict.IS, np.array(rows)),)
    draft = Draft(EventKind.DECISION, "ann", new_id(), b"", judgements=said_, seconds=1)
    with ledger.writing(BIRDS) as work:
        seq = work.append(draft)
    ledger.follow()
    return seq


def undo(ledger: Ledger, seq: int) -> None:
    asker = Asker("ann", may_review=True)
    Answers(ledger).undo(BIRDS, asker, new_id(), seq, lease_again=False)
    ledger.follow()


def labels(ledger: Ledger) -> dict[int, int]:
    found = ledger.labels(BIRDS)
    return dict(zip(found.rows.tolist(), found.class_ids.tolist(), strict=True))


def names(store: ArtifactStore) -> list[str]:
    return [each for each in store.list(layout.label_snapshots(BIRDS)) if "snapshot" in each]


def test_snapshots_are_made_on_the_way_and_the_newest_three_kept(
    store: ArtifactStore, open_ledger: Callable[[], Ledger]
) -> None:
    ledger = open_ledger()
    for row in range(23):
        label(ledger, row)
    wanted = [
        name
        for seq in (10, 15, 20)
        for name in (layout.label_snapshot(seq), layout.label_state(seq))
    ]
    assert sorted(names(store)) == sorted(wanted)
    manifest = Manifest.load(store, layout.label_snapshots(BIRDS))
    assert sorted(manifest.entries) == sorted(wanted)
    assert manifest.verify(store) == []
    newest, _ = next(Snapshots(store).newest_first(BIRDS))
    assert (newest.seq, newest.rows.tolist()) == (20, list(range(20)))


def test_a_start_reads_the_newest_snapshot_and_the_events_after_it(
    store: ArtifactStore, open_ledger: Callable[[], Ledger], tmp_path: Path
) -> None:
    ledger = open_ledger()
    for row in range(12):
        label(ledger, row)
    with ledger.fold(BIRDS) as fold:
        before = fold.state()
    # Events before the snapshot are not looked at: one that is damaged is not noticed.
    damage(tmp_path, seq=3)
    again = open_ledger()
    with again.fold(BIRDS) as fold:
        assert fold.state().same_as(before)
    damage(tmp_path, seq=11)
    with pytest.raises(LedgerDamaged), open_ledger().fold(BIRDS):
        pass


def damage(folder: Path, seq: int) -> None:
    database = open_database(f"sqlite:///{folder}/labels.sqlite3")
    with database.writing() as connection:
        connection.execute(text("UPDATE events SET actor = 'eve' WHERE seq = :seq"), {"seq": seq})
    database.close()


@pytest.mark.usefixtures("no_writer_is_waited_for")
@pytest.mark.parametrize(
    ("what", "at"),
    [("table", 0), ("table", -1), ("state", 40), *(("manifest", at) for at in (0, 40, -1))],
)
def test_a_damaged_snapshot_is_passed_over(
    store: ArtifactStore, open_ledger: Callable[[], Ledger], what: str, at: int
) -> None:
    ledger = open_ledger()
    for row in range(12):
        label(ledger, row)
    name = {
        "table": layout.label_snapshot(10),
        "state": layout.label_state(10),
        "manifest": "manifest.json",
    }[what]
    path = f"{layout.label_snapshots(BIRDS)}/{name}"
    data = bytearray(store.read_bytes(path))
    data[at] ^= 1
    store.write_bytes(path, bytes(data))
    again = open_ledger()
    assert labels(again) == dict.fromkeys(range(12), OWL)
    for row in range(12, 17):
        label(again, row)
    newest, _ = next(Snapshots(store).newest_first(BIRDS))
    assert newest.seq > 12, "and new ones are made"


def test_a_snapshot_of_an_earlier_version_is_passed_over_for_the_ledger(
    store: ArtifactStore, open_ledger: Callable[[], Ledger]
) -> None:
    """It tells neither how labels came about nor who gave them."""
    ledger = open_ledger()
    for row in range(12):
        label(ledger, row)
    with ledger.fold(BIRDS) as fold:
        before = fold.state()
    folder = layout.label_snapshots(BIRDS)
    manifest = Manifest.load(store, folder)
    name = layout.label_snapshot(10)
    path = store.local(f"{folder}/{name}")
    out = io.BytesIO()
    pq.write_table(pq.read_table(path, partitioning=None).drop_columns(["origin"]), out)
    meta = manifest.entries[name].meta
    manifest.add(name, store.write_bytes(f"{folder}/{name}", out.getvalue()), **meta)
    manifest.save()
    assert [each.seq for each, _ in Snapshots(store).newest_first(BIRDS)] == [5]
    with open_ledger().fold(BIRDS) as fold:
        assert fold.state().same_as(before)
        assert fold.people["ann"].decisions == 12


def test_a_snapshot_of_another_ledger_is_passed_over(
    store: ArtifactStore, open_ledger: Callable[[], Ledger], tmp_path: Path
) -> None:
    ledger = open_ledger()
    for row in range(12):
        label(ledger, row)
    ledger.records.close()
    for file in tmp_path.glob("labels.sqlite3*"):
        file.unlink()
    fresh = open_ledger()
    for row in range(50, 58):
        label(fresh, row, class_id=TIT)
    assert labels(open_ledger()) == dict.fromkeys(range(50, 58), TIT)
    assert [each.seq for each, _ in Snapshots(store).newest_first(BIRDS)] == [5]


def test_a_snapshot_that_reads_differently_is_not_listed(store: ArtifactStore) -> None:
    class Forgetful(ArtifactStore):
        def write_bytes(self, path: str, data: bytes) -> Any:
            return super().write_bytes(path, old if path.endswith(".npz") else data)

    ledger_state = state(3)
    snapshots = Snapshots(store)
    snapshots.write(BIRDS, state(2), bytes(32))
    old = store.read_bytes(f"{layout.label_snapshots(BIRDS)}/{layout.label_state(2)}")
    with pytest.raises(SnapshotDiffers):
        Snapshots(Forgetful(store.root)).write(BIRDS, ledger_state, bytes(32))
    assert [each.seq for each, _ in snapshots.newest_first(BIRDS)] == [2]


def state(seq: int) -> Any:
    fold = Fold()
    fold.seq = seq
    return fold.state()


@pytest.mark.parametrize("seq", [1, 6, 10, 12])
def test_an_event_of_any_age_can_be_taken_back(open_ledger: Callable[[], Ledger], seq: int) -> None:
    ledger = open_ledger()
    for row in range(12):
        label(ledger, row, row + 1)
    restarted = open_ledger()
    undo(restarted, seq)
    wanted = {row: OWL for event in range(12) if event + 1 != seq for row in (event, event + 1)}
    assert labels(restarted) == wanted
    assert labels(open_ledger()) == wanted
    assert labels(ledger) == wanted, "the other process sees it too"


def test_a_clear_and_its_undo_survive_a_start(open_ledger: Callable[[], Ledger]) -> None:
    ledger = open_ledger()
    for row in range(7):
        label(ledger, row)
    seq = Answers(ledger).clear(BIRDS, Asker("ann"), new_id(), "")
    label(ledger, 50)
    assert labels(ledger) == labels(open_ledger()) == {50: OWL}
    undo(ledger, seq)
    wanted = dict.fromkeys([*range(7), 50], OWL)
    assert labels(ledger) == labels(open_ledger()) == wanted


def test_a_newer_run_of_duplicates_is_noticed(
    store: ArtifactStore, open_ledger: Callable[[], Ledger]
) -> None:
    ledger = open_ledger()
    label(ledger, 0)
    for run, copies in (("d1", 1), ("d2", 5)):
        make_duplicates(store, [0] * (copies + 1) + list(range(copies + 1, 100)), run)
        ledger.copies(BIRDS)
        with ledger.fold(BIRDS) as fold:
            assert fold.labelled_with_copies() == copies + 1


def test_a_task_that_fails_is_done_again_until_it_is_closed() -> None:
    calls: list[int] = []

    def fail() -> None:
        calls.append(1)
        raise ZeroDivisionError

    repeat = every(0.001, "test", fail)
    wait_for(lambda: len(calls) > 3)
    repeat.close()
    assert not [each for each in threading.enumerate() if each.name == "test"]


def test_the_upkeep_ends_leases_and_makes_snapshots(store: ArtifactStore, tmp_path: Path) -> None:
    with redis_server() as redis:
        config = config_for(tmp_path, redis.url, snapshot_every=2)
        make_collection(ArtifactStore(config.store))
        service = assemble(config)
        upkeep = Upkeep(service.ledger, service.leasing, sweep_seconds=0.05, reconcile_seconds=0.05)
        with serving(*service.mounts) as channel:
            client = Client(channel)
            for row in range(4):
                client.decide(OWL, row)
            folder = layout.label_snapshots(BIRDS)
            wait_for(lambda: Manifest.load(ArtifactStore(config.store), folder).entries)
            client.offer_rows([9])
            assert service.leasing.lease(BIRDS, "bob", 1, ttl_seconds=0.2)
            assert client.progress().leased == 1
            wait_for(lambda: client.progress().leased == 0)
            assert rows_of(client.lease()[0].page.rows) == [9]
        upkeep.close()
        service.close()


def test_the_record_store_is_beside_the_artifacts_unless_said(tmp_path: Path) -> None:
    assert database_url(LabelsConfig(store=str(tmp_path))) == f"sqlite:///{tmp_path}/labels.sqlite3"
    assert database_url(LabelsConfig(store="s3://b", database_url="sqlite:////x")) == "sqlite:////x"
    with pytest.raises(Exception, match="database_url"):
        database_url(LabelsConfig(store="s3://bucket"))


def test_replicas_on_postgres_share_ledger_queue_and_leases(tmp_path: Path) -> None:
    with postgres_server() as url, redis_server() as redis, ExitStack() as stack:
        config = config_for(tmp_path, redis.url, database_url=url)
        make_collection(ArtifactStore(config.store))
        replicas: list[Assembled] = [assemble(config) for _ in range(2)]
        clients = []
        for each in replicas:
            stack.callback(each.close)
            clients.append(Client(stack.enter_context(serving(*each.mounts))))
        ann, bob = clients
        ann.offer_rows([1], [2], [3])
        stream = bob.stub.WatchDecisions(labels_pb2.WatchDecisionsRequest(collection=BIRDS))
        next(stream)
        (first,), (second,) = ann.lease("ann"), bob.lease("bob")
        assert second.token > first.token
        request_id = new_id()
        assert ann.submit(first.token, said(OWL, IS, 1), request_id=request_id).seq == 1
        assert bob.submit(first.token, said(OWL, IS, 1), request_id=request_id).replayed
        assert next(stream).events[0].seq == 1, "an event of the other replica"
        assert bob.submit(second.token, said(TIT, IS, 2)).seq == 2
        assert ann.labels() == bob.labels() == {1: OWL, 2: TIT}
        ann.undo(2)
        assert bob.labels() == {1: OWL}
        assert bob.progress().labelled == 1
        stream.cancel()
