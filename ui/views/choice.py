"""Which collection, and who is labelling: in the bar on top, and in the address."""

from contextlib import suppress
from dataclasses import dataclass

import streamlit as st

from hundredfold.chassis.errors import ServiceError
from ui.backend import client, in_words
from ui.people import person
from ui.sign_in import name_in_bar
from ui.words import say

_ANONYMOUS = "labeler"
_ASK_AGAIN_SECONDS = 2.0


@dataclass(frozen=True)
class Choice:
    """A collection, and the name under which answers go into the ledger."""

    collection: str
    annotator: str


def bar() -> Choice | None:
    """Draw the choices; None, and what to do instead, when there is nothing to choose from."""
    names = _names()
    if not names:
        _nothing_yet()
        return None
    with st.container(key="bar", horizontal=True, gap="small"):
        collection = st.selectbox(
            "Collection",
            names,
            key="collection",
            bind="query-params",
            label_visibility="collapsed",
        )
        annotator = _annotator()
    return Choice(str(collection), annotator)


def _annotator() -> str:
    """Who is signed in; where nobody need be, the name that somebody gives himself."""
    who = person()
    if who.name:
        name_in_bar(who)
        return who.name
    typed = st.text_input(
        say("people.yours"),
        key="annotator",
        bind="query-params",
        max_chars=60,
        label_visibility="collapsed",
        placeholder=say("people.yours"),
    )
    return str(typed).strip() or _ANONYMOUS


def _names() -> list[str]:
    """The collections; those known before while the catalog is away, so that the grid stays."""
    with suppress(ServiceError):
        st.session_state["names"] = [each.name for each in client().catalog.collections()]
    known: list[str] = st.session_state.get("names", [])
    return known


@st.fragment(run_every=_ASK_AGAIN_SECONDS)
def _nothing_yet() -> None:
    """Say what to do, and go on by itself as soon as it is done."""
    try:
        if client().catalog.collections():
            st.rerun(scope="app")
    except ServiceError as error:
        st.error(f"The collections can't be listed. {in_words(error)}.")
        return
    st.header("Bring in your images")
    st.write("There is no collection yet. In a terminal, beside the running services:")
    st.code("hundredfold bootstrap FOLDER --collection NAME", language=None)
    st.write("The first page to label appears here by itself.")
