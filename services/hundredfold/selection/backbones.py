"""Better spaces: fine-tunes a backbone, embeds with it, measures it, and leaves the switch to the loop.

    idle -> training -> embedding -> (measured: not better -> idle) -> clustering -> switching -> idle

A thread beside the loop, so that people never wait for it. Each step is kept before its call is made, and
each call has a request id made of what is kept: killed anywhere, the same call is made again. What fails
is written down as a round that came to nothing, and people stay in the space they work in.
"""

import logging
import threading
import time
from collections.abc import Callable
from contextlib import suppress
from dataclasses import dataclass, replace

import numpy as np
from numpy.typing import NDArray

from hundredfold.chassis.errors import (
    Aborted,
    AlreadyExists,
    Conflict,
    InvalidArgument,
    NotFound,
    ServiceError,
)
from hundredfold.chassis.holdout import held_out, measured
from hundredfold.selection.backbone_rounds import ended, needless
from hundredfold.selection.domain import refining
from hundredfold.selection.domain.pool import Labels
from hundredfold.selection.domain.rounds import Phase
from hundredfold.selection.domain.stream import Early
from hundredfold.selection.peers import Peers, Run, RunsOf, request_id
from hundredfold.selection.place import Place
from hundredfold.selection.spaces import CatchingUp, SpaceRows
from hundredfold.selection.state import LoopState, Step, Tuning
from hundredfold.selection.store import SelectionStore

_MOST_FIRST_ROWS = 500_000
_MOST_CALLS = 3
_MEASURABLE = 0.95  # of the labelled held-out images have vectors
_FIRST_WAIT = 0.1
_REFUSALS = (NotFound, Conflict, InvalidArgument, AlreadyExists)
_log = logging.getLogger("hundredfold.selection.backbones")


@dataclass(frozen=True)
class View:
    """What the loop knows that matters here.

    Attributes:
        seq: the newest event taken into account.
        labels: that people gave.
        total: images of the collection.
        early: the part of the random stream that comes at once.
        waiting: int64 [w], rows on the pages that wait.
        work: human seconds so far and those expected until the end; asked only when it matters.
    """

    seq: int
    labels: Labels
    total: int
    early: Early
    waiting: NDArray[np.int64]
    work: Callable[[], tuple[float, float]]


