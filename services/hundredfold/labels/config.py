"""Settings of the labels service."""

from dataclasses import dataclass, field
from pathlib import Path

from hundredfold.chassis.config import ServerConfig
from hundredfold.chassis.errors import InvalidArgument


@dataclass(frozen=True)
class LabelsConfig(ServerConfig):
    """What the labels service can be told, beyond what every service can.

    Attributes:
        database_url: of the record store, `sqlite:///<path>` or `postgresql+psycopg://..`; empty = SQLite
            in the folder of the store.
        redis_url: of the queue: `redis://`, `rediss://` or `unix://`.
        roots: folders and URI prefixes that exports may be written to and imports read from; exports into
            the store need none.
        sources: folders and URI prefixes that originals may be copied from for an IMAGENET export; those
            of the catalog.
        snapshot_every: events between two snapshots of the folded ledger.
        sweep_seconds: between two looks for leases that ran out.
        reconcile_seconds: between two reconciliations of queue, leases and labels.
    """

    database_url: str = field(default="", repr=False)
    redis_url: str = field(default="redis://127.0.0.1:6379/0", repr=False)
    roots: tuple[str, ...] = ()
    sources: tuple[str, ...] = ()
    snapshot_every: int = 1_000
    sweep_seconds: float = 2.0
    reconcile_seconds: float = 60.0


def database_url(config: LabelsConfig) -> str:
    """The URL of the record store.

    Raises:
        InvalidArgument: none is given and the store is not a folder of this machine.
    """
    if config.database_url:
        return config.database_url
    root = config.store.removeprefix("file://")
    if "://" in root:
        raise InvalidArgument(
            "a store that is no local folder needs a database_url",
            field="HUNDREDFOLD_LABELS_DATABASE_URL",
        )
    return f"sqlite:///{Path(root).absolute()}/labels.sqlite3"
