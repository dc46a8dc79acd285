"""The rules of the fold once more, as plainly as they can be said: one image at a time, from the start."""

from collections.abc import Collection, Sequence
from dataclasses import dataclass, field

from hundredfold.labels.domain.event import Event, EventKind, Verdict
from hundredfold.labels.domain.state import Labels
from hundredfold.labels.domain.tally import UNSURE


@dataclass
class Reading:
    label: dict[int, tuple[int, int, int]] = field(default_factory=dict)
    refused: set[tuple[int, int]] = field(default_factory=set)
    decisions: int = 0
    seconds: float = 0
    divided: Collection[int] = ()

    def judge(self, event: Event) -> None:
        planted = set(event.page.planted.tolist()) if event.page else set()
        for verdict in (Verdict.IS_NOT, Verdict.UNSURE, Verdict.IS):
            for each in (one for one in event.judgements if one.verdict is verdict):
                for row in each.rows.tolist():
                    if event.kind is EventKind.CERTIFICATE:
                        self._certify(row, each.class_id, event.seq)
                    elif row not in planted:
                        self._say(verdict, row, each.class_id, event)
        if event.kind is EventKind.DECISION:
            self.decisions += 1
            self.seconds += event.seconds

    def _certify(self, row: int, class_id: int, seq: int) -> None:
        has, _, origin = self.label.get(row, (0, 0, 127))
        if (row, class_id) not in self.refused and (origin == 127 or has in self.divided):
            self.label[row] = (class_id, seq, 127)

    def _say(self, verdict: Verdict, row: int, class_id: int, event: Event) -> None:
        has, _, origin = self.label.get(row, (0, 0, 0))
        if verdict is Verdict.IS_NOT:
            if has == class_id:
                del self.label[row]
            if has in (0, class_id, UNSURE, *self.divided) or origin == 127:
                self.refused.add((row, class_id))
        elif verdict is Verdict.UNSURE:
            self.label[row] = (UNSURE, event.seq, 0)
        else:
            self.label[row] = (class_id, event.seq, int(event.page.kind) if event.page else 0)
            self.refused.discard((row, class_id))


def read(events: Sequence[Event], divided: Collection[int] = ()) -> Reading:
    undone = {event.undone_seq for event in events if event.kind is EventKind.UNDO}
    many = [e for e in events if e.kind is EventKind.UNDO_MANY and e.seq not in undone]
    undone |= {seq for event in many for seq in event.rows.tolist()}
    clears = [e.seq for e in events if e.kind is EventKind.CLEAR and e.seq not in undone]
    reading = Reading(divided=divided)
    for event in events:
        if event.seq > max(clears, default=0) and event.seq not in undone:
            reading.judge(event)
    return reading


def agrees(labels: Labels, events: Sequence[Event], divided: Collection[int] = ()) -> bool:
    """Whether labels are what the events come to, while some classes are divided."""
    reading = read(events, divided)
    known = {row: one for row, one in reading.label.items() if one[0] != UNSURE}
    labelled = {row: one for row, one in known.items() if one[0] not in divided}
    within = {row: one[0] for row, one in known.items() if one[0] in divided}
    possible = zip(labels.possible_rows.tolist(), labels.possible_class_ids.tolist(), strict=True)
    arrays = (labels.class_ids, labels.seqs, labels.origins)
    given = zip(*(each.tolist() for each in arrays), strict=True)
    negatives = zip(labels.negative_rows.tolist(), labels.negative_class_ids.tolist(), strict=True)
    return (
        dict(zip(labels.rows.tolist(), given, strict=True)) == labelled
        and set(labels.unsure_rows.tolist()) == reading.label.keys() - known.keys()
        and dict(possible) == within
        and set(negatives) == {pair for pair in reading.refused if pair[0] not in labelled}
    )