class Backbones:
    """The search for better spaces of one collection.

    Args:
        place: of the loop.
        store: of artifacts.
        peers: other services.
        view: what the loop knows; None before its first round.
        rules: when a round of fine-tuning is due.
        poll_seconds: how often to look how a run does.
        most_wait: longest pause before trying again when a service is away, in seconds.
    """

    def __init__(
        self,
        place: Place,
        store: SelectionStore,
        peers: Peers,
        view: Callable[[], View | None],
        *,
        rules: refining.Rules,
        poll_seconds: float,
        most_wait: float,
    ) -> None:
        self._place = place
        self._store = store
        self._peers = peers
        self._view = view
        self._rules = rules
        self._poll = poll_seconds
        self._most_wait = most_wait
        self._rows = SpaceRows(store)
        self._catching_up = CatchingUp(store, self._rows, peers.embedder)
        self._too_late = -1  # the newest event when the work was found to end before a round would
        self._deciding = threading.Lock()
        self._thread = threading.Thread(
            target=self._run, name=f"backbones-{place.now.collection}", daemon=True
        )

    def start(self) -> None:
        """Begin to work."""
        self._thread.start()

    def join(self) -> None:
        """Wait until it has ended; the place tells it to."""
        self._thread.join()

    def _run(self) -> None:
        wait = _FIRST_WAIT
        while not self._place.ended:
            try:
                while self._step() and not self._place.ended:
                    pass
                wait = self._poll
            except Aborted:
                wait = self._poll
            except ServiceError as error:
                _log.warning("%s: %s", self._place.now.collection, error.message)
                wait = min(2 * wait, self._most_wait)
            except Exception:  # noqa: BLE001  # people go on in any case, and so does the search
                _log.exception("the backbones of %s", self._place.now.collection)
                wait = self._most_wait
            self._place.sleep(wait, or_until=_beyond(self._place.now.tuning.step))

    def _step(self) -> bool:
        """One step; False when there is nothing to do but to wait."""
        state = self._place.now
        step = state.tuning.step
        if step is Step.IDLE:
            return self._idle(state)
        if why := needless(state):
            self._cancel(state.tuning)
            return self._over(state, why)
        steps = {
            Step.TRAINING: self._train,
            Step.EMBEDDING: self._embed,
            Step.CLUSTERING: self._cluster,
        }
        try:
            return step in steps and steps[step](state)  # the loop itself switches
        except ServiceError as error:
            # Plain ones are INTERNAL, UNIMPLEMENTED and the like: the next round may have more luck.
            if isinstance(error, _REFUSALS) or type(error) is ServiceError:
                peer = error.metadata.get("peer", "selection")
                return self._over(state, f"{peer}: {error.message}")
            raise

    # --- steps ----------------------------------------------------------------------------------

    def consider(self) -> bool:
        """Begin a round of fine-tuning if one is due; the loop asks after each of its own rounds."""
        with self._deciding:
            state, view = self._place.now, self._view()
            if view is None or state.tuning.step is not Step.IDLE or not _people_verify(state):
                return False
            return self._begin_if_due(state, view)

    def _idle(self, state: LoopState) -> bool:
        if not _people_verify(state):
            return False
        self._catching_up.embed_new_images(state)
        return self.consider()

    def _begin_if_due(self, state: LoopState, view: View) -> bool:
        if "fine-tuning" in state.without:
            return False
        there = refining.material(view.labels, view.early, self._rules)
        before = state.tuning.labels if state.tuning.labels_seq > state.cleared_seq else 0
        if not refining.enough(there, before, self._rules):
            return False
        if not refining.worth_trying(len(view.labels), view.total, self._rules):
            return False
        if self._too_late == view.seq:
            return False
        if not refining.in_time(*view.work(), self._rules):
            self._too_late = view.seq
            return False
        begun = Tuning(
            step=Step.TRAINING,
            number=state.tuning.number + 1,
            before=state.space,
            labels=there.labels,
            labels_seq=view.seq,
            began_at=time.time(),
        )
        self._place.change(state, tuning=begun)
        return True

    def _train(self, state: LoopState) -> bool:
        tuning = state.tuning
        if not tuning.run:
            run_id = self._peers.trainer.train(
                state.collection, tuning.before, state.seed, self._key(state, "train")
            )
            return self._go(state, run=run_id)
        run = self._run_of(state)
        if not run.ended:
            return False
        if run.error:
            return self._over(state, f"training: {run.error}")
        return self._go(state, step=Step.EMBEDDING, after=str(run.result["model"]), run="", calls=0)

    def _embed(self, state: LoopState) -> bool:
        tuning, view = state.tuning, self._view()
        if view is None:
            return False
        if not tuning.run:
            return self._go(state, run=self._start_embedding(state, view.labels, view.waiting))
        run = self._run_of(state)
        if tuning.compared is None:
            return self._compare(state, view, ended=run.ended)
        if not run.ended:
            return False
        return self._again(state, run.error) if run.error else self._complete(state)

    def _start_embedding(self, state: LoopState, labels: Labels, waiting: NDArray[np.int64]) -> str:
        kept = held_out(labels.rows)
        first = np.concatenate([labels.rows[kept], labels.rows[~kept], waiting])
        _, places = np.unique(first, return_index=True)
        first = first[np.sort(places)][:_MOST_FIRST_ROWS]
        try:
            return self._peers.embedder.embed(
                state.collection,
                state.tuning.after,
                duplicates=state.duplicates,
                first_rows=first,
                key=self._key(state, "embed"),
            )
        except AlreadyExists:
            # Killed between the call and keeping its run: since then other images come first.
            self._go(state, calls=state.tuning.calls + 1)
            raise Aborted("the embedding is asked for anew") from None
        except Aborted as error:
            run_id = error.metadata.get("run_id", "")
            if run_id and self._peers.embedder.runs.get(run_id).parameters.get("model") == (
                state.tuning.after
            ):
                return run_id
            raise

    def _compare(self, state: LoopState, view: View, *, ended: bool) -> bool:
        tuning = state.tuning
        there = self._rows.of(state.collection, tuning.after)
        wanted = view.labels.rows[measured(view.labels.rows, view.total)]
        share = np.isin(wanted, there).mean() if len(wanted) else 0.0
        if not ended and share < _MEASURABLE:
            return False
        try:
            found = self._peers.trainer.compare(state.collection, tuning.before, tuning.after)
        except Conflict as error:
            if error.reason != "TOO_FEW_LABELS":
                raise
            if ended and share < _MEASURABLE:
                return self._again(state, "embedding: too few held-out images have a vector")
            return False  # people go on labelling
        if not found.better:
            self._cancel(tuning)
            return self._over(
                replace(state, tuning=replace(tuning, compared=found)), f"not better: {found}"
            )
        return self._go(state, compared=found)

    def _complete(self, state: LoopState) -> bool:
        """Whether every image has a vector: those that came meanwhile are embedded too."""
        there = self._rows.of(state.collection, state.tuning.after)
        missing = int((~np.isin(self._store.rows(state.collection, state.space), there)).sum())
        if not missing:
            return self._go(state, step=Step.CLUSTERING, run="", calls=0)
        if missing == state.tuning.missing and state.tuning.calls >= _MOST_CALLS:
            return self._over(state, f"{missing} images have no vector in the new space")
        return self._go(state, run="", calls=state.tuning.calls + 1, missing=missing)

    def _cluster(self, state: LoopState) -> bool:
        tuning = state.tuning
        if not tuning.run:
            count = self._store.cluster_count(state.collection, state.clusters)
            key = f"{state.request_id}-{tuning.number}-{tuning.calls}"
            run_id = self._peers.indexer.cluster(
                state.collection, tuning.after, count, state.seed, key
            )
            return self._go(state, run=run_id)
        run = self._run_of(state)
        if not run.ended:
            return False
        if run.error:
            return self._again(state, run.error)
        clusters = str(run.result["clusters"])
        # Search follows the loop into the new space. Nobody waits for that.
        self._peers.indexer.build(
            state.collection, tuning.after, f"{state.request_id}-{tuning.number}"
        )
        return self._go(state, step=Step.SWITCHING, clusters=clusters, run="", calls=0)

    # --- what steps have in common ---------------------------------------------------------------

    def _go(self, state: LoopState, **fields: object) -> bool:
        """Keep where it stands."""
        self._place.change(state, tuning=replace(state.tuning, **fields))  # type: ignore[arg-type]
        return True

    def _again(self, state: LoopState, reason: str) -> bool:
        """Call once more, or give up."""
        if state.tuning.calls >= _MOST_CALLS:
            return self._over(state, reason)
        return self._go(state, run="", calls=state.tuning.calls + 1)

    def _over(self, state: LoopState, reason: str) -> bool:
        """The round came to nothing."""
        _log.info("%s stays in %s: %s", state.collection, state.space, reason)
        self._place.change(self._place.now, **ended(self._place.now, state.tuning, reason))
        return True

    def _key(self, state: LoopState, what: str) -> str:
        tuning = state.tuning
        return request_id(state.collection, what, tuning.began_at, tuning.number, tuning.calls)

    def _runs(self, step: Step) -> RunsOf:
        peers = self._peers
        others = {Step.EMBEDDING: peers.embedder.runs, Step.CLUSTERING: peers.indexer.runs}
        return others.get(step, peers.trainer.runs)

    def _run_of(self, state: LoopState) -> Run:
        """How the run of the step does; one that is there no more has failed."""
        try:
            return self._runs(state.tuning.step).get(state.tuning.run)
        except NotFound:
            return Run(True, {}, {}, "the run is there no more")

    def _cancel(self, tuning: Tuning) -> None:
        if tuning.run:
            with suppress(NotFound):  # it is gone
                self._runs(tuning.step).cancel(tuning.run)


def _beyond(step: Step) -> Callable[[LoopState], bool]:
    return lambda state: state.tuning.step is not step


def _people_verify(state: LoopState) -> bool:
    return state.phase in (Phase.VERIFY, Phase.LEFTOVERS)
