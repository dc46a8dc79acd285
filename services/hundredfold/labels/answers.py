"""Writing events: decisions, what takes them back, and what clears."""

from dataclasses import dataclass

import numpy as np

from hundredfold.chassis.errors import AlreadyExists, Conflict, NotFound, PermissionDenied
from hundredfold.labels.domain import rules
from hundredfold.labels.domain.asking import labels_named
from hundredfold.labels.domain.event import Draft, Event, EventKind, Judgement, Verdict
from hundredfold.labels.domain.folding import Folding
from hundredfold.labels.domain.folds import AnyFold, open_again
from hundredfold.labels.domain.page import (
    NO_ROWS,
    Lease,
    LeaseState,
    Page,
    PageKind,
    Rows,
    pair_rows,
)
from hundredfold.labels.late import Late, only
from hundredfold.labels.ledger import Ledger
from hundredfold.labels.store.codec import body_digest
from hundredfold.labels.store.reading import Reading
from hundredfold.labels.store.writing import Writing

LEASE_AGAIN_SECONDS = 300
_BATCH = 100


@dataclass(frozen=True, slots=True)
class Asker:
    """Who asks.

    Attributes:
        name: goes into the ledger.
        may_act_for_all: a service, or anybody while authentication is off.
        may_review: may take back what others decided.
    """

    name: str
    may_act_for_all: bool = False
    may_review: bool = False

    def owns(self, lease: Lease) -> bool:
        """Whether the asker may answer, renew or give back a lease."""
        return self.may_act_for_all or lease.annotator == self.name


@dataclass(frozen=True, slots=True, eq=False)
class Decision:
    """An answer to a page, not yet in the ledger.

    Attributes:
        request_id: a UUID.
        token: of the lease.
        judgements: what is said, checked by `rules.judgements`.
        seconds: it took the person.
    """

    request_id: str
    token: int
    judgements: tuple[Judgement, ...]
    seconds: float

    def digest(self) -> bytes:
        """What tells it from another one."""
        return body_digest(
            {"token": self.token, "seconds": self.seconds, "kind": "decision"}, self.judgements
        )

    def left_out(self, said: tuple[Judgement, ...]) -> Rows:
        """The images judged of which nothing of `said` is, of pairs the smaller row of each: int64 [k]."""
        judged = np.concatenate([NO_ROWS, *(each.about for each in self.judgements)])
        left = np.setdiff1d(judged, np.concatenate([NO_ROWS, *(each.about for each in said)]))
        return pair_rows(left)[0] if any(each.of_pairs for each in self.judgements) else left


@dataclass(frozen=True, slots=True, eq=False)
class Taken:
    """What became of a decision: its event, and the images judged that it says nothing of, int64 [k].

    `replayed`: it had been written before.
    """

    seq: int
    left_out: Rows
    replayed: bool = False


@dataclass(frozen=True, slots=True, eq=False)
class Undone:
    """What an undo did: the new event, the one that no longer counts, and the page again if wanted."""

    seq: int
    event: Event
    lease: Lease | None


