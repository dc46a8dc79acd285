"""The Progress view: how far the work is, how fast it goes, what is left."""

import streamlit as st

from hundredfold.chassis.errors import ServiceError
from hundredfold.client.types import Forecast, Loop, Progress, Schema
from ui.backend import client
from ui.views import choice


def show() -> None:
    """Draw the view, again every few seconds."""
    collection = choice.collection()
    if collection is not None:
        _numbers(collection)


@st.fragment(run_every=3.0)
def _numbers(collection: str) -> None:
    try:
        progress = client().labels.progress(collection)
        schema = client().catalog.schema(collection)
        loop = client().selection.get(collection)
    except ServiceError as error:
        st.warning(f"A service does not answer: {error.message}")
        return
    _heading(progress, loop)
    _tiles(progress, loop, _forecast(collection))
    _by_class(progress, schema)


def _forecast(collection: str) -> Forecast | None:
    try:
        return client().selection.forecast(collection)
    except ServiceError:
        return None


def _heading(progress: Progress, loop: Loop) -> None:
    share = progress.labelled / progress.total if progress.total else 0.0
    st.progress(min(share, 1.0), f"{progress.labelled:,} of {progress.total:,} images labelled")
    if loop.trouble:
        st.warning(f"The loop waits and tries again by itself: {loop.trouble}")


def _tiles(progress: Progress, loop: Loop, forecast: Forecast | None) -> None:
    tiles = st.columns(5)
    tiles[0].metric("Labels a minute", f"{progress.labels_per_minute:,.0f}", border=True)
    tiles[1].metric("Decisions", f"{progress.decisions:,}", border=True)
    tiles[2].metric("Set aside", f"{progress.unsure:,}", border=True)
    tiles[3].metric(
        "Right if stopped now",
        f"{loop.expected_accuracy:.1%}" if loop.model else "-",
        help="What the model expects, were it to label the rest. Not audited.",
        border=True,
    )
    tiles[4].metric(
        "Left until 95 %",
        f"{forecast.seconds / 60:,.0f} min" if forecast else "-",
        help="Expected minutes of a person's time.",
        border=True,
    )
    st.caption(
        f"Round {loop.rounds:,} · {loop.phase.lower()} · {progress.ready_pages:,} pages wait · "
        f"{progress.leased:,} images are being looked at"
    )


def _by_class(progress: Progress, schema: Schema) -> None:
    names = {each.class_id: each.name for each in schema.classes}
    counts = {
        names.get(class_id, str(class_id)): count
        for class_id, count in progress.labels_by_class.items()
    }
    if counts:
        st.subheader("Labels by class")
        st.bar_chart(counts, horizontal=True, x_label="images")
