"""The Label view: the grid fills it."""

import streamlit as st

from ui.components.grid import grid
from ui.views import choice


def show() -> None:
    """Draw the view."""
    left, right = st.columns([1, 1])
    with left:
        collection = choice.collection()
    if collection is None:
        return
    with right:
        annotator = st.text_input(
            "Your name",
            value=st.query_params.get("annotator", "labeler"),
            max_chars=60,
            label_visibility="collapsed",
            placeholder="Your name",
        )
    st.query_params["annotator"] = annotator
    grid(collection, annotator or "labeler")
