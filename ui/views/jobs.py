"""Long work of all services: how far each is, how long it still takes, and an end to it."""

from collections.abc import Iterator

import streamlit as st

from hundredfold.chassis.errors import ServiceError
from hundredfold.client.types import Run
from ui.backend import client, in_words
from ui.people import Role, person
from ui.views.tables import time_left
from ui.words import say

SERVICES = ("catalog", "hashing", "embedding", "index", "training", "labels")
_KINDS = {
    "ingest": "progress.job_ingest",
    "hash": "progress.job_hash",
    "duplicates": "progress.job_duplicates",
    "leaks": "progress.job_leaks",
    "embed": "progress.job_embed",
    "build-index": "progress.job_build-index",
    "cluster": "progress.job_cluster",
    "project": "progress.job_project",
    "train": "progress.job_train",
    "export": "progress.job_export",
    "import": "progress.job_import",
}
_NEWEST = 20


def show() -> None:
    """Draw what is at work in all collections."""
    st.subheader(say("progress.jobs"))
    found = list(_at_work())
    if not found:
        st.caption(say("progress.no_jobs"))
    for run in found:
        _job(run)


def name_of(run: Run) -> str:
    """What a run does, in words."""
    return say(_KINDS[run.kind]) if run.kind in _KINDS else run.kind


def amount(run: Run) -> str:
    """How far it is, and how long it still takes."""
    if not run.done and not run.started_at:
        return say("progress.waits")
    key = "progress.units" if run.total else "progress.units_so_far"
    words = [say(key, done=run.done, total=run.total)]
    return " · ".join([*words, *filter(None, [time_left(run)])])


def share(run: Run) -> float:
    """How much of it is done, 0 to 1."""
    return min(run.done / run.total, 1.0) if run.total else 0.0


def _at_work() -> Iterator[Run]:
    for service in SERVICES:
        try:
            found = client().runs(service).recent(limit=_NEWEST)
        except ServiceError:
            continue
        yield from (each for each in found if not each.state.ended)


def _job(run: Run) -> None:
    what = say("progress.job_of", job=name_of(run), collection=run.collection)
    bar, deed = st.columns([6, 1], vertical_alignment="center")
    bar.progress(share(run), f"{what}: {amount(run)}")
    if person().role >= Role.ADMIN and deed.button(
        say("common.cancel"),
        key=f"cancel {run.service} {run.run_id}",
        help=say("progress.cancel_job", job=what),
        width="stretch",
    ):
        cancel(run)


def cancel(run: Run) -> None:
    """Ask a run to end, and say so."""
    try:
        client().runs(run.service).cancel(run.run_id)
    except ServiceError as error:
        st.toast(in_words(error))
    else:
        st.toast(say("progress.cancelling"))
