"""How it went: labelled images by time, and how good the model was by labels learnt from."""

from dataclasses import dataclass, field
from datetime import UTC, datetime

import streamlit as st

from hundredfold.chassis.errors import ServiceError
from ui.backend import client
from ui.words import say

_MOST_EVENTS = 5_000
_POINTS = 200
_HEIGHT = 200
_LEAST_POINTS = 3
_COLOURS = ("#5878ee", "#d98b1f")


@dataclass
class _Story:
    """What is known of a ledger: images by event that counts, and when."""

    seen: int = 0
    images: dict[int, tuple[float, int]] = field(default_factory=dict)


@st.cache_resource(max_entries=64, show_spinner=False)
def _story(collection: str) -> _Story:  # noqa: ARG001  # the key of the cache
    return _Story()


def show(collection: str, head_seq: int) -> None:
    """Draw the two charts once there is something to see."""
    try:
        labels, right = _labels(collection, head_seq), _right(collection)
    except ServiceError:
        return
    if max(len(labels["at"]), len(right["labels"])) < _LEAST_POINTS:
        return
    st.subheader(say("progress.over_time"))
    one, other = st.columns(2)
    if len(labels["at"]) >= _LEAST_POINTS:
        name = say("progress.chart_labels")
        one.caption(say("progress.labels_over_time"))
        one.area_chart(
            {"at": labels["at"], name: labels["images"]},
            x="at",
            y=name,
            x_label="",
            y_label="",
            color=_COLOURS[0],
            height=_HEIGHT,
        )
    if len(right["labels"]) >= _LEAST_POINTS:
        measured, expected = say("progress.chart_measured"), say("progress.chart_expected")
        other.caption(say("progress.right_by_labels"))
        other.line_chart(
            {"labels": right["labels"], measured: right["measured"], expected: right["expected"]},
            x="labels",
            y=[measured, expected],
            x_label="",
            y_label="",
            color=list(_COLOURS),
            height=_HEIGHT,
        )


def _labels(collection: str, head_seq: int) -> dict[str, list[object]]:
    story = _story(collection)
    if head_seq < story.seen:  # another ledger of the same name
        story.seen, story.images = 0, {}
    after = max(story.seen, head_seq - _MOST_EVENTS)
    if head_seq > after:
        for event in client().labels.decisions(collection, after=after):
            if event.images:
                story.images[event.seq] = event.created_at, event.images
            story.images.pop(event.undone_seq, None)
            story.seen = event.seq
    times = sorted(story.images.values())
    found: dict[str, list[object]] = {"at": [], "images": []}
    total, step = 0, max(1, len(times) // _POINTS)
    for place, (at, images) in enumerate(times):
        total += images
        if place % step == 0 or place == len(times) - 1:
            found["at"].append(datetime.fromtimestamp(at, UTC))
            found["images"].append(total)
    return found


def _right(collection: str) -> dict[str, list[float]]:
    measured = [each for each in client().training.heads(collection) if each.accuracy]
    measured.sort(key=lambda each: (each.labels, each.created_at))
    heads = {each.labels: each for each in measured}.values()  # the newest of as many labels
    return {
        "labels": [float(each.labels) for each in heads],
        "measured": [100 * each.accuracy for each in heads],
        "expected": [100 * (1 - each.expected_error) for each in heads],
    }
