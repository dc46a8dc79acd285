"""The Explore view: filters, map and gallery fill it."""

import streamlit as st

from ui.components.explore import explorer
from ui.people import person
from ui.views.choice import Choice


def show(choice: Choice) -> None:
    """Draw the view."""
    with st.container(key="fill"):
        explorer(choice.collection, choice.annotator, person().role)
