"""Which collection, and who is labelling: in the bar on top, and in the address."""

from contextlib import suppress
from dataclasses import dataclass
from typing import Any

import streamlit as st

from hundredfold.chassis.errors import ServiceError
from ui.backend import client, in_words
from ui.people import Role, person
from ui.sign_in import name_in_bar
from ui.words import say

_ANONYMOUS = "labeler"
_ASK_AGAIN_SECONDS = 2.0
_NEXT = "collection to go to"


@dataclass(frozen=True)
class Choice:
    """A collection, and the name under which answers go into the ledger."""

    collection: str
    annotator: str


def bar() -> Choice | None:
    """Draw the choices; None when there is nothing to choose from."""
    names = _names()
    wanted = st.session_state.pop(_NEXT, "")
    if wanted:
        names = names if wanted in names else sorted([*names, wanted])
        st.session_state["collection"] = wanted
    if not names:
        if person().name:
            with st.container(key="bar", horizontal=True, gap="small"):
                _annotator()
        return None
    with st.container(key="bar", horizontal=True, gap="small"):
        collection = st.selectbox(
            say("frame.collection"),
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


def go_to(collection: str) -> None:
    """Let a collection be the chosen one from the next run on."""
    st.session_state[_NEXT] = collection


def _names() -> list[str]:
    """The collections; those known before while the catalog is away, so that the grid stays."""
    with suppress(ServiceError):
        st.session_state["names"] = [each.name for each in client().catalog.collections()]
    known: list[str] = st.session_state.get("names", [])
    return known


@st.fragment(run_every=_ASK_AGAIN_SECONDS)
def nothing_yet(setup: Any) -> None:
    """Say what to do, and go on by itself as soon as it is done.

    Args:
        setup: the page where an administrator does it.
    """
    try:
        if client().catalog.collections():
            st.rerun(scope="app")
    except ServiceError as error:
        st.error(say("frame.not_listed", why=in_words(error)))
        return
    st.header(say("frame.nothing_yet"))
    if person().role < Role.ADMIN:
        st.write(say("frame.nothing_yet_others"))
        return
    st.write(say("frame.nothing_yet_admin"))
    with st.container(key="next"):
        st.page_link(setup, label=say("frame.go_to_setup"), icon=":material/add_photo_alternate:")
    st.caption(say("frame.in_a_terminal"))
    st.code("hundredfold bootstrap FOLDER --collection NAME", language=None)
