"""Export: labels into a file that the browser saves; and labels of a file into the ledger."""

from datetime import datetime

import streamlit as st

from hundredfold.chassis.errors import ServiceError
from hundredfold.client.labels import FORMATS
from hundredfold.client.types import Run, RunFile
from ui.backend import client, in_words
from ui.views import setup_import
from ui.views.choice import Choice
from ui.views.jobs import amount, cancel, share
from ui.views.tables import size
from ui.words import say

_AGAIN_SECONDS = 1.0
_SHOWN = 8
_ABOUT = {
    "csv": "setup.about_csv",
    "jsonl": "setup.about_jsonl",
    "parquet": "setup.about_parquet",
    "imagenet": "setup.about_imagenet",
}
_NAMES = {
    "csv": "CSV",
    "jsonl": "JSON Lines",
    "parquet": "Parquet",
    "imagenet": "ImageNet",
}


def show(choice: Choice) -> None:
    """Draw the section."""
    st.subheader(say("setup.export_of", collection=choice.collection))
    left, right = st.columns([2, 3], gap="large")
    with left:
        _ask(choice.collection)
    with right:
        _exports(choice.collection)
    st.divider()
    setup_import.show(choice)


def _ask(collection: str) -> None:
    with st.form("export", border=False):
        chosen = st.radio(
            say("setup.format"),
            FORMATS,
            format_func=lambda each: _NAMES[each],
            captions=[say(_ABOUT[each]) for each in FORMATS],
            key="export format",
        )
        everything = st.checkbox(
            say("setup.unlabelled_too"), key="export unlabelled", help=say("setup.unlabelled_help")
        )
        st.caption(say("setup.export_has"))
        if st.form_submit_button(
            say("setup.export"), type="primary", icon=":material/play_arrow:", key="export now"
        ):
            try:
                client().labels.export(collection, chosen, include_unlabelled=everything)
            except ServiceError as error:
                st.error(in_words(error))


@st.fragment(run_every=_AGAIN_SECONDS)
def _exports(collection: str) -> None:
    try:
        runs = client().labels.runs.recent(collection, limit=100)
    except ServiceError as error:
        st.warning(say("common.no_answer", why=in_words(error)))
        return
    found = [each for each in runs if each.kind == "export"][:_SHOWN]
    st.markdown(f"**{say('setup.exports')}**")
    if not found:
        st.caption(say("setup.no_exports"))
    for run in found:
        with st.container(border=True, key=f"export {run.run_id}"):
            _export(run)


def _export(run: Run) -> None:
    form = _NAMES.get(str(run.parameters.get("format")).lower(), "")
    # In the time of the machine, as file names and logs have it.
    at = datetime.fromtimestamp(run.created_at).strftime("%Y-%m-%d %H:%M")  # noqa: DTZ006
    words, deed = st.columns([3, 1], vertical_alignment="center")
    if not run.state.ended:
        words.progress(share(run), f"{form} · {at} · {amount(run)}")
        if deed.button(say("common.cancel"), key=f"cancel {run.run_id}", width="stretch"):
            cancel(run)
        return
    if run.state.name != "SUCCEEDED":
        words.markdown(f"**{form}** · {at} · {say(f'setup.state_{run.state.name.lower()}')}")
        words.text(run.error)
        return
    result = run.result
    counts = say(
        "setup.export_counts", images=int(result["images"]), labelled=int(result["labelled"])
    )
    file = _file(run.run_id)
    facts = [f"**{form}**", at, counts, *([size(file.bytes)] if file else [])]
    words.markdown(" · ".join(facts))
    if result.get("verified"):
        words.caption(f":green[:material/verified:] {say('setup.verified')}")
    if file:
        deed.link_button(
            say("setup.download"),
            f"/api/collections/{run.collection}/exports/{run.run_id}",
            icon=":material/download:",
            help=file.name,
            width="stretch",
        )
    else:
        words.text(say("setup.written_to", place=str(result["destination"])))


@st.cache_data(max_entries=64, show_spinner=False)
def _file(run_id: str) -> RunFile | None:
    """What an export wrote, if it can be read from here."""
    try:
        return client().labels.runs.file(run_id)
    except ServiceError:
        return None
