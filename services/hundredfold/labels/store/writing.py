"""What can be written to one collection's ledger and leases within a transaction."""

from collections.abc import Callable, Sequence
from dataclasses import dataclass
from typing import Any

from sqlalchemy import Connection, delete, insert, select, update

from hundredfold.labels.domain.event import Draft, EventKind
from hundredfold.labels.domain.page import Lease, LeaseState, Page
from hundredfold.labels.store.codec import content_to_bytes, page_to_bytes
from hundredfold.labels.store.reading import Reading, chain_hash
from hundredfold.labels.store.tables import collections, events, leased_rows, leases


@dataclass(frozen=True, slots=True)
class Head:
    """The end of a ledger: the newest seq (0 for none) and its hash."""

    seq: int
    hash: bytes


class Writing(Reading):
    """One transaction that holds the head of one collection's ledger: nobody else can add events or leases.

    Attributes:
        head: the end of the ledger, this transaction's events included.
        kinds: of the events that this transaction added.
    """

    def __init__(
        self,
        connection: Connection,
        collection: str,
        clock: Callable[[Connection], float],
        head: Head,
    ) -> None:
        super().__init__(connection, collection, clock)
        self.head = head
        self.kinds: set[EventKind] = set()

    def append(self, draft: Draft) -> int:
        """Add an event; returns its seq."""
        values = _columns(self.collection, self.head, draft, self.now)
        values["hash"] = chain_hash(values)
        self.connection.execute(insert(events).values(values))
        self.head = Head(values["seq"], values["hash"])
        self.kinds.add(draft.kind)
        self.connection.execute(
            update(collections)
            .where(collections.c.collection == self.collection)
            .values(head_seq=self.head.seq, head_hash=self.head.hash)
        )
        return self.head.seq

    def lease(self, page: Page, annotator: str, ttl_seconds: float) -> Lease:
        """Lease a page of which no cell is `taken`; the database refuses it otherwise."""
        expires_at = self.now + ttl_seconds
        given = insert(leases).values(
            collection=self.collection,
            page_id=page.page_id,
            annotator=annotator,
            page=page_to_bytes(page),
            expires_at=expires_at,
            state=LeaseState.ACTIVE,
        )
        token = int(self.connection.execute(given.returning(leases.c.token)).scalar_one())
        rows = [
            {"collection": self.collection, "row": row, "token": token}
            for row in page.cells.tolist()
        ]
        self.connection.execute(insert(leased_rows), rows)
        return Lease(token, page, annotator, expires_at)

    def end_leases(self, tokens: Sequence[int], state: LeaseState) -> None:
        """Take ACTIVE leases to another state, and free their rows."""
        self.connection.execute(
            update(leases)
            .where(leases.c.token.in_(tokens), leases.c.state == LeaseState.ACTIVE)
            .values(state=state)
        )
        self.connection.execute(delete(leased_rows).where(leased_rows.c.token.in_(tokens)))

    def answer_late(self, token: int) -> None:
        """Take an EXPIRED lease to ANSWERED: there is no second answer to it."""
        self.connection.execute(
            update(leases)
            .where(leases.c.token == token, leases.c.state == LeaseState.EXPIRED)
            .values(state=LeaseState.ANSWERED)
        )

    def renew(self, tokens: Sequence[int], expires_at: float) -> None:
        """Prolong leases."""
        self.connection.execute(
            update(leases).where(leases.c.token.in_(tokens)).values(expires_at=expires_at)
        )

    def free_stale_rows(self) -> int:
        """Free rows whose lease is not ACTIVE; returns how many there were. There should be none."""
        active = select(leases.c.token).where(leases.c.state == LeaseState.ACTIVE)
        stale = delete(leased_rows).where(
            leased_rows.c.collection == self.collection, leased_rows.c.token.not_in(active)
        )
        return self.connection.execute(stale).rowcount

    def forget_leases(self, before: float) -> None:
        """Drop leases that ended, whose time was over before a moment."""
        self.connection.execute(
            delete(leases).where(
                leases.c.collection == self.collection,
                leases.c.state != LeaseState.ACTIVE,
                leases.c.expires_at < before,
            )
        )

    def set_total(self, total: int) -> None:
        """Note how many images there are to label."""
        self.connection.execute(
            update(collections)
            .where(collections.c.collection == self.collection)
            .values(total=total)
        )

    def claim_snapshot(self, every: int) -> bool:
        """Whether a snapshot at the head is due, and this caller's to make: true for one caller."""
        claimed = (
            update(collections)
            .where(
                collections.c.collection == self.collection,
                collections.c.snapshot_seq <= self.head.seq - every,
            )
            .values(snapshot_seq=self.head.seq)
        )
        return self.connection.execute(claimed).rowcount == 1


def _columns(collection: str, head: Head, draft: Draft, now: float) -> dict[str, Any]:
    return {
        "collection": collection,
        "seq": head.seq + 1,
        "kind": int(draft.kind),
        "request_id": draft.request_id,
        "body": draft.body,
        "actor": draft.actor,
        "token": draft.token,
        "page_id": draft.page.page_id if draft.page else "",
        "undone_seq": draft.undone_seq,
        "content": content_to_bytes(draft),
        "created_at": now,
        "prev_hash": head.hash,
    }
