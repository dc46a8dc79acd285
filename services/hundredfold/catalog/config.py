"""Settings of the catalog."""

from dataclasses import dataclass

from hundredfold.chassis.config import ServerConfig


@dataclass(frozen=True)
class CatalogConfig(ServerConfig):
    """What the catalog can be told, beside what every service can.

    Attributes:
        sources: folders and URI prefixes that images may be taken from; none = nothing.
        decoders: processes that decode images; 0 = one a CPU.
        flush_rows: rows after which a running ingest makes its work count, at the latest.
    """

    sources: tuple[str, ...] = ()
    decoders: int = 0
    flush_rows: int = 20_000
