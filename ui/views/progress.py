"""The Progress view: how far the work is, how fast it goes, what is left."""

from collections.abc import Mapping
from html import escape

import streamlit as st

from hundredfold.chassis.errors import ServiceError
from hundredfold.client.types import Forecast, Loop, Progress, Schema
from ui import wire
from ui.backend import client, in_words
from ui.views import behind, groups, proof
from ui.views.choice import Choice
from ui.views.tables import duration, percent

_AGAIN_SECONDS = 3.0
_USUAL_TARGET = 0.95


@st.fragment(run_every=_AGAIN_SECONDS)
def show(choice: Choice) -> None:
    """Draw the view, again every few seconds."""
    collection = choice.collection
    kept = f"numbers of {collection}"  # shown while nobody answers
    trouble = ""
    try:
        st.session_state[kept] = _ask(collection)
    except ServiceError as error:
        trouble = f"{in_words(error)}. "
        trouble += "These are the last numbers." if kept in st.session_state else ""
    numbers: tuple[Progress, Schema] | None = st.session_state.get(kept)
    loop, hint = _loop(collection)
    if numbers:
        progress, schema = numbers
        _heading(progress, loop, several=schema.several)
        _tiles(progress, loop, _forecast(loop) if loop else None)
        if loop:
            proof.show(choice, loop, progress, several=schema.several)
        groups.show(choice, schema)
        _by_class(progress.labels_by_class, schema)
        if loop:
            behind.networks(loop)
        behind.people(collection)
    if trouble or hint:
        st.warning(trouble or hint)


def _ask(collection: str) -> tuple[Progress, Schema]:
    return client().labels.progress(collection), client().catalog.schema(collection)


def _loop(collection: str) -> tuple[Loop | None, str]:
    """The loop, and what is to be known about it, in a sentence."""
    try:
        loop = client().selection.get(collection)
    except ServiceError as error:
        if error.code == "NOT_FOUND":
            return None, (
                "No pages are being made for this collection. Open the loop with "
                f"`hundredfold bootstrap FOLDER --collection {collection}`."
            )
        return None, f"What is expected is not known now. {in_words(error)}."
    trouble = f"The loop waits and tries again by itself: {loop.trouble}" if loop.trouble else ""
    return loop, trouble


def _forecast(loop: Loop) -> Forecast | None:
    try:
        return client().selection.forecast(loop.collection, target=_target(loop))
    except ServiceError:
        return None


def _target(loop: Loop | None) -> float:
    return (loop.target_accuracy if loop else 0.0) or _USUAL_TARGET


def _heading(progress: Progress, loop: Loop | None, *, several: bool) -> None:
    share = min(progress.labelled / progress.total, 1.0) if progress.total else 0.0
    what = "images labelled"
    if several:
        what = (
            "pairs of an image and a class known; of "
            f"{progress.images_labelled:,} of {progress.images:,} images every class"
        )
    st.progress(share, f"**{progress.labelled:,} of {progress.total:,} {what}**")
    words = [
        f"{progress.decisions:,} answers in {duration(progress.human_seconds)} of looking",
        f"{progress.ready_pages:,} pages wait",
        f"{progress.leased:,} {'pairs' if several else 'images'} are on a screen",
    ]
    if loop:
        words.insert(0, f"{_PHASES.get(loop.phase, loop.phase)}, round {loop.rounds:,}")
    st.caption(" · ".join(words))


_PHASES = {
    "PREPARING": "Preparing",
    "SEED": "Naming clusters",
    "VERIFY": "Confirming what the model says",
    "LEFTOVERS": "One by one",
    "AUDIT": "Checking at random",
    "DONE": "Done",
}


def _tiles(progress: Progress, loop: Loop | None, forecast: Forecast | None) -> None:
    tiles = st.columns(5)
    tiles[0].metric(
        "Labels a minute", f"{progress.labels_per_minute:,.0f}", border=True, height="stretch"
    )
    tiles[1].metric(
        "Labelled with copies", f"{progress.labelled_with_copies:,}", border=True, height="stretch"
    )
    tiles[2].metric("Set aside", f"{progress.unsure:,}", border=True, height="stretch")
    expected, measured = _right(loop)
    tiles[3].metric(
        "Right if stopped now",
        expected,
        measured,
        delta_color="off",
        delta_arrow="off",
        help="What the model expects, were it to label the rest. Below, how often it was right about images "
        "that nobody chose and that it did not learn from.",
        border=True,
        height="stretch",
    )
    left, interval = _left(forecast)
    tiles[4].metric(
        f"Left until {percent(_target(loop))}",
        left,
        interval,
        delta_color="off",
        delta_arrow="off",
        help="Expected time of one person until it is proved, from the pace so far; below, what it is in "
        "four of five cases. Known after the first model.",
        border=True,
        height="stretch",
    )


def _right(loop: Loop | None) -> tuple[str, str | None]:
    """The accuracy that is proved, else expected, and the one measured on the random stream."""
    if not loop:
        return "-", None
    if loop.proved_accuracy:
        return wire.proved(loop.proved_accuracy).replace("at least", "≥"), None
    measured = f"measured {loop.measured_accuracy:.1%} of {loop.measured_images:,}"
    return (
        f"{loop.expected_accuracy:.1%}" if loop.expected_accuracy else "-",
        measured if loop.measured_accuracy else None,
    )


def _left(forecast: Forecast | None) -> tuple[str, str | None]:
    """The seconds that are left, and their interval."""
    if not forecast:
        return "-", None
    if not forecast.seconds:
        return "reached", None
    return (
        duration(forecast.seconds),
        f"{duration(forecast.seconds_low)} to {duration(forecast.seconds_high)}",
    )


def _by_class(counts: Mapping[int, int], schema: Schema) -> None:
    if not schema.in_use:
        st.caption("There are no classes yet: name the first page in the Label view.")
        return
    st.subheader("Labels by class")
    most = max([1, *counts.values()])
    lines = [
        f"<span>{escape(each.name)}</span><i><b style='width:{counts.get(each.class_id, 0) / most:.1%}'>"
        f"</b></i><span>{counts.get(each.class_id, 0):,}</span>"
        for each in sorted(schema.in_use, key=lambda each: -counts.get(each.class_id, 0))
    ]
    st.html(f"<div class='by-class'>{''.join(lines)}</div>")
