"""The Review view: what was decided, what looks wrong, and taking it back. A component fills it."""

import streamlit as st

from ui.components.review import review
from ui.people import Role, person
from ui.views.choice import Choice
from ui.words import say


def show(choice: Choice) -> None:
    """Draw the view; who only looks on is told what it takes."""
    if person().role < Role.LABELER:
        st.info(say("review.needs_labeler"), icon=":material/lock:")
        return
    with st.container(key="fill"):
        review(choice.collection, choice.annotator)
