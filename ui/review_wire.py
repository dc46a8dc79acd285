"""What the Review view shows, as JSON, and what it asks."""

from collections.abc import Mapping
from typing import Any

import numpy as np

from hundredfold.client.types import (
    Audit,
    DuplicateGroup,
    Event,
    Flag,
    Judgement,
    Pairs,
    Schema,
    Selection,
    Suspicious,
    UndoPreview,
    Verdict,
)
from ui.wire import Json, others, to_rows, whole

MOST_SHOWN = 120
"""Images of one verdict that are shown of an event."""

LEAST_DOUBT = 0.1
"""How likely a label must be wrong to be listed."""

_MOST_SEQS = 10_000


def line(event: Event) -> Json:
    """One line of the history."""
    page = event.page
    return {
        "seq": event.seq,
        "kind": event.kind,
        "actor": event.actor,
        "at": event.created_at,
        "counts": event.counts,
        "images": event.images,
        "seconds": round(event.seconds, 1),
        "page": page.kind if page else "",
        "class_id": page.class_id if page else 0,
        "said": [_said(each) for each in event.judgements if each.rows.size],
        "undone_seq": event.undone_seq,
        "undone_events": event.undone_events,
        "of": event.selection.actor if event.selection else "",
        "comment": event.comment,
        "flagged": event.flagged_rows[:MOST_SHOWN].tolist(),
        "kept": len(event.kept_rows),
    }


def _said(judgement: Judgement) -> Json:
    return {
        "class_id": judgement.class_id,
        "verdict": judgement.verdict,
        "count": len(judgement.rows),
        "rows": judgement.rows[:MOST_SHOWN].tolist(),
        **others(judgement.others[:MOST_SHOWN]),
    }


def preview(given: UndoPreview) -> Json:
    """What taking events back would do."""
    return {
        "head_seq": given.head_seq,
        "events": given.events,
        "images": given.images,
        "gone": _by_class(given.labels_gone),
        "back": _by_class(given.labels_back),
        "negatives_gone": given.negatives_gone,
        "negatives_back": given.negatives_back,
        "unsure_gone": given.unsure_gone,
        "unsure_back": given.unsure_back,
        "pairs_gone": given.pairs_gone,
        "pairs_back": given.pairs_back,
    }


def _by_class(counts: Mapping[int, int]) -> list[list[int]]:
    """Class and labels, the most first."""
    return [list(each) for each in sorted(counts.items(), key=lambda each: (-each[1], each[0]))]


def suspicious(found: Suspicious) -> list[Json]:
    """Labels that may well be wrong by class, the likeliest first; the class with the most wrong ones first."""
    groups: dict[int, Json] = {}
    given = zip(
        found.rows.tolist(),
        found.class_ids.tolist(),
        found.other_class_ids.tolist(),
        found.probabilities.tolist(),
        strict=True,
    )
    for row, class_id, other, wrong in given:
        if wrong < LEAST_DOUBT:
            continue
        group = groups.setdefault(class_id, {"class_id": class_id, "images": []})
        group["images"].append({"row": row, "other": other, "wrong": round(wrong, 3)})
    return sorted(groups.values(), key=_expected_wrong, reverse=True)


def _expected_wrong(group: Json) -> float:
    return sum(float(each["wrong"]) for each in group["images"])


def audit(given: Audit) -> Json:
    """How a random check stands."""
    return {
        "audit_id": given.audit_id,
        "state": given.state,
        "model": given.model,
        "cluster": given.cluster,
        "class_id": given.cluster_class or given.class_id,
        "look": given.look,
        "total": given.total,
        "population": given.population,
        "sample": given.sample,
        "answered": given.answered,
        "errors": given.errors,
        "bound": given.bound,
        "allowed": given.allowed_error,
        "confidence": given.confidence,
        "certificate_seq": given.certificate_seq,
    }


def copies(group: DuplicateGroup, judged: Pairs) -> Json:
    """A group of copies: which people keep apart from its representative, and which is to stand for all; -1 for none."""
    of_it = (judged.rows == group.representative) | (judged.others == group.representative)
    different = np.array([each is Verdict.IS_NOT for each in judged.verdicts], np.bool_)
    named = np.concatenate([judged.rows[of_it & different], judged.others[of_it & different]])
    shown = group.copies[:MOST_SHOWN]
    members = [group.representative, *group.copies.tolist()]
    kept = [row for row in judged.kept_rows.tolist() if row in members]
    return {
        "representative": group.representative,
        "rows": shown.tolist(),
        "distances": group.distances[:MOST_SHOWN].tolist(),
        "copies": len(group.copies),
        "apart": shown[np.isin(shown, named)].tolist(),
        "kept": kept[0] if kept else -1,
    }


def flag(given: Flag) -> Json:
    """A flag; its texts are data."""
    return {
        "seq": given.seq,
        "actor": given.actor,
        "at": given.created_at,
        "rows": given.rows.tolist(),
        "comment": given.comment,
        "resolved_by": given.resolved_by if given.resolved_seq else "",
        "resolved_at": given.resolved_at,
        "answer": given.answer,
    }


def names(schema: Schema) -> dict[str, str]:
    """Every class there ever was by its id: events name those that were merged too."""
    return {str(each.class_id): each.name for each in schema.classes}


def to_selection(given: Mapping[str, Any]) -> Selection:
    """Which events are meant; LookupError, TypeError or ValueError when it has not the form of one."""
    seqs = to_rows(given["seqs"]).tolist()
    if len(seqs) > _MOST_SEQS:
        raise ValueError(f"give at most {_MOST_SEQS} seqs")
    if not all(isinstance(each, str) for each in [given["actor"], *given["kinds"]]):
        raise TypeError("actor and kinds are texts")
    return Selection(
        seqs=seqs,
        actor=given["actor"],
        since=float(given["since"]),
        until=float(given["until"]),
        kinds=tuple(given["kinds"]),
        head_seq=whole(given["head_seq"]),
    )
