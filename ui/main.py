"""The frame: the bar on top, and the view that was chosen below it."""

from functools import partial
from pathlib import Path

import streamlit as st

from ui.views import choice, explore, label, progress, review
from ui.words import say

_HERE = Path(__file__).parent

st.set_page_config(page_title="hundredfold", page_icon="▦", layout="wide")
st.logo(str(_HERE / "logo.svg"), size="medium")
st.html(_HERE / "frame.css")
chosen = choice.bar()
if chosen:
    st.navigation(
        [
            st.Page(
                partial(label.show, chosen),
                title="Label",
                icon=":material/grid_view:",
                url_path="label",
                default=True,
            ),
            st.Page(
                partial(review.show, chosen),
                title=say("review.title"),
                icon=":material/rate_review:",
                url_path="review",
            ),
            st.Page(
                partial(explore.show, chosen),
                title="Explore",
                icon=":material/scatter_plot:",
                url_path="explore",
            ),
            st.Page(
                partial(progress.show, chosen),
                title="Progress",
                icon=":material/monitoring:",
                url_path="progress",
            ),
        ],
        position="top",
    ).run()
