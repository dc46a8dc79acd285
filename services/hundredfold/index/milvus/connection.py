"""Milvus itself: few calls, each with a deadline, and errors that name it."""

import logging
import threading
import time
import urllib.parse
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass, field
from typing import Any

import grpc
import numpy as np
from numpy.typing import NDArray
from pymilvus import DataType, MilvusClient, MilvusException

from hundredfold.chassis.errors import Conflict, Unavailable
from hundredfold.index.domain.finding import Found

ROW, VECTOR = "row", "vector"
BATCH_BYTES = 8 << 20
"""So much is sent with one call; Milvus takes 64 MB."""

_UPKEEP = 30
"""Calls that write or look after a collection may take so many times as long as a search."""

_CONNECT_FAILED = 2
_NOT_THERE = frozenset({100, 1600})
"""Of a collection, and of an alias."""
_LOADED = "Loaded"

# It writes what it raises to stderr as well, with the stack.
logging.getLogger("pymilvus").setLevel(logging.CRITICAL)


@dataclass(frozen=True)
class Address:
    """Where Milvus is.

    Attributes:
        uri: `http://host:19530`, `https://..`, or the path of a file `..db` for the embedded milvus-lite.
        token: that it is shown, `user:password` or an API key.
        database: in it; one a store.
        seconds: that a search may take.
    """

    uri: str
    token: str = field(default="", repr=False)
    database: str = ""
    seconds: float = 10

    @property
    def told(self) -> str:
        """Where it is, without a password that may be in it."""
        parts = urllib.parse.urlsplit(self.uri)
        return parts._replace(netloc=parts.netloc.rpartition("@")[2]).geturl()


