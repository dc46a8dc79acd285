"""What a round of a loop sees: vectors, labels, what the head guesses, and what follows from them."""

from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray

from hundredfold.chassis.holdout import in_stream
from hundredfold.selection.audits import Checked, Known
from hundredfold.selection.domain import alike, rounds
from hundredfold.selection.domain.cleaning import Suspicious
from hundredfold.selection.domain.clusters import Clusters
from hundredfold.selection.domain.mending import Audited
from hundredfold.selection.domain.parents import Families
from hundredfold.selection.domain.pool import Guesses, Labels, open_pool, places
from hundredfold.selection.domain.rounds import Standing
from hundredfold.selection.domain.stream import measurable
from hundredfold.selection.peers import Heard, Peers
from hundredfold.selection.place import Place
from hundredfold.selection.reviews import Reviews
from hundredfold.selection.seeds import Seeds
from hundredfold.selection.state import LoopState
from hundredfold.selection.store import SelectionStore, Vectors


@dataclass(frozen=True)
class Seen:
    """What a round was made from.

    Attributes:
        seq: the newest event taken into account.
        standing: what pages are composed of.
        known: what forecasts are made of.
        people: the labels that people gave.
        waiting: int64 [w], rows on the pages that were offered.
    """

    seq: int
    standing: Standing
    known: Known
    people: Labels
    waiting: NDArray[np.int64]


class Sight:
    """Looks at a collection as it is now. Used by the thread of its loop.

    Args:
        place: of the loop.
        store: of artifacts.
        peers: other services.
    """

    def __init__(self, place: Place, store: SelectionStore, peers: Peers) -> None:
        self._store = store
        self._peers = peers
        self._reviews = Reviews(peers.trainer)
        self._seeds = Seeds(place, store, peers.indexer)
        self._vectors: Vectors | None = None
        self._families: Families | None = None

    def is_old(self, state: LoopState) -> bool:
        """Whether vectors came, classes got children or clusters were edited since it was looked last."""
        now = self._store.families(state.collection)
        parents = self._families is not None and self._families.parent_of != now.parent_of
        return self.has_grown(state) or parents or bool(self._seeds.edited(state))

    def has_grown(self, state: LoopState) -> bool:
        """Whether vectors came since it was looked last."""
        version = self._store.vectors_version(state.collection, state.space)
        return self._vectors is not None and version != self._vectors.version

    def see(self, state: LoopState, view: LoopState) -> Seen:
        """What there is in the space of `view`, which is not that of `state` when the loop moves there.

        A head is fitted where there are labels that the one in use does not know.
        """
        vectors = self.vectors(view)
        if view is state:
            clusters = self.clusters(state, len(vectors.rows))
        else:
            clusters = self._store.clusters(state.collection, view.clusters)
        self._families = self._store.families(state.collection)
        heard = self._peers.ledger.heard(state.collection)
        guesses = self._guesses(view, heard)
        said = heard.said
        pool = open_pool(vectors.rows, said, vectors.of, guesses)
        labels = said.labels.within(vectors.rows)
        people, machine = labels.of_people(), labels.of_models()
        known = Known(
            pool=pool,
            people=len(people),
            machine=len(machine),
            machine_wrong=doubted(machine, guesses),
            aside=int(np.isin(said.unsure_rows, vectors.rows).sum()),
            asked=len(said.audit_rows),
            total=len(vectors.rows),
            checked=checked(people, vectors.rows, said.unsure_rows, guesses),
        )
        standing = Standing(
            pool,
            labels,
            clusters,
            view.discovery,
            suspicious=self._reviews.current(view, people) if pool.model else Suspicious(),
            without=frozenset(view.without) & rounds.PARTS,
            seeded=view.seeded,
            families=self._families,
            audited=self._audited(state),
            tried=bool(state.backbone_rounds),
            alike=self._alike(state.collection) if pool.model else alike.Alike(),
        )
        return Seen(heard.seq, standing, known, people, pool.rows[:0])

    def clusters(self, state: LoopState, images: int) -> Clusters:
        """The clusters of the seed; waits until they are made."""
        return self._seeds.read(state, images)

    def vectors(self, state: LoopState) -> Vectors:
        """The vectors of its space as they are now."""
        version = self._store.vectors_version(state.collection, state.space)
        known = self._vectors
        if known is None or known.version != version or known.space != state.space:
            known = self._vectors = self._store.vectors(state.collection, state.space)
        return known

    def _alike(self, collection: str) -> alike.Alike:
        """The pairs of the newest groups of copies that wait to be judged."""
        pairs, distances = self._store.alike(collection)
        if not len(pairs):
            return alike.Alike()
        return alike.waiting(pairs, distances, self._peers.ledger.judged_pairs(collection))

    def _audited(self, state: LoopState) -> Audited:
        """What was audited last, where putting some of it right is all that the proof wants."""
        auditing = state.auditing
        if not auditing.short or auditing.lapsed:
            return Audited()
        return self._store.audited(state.collection, auditing.audit_id, auditing.short)

    def _guesses(self, state: LoopState, heard: Heard) -> Guesses | None:
        """What a head that knows these labels says; None before there is one."""
        if not len(heard.said.labels.of_people()):
            return None
        model = self._peers.trainer.fit(
            state.collection,
            state.space,
            heard.seq,
            without_negatives="negatives" in state.without,
        )
        return self._store.guesses(state.collection, model) if model else None


def doubted(machine: Labels, guesses: Guesses | None) -> float:
    """How many labels that models gave the head in use takes for wrong, those of clusters among them."""
    if guesses is None:
        return 0.0
    at = places(guesses.rows, machine.rows)
    there = at >= 0
    at, labels = at[there], machine.class_ids[there]
    probability = guesses.probability[at].astype(np.float64)
    # Where it says something else that is wrong, or the label is.
    return float(np.where(guesses.top[at] == labels, 1 - probability, probability).sum())


def checked(
    people: Labels,
    rows: NDArray[np.int64],
    unsure: NDArray[np.int64],
    guesses: Guesses | None,
) -> Checked:
    """How the head does on images of the random stream, of which it has learnt nothing.

    Only steps of the stream count that people have answered whole: what comes first of one is easy.

    Args:
        people: the labels that they gave.
        rows: int64 [n], all images.
        unsure: int64 [u], those set aside.
        guesses: of the head in use.
    """
    if guesses is None:
        return Checked()
    every = rows[in_stream(rows)]
    waiting = np.setdiff1d(every, np.concatenate([people.rows, unsure]))
    stream = np.flatnonzero(in_stream(people.rows))
    stream = stream[measurable(people.rows[stream], waiting, len(every))]
    at = np.searchsorted(guesses.rows, people.rows[stream])
    there = at < len(guesses.rows)
    there[there] = guesses.rows[at[there]] == people.rows[stream[there]]
    at, stream = at[there], stream[there]
    wrong = int((guesses.top[at] != people.class_ids[stream]).sum())
    expected = float((1 - guesses.probability[at].astype(np.float64)).sum())
    return Checked(len(at), wrong, expected)
