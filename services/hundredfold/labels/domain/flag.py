"""Notes for reviewers on images."""

from collections.abc import Iterable
from dataclasses import dataclass, replace

from hundredfold.labels.domain.event import Event, EventKind
from hundredfold.labels.domain.page import Rows


@dataclass(frozen=True, slots=True, eq=False)
class Flag:
    """A note on some images.

    Attributes:
        seq: its event.
        actor: who wrote it.
        created_at: Unix seconds.
        rows: int64 [n]: the images.
        comment: what was written.
        resolved_seq: the event that says it is done with; 0 while it is open.
        resolved_by: who wrote that.
        resolved_at: Unix seconds.
        answer: what was written to it.
    """

    seq: int
    actor: str
    created_at: float
    rows: Rows
    comment: str
    resolved_seq: int = 0
    resolved_by: str = ""
    resolved_at: float = 0.0
    answer: str = ""

    def resolved(self, event: Event) -> "Flag":
        """The flag after an UNFLAG; one that is done with already stays as it is."""
        if self.resolved_seq:
            return self
        return replace(
            self,
            resolved_seq=event.seq,
            resolved_by=event.actor,
            resolved_at=event.created_at,
            answer=str(event.details.get("comment", "")),
        )


def flags_of(events: Iterable[Event], known: dict[int, Flag]) -> None:
    """Take FLAG and UNFLAG events, by seq, into the flags that are known."""
    for event in events:
        if event.kind is EventKind.FLAG:
            known[event.seq] = Flag(
                event.seq,
                event.actor,
                event.created_at,
                event.rows,
                str(event.details.get("comment", "")),
            )
        else:
            for seq in event.rows.tolist():
                known[seq] = known[seq].resolved(event)
