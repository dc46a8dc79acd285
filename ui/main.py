"""The frame: the bar on top, and the view that was chosen below it."""

from collections.abc import Callable
from functools import partial
from pathlib import Path
from typing import Any

import streamlit as st

from ui import sign_in
from ui.addresses import FRAME
from ui.people import person
from ui.views import choice, explore, label, progress, review, setup
from ui.words import say

_HERE = Path(__file__).parent

st.set_page_config(page_title="hundredfold", page_icon="▦", layout="wide")
st.logo(str(_HERE / "logo.svg"), size="medium")
st.html(FRAME)  # again: an address that is none of a view gets Streamlit's own page
passed = sign_in.passed()
chosen = choice.bar() if passed else None
# Each page may be linked to from another: what is drawn first is known only when all are made.
known: dict[str, Any] = {}
setup_page = st.Page(
    partial(setup.show, chosen, known),
    title=say("frame.setup"),
    icon=":material/tune:",
    url_path="setup",
)


def of(show: Callable[[choice.Choice], None]) -> Callable[[], None]:
    """A view of the chosen collection; without one it says how to get one."""
    return partial(show, chosen) if chosen else partial(choice.nothing_yet, setup_page)


pages = [
    label_page := st.Page(
        of(label.show),
        title=say("frame.label"),
        icon=":material/grid_view:",
        url_path="label",
        default=True,
    ),
    st.Page(
        of(review.show),
        title=say("frame.review"),
        icon=":material/rate_review:",
        url_path="review",
    ),
    st.Page(
        of(explore.show),
        title=say("frame.explore"),
        icon=":material/scatter_plot:",
        url_path="explore",
    ),
    st.Page(
        of(progress.show),
        title=say("frame.progress"),
        icon=":material/monitoring:",
        url_path="progress",
    ),
    setup_page,
]
known["label"] = label_page
if passed:
    st.navigation(sign_in.open_to(person(), pages), position="top").run()
