"""The ledger of each collection and what its events come to, kept up to date in memory."""

import logging
import threading
from collections.abc import Callable, Iterator, Sequence
from contextlib import contextmanager
from dataclasses import dataclass, field, replace

from hundredfold.chassis.errors import ServiceError
from hundredfold.chassis.storage.collections import several_classes
from hundredfold.labels.domain.copies import Copies
from hundredfold.labels.domain.event import Event, EventKind, Mark
from hundredfold.labels.domain.fold import Fold
from hundredfold.labels.domain.folds import AnyFold
from hundredfold.labels.domain.likeness import decided
from hundredfold.labels.domain.pair_fold import PairFold
from hundredfold.labels.domain.schema import Schema
from hundredfold.labels.domain.state import FoldState, Labels
from hundredfold.labels.domain.undoing import Known
from hundredfold.labels.refolding import BATCH_EVENTS, Refolding
from hundredfold.labels.store.catalog import Catalog
from hundredfold.labels.store.pairs import Judged, JudgedPairs
from hundredfold.labels.store.reading import Reading
from hundredfold.labels.store.records import Records
from hundredfold.labels.store.snapshots import Snapshots
from hundredfold.labels.store.writing import Writing

_OF_PAIRS = {EventKind.PAIRS, EventKind.UNDO, EventKind.UNDO_MANY, EventKind.CLEAR}
"""The kinds of events that may change what is said of pairs."""

# How soon events that another replica wrote are seen.
POLL_SECONDS = 1.0

_log = logging.getLogger("hundredfold.labels.ledger")


@dataclass
class _Kept:
    """The fold of one collection. `lock` guards the rest."""

    lock: threading.RLock = field(default_factory=threading.RLock)
    fold: AnyFold = field(default_factory=Fold)
    copies: Copies | None = None
    duplicates: str = ""
    schema: Schema = field(default_factory=Schema)
    started: bool = False
    snapshot_at: int = 0
    state: FoldState | None = None
    telling: threading.Lock = field(default_factory=threading.Lock)
    told: Judged | None = None


