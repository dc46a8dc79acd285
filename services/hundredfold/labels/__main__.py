"""The labels service: `hundredfold-labels`, or `python -m hundredfold.labels`."""

import sys
import time
from collections.abc import Callable
from dataclasses import dataclass

from hundredfold.chassis.config import from_env
from hundredfold.chassis.entry import entry_point
from hundredfold.chassis.runs import Runs
from hundredfold.chassis.runs_servicer import runs_mount
from hundredfold.chassis.server import Mount, build_server, serve
from hundredfold.chassis.sources import Sources
from hundredfold.chassis.storage.store import ArtifactStore
from hundredfold.labels.auditing import Auditor
from hundredfold.labels.audits import Audits
from hundredfold.labels.config import LabelsConfig, database_url
from hundredfold.labels.exporting import Export
from hundredfold.labels.importing import Import
from hundredfold.labels.leasing import Leasing
from hundredfold.labels.ledger import Ledger
from hundredfold.labels.servicer import LabelsServicer, labels_mount
from hundredfold.labels.store.audits import AuditStore
from hundredfold.labels.store.catalog import Catalog
from hundredfold.labels.store.database import open_database
from hundredfold.labels.store.pairs import JudgedPairs
from hundredfold.labels.store.queue import Queue
from hundredfold.labels.store.records import Records
from hundredfold.labels.store.snapshots import Snapshots
from hundredfold.labels.transfer import EXPORT, IMPORT, Transfer
from hundredfold.labels.upkeep import Upkeep

_SERVICE = "labels"


@dataclass(frozen=True)
class Assembled:
    """The service, put together.

    Attributes:
        mounts: what it serves.
        ready: raises while it can't work. It can without the queue: who has pages can answer them.
        close: ends its threads and connections.
        ledger: for the upkeep.
        leasing: for the upkeep.
    """

    mounts: tuple[Mount, ...]
    ready: Callable[[], None]
    close: Callable[[], None]
    ledger: Ledger
    leasing: Leasing


def assemble(config: LabelsConfig, *, clock: Callable[[], float] = time.time) -> Assembled:
    """Put the service together, without its upkeep.

    Args:
        config: its settings.
        clock: Unix seconds, where the database has none of its own.
    """
    store = ArtifactStore(config.store)
    records = Records(open_database(database_url(config), clock=clock))
    queue = Queue(config.redis_url)
    ledger = Ledger(
        records,
        Snapshots(store),
        Catalog(store),
        JudgedPairs(store),
        snapshot_every=config.snapshot_every,
    )
    drawn = AuditStore(store)
    audits = Audits(ledger, drawn)
    leasing = Leasing(ledger, queue, audits)
    # What an export has written into the store may be imported again.
    readable = Sources((*config.roots, config.store))
    runs = Runs(
        store,
        _SERVICE,
        {
            EXPORT: Export(ledger, store, Sources(config.sources)),
            IMPORT: Import(ledger, store, readable),
        },
    )
    runs.resume()
    transfer = Transfer(runs, Sources(config.roots), readable)
    auditor = Auditor(ledger, audits, drawn)
    servicer = LabelsServicer(ledger, leasing, transfer, audits, auditor)

    def close() -> None:
        runs.close()
        queue.close()
        records.close()

    return Assembled(
        (labels_mount(servicer), runs_mount(runs)), records.check, close, ledger, leasing
    )


@entry_point
def main() -> int:
    """Serve until SIGTERM."""
    config = from_env(LabelsConfig, _SERVICE)
    service = assemble(config)
    server = build_server(config, _SERVICE, service.mounts, ready=service.ready)
    upkeep = Upkeep(
        service.ledger,
        service.leasing,
        sweep_seconds=config.sweep_seconds,
        reconcile_seconds=config.reconcile_seconds,
    )

    def stop() -> None:
        upkeep.close()
        service.close()

    return serve(server, on_stop=stop)


if __name__ == "__main__":
    sys.exit(main())
