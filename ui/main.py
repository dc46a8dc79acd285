"""The frame: the bar on top, and the view that was chosen below it."""

from functools import partial
from pathlib import Path

import streamlit as st

from ui import sign_in
from ui.people import person
from ui.views import choice, explore, label, progress

_HERE = Path(__file__).parent

st.set_page_config(page_title="hundredfold", page_icon="▦", layout="wide")
st.logo(str(_HERE / "logo.svg"), size="medium")
st.html(_HERE / "frame.css")
chosen = choice.bar() if sign_in.passed() else None
if chosen:
    views = sign_in.open_to(
        person(),
        [
            st.Page(
                partial(label.show, chosen),
                title="Label",
                icon=":material/grid_view:",
                url_path="label",
                default=True,
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
    )
    st.navigation(views, position="top").run()