class Milvus:
    """One Milvus. Connects when it is first needed, and again when that failed. Safe for threads.

    All methods raise Unavailable (MILVUS_AWAY) when it does not answer in time and Conflict (MILVUS_REFUSED) when it
    refuses what it was asked.
    """

    def __init__(self, address: Address) -> None:
        self.address = address
        self._connecting = threading.Lock()
        self._connected: MilvusClient | None = None
        self._failed: tuple[float, MilvusException | None] = 0.0, None

    def names(self) -> list[str]:
        """All collections of the database."""
        found: list[str] = self._call("list_collections")
        return found

    def pointed(self, alias: str) -> str:
        """The collection that an alias means, "" when it means none."""
        try:
            return str(self._call("describe_alias", alias)["collection_name"])
        except _NotThere:
            return ""

    def point(self, alias: str, name: str) -> None:
        """Have an alias mean a collection from now on, at once for all who search."""
        self._call("alter_alias" if self.pointed(alias) else "create_alias", name, alias)

    def drop_alias(self, alias: str) -> None:
        """Have an alias mean nothing."""
        if self.pointed(alias):
            self._call("drop_alias", alias)

    def drop(self, name: str) -> None:
        """Delete a collection, if it is there."""
        self._call("drop_collection", name, seconds=self._upkeep)

    def make(self, name: str, dimensions: int) -> bool:
        """Make a collection of rows and their vectors; False when it is there."""
        if self._call("has_collection", name):
            return False
        schema = MilvusClient.create_schema(auto_id=False, enable_dynamic_field=False)
        schema.add_field(ROW, DataType.INT64, is_primary=True)
        schema.add_field(VECTOR, DataType.FLOAT_VECTOR, dim=dimensions)
        self._call("create_collection", name, schema=schema, seconds=self._upkeep)
        return True

    def put(self, name: str, rows: NDArray[np.int64], vectors: NDArray[np.float32]) -> None:
        """Put vectors float32 [n, d] under their rows, in place of what is there, batch by batch."""
        size = max(1, BATCH_BYTES // (4 * vectors.shape[1]))
        for start in range(0, len(rows), size):
            some = slice(start, start + size)
            pairs = zip(rows[some].tolist(), vectors[some], strict=True)
            data = [{ROW: row, VECTOR: vector} for row, vector in pairs]
            self._call("upsert", name, data, seconds=self._upkeep)

    def count(self, name: str) -> int:
        """How many rows a collection that is loaded has, all that was put included."""
        told = self._call(
            "query",
            name,
            filter="",
            output_fields=["count(*)"],
            consistency_level="Strong",
            seconds=self._upkeep,
        )
        return int(told[0]["count(*)"])

    def index(self, name: str, kind: str, parameters: dict[str, int]) -> None:
        """Have the vectors of a collection indexed by cosine, unless they are; `indexed` tells when that is done."""
        self._call("flush", name, seconds=self._upkeep)
        if VECTOR in self._call("list_indexes", name):
            return
        wanted = MilvusClient.prepare_index_params()
        wanted.add_index(
            VECTOR, index_name=VECTOR, index_type=kind, metric_type="COSINE", params=parameters
        )
        self._call("create_index", name, wanted, sync=False, seconds=self._upkeep)

    def indexed(self, name: str) -> bool:
        """Whether all vectors of a collection are in its index."""
        told = self._call("describe_index", name, VECTOR)
        if told["state"] == "Failed":
            raise self._refused(f"index {name}", str(told.get("index_state_fail_reason", "")))
        return str(told["state"]) == "Finished" and int(told["pending_index_rows"]) == 0

    def load(self, name: str) -> None:
        """Have a collection loaded for searching; `loaded` tells when that is done."""
        self._call("load_collection", name, _async=True, seconds=self._upkeep)

    def loaded(self, name: str) -> bool:
        """Whether a collection can be searched."""
        return str(self._call("get_load_state", name)["state"]) == _LOADED

    def nearest(
        self,
        name: str,
        queries: NDArray[np.float32],
        limit: int,
        parameters: dict[str, int],
        only: NDArray[np.int64] | None,
    ) -> Found:
        """Find in a collection, or what an alias means; as `asking.Remote.nearest`."""
        chosen = "" if only is None else f"{ROW} in [{','.join(map(str, only.tolist()))}]"
        try:
            answer = self._call(
                "search",
                name,
                data=list(queries),
                anns_field=VECTOR,
                limit=limit,
                filter=chosen,
                output_fields=[ROW],
                search_params={"metric_type": "COSINE", "params": parameters},
            )
        except Conflict:
            self._load_again(name)
            raise
        rows = np.full((len(queries), limit), -1, dtype=np.int64)
        cosines = np.zeros(rows.shape, dtype=np.float32)
        for each, hits in enumerate(answer):
            rows[each, : len(hits)] = hits.ids
            cosines[each, : len(hits)] = hits.distances
        return rows, cosines

    def _load_again(self, name: str) -> None:
        """Raise Unavailable if a collection is not loaded, as after a restart of Milvus, and have it loaded."""
        if not self.loaded(name):
            self.load(name)
            where = self.address.told
            raise Unavailable(f"Milvus at {where} is loading {name}", reason="MILVUS_LOADING")

    def close(self) -> None:
        """Let go of the connection."""
        if self._connected is not None:
            self._connected.close()

    @property
    def _upkeep(self) -> float:
        return _UPKEEP * self.address.seconds

    def _call(self, method: str, *arguments: Any, seconds: float = 0, **options: Any) -> Any:
        with self._telling(method):
            call = getattr(self._client(), method)
            return call(*arguments, timeout=seconds or self.address.seconds, **options)

    def _client(self) -> MilvusClient:
        asked = time.monotonic()
        with self._connecting:
            if self._connected is None:
                failed_at, failure = self._failed
                if failure and failed_at > asked:
                    raise failure  # while this call waited its turn
                self._connected = self._connect()
            return self._connected

    def _connect(self) -> MilvusClient:
        where = self.address
        try:
            return MilvusClient(
                where.uri, token=where.token, db_name=where.database, timeout=where.seconds
            )
        except MilvusException as error:
            self._failed = time.monotonic(), error
            raise

    @contextmanager
    def _telling(self, what: str) -> Iterator[None]:
        try:
            yield
        except grpc.RpcError as error:
            raise self._away(what, str(error)) from error
        except MilvusException as error:
            if error.code in _NOT_THERE:
                raise _NotThere(
                    f"Milvus at {self.address.told} has no such thing: {error.message}"
                ) from error
            if error.code == _CONNECT_FAILED or isinstance(error.code, grpc.StatusCode):
                raise self._away(what, error.message) from error
            raise self._refused(what, error.message) from error

    def _away(self, what: str, why: str) -> Unavailable:
        return Unavailable(
            f"Milvus at {self.address.told} does not answer ({what}): {why}", reason="MILVUS_AWAY"
        )

    def _refused(self, what: str, why: str) -> Conflict:
        return Conflict(
            f"Milvus at {self.address.told} refused to {what}: {why}", reason="MILVUS_REFUSED"
        )


class _NotThere(Conflict):
    """A collection or an alias is not there."""

    default_reason = "MILVUS_REFUSED"
