"""The pages that are ready, in Redis. Nothing here is a record: what is lost is proposed again.

Each write says what is to be, never how it changes: a write that a broken log repeats or drops leaves
at worst a page too much or too few, which leasing and the reconciler notice. A page is taken by
removing its id: of several takers one is told that it did.

    hundredfold:labels:{<collection>}:ready   sorted set: page_id by score
    hundredfold:labels:{<collection>}:pages   hash: page_id -> page
    hundredfold:labels:{<collection>}:rows    hash: page_id -> its cells, int64
"""

import logging
import struct
import zlib
from collections.abc import Collection, Iterator, Sequence
from contextlib import contextmanager
from typing import Any

import numpy as np
import redis
from redis.backoff import NoBackoff
from redis.retry import Retry

from hundredfold.chassis.errors import InvalidArgument, ResourceExhausted, Unavailable
from hundredfold.labels.domain.page import Page, Rows
from hundredfold.labels.store.codec import page_from_bytes, page_to_bytes

CONNECT_SECONDS = 0.5
ANSWER_SECONDS = 0.9
MOST_READY = 10_000
_CHUNK = 256
# Beyond those asked for, since others take at the same time.
_SPARE = 16
_UNREADABLE = (ValueError, KeyError, TypeError, IndexError, struct.error, zlib.error)

_log = logging.getLogger("hundredfold.labels.queue")


