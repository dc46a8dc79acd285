"""How it went: labelled images by time, and how good the model was by labels learnt from."""

from dataclasses import dataclass, field
from datetime import UTC, datetime
from typing import Any

import altair as alt
import streamlit as st
from streamlit.delta_generator import DeltaGenerator

from hundredfold.chassis.errors import ServiceError
from ui.backend import client
from ui.words import say

_MOST_EVENTS = 5_000
_POINTS = 200
_HEIGHT = 200
_LEAST_POINTS = 3
_COLOURS = ("#5878ee", "#d98b1f")
_TEXT = {"light": "#4a5366", "dark": "#b6bfce"}


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
        one.caption(say("progress.labels_over_time"))
        name = say("progress.chart_labels")
        points = alt.Chart(
            _values(at=[each.isoformat() for each in labels["at"]], **{name: labels["images"]})
        )
        area = points.mark_area(color=_COLOURS[0], opacity=0.7)
        _draw(one, area.encode(alt.X("at:T", title=None), alt.Y(f"{name}:Q", title=None)))
    if len(right["labels"]) >= _LEAST_POINTS:
        other.caption(say("progress.right_by_labels"))
        measured, expected = say("progress.chart_measured"), say("progress.chart_expected")
        count = len(right["labels"])
        points = alt.Chart(
            _values(
                labels=2 * right["labels"],
                line=count * [measured] + count * [expected],
                share=right["measured"] + right["expected"],
            )
        )
        colour = alt.Color("line:N", title=None, sort=None, scale=alt.Scale(range=list(_COLOURS)))
        _draw(
            other,
            points.mark_line().encode(
                alt.X("labels:Q", title=None),
                alt.Y("share:Q", title=None, scale=alt.Scale(zero=False)),
                colour.legend(orient="bottom"),
            ),
        )


def _values(**columns: list[Any]) -> dict[str, Any]:
    rows = zip(*columns.values(), strict=True)
    return {"values": [dict(zip(columns, row, strict=True)) for row in rows]}


def _draw(place: DeltaGenerator, chart: alt.Chart) -> None:
    # Streamlit's own grey has too little contrast.
    text = _TEXT["dark" if st.context.theme.type == "dark" else "light"]
    told = chart.configure_axis(labelColor=text).configure_legend(labelColor=text)
    place.altair_chart(told.properties(height=_HEIGHT))


def _labels(collection: str, head_seq: int) -> dict[str, list[Any]]:
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
    found: dict[str, list[Any]] = {"at": [], "images": []}
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
