"""Images: a new collection, more of them, how far they are, and those that can't be used."""

import re
from html import escape
from typing import Any

import streamlit as st

from hundredfold.chassis.errors import NotFound, PermissionDenied, ServiceError
from hundredfold.client import pipeline
from hundredfold.client.types import Collection
from ui import bringing
from ui.backend import client, in_words
from ui.bringing import Standing
from ui.people import Role, person
from ui.views import choice as choices
from ui.views.choice import Choice
from ui.views.jobs import amount, share
from ui.views.tables import table
from ui.words import number, say

_AGAIN_SECONDS = 1.0
_MOST_LISTED = 200
_NAME = re.compile(r"[a-z0-9][a-z0-9_-]{0,62}")
_COLUMNS = ("label_column", "key_column", "uri_column", "image_column", "tags_column")
_STEPS = {
    "ingest": "setup.step_ingest",
    "hash": "setup.step_hash",
    "duplicates": "setup.step_duplicates",
    "embed": "setup.step_embed",
    "build-index": "setup.step_build-index",
    "cluster": "setup.step_cluster",
}


def first() -> None:
    """Draw how to make the first collection."""
    st.header(say("frame.nothing_yet"))
    st.write(say("frame.nothing_yet_admin"))
    _new()


def show(choice: Choice, label: Any = None) -> None:
    """Draw the section; `label` is the page to go on to."""
    st.subheader(say("setup.images_of", collection=choice.collection))
    _standing(choice.collection, label)
    more, new = st.columns(2, gap="medium")
    with more, st.expander(say("setup.add_images"), icon=":material/add_photo_alternate:"):
        _more(choice.collection)
    with new, st.expander(say("setup.new_collection"), icon=":material/create_new_folder:"):
        _new()


# --- how far it is ------------------------------------------------------------------------------


@st.fragment(run_every=_AGAIN_SECONDS)
def _standing(collection: str, label: Any) -> None:
    try:
        known = client().catalog.get(collection)
        standing = bringing.standing(client(), collection)
    except ServiceError as error:
        st.warning(say("common.no_answer", why=in_words(error)))
        return
    with st.container(border=True, key="bringing"):
        if standing.ready:
            _ready(known, label)
        else:
            _under_way(collection, standing)
    if known.failed:
        _bad_files(known)


def _ready(known: Collection, label: Any) -> None:
    good = known.images - known.failed
    st.markdown(f":green[:material/check_circle:] **{say('setup.ready', count=good)}**")
    st.caption(say("setup.ready_more"))
    if label:
        st.page_link(label, label=say("setup.go_label"), icon=":material/grid_view:")


def _under_way(collection: str, standing: Standing) -> None:
    words, deed = st.columns([5, 1], vertical_alignment="center")
    words.markdown(f"**{_headline(standing)}**")
    if standing.at_work:
        if deed.button(say("common.cancel"), key="cancel bringing", width="stretch"):
            _cancel(collection)
    elif deed.button(
        say("setup.go_on"),
        key="go on",
        type="primary",
        icon=":material/play_arrow:",
        width="stretch",
    ):
        _go_on(collection)
    st.html(f"<div class='steps'>{''.join(map(_step, standing.steps))}</div>")
    if standing.why:
        st.error(standing.why)
    st.caption(say("setup.goes_on_alone") if standing.at_work else say("setup.what_going_on_does"))


def _headline(standing: Standing) -> str:
    if standing.at_work:
        return say("setup.under_way")
    states = {each.run.state.name for each in standing.steps if each.run}
    if "CANCELLED" in states:
        return say("setup.cancelled")
    return say("setup.failed") if standing.why else say("setup.cut")


def _step(step: bringing.Step) -> str:
    run = step.run
    part, mark, words = 0.0, "○", ""
    if run and run.state.name == "SUCCEEDED":
        part, mark = 1.0, "✓"
        words = say("setup.units", count=run.total or run.done)
    elif run and run.state.ended:
        part, mark, words = share(run), "✕", say(f"setup.state_{run.state.name.lower()}")
    elif run:
        part, mark, words = share(run), "▸", amount(run)
    name = escape(say(_STEPS[step.kind]))
    return (
        f"<span class='mark'>{mark}</span><span>{name}</span>"
        f"<i><b style='width:{part:.1%}'></b></i><span class='amount'>{escape(words)}</span>"
    )


def _cancel(collection: str) -> None:
    try:
        person().need(Role.ADMIN)  # he may have been signed out since it was drawn
        bringing.cancel(client(), collection)
    except ServiceError as error:
        st.toast(in_words(error))
    else:
        st.toast(say("progress.cancelling"))


