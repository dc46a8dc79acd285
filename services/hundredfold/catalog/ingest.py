"""The ingest run: from a source to rows and thumbnails."""

import itertools
import threading
import time
from collections.abc import Iterable, Iterator, Mapping
from dataclasses import dataclass, field
from typing import Any

from hundredfold.catalog.appending import Appender
from hundredfold.catalog.domain.found import Found, Offer, Seen
from hundredfold.catalog.domain.images import image_row
from hundredfold.catalog.domain.probe import Verdict
from hundredfold.catalog.domain.tables import Columns
from hundredfold.catalog.guarded import Casualty, GuardedPool
from hundredfold.catalog.listing import Listing
from hundredfold.catalog.looking import WORK, verdict_of
from hundredfold.chassis.errors import ServiceError, Unavailable
from hundredfold.chassis.runs import RunContext
from hundredfold.chassis.sources import Sources
from hundredfold.chassis.storage.collections import parts, read_images_part
from hundredfold.chassis.storage.store import ArtifactStore

KIND = "ingest"

FIRST_FLUSH_SECONDS = 1.0
FLUSH_SECONDS = 60.0
PATIENCE = 16

Look = tuple[Found, Verdict]


@dataclass(frozen=True)
class Ingest:
    """The job `ingest`; the run's parameters are those of `IngestRequest` but collection and request id.

    Attributes:
        store: where the collection is.
        sources: what may be read.
        workers: processes that decode.
        flush_rows: rows after which what is done is made to count, at the latest.
    """

    store: ArtifactStore
    sources: Sources
    workers: int
    flush_rows: int

    def __call__(self, context: RunContext) -> Mapping[str, Any]:
        """Take in what is new in the source; see `IngestResponse.run` for the result."""
        asked = context.run.parameters
        listing = listing_of(self.sources, asked)
        with (
            Appender(self.store, context.run.collection) as appender,
            GuardedPool[Found](
                WORK, [self.sources.roots], workers=self.workers, check=context.check
            ) as pool,
            _Counting(listing_of(self.sources, asked)) as counting,
        ):
            before = _state_before(appender, context.run.run_id)
            first = itertools.islice(listing, asked["limit"] or None)
            offer = Offer(first, self._seen(context.run.collection))
            pace = _Pace(self.flush_rows)
            begun = appender.rows
            for found, verdict in patient(_looks(pool, offer)):
                appender.append(image_row(appender.rows, found, verdict), verdict.thumbnail)
                if pace.is_due(appender.unflushed):
                    appender.flush()
                    pace.flushed()
                done = appender.rows - begun + offer.known
                context.progress(done, asked["limit"] or counting.total)
            appender.flush()
            return _result(appender, before, listing)

    def _seen(self, collection: str) -> Seen:
        tables = (
            read_images_part(self.store, collection, info.part, ["uri"])
            for info in parts(self.store, collection)
        )
        return Seen(table.column("uri").to_pylist() for table in tables)


def listing_of(sources: Sources, asked: Mapping[str, Any]) -> Listing:
    """The source that a run's parameters name; raises as Listing does."""
    names = ("uri", "image", "label", "tags", "key")
    columns = Columns(**{name: asked[f"{name}_column"] for name in names})
    return Listing(sources, asked["source"], columns)


def _state_before(appender: Appender, run_id: str) -> Mapping[str, int]:
    """Rows of the collection when this run began, also if it was killed since."""
    noted: Any = appender.meta.get("ingest", {})
    if noted.get("run") != run_id:
        noted = {"run": run_id, "rows": appender.rows, "ok": appender.ok}
        appender.note(ingest=noted)
    return {"rows": noted["rows"], "ok": noted["ok"]}


def _result(appender: Appender, before: Mapping[str, int], listing: Listing) -> Mapping[str, Any]:
    new = appender.rows - before["rows"]
    return {
        "images": appender.rows,
        "new": new,
        "failed": new - (appender.ok - before["ok"]),
        "passed_over": listing.passed_over,
        "problems": listing.problems,
    }


def _looks(pool: GuardedPool[Found], offer: Iterable[Found]) -> Iterator[Look]:
    for found, outcome in pool.map(offer, lambda found: "" if found.problem else found.uri):
        if found.problem:
            yield found, Verdict(*found.problem)
        elif isinstance(outcome, Casualty):
            yield found, Verdict(outcome.name, outcome.value)
        else:
            yield found, verdict_of(outcome)


def patient(looks: Iterable[Look]) -> Iterator[Look]:
    """Let single images be unavailable, but end the run when the remote source as a whole is.

    Raises:
        Unavailable: PATIENCE images in a row are; none of them became a row.
    """
    held: list[Look] = []
    for found, verdict in looks:
        if verdict.status == Unavailable.default_reason and "://" in found.uri:
            held.append((found, verdict))
            if len(held) == PATIENCE:
                raise Unavailable(verdict.error)
            continue
        yield from held
        held.clear()
        yield found, verdict
    yield from held


@dataclass
class _Pace:
    """When to flush: soon at first, so that there is something to look at, then once a minute."""

    rows: int
    _seconds: float = FIRST_FLUSH_SECONDS
    _last: float = field(default_factory=time.monotonic)

    def is_due(self, unflushed: int) -> bool:
        return unflushed >= self.rows or time.monotonic() - self._last >= self._seconds

    def flushed(self) -> None:
        self._seconds = min(2 * self._seconds, FLUSH_SECONDS)
        self._last = time.monotonic()


class _Counting:
    """Counts a source beside the work, for the estimate of its end.

    Attributes:
        total: how many images it has; 0 while not known, and for remote sources, where listing costs.
    """

    def __init__(self, listing: Listing) -> None:
        self.total = 0
        self._listing = listing
        self._ended = threading.Event()
        self._thread = threading.Thread(target=self._count, daemon=True)

    def __enter__(self) -> "_Counting":
        if not self._listing.is_remote:
            self._thread.start()
        return self

    def __exit__(self, *_: object) -> None:
        self._ended.set()
        if self._thread.is_alive():
            self._thread.join()

    def _count(self) -> None:
        count = 0
        try:
            for _ in self._listing:
                if self._ended.is_set():
                    return
                count += 1
        except ServiceError:
            return  # the run meets the same error, and tells it
        self.total = count
