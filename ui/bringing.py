"""Images on their way into a collection: the pipeline in a thread of this process, and how far it is.

The thread goes on when the browser is closed. What the steps do is done by the services, which take their runs up
again after a restart; only the next step is not begun when this process ends. How far it is, and from where, is
read from the runs of the services, so that every window sees it, whoever began it, and `go_on` can begin again
where it was cut.
"""

import logging
import threading
import time
from dataclasses import dataclass
from functools import cache

from hundredfold.chassis.errors import Conflict, NotFound, ServiceError
from hundredfold.chassis.run_book import State
from hundredfold.client import Client, pipeline
from hundredfold.client.pipeline import Options
from hundredfold.client.types import Run
from ui.backend import in_words

_STEPS = (
    ("catalog", "ingest"),
    ("hashing", "hash"),
    ("hashing", "duplicates"),
    ("embedding", "embed"),
    ("index", "build-index"),
    ("index", "cluster"),
)
_NEWEST = 200
_CUT_SECONDS = 8.0  # between two steps nothing is at work for a moment
_log = logging.getLogger("hundredfold.ui.bringing")


@dataclass(frozen=True)
class Step:
    """One step: its kind, and its run if it has begun."""

    kind: str
    run: Run | None


@dataclass(frozen=True)
class Standing:
    """How far a collection is.

    Attributes:
        steps: in order; those of the newest ingest.
        ready: all is done, and pages are made.
        at_work: something is being done, or will be at once.
        why: what ended it; empty when nothing did.
    """

    steps: tuple[Step, ...]
    ready: bool
    at_work: bool
    why: str

    @property
    def running(self) -> Run | None:
        """The run at work."""
        runs = [each.run for each in self.steps if each.run and not each.run.state.ended]
        return runs[0] if runs else None


class _Bringing:
    """One collection's pipeline."""

    def __init__(self, client: Client, source: str, begun: Run, options: Options) -> None:
        self._client = client
        self._source = source
        self._begun = begun
        self._options = options
        self._ending = threading.Event()
        self.why = ""
        self._thread = threading.Thread(
            target=self._run, name=f"bringing-{begun.collection}", daemon=True
        )
        self._thread.start()

    @property
    def at_work(self) -> bool:
        return self._thread.is_alive()

    def end(self) -> None:
        """Cancel the step at work, or the next one."""
        self._ending.set()

    def _run(self) -> None:
        try:
            pipeline.bootstrap(
                self._client,
                self._source,
                self._begun.collection,
                self._options,
                self._heard,
                begun=self._begun,
            )
        except ServiceError as error:
            self.why = error.message if isinstance(error, Conflict) else in_words(error)
        except Exception:  # noqa: BLE001  # the thread has nobody else to tell
            _log.exception("bringing %s", self._begun.collection)
            self.why = "internal error"

    def _heard(self, run: Run) -> None:
        if self._ending.is_set() and not run.state.ended:
            self._client.runs(run.service).cancel(run.run_id)


class _Desk:
    """What this process brings."""

    def __init__(self) -> None:
        self._lock = threading.Lock()
        self._known: dict[str, _Bringing] = {}

    def begin(self, client: Client, source: str, collection: str, options: Options) -> Run:
        with self._lock:
            run = pipeline.begin(client, source, collection, options)
            known = self._known.get(collection)
            if not known or not known.at_work:
                self._known[collection] = _Bringing(client, source, run, options)
            return run

    def of(self, collection: str) -> _Bringing | None:
        with self._lock:
            return self._known.get(collection)


@cache
def _desk() -> _Desk:
    return _Desk()


def begin(client: Client, source: str, collection: str, options: Options) -> Run:
    """Begin to bring images in; the errors of `pipeline.begin`, at once."""
    return _desk().begin(client, source, collection, options)


def go_on(client: Client, collection: str) -> Run:
    """Begin again what was cut; NotFound when nothing was."""
    newest = _steps(client, collection)[0].run
    if newest is None:
        raise NotFound(f"nothing was brought into {collection}")
    source, options = pipeline.options_of(newest)
    return begin(client, source, collection, options)


def cancel(client: Client, collection: str) -> None:
    """End it: the run at work now, and no step after it."""
    known = _desk().of(collection)
    if known:
        known.end()
    running = standing(client, collection).running
    if running:
        client.runs(running.service).cancel(running.run_id)


def standing(client: Client, collection: str) -> Standing:
    """How far a collection is, whoever brings it in; the errors of services that are away."""
    steps = _steps(client, collection)
    known = _desk().of(collection)
    works = bool(known and known.at_work)
    runs = [each.run for each in steps if each.run]
    # Of one that was brought in long ago the services no longer know the runs.
    complete = not runs or (
        steps[-1].run is not None and all(each.state is State.SUCCEEDED for each in runs)
    )
    ready = not works and complete and _has_loop(client, collection)
    busy = works or any(not each.state.ended for each in runs) or _just_now(runs)
    ended = next((each.error for each in runs if each.error), "")
    why = (known.why if known else "") or ended
    return Standing(steps, ready, busy and not ready, "" if ready or works else why)


def _steps(client: Client, collection: str) -> tuple[Step, ...]:
    """The steps since the newest ingest; what came after them, such as another network's vectors, is not theirs."""
    services = dict.fromkeys(service for service, _ in _STEPS)
    found = {each: client.runs(each).recent(collection, limit=_NEWEST) for each in services}
    ingests = [each for each in found["catalog"] if each.kind == "ingest"]
    since = ingests[0].created_at if ingests else 0.0

    def first(service: str, kind: str) -> Run | None:
        theirs = [each for each in found[service] if each.kind == kind]
        return next((each for each in reversed(theirs) if each.created_at >= since), None)

    return tuple(Step(kind, first(service, kind)) for service, kind in _STEPS)


def _just_now(runs: list[Run]) -> bool:
    """Whether the last step succeeded a moment ago: whoever brings the images begins the next one."""
    newest = max(runs, key=lambda each: each.created_at, default=None)
    if newest is None or newest.state is not State.SUCCEEDED:
        return False
    return time.time() - newest.finished_at < _CUT_SECONDS


def _has_loop(client: Client, collection: str) -> bool:
    try:
        client.selection.get(collection)
    except NotFound:
        return False
    return True
