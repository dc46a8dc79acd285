"""Clusters that are labelled as a whole: where each stands, and taking it back."""

import streamlit as st

from hundredfold.chassis.errors import ServiceError
from hundredfold.client.groups import in_words
from hundredfold.client.types import Audit, Schema
from ui.backend import client
from ui.backend import in_words as why
from ui.views.choice import Choice

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
    st.subheader("Groups labelled as a whole")
    names = {each.class_id: each.name for each in schema.classes}
    for each in groups:
        _group(choice, each, names.get(each.cluster_class, f"class {each.cluster_class}"))


def _group(choice: Choice, audit: Audit, name: str) -> None:
    with st.container(border=True, key=f"group {audit.audit_id}"):
        words, deed = st.columns([4, 1], vertical_alignment="center")
        words.text(f"{_MARKS.get(audit.state, '')} {in_words(audit, name)}".strip())
        if audit.certificate_seq and deed.button(
            "Take back",
            icon=":material/undo:",
            key=f"take back {audit.audit_id}",
            help="The labels that this group got as a whole no longer count. What people said stays.",
            width="stretch",
        ):
            _take_back(choice, audit)


_MARKS = {"CERTIFIED": "✓", "FAILED": "✕", "OPEN": "…"}


def _take_back(choice: Choice, audit: Audit) -> None:
    try:
        client().labels.undo(choice.collection, choice.annotator, seq=audit.certificate_seq)
    except ServiceError as error:
        st.error(why(error))
    else:
        st.rerun(scope="app")