class Answers:
    """Writes events. Each write is in the ledger, on disk, when it returns, and is done once per request_id.

    Every method raises AlreadyExists (REQUEST_ID_REUSED) when the request_id was used for another write.
    """

    def __init__(self, ledger: Ledger, late: Late | None = None) -> None:
        self._ledger = ledger
        self._late = late

    def submit(self, collection: str, asker: Asker, decision: Decision) -> Taken:
        """Write a decision, or what is left of it where the lease ran out; see `Late`.

        Raises:
            Conflict: LEASE_FENCED, the lease is not ACTIVE any more, and no image judged is free.
            InvalidArgument: an image or a pair is not on the page, or a class is not in the schema.
            PermissionDenied: the lease is another's.
        """
        classes = {each.class_id for each in decision.judgements} - {0}
        schema = self._ledger.catalog.schema_with(collection, classes)
        rules.in_schema(decision.judgements, schema)
        body = decision.digest()
        with self._ledger.writing(collection) as work:
            if before := replayed(work, decision.request_id, body):
                return Taken(before.seq, decision.left_out(before.judgements), replayed=True)
            lease = _owned(work, asker, decision.token)
            rules.on_page(decision.judgements, lease.page)
            page = self._answered(work, lease)
            said = decision.judgements
            if page is not lease.page and not (said := only(said, page)):
                raise _fenced(lease, decision.token)
            left_out = decision.left_out(said)
            if page.kind is PageKind.REVIEW:
                said += self._merged_away(work, said)
            pairs = page.kind is PageKind.PAIR
            draft = Draft(
                kind=EventKind.PAIRS if pairs else EventKind.DECISION,
                actor=lease.annotator,
                request_id=decision.request_id,
                body=body,
                page=page,
                judgements=said,
                seconds=decision.seconds,
                token=lease.token,
            )
            seq = work.append(draft)
            work.end_leases([lease.token], LeaseState.ANSWERED)
            work.answer_late(lease.token)
        return Taken(seq, left_out)

    def undo(
        self, collection: str, asker: Asker, request_id: str, seq: int, *, lease_again: bool
    ) -> Undone:
        """Take an event back.

        Args:
            collection: whose.
            asker: who asks.
            request_id: a UUID.
            seq: which event; 0 = the asker's last decision, or judgement of pairs, that counts.
            lease_again: lease its page to the asker again, as far as its images are free.

        Raises:
            NotFound: there is nothing to undo.
            Conflict: the event does not count, or is an undo itself.
            PermissionDenied: it is another's.
        """
        asked = {"kind": "undo", "actor": asker.name, "seq": seq, "lease_again": lease_again}
        body = body_digest(asked)
        with self._ledger.fold(collection):
            pass  # most of the catching up, before others are kept out
        with self._ledger.writing(collection) as work:
            if before := replayed(work, request_id, body):
                return self._undone_before(work, before)
            with self._ledger.fold(collection, work) as fold:
                event = self._to_undo(work, fold, asker, seq)
                page = self._free(work, fold, event) if lease_again else None
            lease = work.lease(page, asker.name, LEASE_AGAIN_SECONDS) if page else None
            draft = Draft(
                kind=EventKind.UNDO,
                actor=asker.name,
                request_id=request_id,
                body=body,
                undone_seq=event.seq,
                token=lease.token if lease else 0,
            )
            return Undone(work.append(draft), event, lease)

    def clear(self, collection: str, asker: Asker, request_id: str, prefix: str) -> int:
        """Write an event after which nothing before counts; returns its seq.

        Raises:
            Conflict: OTHERS_DECIDED, an actor whose name does not begin with `prefix` has labels that count.
        """
        body = body_digest({"kind": "clear", "actor": asker.name, "prefix": prefix})
        with self._ledger.fold(collection):
            pass  # most of the catching up, before others are kept out
        with self._ledger.writing(collection) as work:
            if before := replayed(work, request_id, body):
                return before.seq
            with self._ledger.fold(collection, work) as fold:
                self._check_actors(work, fold, prefix)
            return work.append(Draft(EventKind.CLEAR, asker.name, request_id, body))

    def take_labels(
        self, collection: str, actor: str, request_id: str, judgements: tuple[Judgement, ...]
    ) -> int:
        """Write labels from a file as one event; returns its seq."""
        body = body_digest({"kind": "import", "actor": actor}, judgements)
        with self._ledger.writing(collection) as work:
            if before := replayed(work, request_id, body):
                return before.seq
            return work.append(
                Draft(EventKind.IMPORT, actor, request_id, body, judgements=judgements)
            )

    def _answered(self, work: Writing, lease: Lease) -> Page:
        """The page that may be answered: that of the lease, or what is left of it."""
        if lease.state is LeaseState.ACTIVE:
            return lease.page
        left = self._late.left(work, lease) if self._late else None
        if left is None:
            raise _fenced(lease, lease.token)
        return left

    def _merged_away(self, work: Writing, said: tuple[Judgement, ...]) -> tuple[Judgement, ...]:
        """That images are not of the classes either that were merged into one they are not of.

        The ledger keeps the classes that were given then; a label in doubt may be one that was merged.
        """
        schema = self._ledger.catalog.schema(work.collection)
        with self._ledger.fold_of_images(work.collection, work) as fold:
            return tuple(
                Judgement(class_id, Verdict.IS_NOT, rows)
                for each in said
                if each.verdict is Verdict.IS_NOT
                for class_id, rows in labels_named(fold, each.rows, each.class_id, schema).items()
                if class_id != each.class_id
            )

    def _free(self, work: Writing, fold: AnyFold, event: Event) -> Page | None:
        """The page of an event that is about to count no more, with the images that are free then."""
        if event.page is None:
            return None
        page = event.page.only(~work.taken(event.page.cells))
        schema = self._ledger.catalog.schema(work.collection)
        page = page.only(open_again(fold, page, schema, event.seq))
        return page if page.rows.size else None

    def _undone_before(self, work: Writing, undo: Event) -> Undone:
        event = work.event(undo.undone_seq)
        lease = work.find_lease(undo.token) if undo.token else None
        return Undone(undo.seq, event, lease)

    def _to_undo(self, work: Writing, fold: Folding, asker: Asker, seq: int) -> Event:
        seq = seq or self._last_of(work, fold, asker.name)
        if not 1 <= seq <= work.head.seq:
            raise NotFound("there is nothing to undo", field="seq")
        event = work.event(seq)
        if event.kind is EventKind.UNDO:
            raise Conflict("an undo can't be undone; decide again", reason="IS_UNDO")
        if event.kind in (EventKind.FLAG, EventKind.UNFLAG):
            raise Conflict("a flag is resolved, not undone", reason="IS_FLAG")
        if not fold.standing.counts(seq, event.kind):
            raise Conflict(f"event {seq} does not count any more", reason="DOES_NOT_COUNT")
        if event.actor != asker.name and not asker.may_review:
            raise PermissionDenied("another's decision takes the role reviewer")
        return event

    def _last_of(self, work: Writing, fold: Folding, actor: str) -> int:
        stands, before = fold.standing, work.head.seq + 1
        while found := work.decisions_of(actor, before, _BATCH):
            for seq in found:
                if stands.counts(seq, EventKind.DECISION):
                    return seq
            before = found[-1]
        return 0

    def _check_actors(self, work: Writing, fold: Folding, prefix: str) -> None:
        stands = fold.standing
        for seq, kind, actor in work.judges(stands.cleared) if prefix else ():
            if stands.counts(seq, kind) and not actor.startswith(prefix):
                raise Conflict(
                    f"labels of {actor} count, which does not begin with {prefix}",
                    reason="OTHERS_DECIDED",
                    metadata={"actor": actor, "seq": str(seq)},
                )


def replayed(work: Reading, request_id: str, body: bytes) -> Event | None:
    """The event of an earlier write with this id; AlreadyExists when that was another write."""
    before = work.find(request_id)
    if before and before.body != body:
        raise AlreadyExists(
            "this request_id was used for another write",
            reason="REQUEST_ID_REUSED",
            field="request_id",
            metadata={"seq": str(before.seq)},
        )
    return before


def _owned(work: Writing, asker: Asker, token: int) -> Lease:
    lease = work.find_lease(token)
    if not lease:
        raise _fenced(lease, token)
    if not asker.owns(lease):
        raise PermissionDenied("the lease is another's", field="token")
    return lease


def _fenced(lease: Lease | None, token: int) -> Conflict:
    state = lease.state if lease else "UNKNOWN"
    return Conflict(
        f"the lease does not hold any more: it is {state}",
        reason="LEASE_FENCED",
        field="token",
        metadata={"state": state, "token": str(token)},
    )
