"""Clusters that are labelled as a whole: where each stands, and taking it back."""

import streamlit as st

from hundredfold.chassis.errors import ServiceError
from hundredfold.client.groups import at_most
from hundredfold.client.types import Audit, Schema
from ui.backend import client
from ui.backend import in_words as why
from ui.people import Role, person
from ui.views.choice import Choice
from ui.views.tables import percent
from ui.words import say

_NEWEST = 10


def show(choice: Choice, schema: Schema) -> None:
    """Draw the newest; nothing when there is none."""
    try:
        audits = list(client().labels.audits(choice.collection, limit=_NEWEST))
    except ServiceError:
        return
    groups = [each for each in audits if each.cluster and each.state != "ABANDONED"]
    if not groups:
        return
    st.subheader(say("progress.groups"))
    names = {each.class_id: each.name for each in schema.classes}
    for each in groups:
        unnamed = say("common.a_class", number=each.cluster_class)
        _group(choice, each, names.get(each.cluster_class, unnamed))


def in_words(audit: Audit, name: str) -> str:
    """How the audit of a cluster stands, in a sentence."""
    return say(
        _STATES.get(audit.state, "progress.group_abandoned"),
        what=say("progress.group", total=audit.total, name=name),
        answered=audit.answered,
        sample=audit.sample,
        errors=audit.errors,
        bound=at_most(audit.bound),
        confidence=percent(audit.confidence),
    )


def _group(choice: Choice, audit: Audit, name: str) -> None:
    with st.container(border=True, key=f"group {audit.audit_id}"):
        words, deed = st.columns([4, 1], vertical_alignment="center")
        words.text(f"{_MARKS.get(audit.state, '')} {in_words(audit, name)}".strip())
        may = audit.certificate_seq and person().role >= Role.REVIEWER
        if may and deed.button(
            say("progress.take_back"),
            icon=":material/undo:",
            key=f"take back {audit.audit_id}",
            help=say("progress.take_group_back_help"),
            width="stretch",
        ):
            _take_back(choice, audit)


_MARKS = {"CERTIFIED": "✓", "FAILED": "✕", "OPEN": "…"}
_STATES = {
    "OPEN": "progress.group_open",
    "CERTIFIED": "progress.group_certified",
    "PASSED": "progress.group_passed",
    "FAILED": "progress.group_failed",
}


def _take_back(choice: Choice, audit: Audit) -> None:
    try:
        client().labels.undo(choice.collection, choice.annotator, seq=audit.certificate_seq)
    except ServiceError as error:
        st.error(why(error))
    else:
        st.rerun(scope="app")
