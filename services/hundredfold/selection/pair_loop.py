"""The loop of a collection whose images may be of several classes.

It goes round as every loop does; what differs is what a round is made of: pairs of an image and a class, and that
a target is proved class by class. There is no search for better spaces and there are no pages of suspicious
labels here: `PARTS` says so.
"""

from dataclasses import replace
from typing import Any

from hundredfold.chassis.errors import Conflict, InvalidArgument, Unavailable
from hundredfold.selection.domain import pair_rounds
from hundredfold.selection.domain.forecast import Forecast
from hundredfold.selection.domain.page import Draft
from hundredfold.selection.domain.pair_pool import PairGuesses, standings
from hundredfold.selection.domain.pair_proving import Proofs
from hundredfold.selection.domain.pair_rounds import PairStanding
from hundredfold.selection.domain.rounds import Phase
from hundredfold.selection.loop import Loop
from hundredfold.selection.pair_audits import PairAudits, wrong_then
from hundredfold.selection.peers import PairsHeard
from hundredfold.selection.state import LoopState
from hundredfold.selection.store import Vectors

POLICY = "pairs"
"""The one way in which pages are chosen."""

PARTS = ("fine-tuning", "discovery", "planting", "cleaning", "stream")
"""What such a loop goes without."""


class PairLoop(Loop):
    """See Loop."""

    def __init__(self, *given: Any, **named: Any) -> None:
        super().__init__(*given, **named)
        self._proving = PairAudits(self._place, self._peers.ledger, self._costs)
        self._pairs: PairStanding | None = None
        self._version = -1
        self._seq = 0
        self._current = 0

    def restart(self, state: LoopState) -> None:
        """See Loop."""
        with self._changed:
            self._pairs = None
            super().restart(state)

    def propose(self, limit: int, policy: str) -> tuple[list[Draft], str]:
        """See Loop.

        Raises:
            InvalidArgument: a policy of images of one class.
        """
        if policy not in ("", POLICY):
            raise InvalidArgument(
                f"policy must be {POLICY} where an image may be of several classes", field="policy"
            )
        with self._changed:
            state, standing = self._place.now, self._pairs
            if standing is None:
                why = self._trouble or "it is being prepared"
                raise Unavailable(f"the loop has no pages yet: {why}", reason="LOOP_PREPARING")
        made = pair_rounds.compose(standing, self._asked(state, limit))
        return made.pages[:limit], standing.model

    def forecast(self, target: float) -> Forecast:  # noqa: ARG002  as every loop's
        """There is none yet: Conflict SEVERAL_CLASSES."""
        raise Conflict(
            "how long it will take is not forecast where an image may be of several classes",
            reason="SEVERAL_CLASSES",
        )

    def _is_old(self, state: LoopState) -> bool:
        """See Loop; whatever changed in the schema: a class more is a question more."""
        other = self._version not in (-1, self._store.schema_version(state.collection))
        return other or self._sight.has_grown(state)

    def _round(self) -> None:
        with self._changed:
            self._due = False
        state = self._place.now
        vectors = self._sight.vectors(state)
        proofs = self._proving.settle(state, len(vectors.rows))
        standing, guesses = self._standing(state, vectors, proofs)
        if not standing.said.touched.size:
            self._proving.forget(state)
            state = self._place.now
        if self._proving.has_ended(state, proofs):
            with self._changed:
                self._due = True  # nobody would tell of its last answer again: it has been heard
            return
        due = proofs.due(standing.classes, guesses.rest, wrong_then(state), state.page_size)
        if due is not None:
            self._proving.start(state, proofs, due)
            with self._changed:
                self._due = True  # its images are asked about first
            return
        made = pair_rounds.compose(standing, self._asked(state, self._config.offer_pages))
        fields: dict[str, Any] = {
            "phase": Phase.AUDIT if proofs.open else made.phase,
            "auditing": replace(
                state.auditing,
                audit_id=proofs.last,
                open=proofs.open is not None,
                proved=proofs.accuracy(standing.classes),
            ),
            "model": standing.model,
            "seen_seq": self._seq,
            "total": standing.total,
            "labelled": standing.labelled,
            "rounds": state.rounds + 1,
            "expected_accuracy": standing.expected_accuracy,
            "seeded": not standing.naming,
        }
        self._fill(state, fields["rounds"], made.pages, standing.model, len(standing.rows))
        with self._changed:
            self._place.change(state, **fields)
            self._pairs, self._offered, self._trouble = standing, len(made.pages), ""
            self._current = made.current

    def _standing(
        self, state: LoopState, vectors: Vectors, proofs: Proofs
    ) -> tuple[PairStanding, PairGuesses]:
        """What is known, and what a head that knows it says."""
        self._version = self._store.schema_version(state.collection)
        class_ids = self._store.class_ids(state.collection)
        clusters = self._sight.clusters(state, len(vectors.rows))
        heard = self._peers.ledger.pairs_heard(state.collection)
        self._seq = heard.seq
        guesses = self._pair_guesses(state, heard)
        said = heard.said.within(vectors.rows)
        classes = standings(vectors.rows, class_ids, said, guesses, vectors.of)
        standing = PairStanding(
            vectors.rows,
            said,
            classes,
            clusters,
            vectors.of,
            guesses.model,
            naming=_naming(state, len(class_ids), said_nothing=not len(said.touched)),
            current=self._current,
            closed=proofs.closed(classes),
        )
        return standing, guesses

    def _pair_guesses(self, state: LoopState, heard: PairsHeard) -> PairGuesses:
        """What a head says; nothing before there is one."""
        if not len(heard.said.yes):
            return PairGuesses()
        model = self._peers.trainer.fit(
            state.collection,
            state.space,
            heard.seq,
            without_negatives="negatives" in state.without,
        )
        return self._store.pair_guesses(state.collection, model) if model else PairGuesses()


def _naming(state: LoopState, classes: int, *, said_nothing: bool) -> bool:
    """Whether clusters are shown to find classes: not where all are there, or were when the work began."""
    if state.expected_classes:
        return classes < state.expected_classes
    begun_with = state.seeded or said_nothing or not state.rounds
    return not (classes and begun_with)
