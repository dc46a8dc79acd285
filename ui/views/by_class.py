"""Labels by class: how many, who gave them, and what random checks found wrong."""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from html import escape

import numpy as np
import streamlit as st
from numpy.typing import NDArray

from hundredfold.chassis.errors import ServiceError
from hundredfold.client.groups import at_most
from hundredfold.client.types import MODEL_ORIGIN, AuditGroup, LabelClass, Progress, Schema
from ui.backend import client
from ui.words import number, say

_MOST_LABELS = (
    2_000_000  # beyond that counting who gave them takes too long to be asked for by a view
)
_MOST_CLASSES = 200
_IMPORTED = 0
_CHECKED = {"PASSED", "FAILED", "CERTIFIED", "OPEN"}
_AUDITS = 20


@dataclass(frozen=True)
class Tally:
    """Labels of one class by who gave them."""

    people: int = 0
    model: int = 0
    imported: int = 0


def tallies(collection: str, head_seq: int) -> Mapping[int, Tally] | None:
    """Labels by class and origin as of an event; None when that is not known."""
    if not head_seq:
        return {}
    try:
        return _tallies(collection, head_seq)
    except ServiceError:
        return None


def by_model(counts: Mapping[int, Tally] | None) -> int:
    """How many labels models gave."""
    return sum(each.model for each in (counts or {}).values())


@st.cache_data(max_entries=16, show_spinner=False)
def _tallies(collection: str, head_seq: int) -> Mapping[int, Tally] | None:  # noqa: ARG001  # the key of the cache
    if client().labels.progress(collection).labelled > _MOST_LABELS:
        return None
    found = client().labels.labels(collection)
    model = found.origins == MODEL_ORIGIN
    imported = found.origins == _IMPORTED
    return {
        int(each): Tally(
            *(
                _count(found.class_ids[kept], int(each))
                for kept in (~model & ~imported, model, imported)
            )
        )
        for each in np.unique(found.class_ids)
    }


def _count(class_ids: NDArray[np.int32], wanted: int) -> int:
    return int((class_ids == wanted).sum())


def show(
    collection: str,
    progress: Progress,
    schema: Schema,
    counts: Mapping[int, Tally] | None,
) -> None:
    """Draw the table, the commonest class first."""
    if not schema.in_use:
        st.caption(say("progress.no_classes"))
        return
    st.subheader(say("progress.by_class"))
    labels = progress.labels_by_class
    ordered = sorted(schema.in_use, key=lambda each: -labels.get(each.class_id, 0))
    checks = _checks(collection)
    shown = ordered[:_MOST_CLASSES]
    columns = ["class", "", "labels", *(["by_people", "by_model", "imported"] if counts else [])]
    columns += ["checked", "wrong", "most_wrong"] if checks else []
    most = max([1, *labels.values()])
    lines = [_line(each, labels.get(each.class_id, 0), most, counts, checks) for each in shown]
    _draw(columns, lines)
    if len(ordered) > len(shown):
        st.caption(say("progress.more_classes", count=len(ordered) - len(shown)))
    if checks:
        st.caption(say("progress.checks_of"))


def _line(
    of: LabelClass,
    count: int,
    most: int,
    counts: Mapping[int, Tally] | None,
    checks: Mapping[int, AuditGroup],
) -> str:
    bar = f"<i><b style='width:{count / most:.1%}'></b></i>"
    cells = [f"<td class='name'>{escape(of.name)}</td>", f"<td class='bar'>{bar}</td>"]
    numbers = [number(count)]
    if counts:
        tally = counts.get(of.class_id, Tally())
        numbers += map(number, (tally.people, tally.model, tally.imported))
    if checks:
        numbers += _checked(checks.get(of.class_id))
    return "".join([*cells, *(f"<td>{escape(each)}</td>" for each in numbers)])


def _checked(group: AuditGroup | None) -> list[str]:
    if not group or not group.answered:
        return [say("common.none")] * 3
    return [number(group.answered), number(group.errors), at_most(group.bound)]


def _draw(columns: Sequence[str], lines: Sequence[str]) -> None:
    head = "".join(f"<th>{escape(_HEADS[each]()) if each else ''}</th>" for each in columns)
    body = "".join(f"<tr>{each}</tr>" for each in lines)
    st.html(
        f"<div class='scrolls'><table class='plain by-class'><tr>{head}</tr>{body}</table></div>"
    )


_HEADS = {
    "class": lambda: say("progress.class"),
    "labels": lambda: say("progress.labels"),
    "by_people": lambda: say("progress.by_people"),
    "by_model": lambda: say("progress.by_model"),
    "imported": lambda: say("progress.imported"),
    "checked": lambda: say("progress.checked"),
    "wrong": lambda: say("progress.wrong"),
    "most_wrong": lambda: say("progress.most_wrong"),
}


def _checks(collection: str) -> Mapping[int, AuditGroup]:
    """What the newest random check of a model found, by the class that the model says."""
    try:
        for audit in client().labels.audits(collection, limit=_AUDITS):
            answered = any(each.answered for each in audit.groups)
            if not audit.cluster and audit.state in _CHECKED and answered:
                return {each.class_id: each for each in audit.groups}
    except ServiceError:
        pass
    return {}
