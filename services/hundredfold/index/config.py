"""Settings of the index service."""

from dataclasses import dataclass

from hundredfold.chassis.config import ServerConfig
from hundredfold.index.domain.factory import EXACT_BELOW


@dataclass(frozen=True)
class IndexConfig(ServerConfig):
    """What the index service can be told, beside what every service can.

    Attributes:
        threads: that faiss and BLAS use for one piece of work; 0 = one a core.
        open_indexes: how many indexes stay in memory for searching.
        exact_below: from so many vectors on an index has inverted lists.
        memory_bytes: that one index may take; 0 = a quarter of the machine's memory.
        signing_key: path of a file with the secret that indexes are signed with, at least 32 bytes;
            empty = indexes are not signed, and whoever can write to the store is trusted.
    """

    threads: int = 0
    open_indexes: int = 4
    exact_below: int = EXACT_BELOW
    memory_bytes: int = 0
    signing_key: str = ""
