"""Settings of the index service."""

from dataclasses import dataclass, field

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
        index_engine: who keeps the indexes, "local" or "milvus" (HUNDREDFOLD_INDEX_ENGINE).
        milvus_uri: where Milvus is (HUNDREDFOLD_INDEX_MILVUS_URI, and so on), `http://host:19530`; a path that ends in `.db` is the embedded milvus-lite.
        milvus_token: what it is shown, `user:password` or an API key.
        milvus_database: in it; one a store, or spaces of the same name get in each other's way.
        milvus_kind: of index that it makes of many vectors: HNSW, IVF_FLAT or IVF_SQ8.
        milvus_seconds: that one search in it may take.
    """

    threads: int = 0
    open_indexes: int = 4
    exact_below: int = EXACT_BELOW
    memory_bytes: int = 0
    signing_key: str = ""
    index_engine: str = "local"
    milvus_uri: str = "http://127.0.0.1:19530"
    milvus_token: str = field(default="", repr=False)
    milvus_database: str = ""
    milvus_kind: str = "HNSW"
    milvus_seconds: float = 10
