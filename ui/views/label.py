"""The Label view: the grid fills it."""

import streamlit as st

from ui.components.grid import grid
from ui.views.choice import Choice


def show(choice: Choice) -> None:
    """Draw the view."""
    with st.container(key="fill"):
        grid(choice.collection, choice.annotator)