def _go_on(collection: str) -> None:
    try:
        person().need(Role.ADMIN)
        bringing.go_on(client(), collection)
    except ServiceError as error:
        st.error(in_words(error))
    else:
        st.rerun(scope="fragment")


# --- those that can't be used -------------------------------------------------------------------


def _bad_files(known: Collection) -> None:
    with st.expander(say("setup.bad_files", count=known.failed), icon=":material/broken_image:"):
        st.caption(say("setup.bad_files_are"))
        images = client().catalog.images(known.name, failed_only=True)
        found = [each for each, _ in zip(images, range(_MOST_LISTED), strict=False)]
        columns = [say("setup.row"), say("setup.file"), say("setup.why")]
        table(columns, [[number(e.row), e.key, e.error] for e in found], name="bad-files")
        if known.failed > len(found):
            st.caption(say("setup.first_of", shown=len(found), count=known.failed))
        st.link_button(
            say("setup.download_list"),
            f"/api/collections/{known.name}/unreadable.csv",
            icon=":material/download:",
        )


# --- bringing in --------------------------------------------------------------------------------


def _new() -> None:
    with st.form("new collection", border=False):
        source = _source("new source")
        name = st.text_input(
            say("setup.name"),
            key="new name",
            max_chars=63,
            placeholder=say("setup.name_hint"),
            help=say("setup.name_rule"),
        )
        several = st.checkbox(
            say("setup.several"), key="new several", help=say("setup.several_help")
        )
        columns = _columns("new")
        begun = st.form_submit_button(
            say("setup.start"), type="primary", icon=":material/play_arrow:", key="start"
        )
    if begun:
        name = name.strip() or pipeline.named_after(source.strip())
        _begin(source.strip(), name, pipeline.Options(columns, several=several), new=True)


def _more(collection: str) -> None:
    with st.form("more images", border=False):
        source = _source("more source")
        st.caption(say("setup.only_new"))
        columns = _columns("more")
        begun = st.form_submit_button(
            say("setup.add"), type="primary", icon=":material/add:", key="add more"
        )
    if begun:
        _begin(source.strip(), collection, pipeline.Options(columns), new=False)


def _source(key: str) -> str:
    source = st.text_input(
        say("setup.source"),
        key=key,
        max_chars=4_096,
        placeholder="/data/photos",
        help=say("setup.source_help"),
    )
    st.caption(say("setup.source_examples"))
    return str(source)


def _columns(key: str) -> dict[str, str | int]:
    """What is said about the columns of a table, and how many images are looked at."""
    with st.expander(say("setup.more_options")):
        st.caption(say("setup.columns_of_tables"))
        given = {
            each: st.text_input(say(_COLUMN_NAMES[each]), key=f"{key} {each}", max_chars=200)
            for each in _COLUMNS
        }
        limit = st.number_input(
            say("setup.limit"), 0, step=100, key=f"{key} limit", help=say("setup.limit_help")
        )
    found: dict[str, str | int] = {
        each: text.strip() for each, text in given.items() if text.strip()
    }
    return found | ({"limit": int(limit)} if limit else {})


_COLUMN_NAMES = {
    "label_column": "setup.label_column",
    "key_column": "setup.key_column",
    "uri_column": "setup.uri_column",
    "image_column": "setup.image_column",
    "tags_column": "setup.tags_column",
}


def wrong_with(source: str, name: str) -> str:
    """What is wrong with a source and a name, in a sentence; empty when nothing is."""
    if not source:
        return say("setup.no_source")
    if not source.startswith("/") and "://" not in source:
        return say("setup.not_whole")
    if not _NAME.fullmatch(name):
        return say("setup.bad_name", rule=say("setup.name_rule"))
    return ""


def _begin(source: str, name: str, options: pipeline.Options, *, new: bool) -> None:
    wrong = wrong_with(source, name)
    if not wrong and new and _exists(name):
        wrong = say("setup.name_taken")
    if wrong:
        st.error(wrong)
        return
    try:
        bringing.begin(client(), source, name, options)
    except PermissionDenied:
        st.error(say("setup.not_readable"))
    except NotFound:
        st.error(say("setup.not_there"))
    except ServiceError as error:
        st.error(in_words(error))
    else:
        choices.go_to(name)
        st.rerun(scope="app")


def _exists(name: str) -> bool:
    try:
        client().catalog.get(name)
    except ServiceError:
        return False
    return True