class Queue:
    """The ready pages of all collections. Safe for threads and replicas.

    Every method raises Unavailable (QUEUE_AWAY), soon, while Redis is away.

    Args:
        url: `redis://`, `rediss://` or `unix://`.

    Raises:
        InvalidArgument: the URL is none of these.
    """

    def __init__(self, url: str) -> None:
        try:
            self._redis: Any = redis.Redis.from_url(
                url,
                socket_connect_timeout=CONNECT_SECONDS,
                socket_timeout=ANSWER_SECONDS,
                # Once more, for a connection that a restart of Redis has cut; not after a timeout.
                retry=Retry(NoBackoff(), 1, supported_errors=(redis.ConnectionError,)),
            )
        except ValueError as error:
            raise InvalidArgument(str(error), field="HUNDREDFOLD_REDIS_URL") from error

    def ping(self) -> None:
        """Raise Unavailable while Redis is away."""
        with _errors():
            self._redis.ping()

    def offer(self, collection: str, pages: Sequence[Page], *, replace: bool = False) -> int:
        """Put pages in, in place of those with the same id; returns how many wait then.

        Args:
            collection: whose.
            pages: what to put in.
            replace: take all others out.

        Raises:
            ResourceExhausted: more than `MOST_READY` would wait.
        """
        ready, blobs, rows = _keys(collection)
        with _errors():
            waiting = 0 if replace else self._redis.zcard(ready)
            if waiting + len(pages) > MOST_READY:
                raise ResourceExhausted(f"at most {MOST_READY} pages may wait", reason="QUEUE_FULL")
            with self._redis.pipeline() as pipe:
                if replace:
                    pipe.delete(ready, blobs, rows)
                for page in pages:
                    pipe.hset(blobs, page.page_id, page_to_bytes(page))
                    pipe.hset(rows, page.page_id, _packed(page.cells))
                    pipe.zadd(ready, {page.page_id: page.score})
                pipe.zcard(ready)
                return int(pipe.execute()[-1])

    def give_back(self, collection: str, pages: Sequence[Page]) -> None:
        """Put pages in unless pages of their ids were offered meanwhile."""
        ready, blobs, rows = _keys(collection)
        with _errors(), self._redis.pipeline() as pipe:
            for page in pages:
                pipe.hsetnx(blobs, page.page_id, page_to_bytes(page))
                pipe.hsetnx(rows, page.page_id, _packed(page.cells))
                pipe.zadd(ready, {page.page_id: page.score}, nx=True)
            pipe.execute()

    def waiting_at(self, collection: str, score: float) -> dict[str, int]:
        """The ids of the pages that wait with a score, and how many images each has."""
        ready, _, rows = _keys(collection)
        with _errors():
            found = self._redis.zrangebyscore(ready, score, score)
            packed = self._redis.hmget(rows, found) if found else []
        return {
            each.decode(): len(some or b"") // np.dtype(np.int64).itemsize
            for each, some in zip(found, packed, strict=True)
        }

    def take(self, collection: str, limit: int, last: Collection[str] = ()) -> list[Page]:
        """Take pages out, the highest score first; no other caller gets them.

        Args:
            collection: whose.
            limit: how many at most.
            last: ids of pages to take only when there are no others.
        """
        ready = _keys(collection)[0]
        taken: list[Page] = []
        with _errors():
            found = self._redis.zrevrange(ready, 0, limit + len(last) + _SPARE - 1)
            for page_id in sorted((each.decode() for each in found), key=last.__contains__):
                if len(taken) == limit:
                    break
                if self._redis.zrem(ready, page_id) and (page := self._pull(collection, page_id)):
                    taken.append(page)
        return taken

    def waiting(self, collection: str) -> Iterator[Page]:
        """The pages that wait, the highest score first; what can't be read is taken out."""
        ready, blobs, _ = _keys(collection)
        with _errors():
            ids = self._redis.zrevrange(ready, 0, -1)
            for begin in range(0, len(ids), _CHUNK):
                some = ids[begin : begin + _CHUNK]
                for page_id, blob in zip(some, self._redis.hmget(blobs, some), strict=True):
                    if page := _page(blob):
                        yield page
                    else:
                        self.drop(collection, page_id.decode())

    def exchange(self, collection: str, page: Page) -> None:
        """Put a page in the place of the one that waits with its id, which has more images or fewer."""
        _, blobs, rows = _keys(collection)
        with _errors(), self._redis.pipeline() as pipe:
            pipe.hset(blobs, page.page_id, page_to_bytes(page))
            pipe.hset(rows, page.page_id, _packed(page.cells))
            pipe.execute()

    def drop(self, collection: str, page_id: str) -> None:
        """Take a page out."""
        ready, blobs, rows = _keys(collection)
        with _errors(), self._redis.pipeline() as pipe:
            pipe.zrem(ready, page_id)
            pipe.hdel(blobs, page_id)
            pipe.hdel(rows, page_id)
            pipe.execute()

    def tidy(self, collection: str) -> None:
        """Take out what is half there: ids without a page, pages without an id."""
        ready, blobs, rows = _keys(collection)
        with _errors():
            with self._redis.pipeline() as pipe:
                pipe.zrange(ready, 0, -1)
                pipe.hkeys(blobs)
                pipe.hkeys(rows)
                ids, *kept = (set(found) for found in pipe.execute())
            for page_id in ids.union(*kept) - ids.intersection(*kept):
                self.drop(collection, page_id.decode())

    def rows(self, collection: str) -> tuple[int, Rows]:
        """How many pages wait, and their cells, int64 [n], which may repeat."""
        ready, _, rows = _keys(collection)
        with _errors(), self._redis.pipeline() as pipe:
            pipe.zcard(ready)
            pipe.hvals(rows)
            count, packed = pipe.execute()
        whole = b"".join(each for each in packed if len(each) % 8 == 0)
        return int(count), np.frombuffer(whole, "<i8").astype(np.int64)

    def close(self) -> None:
        """Close all connections."""
        self._redis.close()

    def _pull(self, collection: str, page_id: str) -> Page | None:
        _, blobs, rows = _keys(collection)
        with self._redis.pipeline() as pipe:
            pipe.hget(blobs, page_id)
            pipe.hdel(blobs, page_id)
            pipe.hdel(rows, page_id)
            return _page(pipe.execute()[0])


def _keys(collection: str) -> tuple[str, str, str]:
    # The braces keep the three keys together on a Redis cluster.
    prefix = f"hundredfold:labels:{{{collection}}}"
    return f"{prefix}:ready", f"{prefix}:pages", f"{prefix}:rows"


def _packed(rows: Rows) -> bytes:
    return rows.astype("<i8").tobytes()


def _page(blob: bytes | None) -> Page | None:
    if blob is None:
        return None
    try:
        return page_from_bytes(blob)
    except _UNREADABLE:
        _log.warning("a page in the queue can't be read and is dropped")
        return None


@contextmanager
def _errors() -> Iterator[None]:
    try:
        yield
    except redis.RedisError as error:
        raise Unavailable(
            "the queue of pages is away; labelling of pages already leased goes on",
            reason="QUEUE_AWAY",
        ) from error
