"""Import: labels of a file, counted first, then taken as one event that can be taken back."""

import re
from typing import Any

import streamlit as st

from hundredfold.chassis.errors import ServiceError
from hundredfold.client.types import Run
from ui.backend import client, in_words
from ui.people import Role, person
from ui.views.choice import Choice
from ui.views.jobs import amount, share
from ui.views.tables import literal
from ui.words import say

_AGAIN_SECONDS = 1.0
_RUN = "import at work"
_FORMATS = {".csv": "csv", ".jsonl": "jsonl", ".ndjson": "jsonl", ".parquet": "parquet"}
_MOST_NAMED = 10
_MOST_MEGABYTES = 200


def show(choice: Choice) -> None:
    """Draw the form, and what came of it."""
    st.markdown(f"**{say('setup.import')}**")
    st.caption(say("setup.import_is"))
    with st.form("import", border=False):
        place, deed = st.columns([5, 1], vertical_alignment="bottom")
        source = place.text_input(
            say("setup.import_from"),
            key="import source",
            placeholder="/data/labels.csv",
            max_chars=4_096,
            help=say("setup.import_help"),
        )
        asked = deed.form_submit_button(say("setup.preview"), key="preview import", width="stretch")
        sent = st.file_uploader(
            say("setup.import_upload"),
            type=["csv", "jsonl", "ndjson", "parquet"],
            key="import upload",
            max_upload_size=_MOST_MEGABYTES,
        )
    if asked:
        _preview(choice.collection, source.strip(), sent)
    _outcome(choice.collection)


def _preview(collection: str, source: str, sent: Any) -> None:
    """Count what a file of this computer, or else one that the services may read, would give."""
    if sent is not None:
        name = re.sub(r"[^A-Za-z0-9._-]+", "-", sent.name).lstrip("._-")[-60:].lstrip("._-")
        try:
            source = client().labels.runs.take_file(name, sent.getvalue())
        except ServiceError as error:
            st.error(in_words(error))
            return
    _start(collection, source, preview=True)


def format_of(source: str) -> str:
    """The format of a file by its name; empty when it is none of those that can be read."""
    ends = [name for end, name in _FORMATS.items() if source.lower().endswith(end)]
    return ends[0] if ends else ""


def _start(collection: str, source: str, *, preview: bool) -> None:
    form = format_of(source)
    if not form:
        st.error(say("setup.import_formats"))
        return
    try:
        person().need(Role.ADMIN)  # he may have been signed out since it was drawn
        run = client().labels.import_(collection, source, form, preview=preview)
    except ServiceError as error:
        st.error(in_words(error))
        return
    st.session_state[_RUN] = (collection, run.run_id)


@st.fragment(run_every=_AGAIN_SECONDS)
def _outcome(collection: str) -> None:
    of, run_id = st.session_state.get(_RUN, ("", ""))
    if of != collection:
        return
    try:
        run = client().labels.runs.get(run_id)
    except ServiceError as error:
        st.warning(say("common.no_answer", why=in_words(error)))
        return
    if not run.state.ended:
        st.progress(share(run), amount(run))
    elif run.error or not run.result:
        st.error(literal(run.error) or say(f"setup.state_{run.state.name.lower()}"))
    else:
        _tell(run)


def _tell(run: Run) -> None:
    result = run.result
    preview = bool(run.parameters.get("preview"))
    with st.container(border=True, key="import outcome"):
        count = int(result["labels"])
        key = "setup.import_would" if preview else "setup.import_did"
        st.markdown(f"**{say(key, count=count, lines=int(result['lines']))}**")
        if result["unknown_images"]:
            st.caption(say("setup.unknown_images", count=int(result["unknown_images"])))
        if result["unlabelled"]:
            st.caption(say("setup.lines_without", count=int(result["unlabelled"])))
        unknown = [str(each) for each in result["unknown_classes"]]
        if unknown:
            st.text(say("setup.unknown_classes", names=", ".join(unknown[:_MOST_NAMED])))
            if preview and st.button(say("setup.add_unknown"), key="add unknown classes"):
                _add(run, unknown)
        if preview and count:
            st.caption(say("setup.import_as_one"))
            if st.button(say("setup.import_now"), key="import now", type="primary"):
                _start(run.collection, str(run.parameters["source"]), preview=False)
                st.rerun(scope="fragment")
        elif not preview:
            st.caption(say("setup.import_undo"))


def _add(run: Run, names: list[str]) -> None:
    try:
        person().need(Role.ADMIN)
        client().catalog.add_classes(run.collection, names)
    except ServiceError as error:
        st.error(in_words(error))
    else:
        _start(run.collection, str(run.parameters["source"]), preview=True)
        st.rerun(scope="fragment")