class Ledger:
    """Events, and the labels that count. Safe for threads.

    Locks: a transaction of `Records.writing` may take the fold of its collection; who has the fold
    never asks for such a transaction.

    Args:
        records: the record store.
        snapshots: where to start from.
        catalog: for merged classes and copies.
        judged: where others read what is said of pairs.
        snapshot_every: events between two snapshots.
    """

    def __init__(
        self,
        records: Records,
        snapshots: Snapshots,
        catalog: Catalog,
        judged: JudgedPairs,
        *,
        snapshot_every: int,
    ) -> None:
        self.records = records
        self.catalog = catalog
        self._snapshots = snapshots
        self._judged = judged
        self._every = snapshot_every
        self._kept: dict[str, _Kept] = {}
        self._lock = threading.Lock()
        self._news = threading.Condition()
        self._heads: dict[str, int] = {}

    @contextmanager
    def fold(self, collection: str, work: Reading | None = None) -> Iterator[AnyFold]:
        """The fold, with all events in it, for this thread alone until the block ends.

        Args:
            collection: whose.
            work: the transaction to read in; when it is a `Writing`, no event can come after.
        """
        kept = self._of(collection)
        schema = self.catalog.recent(collection)
        with kept.lock:
            if schema.several != kept.schema.several:
                kept.started = False  # it has no labels yet: the schema has no class before
            kept.schema = schema
            kept.fold.heed(schema)
            if work:
                self._catch_up(kept, work)
            else:
                with self.records.reading(collection) as reading:
                    self._catch_up(kept, reading)
            yield kept.fold

    @contextmanager
    def fold_of_images(self, collection: str, work: Reading | None = None) -> Iterator[Fold]:
        """The same where an image is of one class.

        Raises:
            Conflict: SEVERAL_CLASSES.
        """
        with self.fold(collection, work) as fold:
            if not isinstance(fold, Fold):
                raise several_classes(collection, "what was asked for")
            yield fold

    @contextmanager
    def writing(self, collection: str) -> Iterator[Writing]:
        """A transaction on the ledger; when it has ended, those who wait for events wake."""
        with self.records.writing(collection) as work:
            before = work.head.seq
            yield work
        if work.head.seq > before:
            self._announce(collection, work.head.seq)
        if work.kinds & _OF_PAIRS:
            self.tell_pairs(collection)

    def labels(self, collection: str) -> Labels:
        """The labels that count, merged classes as those they are part of by now, divided ones as their parts."""
        kept = self._of(collection)
        schema = self.catalog.schema(collection)
        with self.fold(collection) as fold:
            if isinstance(fold, PairFold):
                return fold.labels()
            if kept.state is None or kept.state.seq != fold.seq:
                kept.state = fold.state()
            state = kept.state
        return _resolved(state.labels(schema.divided), schema)

    def tell_pairs(self, collection: str) -> None:
        """Write what is said of pairs for others, if it is not what they were told last.

        When the store is away it is left to the next reconciliation: the ledger has it.
        """
        kept = self._of(collection)
        try:
            with kept.telling:
                with self.fold(collection) as fold:
                    judged = Judged(*decided(fold.likeness.table()), fold.likeness.kept()[:, 0])
                    seq = fold.seq
                if kept.told is None:
                    kept.told = self._judged.read(collection)
                if not judged.same_as(kept.told):
                    self._judged.write(collection, judged, seq)
                    kept.told = judged
        except (ServiceError, OSError) as error:
            _log.warning("what is said of pairs of %s is not told: %s", collection, error)

    def imagined(self, collection: str, seqs: Sequence[int]) -> tuple[Known, Known]:
        """What is known, and what would be if these events, which count, did not.

        Classes as they are by now, divided ones too. Nothing that the ledger keeps is touched.
        """
        kept = self._of(collection)
        schema = self.catalog.schema(collection)
        with self.records.reading(collection) as reading:
            with self.fold(collection, reading) as fold:
                now, head = _known(fold, schema), fold.seq
            refolding = Refolding(reading, self._snapshots, kept.schema, kept.copies, head)
            then, _ = refolding.fold([Mark(head + 1, EventKind.UNDO_MANY, tuple(seqs))])
            return now, _known(then, schema)

    def copies(self, collection: str) -> Copies | None:
        """The newest groups of copies, which the fold counts by from now on; None when there are none."""
        kept = self._of(collection)
        run = self.catalog.duplicates(collection)
        if run != kept.duplicates:
            copies = self.catalog.copies(collection, run) if run else None
            with kept.lock:
                kept.copies, kept.duplicates = copies, run
                kept.fold.project(copies)
        return kept.copies

    def watch(
        self, collection: str, after: int, ended: Callable[[], bool]
    ) -> Iterator[tuple[list[Event], int]]:
        """Events after a seq as they come, without gaps, each time with the newest seq there is.

        The first is empty and comes at once. Ends when `ended()` is true: at once after `wake`, else at
        the next poll.
        """
        yield [], self._read(collection, after, 0)[1]
        while not ended():
            found, head = self._read(collection, after, BATCH_EVENTS)
            if found:
                after = found[-1].seq
                yield found, head
            else:
                self._wait(collection, after, ended)

    def _wait(self, collection: str, after: int, ended: Callable[[], bool]) -> None:
        """Wait until there is an event after a seq, or an end, at most `POLL_SECONDS`."""
        with self._news:
            self._news.wait_for(
                lambda: ended() or self._heads.get(collection, 0) > after, POLL_SECONDS
            )

    def wait_for_any(self) -> None:
        """Wait until there is an event anywhere, at most `POLL_SECONDS`."""
        with self._news:
            self._news.wait(POLL_SECONDS)

    def wake(self) -> None:
        """Wake all who wait; they look and wait again, or end."""
        with self._news:
            self._news.notify_all()

    def follow(self) -> None:
        """Fold in what is new in the collections in use, and write the snapshots that are due."""
        with self._lock:
            known = list(self._kept)
        for collection in known:
            with self.fold(collection) as fold:
                due = fold.seq - self._of(collection).snapshot_at >= self._every
            if due:
                self._snapshot(collection)

    def _of(self, collection: str) -> _Kept:
        with self._lock:
            return self._kept.setdefault(collection, _Kept())

    def _announce(self, collection: str, seq: int) -> None:
        self._of(collection)
        with self._news:
            self._heads[collection] = max(seq, self._heads.get(collection, 0))
            self._news.notify_all()

    def _snapshot(self, collection: str) -> None:
        kept = self._of(collection)
        with self.records.writing(collection) as work:
            claimed = work.claim_snapshot(self._every)
            kept.snapshot_at = work.snapshot_seq()
        with self.fold(collection) as fold:
            state = fold.state()
        if claimed:
            with self.records.reading(collection) as reading:
                chain = reading.hash_at(state.seq)
            self._snapshots.write(collection, state, chain)
            _log.info("snapshot %d of %s", state.seq, collection)

    def _read(self, collection: str, after: int, limit: int) -> tuple[list[Event], int]:
        with self.records.reading(collection) as reading:
            found = reading.events(after, limit) if limit else []
            return found, reading.head_seq()

    def _catch_up(self, kept: _Kept, work: Reading) -> None:
        if not kept.started:
            kept.fold = self._refolded(kept, work)
            kept.started = True
        while events := work.events(kept.fold.seq, BATCH_EVENTS):
            if not all(kept.fold.apply(event) for event in events):
                # An old event was taken back.
                kept.fold = self._refolded(kept, work)

    def _refolded(self, kept: _Kept, work: Reading) -> AnyFold:
        refolding = Refolding(work, self._snapshots, kept.schema, kept.copies, work.head_seq())
        fold, began = refolding.fold()
        kept.snapshot_at = began or kept.snapshot_at
        return fold


def _known(fold: AnyFold, schema: Schema) -> Known:
    return Known(_plain(fold, schema), fold.likeness.table())


def _plain(fold: AnyFold, schema: Schema) -> Labels:
    """The labels of a fold, merged classes as those they are part of by now."""
    if isinstance(fold, PairFold):
        return fold.labels()
    labels = fold.state().labels()
    refused = schema.resolve(labels.negative_class_ids)
    return replace(labels, class_ids=schema.resolve(labels.class_ids), negative_class_ids=refused)


def _resolved(labels: Labels, schema: Schema) -> Labels:
    refused = schema.resolve(labels.negative_class_ids)
    negative_rows, negative_class_ids = schema.ends(labels.negative_rows, refused)
    within = schema.resolve(labels.possible_class_ids)
    possible_rows, possible_class_ids = schema.ends(labels.possible_rows, within)
    return replace(
        labels,
        class_ids=schema.resolve(labels.class_ids),
        negative_rows=negative_rows,
        negative_class_ids=negative_class_ids,
        possible_rows=possible_rows,
        possible_class_ids=possible_class_ids,
    )
